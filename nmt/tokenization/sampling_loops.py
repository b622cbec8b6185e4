"""The compiled loops of ``sampling.py``: flat arrays in, flat arrays out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

BARRIER: Final = -1
"""A symbol that takes no part in merges and is left out of the result."""

_NO_MERGE: Final = np.iinfo(np.int64).max
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


@njit(inline="always")
def _mix(state: Any) -> Any:
    """The output function of SplitMix64 (Steele, Lea and Flood 2014)."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


@njit(inline="always")
def _uniform(state: Any) -> Any:
    """A number in [0, 1) from a SplitMix64 state."""
    return np.float64(_mix(state) >> np.uint64(11)) * 2.0**-53


@njit(inline="always")
def _line_state(seed: Any, line: Any) -> Any:
    """Where the generator of a line starts."""
    return _mix(seed + _GOLDEN) ^ _mix((np.uint64(line) + np.uint64(1)) * _GOLDEN)


@njit(nogil=True, cache=True)
def _find_merge(keys: Any, left: Any, right: Any) -> Any:
    """Row of the merge of two symbols in the sorted table, or -1."""
    if left < 0 or right < 0:
        return -1
    key = (np.int64(left) << 32) | np.int64(right)
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else -1


@njit(nogil=True, cache=True)
def _merge_word(
    word: Any, rows: Any, length: Any, keys: Any, ranks: Any, merged: Any, rate: Any, state: Any
) -> Any:
    """Merge the symbols of a word in place; return how many are left, and the generator's state.

    ``rows[i]`` is the row in the table of the merge of symbols i and i+1.
    """
    for i in range(length - 1):
        rows[i] = _find_merge(keys, word[i], word[i + 1])
    while True:
        best = -1
        best_rank = _NO_MERGE
        for i in range(length - 1):
            # Whether a merge is dropped matters only if it would be the best so far.
            if rows[i] >= 0 and ranks[rows[i]] < best_rank:
                state += _GOLDEN
                if _uniform(state) >= rate:
                    best = i
                    best_rank = ranks[rows[i]]
        if best < 0:
            return length, state
        word[best] = merged[rows[best]]
        length -= 1
        for i in range(best + 1, length):
            word[i] = word[i + 1]
            rows[i - 1] = rows[i]
        if best > 0:
            rows[best - 1] = _find_merge(keys, word[best - 1], word[best])
        if best + 1 < length:
            rows[best] = _find_merge(keys, word[best], word[best + 1])


@njit(nogil=True, cache=True)
def draw_bpe(
    symbols: Any,
    starts: Any,
    words: Any,
    line_ends: Any,
    keys: Any,
    ranks: Any,
    merged: Any,
    rate: Any,
    seed: Any,
) -> Any:
    """Pieces of every line under BPE-dropout, and where each line ends among them.

    Word w has the symbols ``symbols[starts[w]:starts[w + 1]]``; line i has the words
    ``words[line_ends[i - 1]:line_ends[i]]``.
    """
    size = 0
    longest = 1
    for number in words:
        length = starts[number + 1] - starts[number]
        size += length
        longest = max(longest, length)
    pieces = np.empty(size, np.int32)
    piece_ends = np.empty(len(line_ends), np.int64)
    word = np.empty(longest, np.int64)
    rows = np.empty(longest, np.int64)
    end = 0
    position = 0
    for line in range(len(line_ends)):
        state = _line_state(seed, line)
        while position < line_ends[line]:
            start = starts[words[position]]
            stop = starts[words[position] + 1]
            position += 1
            while start < stop:
                length = 0
                while start < stop and symbols[start] != BARRIER:
                    word[length] = symbols[start]
                    length += 1
                    start += 1
                start += 1
                length, state = _merge_word(word, rows, length, keys, ranks, merged, rate, state)
                for i in range(length):
                    pieces[end] = word[i]
                    end += 1
        piece_ends[line] = end
    return pieces[:end], piece_ends


@njit(nogil=True, cache=True)
def draw_unigram(
    starts: Any,
    edge_ends: Any,
    edge_lengths: Any,
    edge_pieces: Any,
    edge_cumulative: Any,
    words: Any,
    line_ends: Any,
    seed: Any,
) -> Any:
    """Pieces of every line by backward sampling, and where each line ends among them.

    Word w has the nodes ``starts[w]`` to ``starts[w + 1]``; node n, the position after n characters
    counted through all words, has the edges ``edge_ends[n]`` to ``edge_ends[n + 1]``, with the
    cumulative probabilities of the pieces that end there.
    """
    size = 0
    for number in words:
        size += starts[number + 1] - starts[number]
    pieces = np.empty(size, np.int32)
    piece_ends = np.empty(len(line_ends), np.int64)
    end = 0
    position = 0
    for line in range(len(line_ends)):
        state = _line_state(seed, line)
        while position < line_ends[line]:
            first = starts[words[position]]
            node = starts[words[position] + 1]
            position += 1
            begin = end
            while node > first:
                edge = edge_ends[node - 1]
                last = edge_ends[node] - 1
                if edge < last:
                    state += _GOLDEN
                    drawn = _uniform(state)
                    while edge < last and edge_cumulative[edge] <= drawn:
                        edge += 1
                pieces[end] = edge_pieces[edge]
                end += 1
                node -= edge_lengths[edge]
            for i in range((end - begin) // 2):
                j = end - 1 - i
                pieces[begin + i], pieces[j] = pieces[j], pieces[begin + i]
        piece_ends[line] = end
    return pieces[:end], piece_ends
