"""What the report says in words follows from its figures."""

from __future__ import annotations

from typing import Any

import pytest

from nmt.benchmark.formatting import gain, probability
from nmt.benchmark.results import Results, Step, StepTest, TestSet
from nmt.benchmark.summary import is_better, summarise, verdict
from tests.benchmark.report.small_results import scores, small_results, step


def _summary(bleu: dict[str, float], steps: list[Step], **fields: Any) -> tuple[str, str]:
    results = small_results()
    test = results.tests[0].model_copy(
        update={"scores": {n: scores(b) for n, b in bleu.items()}, "steps": steps} | fields
    )
    results = results.model_copy(
        update={"tests": [test], "systems": [s for s in results.systems if s.name in bleu]}
    )
    summary = summarise(results, test)
    return summary.text.replace("\u00a0", " "), summary.statistical_wins


def test_gains_and_losses_are_told_with_their_chances() -> None:
    results = small_results()
    text = summarise(results, results.tests[0]).text.replace("\u00a0", " ")
    assert text == (
        "Word-by-word translation scores 9.5 BLEU on the 24 sentences of market. The phrase-based "
        "system scores 31.2: it gains 21.8 points against word-by-word translation (p < 0.001 in "
        "both tests). The recurrent network scores 30.0: it loses 1.2 points against the "
        "phrase-based system (p = 0.010 in both tests). The Transformer scores 36.0: it gains 6.0 "
        "points against the recurrent network (p < 0.001 in both tests). From word-by-word "
        "translation to the Transformer: +26.5 BLEU in all."
    )


@pytest.mark.parametrize(
    ("p", "other", "said"),
    [
        (0.2, 0.3, "may be chance (p = 0.200 by bootstrap, = 0.300 by randomisation)"),
        (0.04, 0.06, "the two tests disagree on whether its lead over the phrase-based system"),
    ],
)
def test_what_is_not_significant_is_not_called_a_gain(p: float, other: float, said: str) -> None:
    text, wins = _summary(
        {"phrase-based": 30.0, "transformer": 30.5},
        [step("phrase-based", "transformer", 0.5, p, other)],
    )
    assert said in text
    assert "gains" not in text
    assert wins == ""


def test_a_statistical_system_that_wins_is_named() -> None:
    bleu = {"word-by-word": 20.0, "phrase-based": 33.0, "recurrent": 25.0, "transformer": 19.0}
    steps = [
        step("word-by-word", "phrase-based", 13, 0.0005),
        step("phrase-based", "recurrent", -8, 0.0005),
        step("recurrent", "transformer", -6, 0.0005),
    ]
    jumps = [step("phrase-based", "transformer", -14, 0.2)]
    text, wins = _summary(bleu, steps, jumps=jumps)
    assert "it loses 8.0 points against the phrase-based system" in text
    assert (
        "The Transformer's lag behind the phrase-based system, 14.0 points, may be chance" in text
    )
    assert text.count("The Transformer scores") == 1
    assert wins == (
        "Here a statistical system wins over a neural one: word-by-word translation beats the "
        "Transformer by 1.0 BLEU (not tested); the phrase-based system beats the recurrent network "
        "by 8.0 BLEU (significant); and the phrase-based system beats the Transformer by 14.0 BLEU "
        "(perhaps chance)."
    )


def test_another_metric_that_says_the_opposite_is_heard() -> None:
    bleu = StepTest(
        metric="bleu", difference=2, interval=(1, 3), p_bootstrap=0.0005, p_randomization=0.0005
    )
    ter = bleu.model_copy(update={"metric": "ter"})
    agreeing = bleu.model_copy(update={"metric": "chrf"})
    tests = [bleu, ter, agreeing]
    text, _ = _summary(
        {"recurrent": 30.0, "transformer": 32.0},
        [Step(before="recurrent", after="transformer", tests=tests)],
    )
    assert "TER says the opposite: +2.0" in text
    assert "chrF2 says the opposite" not in text


def test_a_single_system_and_none_at_all() -> None:
    text, wins = _summary({"transformer": 30.0}, [])
    assert text == "The Transformer scores 30.0 BLEU on the 24 sentences of market."
    assert wins == ""
    empty = TestSet(name="none", scores={}, steps=[], lengths=[], sentences=[])
    assert summarise(small_results(tests=[empty]), empty).text == ""


def test_a_system_of_its_own_name_is_called_by_it() -> None:
    results = small_results()
    systems = [s.model_copy(update={"name": f"{s.name} 2"}) for s in results.systems]
    test = results.tests[0].model_copy(
        update={"scores": {s.name: scores(20.0) for s in systems}, "steps": []}
    )
    renamed: Results = results.model_copy(update={"systems": systems})
    assert summarise(renamed, test).text.startswith("The system word-by-word 2 scores 20.0")


def test_both_tests_have_to_agree() -> None:
    tests = [step("a", "b", 1.0, p, q).tests[0] for p, q in [(0.01, 0.01), (0.01, 0.3), (0.3, 0.3)]]
    assert [verdict(test) for test in tests] == [True, None, False]


def test_fewer_errors_are_better() -> None:
    assert is_better("ter", -1.0)
    assert not is_better("ter", 1.0)
    assert is_better("chrf", 1.0)


@pytest.mark.parametrize(
    ("p", "text"), [(0.00099, "< 0.001"), (0.0499, "= 0.04990"),
                    (0.05, "= 0.050"), (1.0, "= 1.000")],
)  # fmt: skip
def test_probabilities(p: float, text: str) -> None:
    assert probability(p).replace("\u00a0", " ") == text


def test_signs() -> None:
    assert [gain(value) for value in (1.26, -1.26, 0.04, -0.04)] == ["+1.3", "−1.3", "±0.0", "±0.0"]
