"""From occurrences of phrase pairs to entries: each pair once, with its counts.

Phrases are told apart by 64-bit hashes. Whenever two meet under one hash their words are compared,
so a collision cannot go unnoticed; it is answered by starting again with another seed (once in
several hundred runs for 10 million sentence pairs).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.phrases.arrays import same_words
from nmt.statistical.phrases.extraction import MONOTONE, SWAP, AlignedText

ENTRY: Final = np.dtype(
    [
        ("source_key", np.uint64),
        ("target_key", np.uint64),
        ("links", np.uint64),  # the most frequent; of equals, the first seen
        ("sentence", np.uint32),  # where the pair was first seen with these links
        ("source_start", np.uint16),
        ("target_start", np.uint16),
        ("source_length", np.uint8),
        ("target_length", np.uint8),
        ("count", np.uint32),
        ("monotone_before", np.uint32),
        ("swap_before", np.uint32),
        ("monotone_after", np.uint32),
        ("swap_after", np.uint32),
    ]
)
"""A phrase pair and what was counted of it; first, while counting, a pair with given links."""

TARGET_REFERENCE: Final = np.dtype([("target_key", np.uint64), ("entry", np.int64)])
"""The target phrase of an entry."""

TARGET: Final = np.dtype(
    [
        ("key", np.uint64),
        ("entry", np.int64),  # one of its entries
        ("count", np.uint32),
        ("entries_by_count", np.uint32, (3,)),  # seen once, twice, more often
    ]
)
"""A target phrase and what was counted of it over all its entries."""


class Counts(NamedTuple):
    """What was counted of all phrase pairs of a bitext."""

    entries: NDArray[np.void]
    """ENTRY records, sorted by source and target key."""
    targets: NDArray[np.void]
    """TARGET records, sorted by key."""
    target_numbers: NDArray[np.int32]
    """Which of ``targets`` is that of each entry."""
    seed: int
    """That of the hashes."""


class HashCollision(Exception):
    """Two phrases have the same hash."""


@njit(inline="always")
def same_source(text: Any, a: Any, b: Any) -> Any:
    """Whether two occurrences or entries have the same words as source."""
    return a.source_length == b.source_length and same_words(
        text.source_words,
        text.source_offsets[a.sentence] + int(a.source_start),
        text.source_words,
        text.source_offsets[b.sentence] + int(b.source_start),
        a.source_length,
    )


@njit(inline="always")
def same_target(text: Any, a: Any, b: Any) -> Any:
    """Whether two occurrences or entries have the same words as target."""
    return a.target_length == b.target_length and same_words(
        text.target_words,
        text.target_offsets[a.sentence] + int(a.target_start),
        text.target_words,
        text.target_offsets[b.sentence] + int(b.target_start),
        a.target_length,
    )


@njit(cache=True, nogil=True)
def _tally(text: Any, records: Any, slots: Any, entries: Any) -> int:
    """Count occurrences by pair and links; return how many differ, or -1 for a collision."""
    mask = np.uint64(len(slots) - 1)
    size = 0
    for n in range(len(records)):
        record = records[n]
        slot = (record.source_key + record.target_key) ^ record.links
        slot = slot * np.uint64(0x9E3779B97F4A7C15)
        slot = (slot ^ (slot >> np.uint64(32))) & mask
        while True:
            number = slots[slot]
            if number < 0:
                slots[slot] = size
                entry = entries[size]
                size += 1
                entry.source_key = record.source_key
                entry.target_key = record.target_key
                entry.links = record.links
                entry.sentence = record.sentence
                entry.source_start = record.source_start
                entry.target_start = record.target_start
                entry.source_length = record.source_length
                entry.target_length = record.target_length
                entry.count = 0
                entry.monotone_before = entry.swap_before = 0
                entry.monotone_after = entry.swap_after = 0
                break
            entry = entries[number]
            if (
                entry.links == record.links
                and entry.source_key == record.source_key
                and entry.target_key == record.target_key
            ):
                if not (same_source(text, entry, record) and same_target(text, entry, record)):
                    return -1
                break
            slot = (slot + np.uint64(1)) & mask
        entry.count += np.uint32(1)
        entry.monotone_before += np.uint32(record.before == MONOTONE)
        entry.swap_before += np.uint32(record.before == SWAP)
        entry.monotone_after += np.uint32(record.after == MONOTONE)
        entry.swap_after += np.uint32(record.after == SWAP)
    return size


@njit(cache=True, nogil=True)
def _join(text: Any, tallied: Any, order: Any, entries: Any) -> int:
    """Join those that differ in links only; return how many are left, or -1 for a collision."""
    size = 0
    best = np.uint32(0)
    for n in range(len(order)):
        part = tallied[order[n]]
        if size > 0:
            entry = entries[size - 1]
            if part.source_key == entry.source_key:
                if not same_source(text, part, entry):
                    return -1
                if part.target_key == entry.target_key:
                    if not same_target(text, part, entry):
                        return -1
                    if part.count > best:
                        best = part.count
                        entry.links = part.links
                        entry.sentence = part.sentence
                        entry.source_start = part.source_start
                        entry.target_start = part.target_start
                    entry.count += part.count
                    entry.monotone_before += part.monotone_before
                    entry.swap_before += part.swap_before
                    entry.monotone_after += part.monotone_after
                    entry.swap_after += part.swap_after
                    continue
        entries[size] = part
        best = part.count
        size += 1
    return size


def count_pairs(text: AlignedText, records: NDArray[np.void]) -> NDArray[np.void]:
    """The entries of OCCURRENCE records, sorted by source and target key.

    Records in the order of the bitext: "first seen" is then the same however they were dealt out.
    Raises HashCollision.
    """
    # Pages that stay untouched cost nothing, so there is room for as many as there can be.
    tallied = np.empty(len(records), ENTRY)
    slots = np.full(1 << (len(records) * 3 // 2).bit_length(), -1, np.int32)
    size = _tally(text, records, slots, tallied)
    if size < 0:
        raise HashCollision
    tallied = tallied[:size]
    order = np.lexsort((tallied["target_key"], tallied["source_key"]))
    entries = np.empty(size, ENTRY)
    size = _join(text, tallied, order, entries)
    if size < 0:
        raise HashCollision
    return entries[:size]


@njit(cache=True, nogil=True)
def _number_targets(
    text: Any, entries: Any, references: Any, order: Any, first: int, numbers: Any, targets: Any
) -> int:
    size = 0
    for n in range(len(order)):
        reference = references[order[n]]
        entry = entries[reference.entry]
        if size == 0 or targets[size - 1].key != reference.target_key:
            target = targets[size]
            size += 1
            target.key = reference.target_key
            target.entry = reference.entry
            target.count = 0
            target.entries_by_count[:] = 0
        else:
            target = targets[size - 1]
            if not same_target(text, entry, entries[target.entry]):
                return -1
        target.count += entry.count
        target.entries_by_count[min(int(entry.count), 3) - 1] += np.uint32(1)
        numbers[reference.entry] = first + size - 1
    return size


def count_targets(
    text: AlignedText,
    entries: NDArray[np.void],
    references: NDArray[np.void],
    first: int,
    numbers: NDArray[np.int32],
) -> NDArray[np.void]:
    """The TARGET records of entries, sorted by key; ``numbers[entry]`` becomes that of its target.

    The first record has the number ``first``. Raises HashCollision.
    """
    order = np.argsort(references["target_key"], kind="stable")
    targets = np.empty(len(references), TARGET)
    size = _number_targets(text, entries, references, order, first, numbers, targets)
    if size < 0:
        raise HashCollision
    return targets[:size]
