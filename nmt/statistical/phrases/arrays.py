"""What a phrase table is made of when it is searched: flat arrays, and the loop that reads them.

P source phrases, E entries (phrase pairs), C slots (a power of two).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class PhraseArrays(NamedTuple):
    """A phrase table: source phrases, each with its entries side by side."""

    slots: NDArray[np.int32]
    """[C] A source phrase's index, in the slot of its hash or the next free; -1 where there is
    none."""
    source_words: NDArray[np.int32]
    """Words of all source phrases, end to end."""
    source_offsets: NDArray[np.int64]
    """[P+1] Where each source phrase begins in ``source_words``."""
    entry_offsets: NDArray[np.int64]
    """[P+1] The first entry of each source phrase; its best come first (by p(t|s), then words)."""
    target_words: NDArray[np.int32]
    """Words of all target phrases, end to end."""
    target_offsets: NDArray[np.int64]
    """[E+1] Where each target phrase begins in ``target_words``."""
    scores: NDArray[np.float32]
    """[E, 4] The features TRANSLATION of each entry."""
    reordering: NDArray[np.float32]
    """[E, 6] The features REORDERING of each entry."""
    links: NDArray[np.uint8]
    """[.., 2] Word alignments of all entries (position in source phrase, in target phrase)."""
    link_offsets: NDArray[np.int64]
    """[E+1] Where the links of each entry begin in ``links``."""


@njit(inline="always")
def hash_words(words: Any, begin: int, end: int) -> Any:
    """A hash of ``words[begin:end]`` (FNV-1a over ids, with a final mix)."""
    value = np.uint64(0xCBF29CE484222325)
    for position in range(begin, end):
        value = (value ^ np.uint64(words[position])) * np.uint64(0x100000001B3)
        value ^= value >> np.uint64(29)
    return value * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)


@njit(cache=True, nogil=True)
def find_phrase(table: Any, words: Any, begin: int, end: int) -> int:
    """The index of the source phrase ``words[begin:end]``; -1 if the table does not have it."""
    mask = np.uint64(len(table.slots) - 1)
    slot = hash_words(words, begin, end) & mask
    length = end - begin
    while table.slots[slot] >= 0:
        phrase = table.slots[slot]
        first = table.source_offsets[phrase]
        if table.source_offsets[phrase + 1] - first == length:
            same = True
            for n in range(length):
                if table.source_words[first + n] != words[begin + n]:
                    same = False
                    break
            if same:
                return int(phrase)
        slot = (slot + np.uint64(1)) & mask
    return -1
