"""Minimum Bayes risk, against a double loop over sacreBLEU's sentence scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.minimum_risk import UtilityName, expected_utility, minimum_risk

METRICS: dict[UtilityName, Any] = {
    "bleu": BLEU(tokenize="none", effective_order=True, force=True),
    "chrf": CHRF(),
}
UTILITIES = st.sampled_from(sorted(METRICS))
TEXTS = st.lists(
    st.sampled_from(["a", "b", "ab", "the", "cat", "sät", "\N{CAT FACE}"]), max_size=7
).map(" ".join)
CANDIDATES = st.lists(st.tuples(TEXTS, st.floats(-5, 0)), min_size=1, max_size=6)


def double_loop(
    candidates: list[tuple[str, float]], utility: UtilityName, scale: float
) -> list[float]:
    """The expected utility of each candidate."""
    weights = [math.exp(scale * score) for _, score in candidates]
    return [
        sum(
            weight * METRICS[utility].sentence_score(text, [reference]).score
            for weight, (reference, _) in zip(weights, candidates, strict=True)
        )
        / sum(weights)
        for text, _ in candidates
    ]


@given(
    sentences=st.lists(CANDIDATES, max_size=4),
    utility=UTILITIES,
    scale=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
def test_as_a_double_loop_over_sacrebleu(
    sentences: list[list[tuple[str, float]]], utility: UtilityName, scale: float
) -> None:
    texts = [[text for text, _ in candidates] for candidates in sentences]
    scores = [[score for _, score in candidates] for candidates in sentences]
    chosen = minimum_risk(texts, scores, utility=utility, scale=scale)
    assert len(chosen) == len(sentences)
    for index, candidates in zip(chosen, sentences, strict=True):
        expected = double_loop(candidates, utility, scale)
        assert expected[index] == pytest.approx(max(expected), abs=1e-9)


@given(candidates=CANDIDATES)
def test_expected_bleu_of_numbered_words(candidates: list[tuple[str, float]]) -> None:
    ids: dict[str, int] = {}
    numbered = [[ids.setdefault(w, len(ids)) for w in text.split()] for text, _ in candidates]
    weights = np.exp([score for _, score in candidates])
    found = expected_utility(
        np.array([number for line in numbered for number in line], np.int32),
        np.cumsum([0, *map(len, numbered)]),
        np.array([0, len(candidates)]),
        weights / weights.sum(),
    )
    assert found.tolist() == pytest.approx(double_loop(candidates, "bleu", 1.0), abs=1e-9)


@given(candidates=CANDIDATES, utility=UTILITIES, data=st.data())
def test_the_order_of_candidates_does_not_matter(
    candidates: list[tuple[str, float]], utility: UtilityName, data: st.DataObject
) -> None:
    permuted = data.draw(st.permutations(candidates))
    texts = set()
    for order in (candidates, permuted):
        words = [text for text, _ in order]
        index = minimum_risk([words], [[score for _, score in order]], utility=utility)[0]
        assert words.index(words[index]) == index, "the first of equal texts"
        texts.add(words[index])
    assert len(texts) == 1


@given(text=TEXTS, count=st.integers(1, 5), utility=UTILITIES)
def test_a_unanimous_list(text: str, count: int, utility: UtilityName) -> None:
    assert minimum_risk([[text] * count], utility=utility) == [0]


@given(candidates=st.lists(TEXTS.filter(bool), min_size=1, max_size=5), utility=UTILITIES)
def test_a_text_with_all_the_probability_wins(candidates: list[str], utility: UtilityName) -> None:
    for winner in range(len(candidates)):
        scores = [0.0 if n == winner else -50.0 for n in range(len(candidates))]
        index = minimum_risk([candidates], [scores], utility=utility)[0]
        best = METRICS[utility].sentence_score(candidates[index], [candidates[winner]]).score
        assert best == pytest.approx(100)


def test_samples_vote() -> None:
    samples = ["one two three four"] * 2 + ["five six seven eight"] * 3 + ["nine"]
    assert minimum_risk([samples]) == [2]
    # A consensus that is no majority: it resembles two others, and they only it.
    assert minimum_risk([["a b c d x y", "a b c d e f", "u v c d e f", "a b c d e f g h"]]) == [1]


def test_texts_and_words() -> None:
    texts = [["a b c", "a b", "c b a"], ["x"]]
    words = [[text.split() for text in candidates] for candidates in texts]
    for utility in METRICS:
        assert minimum_risk(texts, utility=utility) == minimum_risk(words, utility=utility)


def test_scale_sharpens() -> None:
    candidates = [["a b c d", "e f g h", "e f g i"]]
    scores = [[-1.0, -1.5, -1.6]]
    assert minimum_risk(candidates, scores, scale=10.0) == [0]
    assert minimum_risk(candidates, scores, scale=0.0) == minimum_risk(candidates)
    assert minimum_risk(candidates, scores, scale=0.0) == [1]


def test_nothing_to_choose_from() -> None:
    assert minimum_risk([]) == []
    assert minimum_risk([["", ""]]) == [0]
