"""What a language model is made of when it is queried: flat arrays, and the loop that reads them.

A model is an automaton. A state is a context of n-1 words that some n-gram continues; state 0 is
the empty context. All n-grams longer than one word are in one hash table, found by (state of the
words before, last word), so a key is exact and 64 bits long, and a context is one integer, however
long it is: hypotheses with the same state have the same future. Where a state has no such word, its
back-off weight is paid and the state without its first word is asked (Katz 1987).

A query costs a cache miss for each state asked, and at the same time one for its back-off, for what
belongs together lies together: the arrays are columns of three tables with rows of 16, 8 and 8
bytes (``SLOT``, ``STATE``, ``WORD``). Compiled loops see them as arrays with a stride.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

EMPTY_STATE: Final = 0
"""The state with no context."""

SLOT: Final = np.dtype([("key", "<u8"), ("log_p", "<f4"), ("next_state", "<i4")])
"""A row of the hash table."""
STATE: Final = np.dtype([("back_off", "<f4"), ("shorter", "<i4")])
"""What is known of a state."""
WORD: Final = np.dtype([("log_p", "<f4"), ("state", "<i4")])
"""What is known of a word without context."""

_MAX_SLOTS: Final = 2**32


class LanguageModelTables(NamedTuple):
    """The arrays of a language model; C slots, S states, V word ids."""

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


class TableRows(NamedTuple):
    """The same, as it is stored."""

    slots: NDArray[np.void]
    """[C] Rows of ``SLOT``."""
    states: NDArray[np.void]
    """[S] Rows of ``STATE``."""
    words: NDArray[np.void]
    """[V] Rows of ``WORD``."""

    @classmethod
    def allocate(cls, num_ngrams: int, num_states: int, num_words: int) -> TableRows:
        """Rows of zeros, with space for so many n-grams of two words or more.

        Half of the slots will be used: it takes 1.5 looks on average to find an n-gram, and 2.5 to
        find that there is none.
        """
        num_slots = 2 * num_ngrams + 1
        assert num_slots < _MAX_SLOTS
        return cls(
            np.zeros(num_slots, SLOT), np.zeros(num_states, STATE), np.zeros(num_words, WORD)
        )

    def columns(self) -> LanguageModelTables:
        """The arrays that loops read: views of the rows."""
        return LanguageModelTables(
            keys=self.slots["key"],
            log_p=self.slots["log_p"],
            next_state=self.slots["next_state"],
            word_log_p=self.words["log_p"],
            word_state=self.words["state"],
            back_off=self.states["back_off"],
            shorter=self.states["shorter"],
        )


@njit(inline="always")
def first_slot(key: Any, last: Any) -> Any:
    """Where the search for a key begins; ``last`` is the last slot, there are at most 2^32.

    32 bits of a Fibonacci hash, taken as a fraction of the slots.
    """
    mixed = (key ^ (key >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed >> np.uint64(32)) * (last + np.uint64(1))) >> np.uint64(32)


@njit(inline="always")
def _next_slot(slot: Any, last: Any) -> Any:
    return np.uint64(0) if slot == last else slot + np.uint64(1)


@njit(inline="always")
def insert(tables: Any, state: int, word: int, log_p: float, next_state: int) -> None:
    """Put an n-gram that is not there yet into the hash table."""
    last = np.uint64(len(tables.keys) - 1)
    key = (np.uint64(state) << np.uint64(32)) | np.uint64(word)
    slot = first_slot(key, last)
    while tables.keys[slot] != 0:
        slot = _next_slot(slot, last)
    tables.keys[slot] = key
    tables.log_p[slot] = log_p
    tables.next_state[slot] = next_state


@njit(cache=True, nogil=True)
def advance(tables: Any, state: int, word: int) -> Any:
    """Return ln p(word | state) and the state after the word, as (float64, int32)."""
    last = np.uint64(len(tables.keys) - 1)
    log_p = 0.0
    while state != EMPTY_STATE:
        # Asked for before it is known to be needed, so that one cache miss does not wait for the
        # other.
        back_off, shorter = tables.back_off[state], tables.shorter[state]
        key = (np.uint64(state) << np.uint64(32)) | np.uint64(word)
        slot = first_slot(key, last)
        while tables.keys[slot] != 0:
            if tables.keys[slot] == key:
                return log_p + tables.log_p[slot], tables.next_state[slot]
            slot = _next_slot(slot, last)
        log_p += back_off
        state = shorter
    return log_p + tables.word_log_p[word], tables.word_state[word]
