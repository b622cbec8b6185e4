"""What a language model is made of when it is queried: flat arrays, and the loop that reads them.

A model is an automaton. A state is a context of n-1 words that some n-gram continues; state 0 is
the empty context. All n-grams longer than one word are in one hash table, found by (state of the
words before, last word), so a key is exact and 64 bits long, and a context is one integer, however
long it is: hypotheses with the same state have the same future. Where a state has no such word, its
back-off weight is paid and the state without its first word is asked (Katz 1987).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

EMPTY_STATE: Final = 0
"""The state with no context."""


class LanguageModelTables(NamedTuple):
    """The arrays of a language model; C slots (a power of two), S states, V word ids."""

    keys: NDArray[np.uint64]
    """[C] ``state << 32 | word`` of the n-gram in each slot; 0 where there is none."""
    log_p: NDArray[np.float32]
    """[C] ln p(word | state)."""
    next_state: NDArray[np.int32]
    """[C] The state after the word: the longest suffix of the n-gram that is a state."""
    word_log_p: NDArray[np.float32]
    """[V] ln p(word) without context; that of UNKNOWN for words that the model does not know."""
    word_state: NDArray[np.int32]
    """[V] The state after a word without context."""
    back_off: NDArray[np.float32]
    """[S] ln of the back-off weight of each state."""
    shorter: NDArray[np.int32]
    """[S] The longest state that is a proper suffix of each; that of the empty one is itself."""


@njit(inline="always")
def first_slot(key: Any, mask: Any) -> Any:
    """Where the search for a key begins (Fibonacci hashing); ``mask`` is the slots less one."""
    mixed = (key ^ (key >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(32)) & mask


@njit(cache=True, nogil=True)
def advance(tables: Any, state: int, word: int) -> Any:
    """Return ln p(word | state) and the state after the word, as (float64, int32)."""
    mask = np.uint64(len(tables.keys) - 1)
    log_p = 0.0
    while state != EMPTY_STATE:
        key = (np.uint64(state) << np.uint64(32)) | np.uint64(word)
        slot = first_slot(key, mask)
        while tables.keys[slot] != 0:
            if tables.keys[slot] == key:
                return log_p + tables.log_p[slot], tables.next_state[slot]
            slot = (slot + np.uint64(1)) & mask
        log_p += tables.back_off[state]
        state = tables.shorter[state]
    return log_p + tables.word_log_p[word], tables.word_state[word]
