"""The loops of alignment models in which each word's link is drawn by itself.

Given a sentence of I words, generated word j of J is linked to nothing with probability p0, or else
to position i with probability proportional to exp(-tension * |i / I - j / J|) (positions from 1;
Dyer, Chahuneau and Smith 2013), and is then drawn from p(word | given word). With tension 0 and
p0 = 1 / (I + 1) this is IBM Model 1 (Brown et al. 1993).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba import njit

ONE: Final = 2.0**32
"""Expected counts are sums of whole numbers of 1 / ONE. Such sums do not depend on their order, so
neither does the result on the number of threads; one holds 2**31 tokens."""

LOG_LIKELIHOOD: Final = 0
"""Statistics: the sum of ln p(generated sentence | given sentence)."""
SLOPE: Final = 1
"""The derivative of the expected log-likelihood with respect to the tension."""
CURVATURE: Final = 2
"""Minus its second derivative."""
NUM_STATISTICS: Final = 3


@njit(inline="always")
def diagonal_weights(weights: Any, j: int, num_generated: int, tension: float) -> float:
    """Fill in exp(-tension * |i / I - j / J|) for every position i; return their sum.

    Away from the diagonal each weight is the one before times exp(-tension / I).
    """
    num_given = len(weights)
    ratio = math.exp(-tension / num_given)
    share = (j + 1) / num_generated
    above = (j + 1) * num_given // num_generated
    total = 0.0
    weight = math.exp(-tension * (share - above / num_given))
    for i in range(above - 1, -1, -1):
        weights[i] = weight
        total += weight
        weight *= ratio
    weight = math.exp(-tension * ((above + 1) / num_given - share))
    for i in range(above, num_given):
        weights[i] = weight
        total += weight
        weight *= ratio
    return total


@njit(cache=True, nogil=True)
def run_positions(
    given_offsets: Any,
    generated_offsets: Any,
    generated_words: Any,
    first: int,
    last: int,
    slots: Any,
    reverse: bool,
    lexical: Any,
    null: Any,
    tension: float,
    null_probability: float,
    counts: Any,
    null_counts: Any,
    statistics: Any,
    links: Any,
) -> None:
    """Expected counts of the sentence pairs ``first`` to ``last``, or their best links.

    Args:
        slots: those of these pairs; ``reverse`` says that the given words are the target's.
        null_probability: p0; below 0, that of Model 1.
        counts: [C + 1] is added to, and ``null_counts`` by generated word.
        statistics: [NUM_STATISTICS] is added to.
        links: if not empty, nothing is counted; gets the given position of each generated word in
            the bitext, -1 for none.
    """
    longest = 1
    for n in range(first, last):
        longest = max(longest, given_offsets[n + 1] - given_offsets[n])
    weights_all = np.empty(longest, np.float64)
    joint_all = np.empty(longest, np.float64)
    decode = len(links) > 0
    log_likelihood = slope = curvature = 0.0
    base = 0
    for n in range(first, last):
        num_given = given_offsets[n + 1] - given_offsets[n]
        num_generated = generated_offsets[n + 1] - generated_offsets[n]
        given_step = 1 if reverse else num_generated
        generated_step = num_given if reverse else 1
        weights = weights_all[:num_given]
        joint = joint_all[:num_given]
        p0 = null_probability if null_probability >= 0 else 1.0 / (num_given + 1)
        if num_given == 0:
            p0 = 1.0
        for j in range(num_generated):
            token = generated_offsets[n] + j
            word = generated_words[token]
            weight_sum = 1.0
            if num_given > 0:
                weight_sum = diagonal_weights(weights, j, num_generated, tension)
            scale = (1.0 - p0) / weight_sum
            null_joint = p0 * null[word]
            total = null_joint
            slot = base + j * generated_step
            for i in range(num_given):
                joint[i] = scale * weights[i] * lexical[slots[slot]]
                total += joint[i]
                slot += given_step
            if decode:
                best, best_joint = -1, null_joint
                for i in range(num_given):
                    if joint[i] > best_joint:
                        best, best_joint = i, joint[i]
                links[token] = best
                continue
            log_likelihood += math.log(total)
            share = (j + 1) / num_generated
            null_posterior = null_joint / total
            null_counts[word] += np.int64(null_posterior * ONE)
            expected = prior_mean = prior_square = 0.0
            slot = base + j * generated_step
            for i in range(num_given):
                posterior = joint[i] / total
                counts[slots[slot]] += np.int64(posterior * ONE)
                slot += given_step
                distance = abs((i + 1) / num_given - share)
                expected += posterior * distance
                prior_mean += weights[i] * distance
                prior_square += weights[i] * distance * distance
            prior_mean /= weight_sum
            prior_square /= weight_sum
            slope += (1.0 - null_posterior) * prior_mean - expected
            curvature += (1.0 - null_posterior) * (prior_square - prior_mean * prior_mean)
        base += num_given * num_generated
    statistics[LOG_LIKELIHOOD] += log_likelihood
    statistics[SLOPE] += slope
    statistics[CURVATURE] += curvature
