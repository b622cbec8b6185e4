"""What a phrase table is made of when it is searched: flat arrays, and the loop that reads them.

P source phrases, E entries (phrase pairs), C slots (a power of two).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class PhraseArrays(NamedTuple):
    """A phrase table: source phrases, each with its entries side by side. All are read-only."""

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
def seeded_hash(words: Any, begin: int, end: int, seed: Any) -> Any:
    """64 well-mixed bits of ``words[begin:end]``; another seed gives other collisions."""
    value = (np.uint64(seed) + np.uint64(end - begin)) * np.uint64(0xD6E8FEB86659FD93)
    for position in range(begin, end):
        value = (value ^ np.uint64(words[position])) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(32)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    return value ^ (value >> np.uint64(29))


@njit(inline="always")
def hash_words(words: Any, begin: int, end: int) -> Any:
    """The hash of ``words[begin:end]`` by which source phrases are found: 64 bits."""
    return seeded_hash(words, begin, end, 0)


@njit(inline="always")
def same_words(a: Any, a_begin: int, b: Any, b_begin: int, length: int) -> Any:
    """Whether ``length`` words from ``a_begin`` and from ``b_begin`` on are equal."""
    for n in range(length):  # noqa: SIM110 (Numba compiles no generators here)
        if a[a_begin + n] != b[b_begin + n]:
            return False
    return True


@njit(cache=True, nogil=True)
def find_phrase(table: Any, words: Any, begin: int, end: int) -> int:
    """The index of the source phrase ``words[begin:end]``; -1 if the table does not have it."""
    mask = np.uint64(len(table.slots) - 1)
    slot = hash_words(words, begin, end) & mask
    length = end - begin
    while table.slots[slot] >= 0:
        phrase = table.slots[slot]
        first = table.source_offsets[phrase]
        if table.source_offsets[phrase + 1] - first == length and same_words(
            table.source_words, first, words, begin, length
        ):
            return int(phrase)
        slot = (slot + np.uint64(1)) & mask
    return -1


@njit(cache=True, nogil=True)
def _fill_slots(slots: Any, source_words: Any, source_offsets: Any) -> None:
    mask = np.uint64(len(slots) - 1)
    for phrase in range(len(source_offsets) - 1):
        slot = hash_words(source_words, source_offsets[phrase], source_offsets[phrase + 1]) & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = phrase


def make_slots(
    source_words: NDArray[np.int32], source_offsets: NDArray[np.int64]
) -> NDArray[np.int32]:
    """The hash table of source phrases that all differ, at most two thirds full."""
    num_phrases = len(source_offsets) - 1
    slots = np.full(1 << (num_phrases * 3 // 2).bit_length(), -1, np.int32)
    _fill_slots(slots, frozen(source_words), frozen(source_offsets))
    return slots


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: what is in memory and what is mapped then share one compiled loop."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
