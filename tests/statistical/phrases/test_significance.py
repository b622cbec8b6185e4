"""Fisher's exact test against whole numbers, and counts of sentences against reading them."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.statistical.phrases.extraction import AlignedText
from nmt.statistical.phrases.parallel import start_workers
from nmt.statistical.phrases.settings import PhraseSettings
from nmt.statistical.phrases.significance import log_p_value, log_p_values, significant
from nmt.statistical.phrases.training import Plan, count_phrases
from tests.statistical.phrases.reference import Example, Words, examples, random_example


def exact(together: int, source: int, target: int, total: int) -> Fraction:
    tail = sum(
        math.comb(source, k) * math.comb(total - source, target - k)
        for k in range(together, min(source, target) + 1)
    )
    return Fraction(tail, math.comb(total, target))


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int, int]:
    total = draw(st.integers(1, 300))
    source, target = draw(st.integers(1, total)), draw(st.integers(1, total))
    least = max(0, source + target - total)
    return draw(st.integers(least, min(source, target))), source, target, total


@given(tables())
@settings(max_examples=300)
def test_p_value(table: tuple[int, int, int, int]) -> None:
    p = exact(*table)
    expected = math.log(p.numerator) - math.log(p.denominator)
    assert log_p_value(*table) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("total", [2, 1000, 10_000_000])
def test_pair_seen_once_is_at_the_threshold(total: int) -> None:
    log_p = np.array([log_p_value(1, 1, 1, total)])
    assert log_p[0] == pytest.approx(-math.log(total), abs=1e-6)
    assert significant("alpha-epsilon", log_p, total).all()
    assert not significant("alpha+epsilon", log_p, total).any()


def test_far_below_what_chance_gives() -> None:
    assert log_p_value(0, 500_000, 500_000, 1_000_000) == pytest.approx(0, abs=1e-6)
    assert log_p_value(200_000, 500_000, 500_000, 1_000_000) == pytest.approx(0, abs=1e-6)


@given(examples())
@settings(max_examples=40)
def test_counts_of_sentences(example: Example) -> None:
    check(example, 3, 1)


def test_counts_of_sentences_with_frequent_phrases() -> None:
    check(random_example(150), 4, 2)


def check(example: Example, max_words: int, workers: int) -> None:
    """Each p-value is that of the sentences that a plain search finds."""
    text = AlignedText.of(example.bitext, example.alignments)
    with TemporaryDirectory() as folder, start_workers(workers) as threads:
        plan = Plan(Path(folder), threads, 1 << 30)
        counts = count_phrases(text, PhraseSettings(max_words=max_words), plan, lambda _: None)
        log_p = log_p_values(text, counts, threads, plan.scratch)
    sources = [ngrams(source, max_words) for source, _, _ in example.pairs]
    targets = [ngrams(target, max_words) for _, target, _ in example.pairs]
    assert len(log_p) == len(counts.entries)
    for entry, value in zip(counts.entries, log_p, strict=True):
        words, begin = example.pairs[entry["sentence"]], int(entry["source_start"])
        source = words[0][begin : begin + int(entry["source_length"])]
        begin = int(entry["target_start"])
        target = words[1][begin : begin + int(entry["target_length"])]
        with_source = {n for n, found in enumerate(sources) if source in found}
        with_target = {n for n, found in enumerate(targets) if target in found}
        together = len(with_source & with_target)
        p = exact(together, len(with_source), len(with_target), len(example.pairs))
        assert value == pytest.approx(math.log(p.numerator) - math.log(p.denominator), abs=1e-9)


def ngrams(words: Words, longest: int) -> set[Words]:
    return {
        words[begin:end]
        for begin in range(len(words))
        for end in range(begin + 1, min(begin + longest, len(words)) + 1)
    }
