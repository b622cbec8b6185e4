"""Both language models at once: that of words, and that of their classes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from nmt.statistical.features import CLASS_LANGUAGE_MODEL, LANGUAGE_MODEL
from nmt.statistical.language_model.tables import advance

NO_CONTEXT: Final = np.int64(0)
"""The empty states of both models, joined."""


@njit(inline="always")
def join_states(state: Any, class_state: Any) -> Any:
    """The states of both models as one number."""
    return (np.int64(state) << 32) | np.int64(class_state)


@njit(inline="always")
def advance_both(model: Any, states: Any, word: Any) -> Any:
    """Return ln p of a word by both models, and their joined states after it."""
    classes = model.classes
    log_p, state = advance(model.language_model, int(states >> 32), word)
    class_log_p, class_state = advance(
        classes.tables, int(states & 0xFFFFFFFF), classes.class_of_word[word]
    )
    return log_p, class_log_p, join_states(state, class_state)


@njit(inline="always")
def advance_weighted(model: Any, states: Any, word: Any) -> Any:
    """Return the weighted score of a word, and the joined states after it."""
    log_p, class_log_p, states = advance_both(model, states, word)
    weights = model.weights
    return weights[LANGUAGE_MODEL] * log_p + weights[CLASS_LANGUAGE_MODEL] * class_log_p, states
