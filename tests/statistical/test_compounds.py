"""Splitting compounds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.statistical.compounds import CompoundSplitter
from nmt.statistical.sentences import Sentences
from nmt.statistical.text import count_words, split_sentences, split_words
from nmt.statistical.vocabulary import UNKNOWN, Vocabulary

COUNTS = {
    "Schnee": 60, "Mann": 900, "mann": 5, "Schneemann": 4, "Arbeit": 40, "Kleidung": 30,
    "Arbeitskleidung": 6, "Garten": 50, "Kindergarten": 70, "Kinder": 60, "eine": 5000,
    "Ball": 200, "spielen": 90, "Held": 2,
}  # fmt: skip
SPLITTER = CompoundSplitter(COUNTS)


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("Schneemann", ["Schnee", "Mann"]),
        ("schneemann", ["Schnee", "Mann"]),  # each part in its most frequent writing
        ("Arbeitskleidung", ["Arbeit", "Kleidung"]),  # the s belongs to neither
        ("Kindergarten", ["Kindergarten"]),  # more frequent than its parts
        ("Schneemannkleidung", ["Schnee", "Mann", "Kleidung"]),  # never seen
        ("Schneeheld", ["Schneeheld"]),  # a part that is too rare
        ("Schnee-Mann", ["Schnee-Mann"]),
        ("Schnee", ["Schnee"]),
        ("", [""]),
        ("xyz", ["xyz"]),
    ],
)
def test_examples(word: str, parts: list[str]) -> None:
    assert SPLITTER.split(word) == parts


def all_splits(word: str) -> list[list[str]]:
    """Every way to cut a word into two to four parts of the counts, with what may stand between."""
    counts: dict[str, int] = {}
    for form, count in COUNTS.items():
        counts[form.lower()] = counts.get(form.lower(), 0) + count
    found = []
    for number in (2, 3, 4):
        for parts in itertools.product([p for p in counts if counts[p] >= 3], repeat=number):
            for links in itertools.product(("", "s", "es"), repeat=number - 1):
                text = parts[0] + "".join(a + b for a, b in zip(links, parts[1:], strict=True))
                if text == word:
                    found.append(list(parts))
    return found


@given(
    st.lists(
        st.sampled_from(sorted(p.lower() for p in COUNTS if len(p) < 7)), min_size=1, max_size=3
    ),
    st.sampled_from(["", "s", "es"]),
)
def test_the_split_of_the_greatest_mean(parts: list[str], link: str) -> None:
    word = link.join(parts)
    counts = {"mann": 905} | {p.lower(): c for p, c in COUNTS.items() if p.lower() != "mann"}

    def mean(split: list[str]) -> float:
        return sum(math.log(counts[part]) for part in split) / len(split)

    best = max(map(mean, all_splits(word)), default=-math.inf)
    found = [part.lower() for part in SPLITTER.split(word)]
    if best > math.log(counts.get(word, 0.5)):
        assert mean(found) == pytest.approx(best)
    else:
        assert found == [word]


@given(st.lists(st.lists(st.sampled_from(["<unknown>", *COUNTS]), max_size=6), max_size=6))
def test_arrays_are_split_as_words_are(lines: list[list[str]]) -> None:
    words = Vocabulary(COUNTS)
    vocabulary, _ = split_words(SPLITTER)
    found = split_sentences(words.encode(lines), SPLITTER)
    expected = vocabulary.encode(
        [[part for word in line for part in SPLITTER.split(word)] for line in lines]
    )
    assert found.words.tolist() == expected.words.tolist()
    assert found.offsets.tolist() == expected.offsets.tolist()


def test_counts_are_of_words_only() -> None:
    vocabulary = Vocabulary(["a", "b"])
    ids = np.array([UNKNOWN, *(vocabulary.id(word) for word in "abbb")], np.int32)
    sentences = Sentences.of_lengths(ids, np.array([2, 3]))
    assert count_words(sentences, vocabulary) == {"a": 1, "b": 3}
