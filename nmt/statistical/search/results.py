"""What search gives: derivations for people, n-best lists for tuning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.features import NUM_FEATURES
from nmt.statistical.search.records import COPIED

COPIED_ENTRY = COPIED
"""In place of a phrase table's entry: the source word was copied."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of a derivation."""

    begin: int
    """First source word."""
    end: int
    """Source word after the last."""
    entry: int
    """Index in the phrase table, or COPIED_ENTRY."""
    words: tuple[int, ...]
    """Target words. A copied source word is ``~position`` (negative): that of word 0 is -1."""
    links: tuple[tuple[int, int], ...]
    """Word alignment: (source position, target position), both counted from the phrase's first."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """A translation, and how it came about; that of a blank sentence has no phrases."""

    score: float
    """Weights times features."""
    phrases: tuple[Phrase, ...]
    """In the order of the target."""

    @property
    def words(self) -> list[int]:
        """Target words; a copied source word is ``~position``."""
        return [word for phrase in self.phrases for word in phrase.words]

    @property
    def links(self) -> list[tuple[int, int]]:
        """Word alignment of the sentence: (source position, target position), sorted."""
        links = []
        begin = 0
        for phrase in self.phrases:
            links += [(phrase.begin + source, begin + target) for source, target in phrase.links]
            begin += len(phrase.words)
        return sorted(links)

    @property
    def segments(self) -> NDArray[np.int32]:
        """[K, 3] Begin, end and entry of each phrase."""
        rows = [(phrase.begin, phrase.end, phrase.entry) for phrase in self.phrases]
        return np.array(rows, np.int32).reshape(-1, 3)


@dataclass(frozen=True, slots=True)
class NBest:
    """The best derivations of S sentences, H in all: each sentence's side by side, best first."""

    sentence_offsets: NDArray[np.int64]
    """[S+1] Where those of each sentence begin."""
    scores: NDArray[np.float64]
    """[H] Weights times features."""
    features: NDArray[np.float64]
    """[H, F]"""
    words: NDArray[np.int32]
    """Target words of all, end to end; a copied source word is ``~position``."""
    word_offsets: NDArray[np.int64]
    """[H+1] Where the words of each begin."""
    segments: NDArray[np.int32]
    """[.., 3] Begin and end in the source, and entry (or COPIED_ENTRY), of the phrases of all."""
    segment_offsets: NDArray[np.int64]
    """[H+1] Where the phrases of each begin."""

    def __len__(self) -> int:
        """Number of sentences."""
        return len(self.sentence_offsets) - 1


def join(parts: list[NBest]) -> NBest:
    """The n-best lists of several sentences in one."""
    if not parts:
        none = np.zeros(1, np.int64)
        return NBest(
            none, np.empty(0), np.empty((0, NUM_FEATURES)), np.empty(0, np.int32), none,
            np.empty((0, 3), np.int32), none,
        )  # fmt: skip
    return NBest(
        _join_offsets([part.sentence_offsets for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.words for part in parts]),
        _join_offsets([part.word_offsets for part in parts]),
        np.concatenate([part.segments for part in parts]),
        _join_offsets([part.segment_offsets for part in parts]),
    )


def _join_offsets(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    lengths = np.concatenate([np.diff(part) for part in parts])
    return np.concatenate([[0], np.cumsum(lengths)])
