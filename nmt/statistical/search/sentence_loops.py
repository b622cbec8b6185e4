"""The loops that are called from outside: sentences in, the phrases of their translations out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from nmt.statistical.features import NUM_FEATURES
from nmt.statistical.search.borrowing import borrowed
from nmt.statistical.search.kbest import best_derivations, segment
from nmt.statistical.search.records import COPIED
from nmt.statistical.search.scoring import phrase_features
from nmt.statistical.search.stacks import search_sentence

_TRIES: Final = 20
"""Derivations looked at for each that is wanted, if they must differ in their words (Moses' n-best
factor)."""


@njit(cache=True, nogil=True)
def decode_sentences(
    words: Any,
    offsets: Any,
    first: Any,
    begin: Any,
    end: Any,
    model: Any,
    limits: Any,
    s: Any,
    segments: Any,
    counts: Any,
    scores: Any,
) -> Any:
    """Decode the sentences from ``begin`` to ``end``.

    Writes the phrases of sentence n to ``segments`` from where its words begin, counted from those
    of sentence ``first``; their number to ``counts[n - first]``, and the score to ``scores``.

    Return the sentence after the last that was decoded, and 0 or which array it found full.
    """
    no_turns = np.empty(0, np.int32)
    for n in range(begin, end):
        if offsets[n] == offsets[n + 1]:
            continue
        last = search_sentence(words[offsets[n] : offsets[n + 1]], model, limits, s)
        if last < 0:
            return n, last
        scores[n - first] = s.hypotheses[last].score
        place = segments[offsets[n] - offsets[first] :]
        counts[n - first] = segment(last, no_turns, no_turns, s, place)
    return end, 0


@njit(cache=True, nogil=True)
def list_derivations(
    last: Any, num_words: Any, model: Any, s: Any, size: Any, distinct: Any
) -> Any:
    """The best derivations of a sentence that was searched: the fields of `NBest` but the first.

    ``last``: what `search_sentence` returned; negative for a sentence without words.
    """
    model, s = borrowed(model), borrowed(s)
    scores, segments = np.zeros(1), np.empty((0, 3), np.int32)
    segment_offsets = np.zeros(2, np.int64)
    if last >= 0:
        tries = _TRIES * size if distinct else size
        scores, segments, segment_offsets = best_derivations(
            last, num_words, size, distinct, tries, model.phrases, s
        )
    count = len(scores)
    features = np.zeros((count, NUM_FEATURES))
    by_phrase = np.empty((num_words, NUM_FEATURES))
    word_offsets = np.zeros(count + 1, np.int64)
    targets = model.phrases.target_offsets
    for n in range(count):
        own = segments[segment_offsets[n] : segment_offsets[n + 1]]
        phrase_features(own, model, by_phrase[: len(own)])
        length = 0
        for row in range(len(own)):
            entry = own[row, 2]
            length += 1 if entry == COPIED else targets[entry + 1] - targets[entry]
            for feature in range(NUM_FEATURES):
                features[n, feature] += by_phrase[row, feature]
        word_offsets[n + 1] = word_offsets[n] + length
    words = np.empty(word_offsets[count], np.int32)
    place = 0
    for row in range(len(segments)):
        begin, _, entry = segments[row]
        if entry == COPIED:
            words[place] = ~begin
            place += 1
        else:
            for n in range(targets[entry], targets[entry + 1]):
                words[place] = model.phrases.target_words[n]
                place += 1
    return scores, features, words, word_offsets, segments, segment_offsets
