"""Shortlists learned from a bitext whose words have one translation each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from nmt.corpus.tokenized import PieceRows, TokenizedBitext
from nmt.neural.search.shortlist import Shortlist
from nmt.neural.training.shortlist import learn_shortlist, measure_shortlist
from nmt.tokenization import NUM_CONTROL_IDS, TokenizerPair

SIZE = 600
PARTS = (5, 6, 7)
"""Pieces that are parts of a character."""


@dataclass(frozen=True)
class Letters:
    """A tokenizer of single characters: piece n is character n."""

    vocabulary_size: int = SIZE

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return ["".join("�" if n in PARTS else chr(0x4000 + n) for n in row) for row in rows]

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        return [[ord(c) - 0x4000 for c in line if c != "�"] for line in lines]


def translation(piece: int) -> int:
    return NUM_CONTROL_IDS + (7 * piece + 11) % (SIZE - NUM_CONTROL_IDS)


def rows_of(rows: Sequence[Sequence[int]]) -> PieceRows:
    offsets = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    return PieceRows(np.concatenate(rows).astype(np.uint16), offsets)


def make_bitext(pairs: int, seed: int) -> TokenizedBitext:
    random = np.random.default_rng(seed)
    source = [random.integers(NUM_CONTROL_IDS, SIZE, random.integers(2, 6)).tolist()
              for _ in range(pairs)]  # fmt: skip
    target = [[translation(piece) for piece in row] for row in source]
    return TokenizedBitext(
        rows_of(source), rows_of(target), np.zeros(pairs, dtype=np.uint8), (1.0,)
    )


@pytest.mark.parametrize("joint", [True, False])
def test_translations_copies_and_parts_of_characters_are_candidates(joint: bool) -> None:
    one: Any = Letters()
    other: Any = Letters()
    tokenizers = TokenizerPair(one, one if joint else other)
    assert tokenizers.joint is joint
    shortlist = learn_shortlist(
        make_bitext(3000, 1), tokenizers, workers=1, report=lambda line: None
    )
    assert shortlist.vocabulary_size == SIZE
    for piece in range(NUM_CONTROL_IDS, SIZE):
        cells = slice(shortlist.offsets[piece], shortlist.offsets[piece + 1])
        listed = set(shortlist.pieces[cells].tolist())
        assert translation(piece) in listed
        assert piece in listed or (piece in PARTS and not joint)
        assert set(PARTS) <= listed or piece not in PARTS
    quality = measure_shortlist(shortlist, make_bitext(50, 2))
    assert quality.recall == 1.0
    assert 200 < quality.candidates < SIZE


def test_blank_lines_leave_nothing_out() -> None:
    shortlist = Shortlist(
        np.array([NUM_CONTROL_IDS], np.int32), np.zeros(SIZE + 1, np.int64),
        np.zeros(0, np.int32), SIZE,
    )  # fmt: skip
    blank = TokenizedBitext(
        rows_of([[], []]), rows_of([[], []]), np.zeros(2, dtype=np.uint8), (1.0,)
    )
    quality = measure_shortlist(shortlist, blank)
    assert quality.recall == 1
    assert quality.candidates == NUM_CONTROL_IDS + 1
