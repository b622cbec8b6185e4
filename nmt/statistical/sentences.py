"""Sentences as numbers: flat arrays that can be memory-mapped and handed to compiled loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.npy import map_npy


@dataclass(frozen=True)
class Sentences:
    """Lines of word ids, laid end to end."""

    words: NDArray[np.int32]
    """Ids of all sentences, one after another."""
    offsets: NDArray[np.int64]
    """Where each sentence begins in ``words``, and, last, the length of ``words``."""

    @classmethod
    def of_lengths(cls, words: NDArray[np.int32], lengths: NDArray[np.int64]) -> Sentences:
        """Sentences of these lengths."""
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(words, offsets)

    @classmethod
    def open(cls, folder: Path, name: str) -> Sentences:
        """Memory-map what ``save`` wrote."""
        return cls(map_npy(folder / f"{name}.words.npy"), map_npy(folder / f"{name}.offsets.npy"))

    def save(self, folder: Path, name: str) -> None:
        """Write ``name.words.npy`` and ``name.offsets.npy``."""
        np.save(folder / f"{name}.words.npy", self.words, allow_pickle=False)
        np.save(folder / f"{name}.offsets.npy", self.offsets, allow_pickle=False)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        """The ids of a sentence; a view."""
        if not 0 <= index < len(self):
            raise IndexError(f"sentence {index} of {len(self)}")
        return self.words[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return (self[index] for index in range(len(self)))


@dataclass(frozen=True)
class Bitext:
    """Sentence pairs as numbers: sentence n of ``target`` is the translation of n of ``source``."""

    source: Sentences
    target: Sentences

    def __post_init__(self) -> None:
        assert len(self.source) == len(self.target)

    def __len__(self) -> int:
        return len(self.source)

    def reversed(self) -> Bitext:
        """The same pairs, source and target changed about."""
        return Bitext(self.target, self.source)


@dataclass(frozen=True)
class Alignments:
    """The links of every sentence pair: which source word goes with which target word."""

    source: NDArray[np.uint16]
    """Position of the source word of each link, from 0."""
    target: NDArray[np.uint16]
    """Position of the target word of each link, from 0."""
    offsets: NDArray[np.int64]
    """Where the links of each pair begin, and, last, their number; a pair's links are sorted by
    source position, then by target position, and differ."""

    @classmethod
    def open(cls, folder: Path, name: str) -> Alignments:
        """Memory-map what ``save`` wrote."""
        parts = ("source", "target", "offsets")
        return cls(*(map_npy(folder / f"{name}.{part}.npy") for part in parts))

    def save(self, folder: Path, name: str) -> None:
        """Write ``name.source.npy``, ``name.target.npy`` and ``name.offsets.npy``."""
        for part in ("source", "target", "offsets"):
            np.save(folder / f"{name}.{part}.npy", getattr(self, part), allow_pickle=False)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> list[tuple[int, int]]:
        """The links of a pair, as (source, target)."""
        if not 0 <= index < len(self):
            raise IndexError(f"pair {index} of {len(self)}")
        links = slice(self.offsets[index], self.offsets[index + 1])
        return list(zip(self.source[links].tolist(), self.target[links].tolist(), strict=True))
