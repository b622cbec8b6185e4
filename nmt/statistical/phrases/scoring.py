"""The loops that turn entries into the arrays of a phrase table."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from nmt.statistical.phrases.lexicon import NULL, linked
from nmt.statistical.phrases.smoothing import MAX_COUNT

REORDERING_SMOOTHING: Final = 0.5
"""Added to the count of each orientation, as in Moses."""


@njit(inline="always")
def _probability(count: int, total: int, mass: float, others: int, smoothing: Any) -> Any:
    taken = smoothing.discounts[min(count, MAX_COUNT)]
    probability = (count - taken) / total
    if smoothing.gives_back:
        probability += mass / total * others / smoothing.num_pairs
    return probability


@njit(inline="always")
def _mass(entries_by_count: Any, smoothing: Any) -> Any:
    """What is taken off all pairs of a phrase (with Kneser-Ney, which has three discounts)."""
    mass = 0.0
    for n in range(3):
        mass += entries_by_count[n] * smoothing.discounts[n + 1]
    return mass


@njit(inline="always")
def _lexical_weights(text: Any, entry: Any, lexicon: Any) -> Any:
    """ln lex(s|t) and ln lex(t|s): each word by the average over its links, or by NULL."""
    source_begin = text.source_offsets[entry.sentence] + int(entry.source_start)
    target_begin = text.target_offsets[entry.sentence] + int(entry.target_start)
    log_inverse, log_direct = 0.0, 0.0
    for s in range(entry.source_length):
        source = text.source_words[source_begin + s]
        total, number = 0.0, 0
        for t in range(entry.target_length):
            if (entry.links >> np.uint64(8 * s + t)) & np.uint64(1):
                target = text.target_words[target_begin + t]
                total += linked(lexicon, source, target) / lexicon.target_totals[target]
                number += 1
        if number == 0:
            total, number = linked(lexicon, source, NULL) / lexicon.target_totals[NULL], 1
        log_inverse += np.log(total / number)
    for t in range(entry.target_length):
        target = text.target_words[target_begin + t]
        total, number = 0.0, 0
        for s in range(entry.source_length):
            if (entry.links >> np.uint64(8 * s + t)) & np.uint64(1):
                source = text.source_words[source_begin + s]
                total += linked(lexicon, source, target) / lexicon.source_totals[source]
                number += 1
        if number == 0:
            total, number = linked(lexicon, NULL, target) / lexicon.source_totals[NULL], 1
        log_direct += np.log(total / number)
    return log_inverse, log_direct


@njit(inline="always")
def _group_end(entries: Any, begin: int) -> int:
    """The end of the entries that share the source phrase of entry ``begin``."""
    end = begin + 1
    while end < len(entries) and entries[end].source_key == entries[begin].source_key:
        end += 1
    return end


@njit(cache=True, nogil=True)
def score_entries(
    text: Any, entries: Any, targets: Any, target_numbers: Any, lexicon: Any, smoothing: Any,
    scores: Any,
) -> None:  # fmt: skip
    """Fill ``scores`` [E, 4] with the features TRANSLATION; all entries of a source are there."""
    begin = 0
    by_count = np.zeros(3, np.uint32)
    while begin < len(entries):
        end = _group_end(entries, begin)
        source_count = 0
        by_count[:] = 0
        for n in range(begin, end):
            count = int(entries[n].count)
            source_count += count
            by_count[min(count, 3) - 1] += np.uint32(1)
        source_mass = _mass(by_count, smoothing)
        for n in range(begin, end):
            count = int(entries[n].count)
            target = targets[target_numbers[n]]
            num_sources = int(target.entries_by_count.sum())
            target_mass = _mass(target.entries_by_count, smoothing)
            inverse = _probability(count, int(target.count), target_mass, end - begin, smoothing)
            direct = _probability(count, source_count, source_mass, num_sources, smoothing)
            log_inverse, log_direct = _lexical_weights(text, entries[n], lexicon)
            scores[n, 0] = np.log(inverse)
            scores[n, 1] = log_inverse
            scores[n, 2] = np.log(direct)
            scores[n, 3] = log_direct
        begin = end


@njit(inline="always")
def _comes_first(text: Any, entries: Any, scores: Any, a: int, b: int) -> Any:
    """Whether entry a stands before b: greater p(t|s), else lesser words."""
    if scores[a, 2] != scores[b, 2]:
        return scores[a, 2] > scores[b, 2]
    one, other = entries[a], entries[b]
    one_begin = text.target_offsets[one.sentence] + int(one.target_start)
    other_begin = text.target_offsets[other.sentence] + int(other.target_start)
    for n in range(min(one.target_length, other.target_length)):
        one_word = text.target_words[one_begin + n]
        other_word = text.target_words[other_begin + n]
        if one_word != other_word:
            return one_word < other_word
    return one.target_length < other.target_length


@njit(cache=True, nogil=True)
def choose_entries(
    text: Any, entries: Any, scores: Any, keep: Any, max_entries: int, chosen: Any
) -> int:
    """Put the entries of each source phrase that are kept into ``chosen``, the best first.

    ``keep`` says of each entry whether it may stay. Returns how many are chosen.
    """
    size = 0
    begin = 0
    spare = np.empty_like(chosen)
    while begin < len(entries):
        end = _group_end(entries, begin)
        first = size
        for n in range(begin, end):
            if keep[n]:
                chosen[size] = n
                size += 1
        # Merge sort: runs of a width into runs of twice that.
        width = 1
        while width < size - first:
            for low in range(first, size, 2 * width):
                middle, high = min(low + width, size), min(low + 2 * width, size)
                a, b = low, middle
                for place in range(low, high):
                    if b == high or (
                        a < middle and not _comes_first(text, entries, scores, chosen[b], chosen[a])
                    ):
                        spare[place] = chosen[a]
                        a += 1
                    else:
                        spare[place] = chosen[b]
                        b += 1
            chosen[first:size] = spare[first:size]
            width *= 2
        size = min(size, first + max_entries)
        begin = end
    return size


@njit(cache=True, nogil=True)
def gather_entries(
    text: Any, entries: Any, chosen: Any, source_words: Any, source_lengths: Any, num_entries: Any,
    target_words: Any, target_lengths: Any, reordering: Any, links: Any, num_links: Any,
) -> Any:  # fmt: skip
    """Fill the arrays of a phrase table; return how many phrases, words and links there are.

    As (source phrases, source words, target words, links).
    """
    num_sources, num_source_words, num_target_words, all_links = 0, 0, 0, 0
    for place in range(len(chosen)):
        entry = entries[chosen[place]]
        if place == 0 or entry.source_key != entries[chosen[place - 1]].source_key:
            source_begin = text.source_offsets[entry.sentence] + int(entry.source_start)
            for n in range(entry.source_length):
                source_words[num_source_words] = text.source_words[source_begin + n]
                num_source_words += 1
            source_lengths[num_sources] = entry.source_length
            num_entries[num_sources] = 0
            num_sources += 1
        num_entries[num_sources - 1] += 1
        target_begin = text.target_offsets[entry.sentence] + int(entry.target_start)
        for n in range(entry.target_length):
            target_words[num_target_words] = text.target_words[target_begin + n]
            num_target_words += 1
        target_lengths[place] = entry.target_length
        total = np.log(np.float64(entry.count) + 3 * REORDERING_SMOOTHING)
        monotone, swap = int(entry.monotone_before), int(entry.swap_before)
        for side in range(0, 6, 3):
            rest = int(entry.count) - monotone - swap
            reordering[place, side] = np.log(monotone + REORDERING_SMOOTHING) - total
            reordering[place, side + 1] = np.log(swap + REORDERING_SMOOTHING) - total
            reordering[place, side + 2] = np.log(rest + REORDERING_SMOOTHING) - total
            monotone, swap = int(entry.monotone_after), int(entry.swap_after)
        num_links[place] = 0
        for s in range(entry.source_length):
            for t in range(entry.target_length):
                if (entry.links >> np.uint64(8 * s + t)) & np.uint64(1):
                    links[all_links, 0] = s
                    links[all_links, 1] = t
                    all_links += 1
                    num_links[place] += 1
    return num_sources, num_source_words, num_target_words, all_links
