"""From expected counts to translation probabilities."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba import njit

from nmt.statistical.alignment.position_loops import ONE

FLOOR: Final = 1e-9
"""The least translation probability, also that of words that never met."""


@njit(cache=True, nogil=True)
def digamma(x: float) -> float:
    """The derivative of ln gamma(x), x > 0, to 1e-10: recurrence up to 6, then its series."""
    shift = 0.0
    while x < 6.0:
        shift -= 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    series = inverse * (
        1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse / 132)))
    )
    return shift + math.log(x) - 0.5 / x - series


@njit(cache=True, nogil=True)
def estimate(counts: Any, owners: Any, num_owners: int, alpha: float, probabilities: Any) -> None:
    """Fill in p(word | owner) from expected counts c (in units of 1 / ONE).

    With ``alpha`` > 0 the expectation under variational Bayes with a symmetric Dirichlet prior
    (Johnson 2007), exp(digamma(c + alpha) - digamma(sum of c + alpha over the owner's cells));
    with 0 the most likely value, c / sum.

    ``probabilities`` may have more cells than there are owners' entries: these get FLOOR.
    """
    totals = np.zeros(num_owners, np.int64)
    sizes = np.zeros(num_owners, np.int64)
    for cell in range(len(owners)):
        totals[owners[cell]] += counts[cell]
        sizes[owners[cell]] += 1
    norms = np.zeros(num_owners, np.float64)
    for owner in range(num_owners):
        if alpha > 0 and sizes[owner] > 0:
            norms[owner] = digamma(totals[owner] / ONE + alpha * sizes[owner])
        else:
            norms[owner] = max(totals[owner], 1) / ONE
    least = math.log(FLOOR)
    probabilities[len(owners) :] = FLOOR
    for cell in range(len(owners)):
        weight = counts[cell] / ONE
        norm = norms[owners[cell]]
        if alpha == 0:
            probability = weight / norm
        # digamma(x) < 0.43 - 1 / x below 1 spares most cells, which stay near alpha, the rest.
        elif weight + alpha < 1 and 0.43 - 1 / (weight + alpha) - norm < least:
            probability = 0.0
        else:
            probability = math.exp(digamma(weight + alpha) - norm)
        probabilities[cell] = max(probability, FLOOR)
