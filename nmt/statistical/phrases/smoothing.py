"""What is taken off the counts of phrase pairs (Foster, Kuhn and Johnson 2006).

    p(t|s) = (c(s,t) - d(c(s,t))) / c(s)  +  g(s) n(t) / E

with the count c, the discount d, the number n(t) of source phrases paired with t, and the number E
of phrase pairs. With Kneser-Ney the mass g(s) is what was taken off the pairs of s, so that the
probabilities of all target phrases sum to 1; otherwise it is 0. Likewise p(s|t), with the same
discounts. (Moses multiplies the discount of the pair in hand by the number of pairs of s instead of
adding up the discounts of all of them.)
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_COUNT: Final = 10
"""Counts of counts are kept up to here; a higher count is discounted like this one."""


class Smoothing(NamedTuple):
    """Discounts for a table."""

    discounts: NDArray[np.float64]
    """[MAX_COUNT+1] What is taken off each count."""
    gives_back: bool
    """Whether it is given to all target phrases."""
    num_pairs: int
    """E."""


def smoothing_of(kind: str, counts_of_counts: NDArray[np.int64], num_pairs: int) -> Smoothing:
    """The smoothing of a kind (see PhraseSettings) from [MAX_COUNT+1] counts of counts."""
    if kind == "kneser-ney":
        return Smoothing(_kneser_ney(counts_of_counts), True, num_pairs)
    if kind == "good-turing":
        return Smoothing(_good_turing(counts_of_counts), False, num_pairs)
    return Smoothing(np.zeros(MAX_COUNT + 1), False, num_pairs)


def _kneser_ney(counts_of_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """D1, D2, D3+ of Chen and Goodman (1998), within what they can mean."""
    n = counts_of_counts.astype(np.float64)
    share = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.5
    discounts = np.zeros(MAX_COUNT + 1)
    for k in (1, 2, 3):
        # Too small a table has no such counts; half an occurrence is Jeffreys' guess.
        value = k - (k + 1) * share * n[k + 1] / n[k] if n[k] else 0.5
        discounts[k] = min(max(value, 0.0), k - 0.1)
    discounts[4:] = discounts[3]
    return discounts


def _good_turing(counts_of_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """c - c*, where c* / c, kept from falling and from exceeding 1, is that of Good (1953)."""
    n = counts_of_counts + 0.1
    discounts = np.zeros(MAX_COUNT + 1)
    ratio = 0.01
    for count in range(1, MAX_COUNT):
        ratio = max(ratio, min(1.0, (count + 1) / count * n[count + 1] / n[count]))
        discounts[count] = count * (1 - ratio)
    return discounts
