"""The features of the log-linear model (Och and Ney 2002), their order and their first weights.

A derivation's score is the dot product of weights and features. Logarithms are natural. The order
is that of every vector of weights or features in this package.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

LANGUAGE_MODEL: Final = 0
"""ln p(target words), the end of the sentence included."""
WORD_PENALTY: Final = 1
"""Minus the number of target words."""
PHRASE_PENALTY: Final = 2
"""Number of phrases."""
DISTORTION: Final = 3
"""Minus the words jumped over: the sum of |start of a phrase - end of the one before - 1|."""
UNKNOWN_WORDS: Final = 4
"""Minus the number of source words copied because the phrase table does not know them."""
TRANSLATION: Final = 5
"""The four scores of the phrase table: ln p(s|t), ln lex(s|t), ln p(t|s), ln lex(t|s)."""
NUM_TRANSLATION: Final = 4
REORDERING: Final = TRANSLATION + NUM_TRANSLATION
"""Six ln p(orientation | phrase pair): monotone, swap, discontinuous, first relative to the phrase
before, then of the phrase after (Moses' msd-bidirectional-fe; Koehn et al. 2005)."""
NUM_REORDERING: Final = 6
CLASS_LANGUAGE_MODEL: Final = REORDERING + NUM_REORDERING
"""ln p(classes of the target words), the end included; 0 in systems without such a model."""

NAMES: Final = (
    "language_model", "word_penalty", "phrase_penalty", "distortion", "unknown_words",
    "phrase_inverse", "lexical_inverse", "phrase_direct", "lexical_direct",
    "monotone_before", "swap_before", "discontinuous_before",
    "monotone_after", "swap_after", "discontinuous_after",
    "class_language_model",
)  # fmt: skip
NUM_FEATURES: Final = len(NAMES)

FIRST_WEIGHTS: Final[NDArray[np.float64]] = np.array(
    [0.5, -1.0, 0.2, 0.3, 100.0] + [0.2] * NUM_TRANSLATION + [0.3] * NUM_REORDERING + [0.2]
)
"""Moses' weights before tuning. That of unknown words is not tuned: they cannot be avoided."""
