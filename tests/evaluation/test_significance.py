"""Significance: sacreBLEU's paired tests are the oracle, then what any test must satisfy."""

from __future__ import annotations

import contextlib
import json
import os
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from nmt.errors import UserError
from nmt.evaluation import resampling
from nmt.evaluation.names import METRIC_NAMES, TestName
from nmt.evaluation.resampling import bootstrap_sums, percentile_interval, randomized_sums
from nmt.evaluation.significance import compare

TESTS: list[TestName] = ["bootstrap", "randomization"]
THEIR_NAMES = {"bootstrap": "bs", "randomization": "ar"}


def count_ties(stats: npt.NDArray[np.float64], real_difference: float) -> float:
    """sacreBLEU's p-value, counting trials as extreme as the observed one, as the paper does."""
    return (np.sum(stats >= real_difference - 1e-4).item() + 1) / (len(stats) + 1)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("num_references", [1, 2])
@pytest.mark.parametrize(("metrics", "ties"), [(["bleu", "chrf"], False), (["ter"], True)])
@pytest.mark.parametrize("seed", [12345, 3])
def test_p_values_are_sacrebleus(
    test: TestName,
    num_references: int,
    metrics: list[str],
    ties: bool,
    seed: int,
    systems: dict[str, list[str]],
    references: list[list[str]],
) -> None:
    """TER has ties, being a count of edits; sacreBLEU is then made to count them as we do."""
    references = references[:num_references]
    ours = compare(systems, references, metrics, test=test, samples=300, seed=seed)
    classes = {"bleu": BLEU, "chrf": CHRF, "ter": TER}
    with (
        mock.patch.dict(os.environ, {"SACREBLEU_SEED": str(seed)}),
        mock.patch("sacrebleu.significance._compute_p_value", count_ties)
        if ties
        else contextlib.nullcontext(),
    ):
        signatures, theirs = PairedTest(
            list(systems.items()),
            {metric: classes[metric]() for metric in metrics},
            references,
            test_type=THEIR_NAMES[test],
            n_samples=300,
            n_ar_confidence=1000 if test == "randomization" else -1,
        )()
    for index, system in enumerate(ours.systems):
        for metric, score in system.scores.items():
            expected = theirs[score.title][index]
            assert not isinstance(expected, str)
            assert score.value == pytest.approx(expected.score, abs=1e-12)
            assert score.signature == signatures[score.title].format()
            if index == 0:
                assert system.differences == {}
            else:
                assert system.differences[metric].p_value == expected.p_value
                first = ours.systems[0].scores[metric].value
                assert system.differences[metric].value == score.value - first


@pytest.mark.parametrize("test", TESTS)
def test_a_clearly_worse_system_is_significant_and_an_equal_one_is_not(
    test: TestName, systems: dict[str, list[str]], references: list[list[str]]
) -> None:
    _, equal, worse = compare(systems, references[:1], ["bleu"], test=test).systems
    comparison = compare(systems, references[:1], ["bleu"], test=test)
    assert comparison.is_significant(worse.differences["bleu"])
    assert worse.differences["bleu"].interval[1] < 0
    assert not comparison.is_significant(equal.differences["bleu"])
    assert equal.differences["bleu"].interval[0] < 0 < equal.differences["bleu"].interval[1]


@pytest.mark.parametrize("test", TESTS)
def test_a_system_does_not_differ_from_itself(
    test: TestName, systems: dict[str, list[str]], references: list[list[str]]
) -> None:
    twice = {"a": systems["first"], "b": systems["first"]}
    for difference in (
        compare(twice, references, METRIC_NAMES, test=test).systems[1].differences.values()
    ):
        assert difference.value == 0
        assert difference.interval == (0, 0)
        assert difference.p_value == 1


def test_one_differing_segment_is_no_evidence(
    systems: dict[str, list[str]], references: list[list[str]]
) -> None:
    one_better = [references[0][0], *systems["worse"][1:]]
    pair = {"worse": systems["worse"], "one better": one_better}
    comparison = compare(pair, references[:1], METRIC_NAMES, test="randomization")
    for difference in comparison.systems[1].differences.values():
        assert difference.p_value == 1


def test_swapping_two_systems_swaps_the_sign_only(
    systems: dict[str, list[str]], references: list[list[str]]
) -> None:
    names = ["first", "worse"]
    there, back = (
        compare({name: systems[name] for name in order}, references).systems[1].differences
        for order in (names, names[::-1])
    )
    for metric in there:
        assert there[metric].value == -back[metric].value
        assert there[metric].p_value == back[metric].p_value
        assert there[metric].interval == tuple(-bound for bound in back[metric].interval[::-1])


def test_randomization_keeps_its_level_under_the_null_hypothesis() -> None:
    """Of exchangeable systems, at most about 10 % may differ at p <= 0.1 (exact, hence tested)."""
    rng = np.random.default_rng(1)
    words = np.array(list("abcdefgh"))
    found = 0
    for _ in range(100):
        reference, first, second = (
            [" ".join(rng.choice(words, size=6)) for _ in range(25)] for _ in range(3)
        )
        comparison = compare(
            {"first": first, "second": second},
            [reference],
            ["chrf"],
            test="randomization",
            samples=99,
        )
        found += comparison.systems[1].differences["chrf"].p_value <= 0.1
    # Binomial(100, 0.1) exceeds 20 with probability 0.0008; a broken test finds 50 or none.
    assert 2 <= found <= 20


def test_a_comparison_survives_json(
    systems: dict[str, list[str]], references: list[list[str]]
) -> None:
    comparison = compare(systems, references, samples=50)
    read = json.loads(json.dumps(comparison.to_json()))
    assert [system["name"] for system in read["systems"]] == list(systems)
    assert read["segments"] == len(references[0])
    assert (read["test"], read["samples"]) == ("bootstrap", 50)
    assert read["systems"][2]["differences_from_first"]["bleu"]["significant"] is True
    alone = compare({"first": systems["first"]}, references, samples=50).to_json()
    assert (alone["test"], alone["samples"]) == (None, None)


def test_a_wrong_number_of_lines_names_the_system(references: list[list[str]]) -> None:
    with pytest.raises(UserError, match="short: 1 hypothesis lines"):
        compare({"full": references[0], "short": ["a"]}, references)
    with pytest.raises(UserError, match="no system"):
        compare({}, references)


def test_resamples_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(20, size=(2, 37, 5)).astype(np.float64)
    whole = bootstrap_sums(first, samples=101, seed=5)
    whole_pairs = randomized_sums(first, second, samples=101, seed=5)
    monkeypatch.setattr(resampling, "_MAX_WEIGHTS", 64 * 37)
    np.testing.assert_array_equal(bootstrap_sums(first, samples=101, seed=5), whole)
    for blocked, expected in zip(
        randomized_sums(first, second, samples=101, seed=5), whole_pairs, strict=True
    ):
        np.testing.assert_array_equal(blocked, expected)
    np.testing.assert_array_equal(sum(whole_pairs), np.tile((first + second).sum(0), (101, 1)))


@pytest.mark.parametrize(
    ("count", "confidence", "bounds"),
    [(1000, 0.95, (25, 974)), (1000, 0.9, (50, 949)), (200, 0.99, (1, 198)), (10, 0.95, (0, 9))],
)
def test_percentiles_leave_equal_shares_off(
    count: int, confidence: float, bounds: tuple[int, int]
) -> None:
    values = np.random.default_rng(0).permutation(count).astype(np.float64)
    assert percentile_interval(values, confidence) == bounds
