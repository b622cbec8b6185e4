"""Translation options: what the phrases of a sentence may become, scored once for given weights.

The prepared translations of a source phrase outlive the sentence: frequent phrases are scored once
a worker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from nmt.statistical.features import (
    CLASS_LANGUAGE_MODEL,
    LANGUAGE_MODEL,
    NUM_TRANSLATION,
    PHRASE_PENALTY,
    REORDERING,
    TRANSLATION,
    UNKNOWN_WORDS,
    WORD_PENALTY,
)
from nmt.statistical.phrases.arrays import find_phrase
from nmt.statistical.search.language import NO_CONTEXT, advance_weighted
from nmt.statistical.search.records import (
    COPIED,
    COPY,
    NONE,
    NUM_ORIENTATIONS,
    OPTIONS_FULL,
    SENTENCE_FULL,
)
from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN


@njit(cache=True, nogil=True)
def _list_slot(phrase: Any, mask: Any) -> Any:
    return ((phrase * 0x9E3779B1) >> 7) & mask


@njit(cache=True, nogil=True)
def _forget_options(model: Any, s: Any) -> None:
    """Throw all prepared options away but the one that copies a word."""
    for slot in range(len(s.lists)):
        s.lists[slot].phrase = NONE
    weights = model.weights
    language, states = advance_weighted(model, NO_CONTEXT, UNKNOWN)
    s.options[COPY].isolated = language
    s.options[COPY].states = states
    s.options[COPY].first_word = 0
    s.options[COPY].last_word = 1
    s.options[COPY].entry = COPIED
    s.target_words[0].word = UNKNOWN
    s.target_words[0].states = states
    s.target_words[0].rest = 0.0
    score = weights[PHRASE_PENALTY] - weights[WORD_PENALTY] - weights[UNKNOWN_WORDS]
    for orientation in range(NUM_ORIENTATIONS):
        s.after[COPY, orientation] = 0.0
        s.columns[orientation, 0].value = score + language
        s.columns[orientation, 0].index = COPY
    s.counts[0] = 1
    s.counts[1] = 1


@njit(cache=True, nogil=True)
def _add_option(model: Any, entry: Any, s: Any) -> Any:
    """Write an entry of the phrase table and its words as an option; return its index."""
    table, weights = model.phrases, model.weights
    option, first = s.counts
    last = first
    states = NO_CONTEXT
    isolated = 0.0
    for n in range(table.target_offsets[entry], table.target_offsets[entry + 1]):
        word = table.target_words[n]
        language, states = advance_weighted(model, states, word)
        isolated += language
        s.target_words[last].word = word
        s.target_words[last].states = states
        s.target_words[last].rest = isolated
        last += 1
    for n in range(first, last):
        s.target_words[n].rest = isolated - s.target_words[n].rest
    s.options[option].isolated = isolated
    s.options[option].states = states
    s.options[option].first_word = first
    s.options[option].last_word = last
    s.options[option].entry = entry
    for orientation in range(NUM_ORIENTATIONS):
        n = NUM_ORIENTATIONS + orientation
        # Adding zero turns minus zero into zero, so that equal numbers have equal bits.
        s.after[option, orientation] = weights[REORDERING + n] * table.reordering[entry, n] + 0.0
    s.counts[0] = option + 1
    s.counts[1] = last
    return option


@njit(cache=True, nogil=True)
def _insert(ranked: Any, first: Any, place: Any, value: Any, index: Any) -> None:
    """Put a value at its place among those from ``first`` to ``place``, greatest first."""
    while place > first and ranked[place - 1].value < value:
        ranked[place].value = ranked[place - 1].value
        ranked[place].index = ranked[place - 1].index
        place -= 1
    ranked[place].value = value
    ranked[place].index = index


@njit(cache=True, nogil=True)
def _prepare(model: Any, phrase: Any, max_options: Any, s: Any) -> Any:
    """Prepare the best translations of a source phrase; return their number (or OPTIONS_FULL), and
    the score of the best."""
    table, weights = model.phrases, model.weights
    first = s.counts[0]
    ranked = s.columns[0]
    count = 0
    words = s.counts[1]
    for entry in range(table.entry_offsets[phrase], table.entry_offsets[phrase + 1]):
        begin, end = table.target_offsets[entry], table.target_offsets[entry + 1]
        score = weights[PHRASE_PENALTY] - weights[WORD_PENALTY] * (end - begin)
        for n in range(NUM_TRANSLATION):
            score += weights[TRANSLATION + n] * table.scores[entry, n]
        # A logarithm of a probability only makes a score worse.
        bounded = (
            count == max_options
            and weights[LANGUAGE_MODEL] >= 0.0
            and weights[CLASS_LANGUAGE_MODEL] >= 0.0
        )
        if bounded and score <= ranked[first + count - 1].value:
            continue
        states = NO_CONTEXT
        for n in range(begin, end):
            language, states = advance_weighted(model, states, table.target_words[n])
            score += language
        if count < max_options:
            count += 1
        elif score <= ranked[first + count - 1].value:
            continue
        _insert(ranked, first, first + count - 1, score, entry)
    for place in range(first, first + count):
        entry = ranked[place].index
        words += table.target_offsets[entry + 1] - table.target_offsets[entry]
    if words > len(s.target_words):
        return OPTIONS_FULL, 0.0
    best = ranked[first].value
    for place in range(first, first + count):
        entry = ranked[place].index
        ranked[place].index = _add_option(model, entry, s)
    for orientation in range(NUM_ORIENTATIONS - 1, -1, -1):
        weight = weights[REORDERING + orientation]
        for n in range(count):
            # The row of the first orientation is read by the others and so changed last.
            value, option = ranked[first + n].value, ranked[first + n].index
            value += weight * table.reordering[s.options[option].entry, orientation]
            _insert(s.columns[orientation], first, first + n, value, option)
    return count, best


@njit(cache=True, nogil=True)
def _find_list(model: Any, phrase: Any, max_options: Any, s: Any) -> Any:
    """The slot in ``s.lists`` of a source phrase's options, or OPTIONS_FULL."""
    mask = len(s.lists) - 1
    slot = _list_slot(phrase, mask)
    while s.lists[slot].phrase != NONE:
        if s.lists[slot].phrase == phrase:
            return slot
        slot = (slot + 1) & mask
    first = s.counts[0]
    count, best = _prepare(model, phrase, max_options, s)
    if count < 0:
        return count
    s.lists[slot].phrase = phrase
    s.lists[slot].first = first
    s.lists[slot].count = count
    s.lists[slot].best = best
    return slot


@njit(cache=True, nogil=True)
def _estimate_future(size: Any, longest: Any, s: Any) -> None:
    """The best score of each span, reordering left out: phrase by phrase from its beginning."""
    for begin in range(size, -1, -1):
        s.future[begin, begin] = 0.0
        for end in range(begin + 1, size + 1):
            score = -np.inf
            for n in range(min(longest, end - begin)):
                score = max(score, s.span_best[begin, n] + s.future[begin + 1 + n, end])
            s.future[begin, end] = score


@njit(cache=True, nogil=True)
def collect_options(sentence: Any, model: Any, limits: Any, s: Any) -> int:
    """Fill ``s.spans`` with the options of every span of a sentence, and ``s.future``.

    Return 0, or which array is full.
    """
    size = len(sentence)
    longest = limits.max_phrase_words
    if size > len(s.spans):
        return SENTENCE_FULL
    wanted = size * longest * limits.max_options + 1
    if wanted > len(s.options):
        return OPTIONS_FULL
    if s.counts[0] == 0 or s.counts[0] + wanted > len(s.options):
        _forget_options(model, s)
    for begin in range(size):
        known = True
        for n in range(longest):
            end = begin + n + 1
            first, count, best = COPY, 0, -np.inf
            known = known and end <= size and sentence[end - 1] >= FIRST_WORD
            phrase = find_phrase(model.phrases, sentence, begin, end) if known else NONE
            if phrase >= 0:
                slot = _find_list(model, phrase, limits.max_options, s)
                if slot < 0:
                    return int(slot)
                first, count = s.lists[slot].first, s.lists[slot].count
                best = s.lists[slot].best
            if n == 0 and count == 0:
                count, best = 1, s.columns[0, COPY].value
            s.spans[begin, n, 0] = first
            s.spans[begin, n, 1] = count
            s.span_best[begin, n] = best
    _estimate_future(size, longest, s)
    return 0
