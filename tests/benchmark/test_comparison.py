"""Scores, steps and lengths, against sacreBLEU and the significance module."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from nmt.benchmark.comparison import (
    Ladder,
    Outputs,
    benchmark_metrics,
    bleu_by_length,
    compare_ladder,
    length_edges,
    source_lengths,
)
from nmt.benchmark.sentences import sentence_chrf
from nmt.evaluation.significance import compare
from nmt.recipe import EvaluationSettings
from tests.small_corpus import sentence_pair

KINDS = {
    "words": "word-by-word",
    "phrases": "phrase-based",
    "lstm": "recurrent",
    "best": "transformer",
}


def spoiled(line: str, rng: random.Random, rate: float) -> str:
    """The line without some of its words."""
    return " ".join(word for word in line.split() if rng.random() > rate) or "nichts"


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    """A ladder of four systems, each losing fewer words than the one before."""
    rng = random.Random(3)
    source, reference = zip(*(sentence_pair(rng) for _ in range(120)), strict=True)
    rates = dict(zip(KINDS, (0.6, 0.3, 0.29, 0.05), strict=True))
    systems = {
        name: [spoiled(line, rng, rate) for line in reference] for name, rate in rates.items()
    }
    return Outputs(source, reference, systems)


LOWERCASE = EvaluationSettings(lowercase=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the comparison of ``ladder`` is kept."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def ladder(outputs: Outputs, cache: Path) -> Ladder:
    """The four systems compared."""
    return compare_ladder(outputs, KINDS, LOWERCASE, cache=cache)


def test_scores_are_sacrebleus(outputs: Outputs, ladder: Ladder) -> None:
    """Values, and the numbers of resamples in the signatures."""
    scores = ladder.scores
    assert list(scores) == list(KINDS)
    for name, output in outputs.systems.items():
        references = [list(outputs.reference)]
        expected = {
            "bleu": sacrebleu.corpus_bleu(output, references, lowercase=True).score,
            "chrf": CHRF(lowercase=True).corpus_score(output, references).score,
            "ter": sacrebleu.corpus_ter(output, references).score,
        }
        assert {metric: score.value for metric, score in scores[name].items()} == pytest.approx(
            expected
        )
        for score in scores[name].values():
            assert score.interval is not None
            assert score.interval[0] <= score.value <= score.interval[1]
            assert "bs:1000|seed:12345" in score.signature


def test_steps_are_those_of_the_significance_module(outputs: Outputs, ladder: Ladder) -> None:
    """Each system against the one before, by both tests."""
    assert [(step.before, step.after) for step in ladder.steps] == [
        ("words", "phrases"), ("phrases", "lstm"), ("lstm", "best")
    ]  # fmt: skip
    for step in [ladder.steps[1], *ladder.jumps]:
        pair = {name: outputs.systems[name] for name in (step.before, step.after)}
        expected = {
            test: compare(
                pair, [outputs.reference], ["bleu", "chrf", "ter"], test=test, lowercase=True
            ).systems[1]
            for test in ("bootstrap", "randomization")
        }
        for one in step.tests:
            bootstrap = expected["bootstrap"].differences[one.metric]
            assert one.difference == pytest.approx(bootstrap.value)
            assert one.interval == pytest.approx(bootstrap.interval)
            assert one.p_bootstrap == bootstrap.p_value
            assert one.p_randomization == expected["randomization"].differences[one.metric].p_value


def test_a_jump_leads_from_counting_to_each_network_that_is_not_next(ladder: Ladder) -> None:
    assert [(jump.before, jump.after) for jump in ladder.jumps] == [("phrases", "best")]


def test_what_was_computed_is_not_computed_again(
    outputs: Outputs, ladder: Ladder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.benchmark.comparison.compare_statistics", None)
    assert compare_ladder(outputs, KINDS, LOWERCASE, cache=cache) == ladder
    neural = dict.fromkeys(KINDS, "transformer")
    assert compare_ladder(outputs, neural, LOWERCASE, cache=cache).jumps == []
    with pytest.raises(TypeError):  # other settings, other scores
        compare_ladder(outputs, KINDS, EvaluationSettings(), cache=cache)


def test_a_single_system_has_scores_and_no_step(outputs: Outputs, tmp_path: Path) -> None:
    alone = Outputs(outputs.source, outputs.reference, {"best": outputs.systems["best"]})
    ladder = compare_ladder(alone, KINDS, EvaluationSettings(), cache=tmp_path)
    assert list(ladder.scores) == ["best"]
    assert ladder.steps == ladder.jumps == []


def test_bleu_of_a_bin_is_sacrebleus_of_its_sentences(outputs: Outputs) -> None:
    """And every sentence is in one bin."""
    bins = bleu_by_length(outputs, "en", EvaluationSettings())
    assert len(bins) == 2
    assert sum(one.num_sentences for one in bins) == len(outputs.source)
    for one in bins:
        rows = [
            number for number, line in enumerate(outputs.source)
            if one.low <= len(line.split()) <= (one.high or 1000)
        ]  # fmt: skip
        assert len(rows) == one.num_sentences
        for name, output in outputs.systems.items():
            expected = sacrebleu.corpus_bleu(
                [output[row] for row in rows], [[outputs.reference[row] for row in rows]]
            )
            assert one.bleu[name] == pytest.approx(expected.score)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=600))
def test_bins_are_large_enough_and_cover_all(lengths: list[int]) -> None:
    counted = np.array(lengths)
    edges = length_edges(counted)
    assert edges == sorted(set(edges))
    assert edges[0] == min(lengths)
    assert 1 <= len(edges) <= 6
    sizes = np.bincount(np.searchsorted(edges, counted, side="right"))[1:]
    assert len(edges) == 1 or sizes.min() >= 50


def test_lengths_are_of_words_or_of_characters() -> None:
    assert source_lengths(["two words", "", " one "], "en").tolist() == [2, 0, 1]
    assert source_lengths(["猫が見る 。"], "ja").tolist() == [5]


def test_sentence_scores_are_sacrebleus(outputs: Outputs) -> None:
    for name, values in sentence_chrf(outputs, EvaluationSettings()).items():
        expected = [
            sacrebleu.sentence_chrf(one, [reference]).score
            for one, reference in zip(outputs.systems[name], outputs.reference, strict=True)
        ]
        assert values.tolist() == pytest.approx(expected)


def test_the_three_metrics_are_always_there() -> None:
    assert benchmark_metrics(EvaluationSettings(metrics=["chrf"])) == ["bleu", "chrf", "ter"]
