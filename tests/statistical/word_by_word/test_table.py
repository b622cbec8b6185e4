"""The translations kept are the most probable ones of Model 1, by its own definition."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.statistical.features import TRANSLATION
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.sentences import Bitext
from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN
from nmt.statistical.word_by_word.table import WORD_TRANSLATION, train_word_table
from tests.statistical.word_by_word.small_models import SOURCE, TARGET, sentences_of

Pair = tuple[list[int], list[int]]
NULL = -1
WORDS = st.lists(st.sampled_from([UNKNOWN, *range(FIRST_WORD, FIRST_WORD + 6)]), max_size=5)
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8)


def model_1(pairs: list[Pair], iterations: int) -> dict[int, dict[int, float]]:
    """t(target | source) as Brown et al. (1993) train it, by source, then target."""
    table: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(lambda: 1 / len(TARGET)))
    for _ in range(iterations):
        counts: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for source, target in pairs:
            for word in target:
                total = sum(table[cause][word] for cause in [NULL, *source])
                for cause in [NULL, *source]:
                    counts[cause][word] += table[cause][word] / total
        table = {
            cause: {word: count / sum(row.values()) for word, count in row.items()}
            for cause, row in counts.items()
        }
    return table


def train(pairs: list[Pair], *, iterations: int, max_translations: int) -> PhraseTable:
    """The table of these pairs."""
    bitext = Bitext(sentences_of([s for s, _ in pairs]), sentences_of([t for _, t in pairs]))
    return train_word_table(
        bitext, SOURCE, TARGET,
        iterations=iterations, max_translations=max_translations, workers=1,
        report=lambda _: None,
    )  # fmt: skip


@given(PAIRS, st.integers(1, 4), st.integers(1, 7))
@settings(max_examples=60)
def test_the_most_probable_translations_are_kept(
    pairs: list[Pair], iterations: int, max_translations: int
) -> None:
    expected = model_1(pairs, iterations)
    table = train(pairs, iterations=iterations, max_translations=max_translations)
    known = 0
    for number, word in enumerate(SOURCE.words, start=FIRST_WORD):
        row = {TARGET.word(t): p for t, p in expected.get(number, {}).items() if t >= FIRST_WORD}
        entries = table.lookup([word])
        known += bool(entries)
        probabilities = [np.exp(entry.scores[WORD_TRANSLATION - TRANSLATION]) for entry in entries]
        best = sorted(row.values(), reverse=True)[:max_translations]
        assert probabilities == pytest.approx(best, abs=1e-4)
        assert probabilities == pytest.approx([row[e.target[0]] for e in entries], abs=1e-4)
        assert len({entry.target for entry in entries}) == len(entries)
    assert known == table.num_sources


def test_a_table_without_any_translation_can_be_asked() -> None:
    table = train([([FIRST_WORD], []), ([], [FIRST_WORD])], iterations=2, max_translations=3)
    assert table.lookup(["s0"]) == []
    assert len(table) == 0
