"""From a trie of n-grams with probabilities to the tables of ``tables.py``."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.language_model.tables import (
    EMPTY_STATE,
    TableRows,
    insert,
)
from nmt.statistical.language_model.trie import ROOT, Trie, find_child, link_suffixes
from nmt.statistical.vocabulary import UNKNOWN

_MAX_STATES: Final = 2**31


def build_automaton(
    trie: Trie,
    log_p: NDArray[np.float64],
    log_back_off: NDArray[np.float64],
    num_words: int,
    log_p_unknown: float,
) -> tuple[TableRows, NDArray[np.bool_], NDArray[np.int64]]:
    """The tables of a model, which words have a unigram, and the first state of each length.

    ``log_p`` and ``log_back_off``, [T], are natural logarithms. ``log_p`` is NaN for n-grams that
    are there only because longer ones begin with them; their probability is what backing off gives.
    Words without a unigram are as UNKNOWN; if it has none either, its probability is
    ``log_p_unknown``.
    """
    unigrams = int(trie.offsets[1])
    is_state = (np.diff(trie.children) > 0) | (log_back_off != 0)
    is_state[trie.of_length(trie.order)] = False
    states = np.cumsum(is_state)
    num_states = int(states[-1]) + 1
    assert num_states < _MAX_STATES
    first_states = np.array([0, 1, *(states[trie.offsets[1:-1] - 1] + 1)], np.int64)
    states = np.where(is_state, states, EMPTY_STATE).astype(np.int32)
    suffixes = np.empty(len(trie.words), np.int64)
    link_suffixes(trie.words, trie.children, unigrams, suffixes)
    rows = TableRows.allocate(len(trie.words) - unigrams, num_states, num_words)
    _fill(
        trie.words, trie.children, unigrams, suffixes, log_p, log_back_off, states, rows.columns()
    )
    known = np.zeros(num_words, np.bool_)
    known[trie.words[:unigrams]] = True
    if not known[UNKNOWN]:
        rows.words[UNKNOWN] = (log_p_unknown, EMPTY_STATE)
        known[UNKNOWN] = True
    rows.words[~known] = rows.words[UNKNOWN]
    return rows, known, first_states


@njit(cache=True, nogil=True)
def _fill(
    words: Any,
    children: Any,
    unigrams: int,
    suffixes: Any,
    log_p: Any,
    log_back_off: Any,
    states: Any,
    tables: Any,
) -> None:
    """Fill the tables; ``states`` becomes the state after each n-gram."""
    tables.back_off[EMPTY_STATE] = 0.0
    tables.shorter[EMPTY_STATE] = EMPTY_STATE
    for node in range(len(words)):
        # A suffix is shorter, so the state after it is known already.
        after = EMPTY_STATE if suffixes[node] == ROOT else states[suffixes[node]]
        if states[node] == EMPTY_STATE:
            states[node] = after
        else:
            tables.back_off[states[node]] = log_back_off[node]
            tables.shorter[states[node]] = after
    for node in range(unigrams):
        tables.word_log_p[words[node]] = log_p[node]
        tables.word_state[words[node]] = states[node]
    for node in range(len(words)):
        for child in range(children[node], children[node + 1]):
            if np.isnan(log_p[child]):
                back_off = log_back_off[node]
                context = suffixes[node]
                while context != ROOT and find_child(words, children, context, words[child]) < 0:
                    back_off += log_back_off[context]
                    context = suffixes[context]
                log_p[child] = back_off + log_p[suffixes[child]]
            insert(tables, states[node], words[child], log_p[child], states[child])
