"""The features of a derivation, from its phrases alone: what search adds up on its way."""

from __future__ import annotations

from typing import Any

from numba import njit

from nmt.statistical.features import (
    CLASS_LANGUAGE_MODEL,
    DISTORTION,
    LANGUAGE_MODEL,
    NUM_TRANSLATION,
    PHRASE_PENALTY,
    REORDERING,
    TRANSLATION,
    UNKNOWN_WORDS,
    WORD_PENALTY,
)
from nmt.statistical.search.language import advance_both, join_states
from nmt.statistical.search.records import (
    COPIED,
    DISCONTINUOUS,
    MONOTONE,
    NUM_ORIENTATIONS,
    SWAP,
)
from nmt.statistical.vocabulary import END, UNKNOWN


@njit(cache=True, nogil=True)
def phrase_features(segments: Any, model: Any, features: Any) -> None:
    """Write the features of a derivation, phrase by phrase; their sum is the derivation's.

    ``segments`` [K, 3]: begin, end and entry of each phrase, in target order. ``features`` [K, F].
    A phrase's reordering is scored at the phrase after it as far as it looks forward, as in Moses;
    the last phrase has none, and it has the language model's score of the sentence's end.
    """
    table = model.phrases
    features[:] = 0.0
    states = join_states(model.begin_state, model.classes.begin_state)
    last_begin, last_end, last_entry = 0, 0, COPIED
    for n in range(len(segments)):
        begin, end, entry = segments[n]
        row = features[n]
        row[PHRASE_PENALTY] = 1.0
        row[DISTORTION] = -abs(begin - last_end)
        orientation = DISCONTINUOUS
        if begin == last_end:
            orientation = MONOTONE
        elif n > 0 and end == last_begin:
            orientation = SWAP
        if last_entry != COPIED:
            after = NUM_ORIENTATIONS + orientation
            row[REORDERING + after] = table.reordering[last_entry, after]
        if entry == COPIED:
            row[WORD_PENALTY] = -1.0
            row[UNKNOWN_WORDS] = -1.0
            log_p, class_log_p, states = advance_both(model, states, UNKNOWN)
            row[LANGUAGE_MODEL] = log_p
            row[CLASS_LANGUAGE_MODEL] = class_log_p
        else:
            row[REORDERING + orientation] = table.reordering[entry, orientation]
            for score in range(NUM_TRANSLATION):
                row[TRANSLATION + score] = table.scores[entry, score]
            for place in range(table.target_offsets[entry], table.target_offsets[entry + 1]):
                word = table.target_words[place]
                log_p, class_log_p, states = advance_both(model, states, word)
                row[LANGUAGE_MODEL] += log_p
                row[CLASS_LANGUAGE_MODEL] += class_log_p
                row[WORD_PENALTY] -= 1.0
        last_begin, last_end, last_entry = begin, end, entry
    if len(segments) > 0:
        log_p, class_log_p, states = advance_both(model, states, END)
        features[len(segments) - 1, LANGUAGE_MODEL] += log_p
        features[len(segments) - 1, CLASS_LANGUAGE_MODEL] += class_log_p
