"""The best derivations of a search graph, lazily, best first.

Every hypothesis that lost a recombination is an arc: another way to reach the hypothesis that won.
A derivation is told by where it leaves the best way: from the n-th best, further ones arise by
leaving it once more, nearer to the beginning of the sentence, or by taking the next arc where it
last left (the lazy k-best of Huang and Chiang 2005, where every edge has one tail).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from nmt.statistical.search.heap import sift_down, sift_up, write_cell
from nmt.statistical.search.records import CELL, COPIED, NONE


@njit(cache=True, nogil=True)
def segment(last: Any, nodes: Any, arcs: Any, s: Any, segments: Any) -> int:
    """Write the phrases of a derivation, as (begin, end, entry), in target order.

    ``last``: the last hypothesis of the best derivation; at ``nodes`` (in the order from the last)
    the derivation takes ``arcs`` instead. Return the number of phrases.
    """
    count = 0
    turn = 0
    hypothesis = last
    while True:
        if turn < len(nodes) and nodes[turn] == hypothesis:
            hypothesis = arcs[turn]
            turn += 1
        record = s.hypotheses[hypothesis]
        if record.back == NONE:
            break
        segments[count, 0] = record.end - record.length
        segments[count, 1] = record.end
        segments[count, 2] = s.options[record.option].entry
        count += 1
        hypothesis = record.back
    for n in range(count // 2):
        for field in range(3):
            other = count - 1 - n
            segments[n, field], segments[other, field] = segments[other, field], segments[n, field]
    return count


@njit(cache=True, nogil=True)
def _sort_arcs(node: Any, s: Any) -> None:
    """Put the arcs of a hypothesis in the order of their scores, best first."""
    hypotheses = s.hypotheses
    arc = hypotheses[node].arc
    hypotheses[node].arc = NONE
    while arc != NONE:
        following = hypotheses[arc].arc
        before = node
        place = hypotheses[node].arc
        while place != NONE and hypotheses[place].score >= hypotheses[arc].score:
            before = place
            place = hypotheses[place].arc
        hypotheses[arc].arc = place
        hypotheses[before].arc = arc
        arc = following


@njit(cache=True, nogil=True)
def _hash_target(segments: Any, table: Any) -> Any:
    """A hash, not 0, of a derivation's target words; copied words count by their place."""
    value = np.uint64(0xCBF29CE484222325)
    for n in range(len(segments)):
        entry = segments[n, 2]
        if entry == COPIED:
            value = (value ^ np.uint64(~segments[n, 0])) * np.uint64(0x9E3779B97F4A7C15)
            value ^= value >> np.uint64(29)
        else:
            for word in table.target_words[
                table.target_offsets[entry] : table.target_offsets[entry + 1]
            ]:
                value = (value ^ np.uint64(word)) * np.uint64(0x9E3779B97F4A7C15)
                value ^= value >> np.uint64(29)
    return max(value, np.uint64(1))


@njit(cache=True, nogil=True)
def _add(seen: Any, key: Any) -> Any:
    """Put a key that is not 0 into a hash table; return whether it was not there yet."""
    mask = np.uint64(len(seen) - 1)
    slot = key & mask
    while seen[slot] != 0:
        if seen[slot] == key:
            return False
        slot = (slot + np.uint64(1)) & mask
    seen[slot] = key
    return True


@njit(cache=True, nogil=True)
def _enlarge(seen: Any) -> Any:
    """The same hash table with four times the slots."""
    larger = np.zeros(4 * len(seen), np.uint64)
    for key in seen:
        if key != 0:
            _add(larger, key)
    return larger


@njit(cache=True, nogil=True)
def best_derivations(
    last: Any, words: Any, size: Any, distinct: Any, max_tries: Any, table: Any, s: Any
) -> Any:
    """The ``size`` best derivations of a sentence of ``words`` words: their scores, all their
    phrases, and where those of each begin.

    With ``distinct``, of those with the same target words (by a hash of 64 bits) only the best, and
    at most ``max_tries`` are looked at.
    """
    hypotheses = s.hypotheses
    was_sorted = np.zeros(last + 1, np.bool_)
    # Of each derivation found: that from which it arose, where it left it, and by which arc.
    scores = np.empty(1024)
    ways = np.empty((1024, 3), np.int32)
    heap = np.empty(1024, CELL)
    nodes, arcs = np.empty(words, np.int32), np.empty(words, np.int32)
    scores[0] = hypotheses[last].score
    ways[0, 0] = NONE
    write_cell(heap, 0, scores[0], 0, 0, 0)
    num_ways, num_cells = 1, 1

    best_scores = np.empty(size)
    offsets = np.zeros(size + 1, np.int64)
    segments = np.empty((words * 16, 3), np.int32)
    seen = np.zeros(64, np.uint64)
    found = 0
    tries = 0
    while num_cells > 0 and found < size and tries < max_tries:
        tries += 1
        way = heap[0].cube
        num_cells -= 1
        heap[0] = heap[num_cells]
        sift_down(heap, num_cells, 0)

        turns = 0
        step = way
        while ways[step, 0] != NONE:
            turns += 1
            step = ways[step, 0]
        step = way
        for n in range(turns - 1, -1, -1):
            nodes[n], arcs[n] = ways[step, 1], ways[step, 2]
            step = ways[step, 0]
        if len(segments) < offsets[found] + words:
            larger = np.empty((2 * len(segments), 3), np.int32)
            for n in range(offsets[found]):
                for field in range(3):
                    larger[n, field] = segments[n, field]
            segments = larger
        begin = offsets[found]
        end = begin + segment(last, nodes[:turns], arcs[:turns], s, segments[begin:])
        new = True
        if distinct:
            if 2 * tries > len(seen):
                seen = _enlarge(seen)
            new = _add(seen, _hash_target(segments[begin:end], table))
        if new:
            best_scores[found] = scores[way]
            found += 1
            offsets[found] = end

        if num_ways + words + 1 > len(scores):
            larger_scores = np.empty(2 * len(scores) + words)
            larger_ways = np.empty((len(larger_scores), 3), np.int32)
            larger_heap = np.empty(len(larger_scores), CELL)
            for n in range(num_ways):
                larger_scores[n] = scores[n]
                for field in range(3):
                    larger_ways[n, field] = ways[n, field]
            for n in range(num_cells):
                larger_heap[n] = heap[n]
            scores, ways, heap = larger_scores, larger_ways, larger_heap
        first_new = num_ways
        node = last
        if turns > 0:
            arc = hypotheses[arcs[turns - 1]].arc
            if arc != NONE:
                origin, at = ways[way, 0], ways[way, 1]
                ways[num_ways, 0], ways[num_ways, 1], ways[num_ways, 2] = origin, at, arc
                scores[num_ways] = scores[origin] + hypotheses[arc].score - hypotheses[at].score
                num_ways += 1
            node = hypotheses[arcs[turns - 1]].back
        while node != NONE:
            if hypotheses[node].arc != NONE:
                if not was_sorted[node]:
                    was_sorted[node] = True
                    _sort_arcs(node, s)
                arc = hypotheses[node].arc
                ways[num_ways, 0], ways[num_ways, 1], ways[num_ways, 2] = way, node, arc
                scores[num_ways] = scores[way] + hypotheses[arc].score - hypotheses[node].score
                num_ways += 1
            node = hypotheses[node].back
        for n in range(first_new, num_ways):
            write_cell(heap, num_cells, scores[n], n, 0, 0)
            sift_up(heap, num_cells)
            num_cells += 1
    return best_scores[:found], segments[: offsets[found]], offsets[: found + 1]
