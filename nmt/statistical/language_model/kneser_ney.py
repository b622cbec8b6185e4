"""Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998; Heafield et al. 2013).

The count of an n-gram of the greatest length is how often it occurs; that of a shorter one is how
many different words stand before it, except that nothing stands before BEGIN. With D the discount
of a count (one for each of 1, 2, and 3 or more, for each length), and for all words w after h::

    p(w | h) = (count(hw) - D(count(hw))) / total(h) + back_off(h) p(w | h without its first word)
    back_off(h) = sum over w of D(count(hw)) / total(h),    total(h) = sum over w of count(hw)

Below the unigrams there is the uniform distribution over all words, UNKNOWN and END, so UNKNOWN
gets what the unigrams' discounts leave it. BEGIN is never predicted.

Pruned n-grams count in totals and discounts, and all of their counts go to the back-off, so that
probabilities add up to one (as in KenLM).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.language_model.counting import Workspace
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.language_model.trie import ROOT, Trie, link_suffixes
from nmt.statistical.vocabulary import BEGIN, FIRST_WORD, UNKNOWN


@dataclass(frozen=True)
class Estimate:
    """The probabilities of the n-grams of a trie; T nodes, N lengths."""

    log_p: NDArray[np.float64]
    """[T] ln p(last word | words before); without meaning for BEGIN and pruned n-grams."""
    log_back_off: NDArray[np.float64]
    """[T] ln of the back-off weight of each n-gram as a context."""
    log_p_unknown: float
    """ln p(UNKNOWN) without context, if it does not occur in the text."""
    kept: NDArray[np.bool_]
    """[T] Whether each n-gram occurs often enough to be kept."""
    discounts: NDArray[np.float64]
    """[N, 4] For each length, the discounts of counts 0 (none), 1, 2, and 3 or more."""


def estimate(
    trie: Trie, counts: NDArray[np.int64], settings: LanguageModelSettings, workspace: Workspace
) -> Estimate:
    """Estimate the probabilities of all n-grams of a text.

    ``trie`` holds all of them, whether to be kept or not, and ``counts`` how often each occurs.
    """
    size, lengths = len(trie.words), range(1, trie.order + 1)
    suffixes = workspace.empty(size, np.int64)
    link_suffixes(trie.words, trie.children, int(trie.offsets[1]), suffixes)
    adjusted = workspace.zeros(size, np.int64)
    _count_extensions(suffixes, adjusted)
    adjusted[trie.of_length(trie.order)] = counts[trie.of_length(trie.order)]
    begin = int(np.searchsorted(trie.words[trie.of_length(1)], BEGIN))
    for nodes in _descendants(trie, begin):
        adjusted[nodes] = counts[nodes]
    adjusted[begin] = 0
    kept = workspace.empty(size, np.bool_)
    for length in lengths:
        nodes = trie.of_length(length)
        np.greater_equal(counts[nodes], settings.kept(length), out=kept[nodes])
    kept[: trie.offsets[1]][trie.words[: trie.offsets[1]] < FIRST_WORD] = True
    discounts = np.array(
        [
            estimate_discounts(adjusted[trie.of_length(length)], settings.discount_fallback)
            for length in lengths
        ]
    )
    log_p = workspace.empty(size, np.float64)
    log_back_off = workspace.empty(size, np.float64)
    p_unknown = _interpolate(
        trie.children, trie.offsets, suffixes, adjusted, kept, discounts, log_p, log_back_off,
        begin, trie.words[0] == UNKNOWN,
    )  # fmt: skip
    np.log(log_p, out=log_p)
    np.log(log_back_off, out=log_back_off)
    return Estimate(log_p, log_back_off, math.log(p_unknown), kept, discounts)


def estimate_discounts(counts: NDArray[np.int64], fallback: Sequence[float]) -> NDArray[np.float64]:
    """The discounts of counts 0, 1, 2, and 3 or more: Chen and Goodman's equation 26.

    From the numbers of n-grams that have each of the counts 1 to 4. Where these make no sense, as
    they do in small or artificial texts, the fallback is taken.
    """
    numbers = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    discounts = np.array([0.0, *fallback])
    if numbers[1:4].all():
        y = numbers[1] / (numbers[1] + 2 * numbers[2])
        count = np.array([1, 2, 3])
        estimated = count - (count + 1) * y * numbers[count + 1] / numbers[count]
        if (estimated > 0).all():
            discounts[1:] = estimated
    return discounts


def _descendants(trie: Trie, node: int) -> Iterator[slice]:
    """The nodes of the n-grams that begin with a unigram, by length."""
    first, last = node, node + 1
    for _ in range(trie.order):
        yield slice(first, last)
        first, last = int(trie.children[first]), int(trie.children[last])


@njit(cache=True, nogil=True)
def _count_extensions(suffixes: Any, adjusted: Any) -> None:
    """Count the different words that stand before each n-gram."""
    for node in range(len(suffixes)):
        if suffixes[node] != ROOT:
            adjusted[suffixes[node]] += 1


@njit(inline="always")
def _interpolate_children(
    first: int,
    last: int,
    below: float,
    suffixes: Any,
    counts: Any,
    kept: Any,
    discounts: Any,
    p: Any,
) -> Any:
    """Set p of the words after a context, children first to last; return its back-off weight.

    ``below`` is the probability under that of unigrams.
    """
    total = 0
    left_over = 0.0
    for child in range(first, last):
        total += counts[child]
        left_over += discounts[min(counts[child], 3)] if kept[child] else counts[child]
    if total == 0:
        return 1.0
    back_off = left_over / total
    for child in range(first, last):
        lower = below if suffixes[child] == ROOT else p[suffixes[child]]
        own = (counts[child] - discounts[min(counts[child], 3)]) / total
        p[child] = own + back_off * lower if kept[child] else 1.0
    return back_off


@njit(cache=True, nogil=True)
def _interpolate(
    children: Any,
    offsets: Any,
    suffixes: Any,
    counts: Any,
    kept: Any,
    discounts: Any,
    p: Any,
    back_off: Any,
    begin: int,
    has_unknown: bool,
) -> Any:
    """Set the probabilities and back-off weights of all nodes; return p(UNKNOWN)."""
    num_predicted = 0 if has_unknown else 1
    for node in range(offsets[1]):
        # BEGIN is a unigram, with a count of 0, that is never predicted.
        if kept[node] and node != begin:
            num_predicted += 1
    uniform = 1.0 / num_predicted
    share = _interpolate_children(0, offsets[1], uniform, suffixes, counts, kept, discounts[0], p)
    length = 1
    for node in range(len(suffixes)):
        if node == offsets[length]:
            length += 1
        back_off[node] = 1.0
        if length < len(offsets) - 1:
            back_off[node] = _interpolate_children(
                children[node], children[node + 1], uniform, suffixes, counts, kept,
                discounts[length], p,
            )  # fmt: skip
    return p[0] if has_unknown else share * uniform
