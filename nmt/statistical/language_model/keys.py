"""Runs of words packed into 128-bit keys, and the loops that sort, count and merge them.

A key holds ``order`` word ids of ``bits`` bits each, the first in the highest bits, so that keys in
the order of numbers are n-grams in the order of words. It is two arrays, ``high`` and ``low``, of
64 bits each.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from nmt.statistical.vocabulary import BEGIN, END

KEY_BITS: Final = 128

_BYTE: Final = np.uint64(0xFF)


@njit(inline="always")
def word_at(high: Any, low: Any, position: int, order: int, bits: int) -> Any:
    """The word id at a position of a key."""
    shift = (order - 1 - position) * bits
    if shift >= 64:
        value = high >> np.uint64(shift - 64)
    elif shift == 0:
        value = low
    else:
        value = (low >> np.uint64(shift)) | (high << np.uint64(64 - shift))
    return np.int64(value & ((np.uint64(1) << np.uint64(bits)) - np.uint64(1)))


@njit(cache=True, nogil=True)
def pack_windows(words: Any, offsets: Any, order: int, bits: int, high: Any, low: Any) -> None:
    """Pack the n-gram that starts at each place of the sentences into a key.

    A sentence is BEGIN, its words, END. An n-gram that its end cuts off is filled up with END, so
    that every n-gram of every shorter length begins exactly one key for each time it occurs.
    """
    width = np.uint64(bits)
    top = np.int64((order - 1) * bits)
    ends_high, ends_low = np.uint64(0), np.uint64(0)
    for _ in range(order):
        ends_high = (ends_high << width) | (ends_low >> np.uint64(64 - bits))
        ends_low = (ends_low << width) | np.uint64(END)
    count = 0
    for sentence in range(len(offsets) - 1):
        key_high, key_low = ends_high, ends_low
        high[count], low[count] = key_high, key_low
        count += 1
        for position in range(offsets[sentence + 1] - 1, offsets[sentence] - 2, -1):
            word = np.uint64(words[position] if position >= offsets[sentence] else BEGIN)
            key_low = (key_low >> width) | (key_high << np.uint64(64 - bits))
            key_high >>= width
            if top >= 64:
                key_high |= word << np.uint64(top - 64)
            else:
                key_low |= word << np.uint64(top)
                if top + bits > 64:
                    key_high |= word >> np.uint64(64 - top)
            high[count], low[count] = key_high, key_low
            count += 1


@njit(cache=True, nogil=True)
def sort_keys(high: Any, low: Any, spare_high: Any, spare_low: Any, bits: int) -> None:
    """Sort keys in place by their lowest ``bits`` bits, byte by byte from the last (radix sort)."""
    swapped = False
    for start in range(0, bits, 8):
        shift = np.uint64(start % 64)
        counts = np.zeros(257, np.int64)
        digits = low if start < 64 else high
        for n in range(len(digits)):
            counts[((digits[n] >> shift) & _BYTE) + np.uint64(1)] += 1
        if counts.max() == len(digits):
            continue
        places = np.cumsum(counts)
        for n in range(len(digits)):
            digit = (digits[n] >> shift) & _BYTE
            place = places[digit]
            spare_high[place] = high[n]
            spare_low[place] = low[n]
            places[digit] = place + 1
        high, spare_high = spare_high, high
        low, spare_low = spare_low, low
        swapped = not swapped
    if swapped:
        spare_high[:] = high
        spare_low[:] = low


@njit(cache=True, nogil=True)
def count_equal(high: Any, low: Any, counts: Any) -> int:
    """Keep one of each of sorted keys, with how many there were; return how many are left."""
    size = 0
    for n in range(len(high)):
        if size > 0 and high[n] == high[size - 1] and low[n] == low[size - 1]:
            counts[size - 1] += 1
        else:
            high[size], low[size], counts[size] = high[n], low[n], 1
            size += 1
    return size


@njit(inline="always")
def _less(high: Any, low: Any, a: int, b: int) -> Any:
    return high[a] < high[b] or (high[a] == high[b] and low[a] < low[b])


@njit(cache=True, nogil=True)
def merge_runs(
    high: Any, low: Any, counts: Any, starts: Any, to_high: Any, to_low: Any, to_counts: Any
) -> int:
    """Merge sorted runs laid end to end, adding up the counts of equal keys; return how many.

    Run r is at ``starts[r]`` to ``starts[r + 1]``. A heap holds the place of each run's next key.
    """
    heap = np.empty(len(starts) - 1, np.int64)
    ends = np.empty(len(starts) - 1, np.int64)
    size = 0
    for run in range(len(starts) - 1):
        if starts[run] < starts[run + 1]:
            heap[size], ends[size] = starts[run], starts[run + 1]
            size += 1
    for place in range(size // 2 - 1, -1, -1):
        _sink(heap, ends, size, place, high, low)
    count = 0
    while size > 0:
        n = heap[0]
        if count > 0 and high[n] == to_high[count - 1] and low[n] == to_low[count - 1]:
            to_counts[count - 1] += counts[n]
        else:
            to_high[count], to_low[count], to_counts[count] = high[n], low[n], counts[n]
            count += 1
        heap[0] = n + 1
        if heap[0] == ends[0]:
            size -= 1
            heap[0], ends[0] = heap[size], ends[size]
        _sink(heap, ends, size, 0, high, low)
    return count


@njit(cache=True, nogil=True)
def _sink(heap: Any, ends: Any, size: int, place: int, high: Any, low: Any) -> None:
    """Let the run at a place of the heap sink to where its next key belongs."""
    while True:
        child = 2 * place + 1
        if child >= size:
            return
        if child + 1 < size and _less(high, low, heap[child + 1], heap[child]):
            child += 1
        if not _less(high, low, heap[child], heap[place]):
            return
        heap[place], heap[child] = heap[child], heap[place]
        ends[place], ends[child] = ends[child], ends[place]
        place = child
