"""Extraction against the definition."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmt.statistical.phrases.extraction import AlignedText, extract
from tests.statistical.phrases.reference import (
    Example,
    Occurrence,
    examples,
    occurrences,
    random_example,
)

NAMES = ("monotone", "swap", "discontinuous")


def extracted(example: Example, max_words: int, **options: Any) -> list[NDArray[np.void]]:
    text = AlignedText.of(example.bitext, example.alignments)
    return list(extract(text, 0, len(example.pairs), max_words=max_words, **options))


def decoded(example: Example, blocks: list[NDArray[np.void]]) -> Counter[Occurrence]:
    found: Counter[Occurrence] = Counter()
    for record in (record for block in blocks for record in block):
        source, target, _ = example.pairs[record["sentence"]]
        s, t = int(record["source_start"]), int(record["target_start"])
        bits = int(record["links"])
        found[
            Occurrence(
                int(record["sentence"]),
                source[s : s + int(record["source_length"])],
                target[t : t + int(record["target_length"])],
                frozenset(divmod(bit, 8) for bit in range(64) if bits >> bit & 1),
                NAMES[record["before"]],
                NAMES[record["after"]],
            )
        ] += 1
    return found


@given(examples(max_pairs=3), st.integers(1, 8), st.booleans())
@settings(max_examples=150)
def test_all_and_only_the_consistent_pairs(
    example: Example, max_words: int, word_based: bool
) -> None:
    expected = Counter(occurrences(example, max_words, word_based=word_based))
    blocks = extracted(example, max_words, word_based=word_based)
    assert decoded(example, blocks) == expected


def test_longer_sentences() -> None:
    example = random_example(20, max_length=25)
    expected = Counter(occurrences(example, 7))
    assert decoded(example, extracted(example, 7)) == expected
    assert {occurrence.before for occurrence in expected} == set(NAMES)


@given(examples(max_pairs=4), st.integers(1, 40))
def test_blocks_change_nothing(example: Example, room: int) -> None:
    whole, blocks = extracted(example, 4), extracted(example, 4, room=room)
    assert b"".join(block.tobytes() for block in blocks) == b"".join(
        block.tobytes() for block in whole
    )


@given(examples(max_pairs=2))
def test_reversed_sentences_change_before_and_after(example: Example) -> None:
    mirrored = Example(
        [
            (
                source[::-1],
                target[::-1],
                frozenset((len(source) - 1 - s, len(target) - 1 - t) for s, t in links),
            )
            for source, target, links in example.pairs
        ]
    )
    found = Counter(
        (o.source[::-1], o.target[::-1], o.before, o.after)
        for o in decoded(example, extracted(example, 7)).elements()
    )
    assert found == Counter(
        (o.source, o.target, o.after, o.before)
        for o in decoded(mirrored, extracted(mirrored, 7)).elements()
    )


@given(examples(max_pairs=4), st.integers(0, 5))
def test_equal_keys_for_equal_phrases_only(example: Example, seed: int) -> None:
    key_of_phrase: dict[tuple[int, ...], int] = {}
    for record in (r for block in extracted(example, 7, seed=seed) for r in block):
        begin, length = int(record["source_start"]), int(record["source_length"])
        phrase = example.pairs[record["sentence"]][0][begin : begin + length]
        assert key_of_phrase.setdefault(phrase, int(record["source_key"])) == record["source_key"]
    assert len(set(key_of_phrase.values())) == len(key_of_phrase)


def test_textbook_example() -> None:
    """Koehn (2010), chapter 5: "michael geht davon aus , dass er im haus bleibt"."""
    source = ["michael", "geht", "davon", "aus", ",", "dass", "er", "im", "haus", "bleibt"]
    target = ["michael", "assumes", "that", "he", "will", "stay", "in", "the", "house"]
    links = "0-0 1-1 2-1 3-1 5-2 6-3 9-4 9-5 7-6 7-7 8-8"
    example = Example(
        [
            (
                tuple(range(3, 3 + len(source))),
                tuple(range(3, 3 + len(target))),
                frozenset((int(a), int(b)) for a, b in (link.split("-") for link in links.split())),
            )
        ]
    )
    pairs = {
        (
            " ".join(source[word - 3] for word in o.source),
            " ".join(target[word - 3] for word in o.target),
        )
        for o in decoded(example, extracted(example, 7))
    }
    assert ("geht davon aus ,", "assumes") in pairs
    assert (", dass", "that") in pairs
    assert ("im haus bleibt", "will stay in the house") in pairs
    assert not {s for s, _ in pairs} & {"geht", "davon", "aus", "im", "haus bleibt"} - {"im"}
    assert ("im", "in the") in pairs


@pytest.mark.parametrize("max_words", [1, 8])
def test_many_unaligned_words(max_words: int) -> None:
    words = tuple(range(3, 43))
    example = Example([(words, words, frozenset({(20, 20)})), (words, words, frozenset())])
    expected = Counter(occurrences(example, max_words))
    assert decoded(example, extracted(example, max_words)) == expected
    assert expected.total() == (max_words * (max_words + 1) // 2) ** 2
