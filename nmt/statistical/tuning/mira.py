"""Batch MIRA on n-best lists (Cherry and Foster 2012)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.tuning.bleu import MAX_ORDER, NUM_STATISTICS, REFERENCE_LENGTH, TOTALS
from nmt.statistical.tuning.pool import TuningProblem
from nmt.statistical.tuning.settings import TuningSettings


def mira(
    problem: TuningProblem,
    weights: NDArray[np.float64],
    settings: TuningSettings,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Weights [T] that put good hypotheses above bad ones by as much as their BLEU differs.

    ``settings.passes`` passes over the sentences, each in a new random order. After each, the
    weights are the average over all steps so far; those with the best BLEU on the n-best lists are
    returned. ``weights``, where it begins, has absolute values that sum to 1.
    """
    num_sentences = len(problem.sentence_offsets) - 1
    orders = np.array([rng.permutation(num_sentences) for _ in range(settings.passes)])
    averages = _passes(*problem, weights.copy(), orders, settings.step, settings.decay)
    bleus = [problem.bleu(average) for average in averages]
    best: NDArray[np.float64] = averages[int(np.argmax(bleus))]
    return best


@njit(inline="always")
def _background_bleu(row: Any, background: Any) -> Any:
    """BLEU of a hypothesis together with the background, in units of reference words.

    Without the background most sentences have no match of four words; and a hypothesis of a long
    sentence counts for more, as it does in corpus BLEU (Chiang, Marton and Resnik 2008).
    """
    matches = 1.0
    totals = 1.0
    for n in range(MAX_ORDER):
        matches *= row[n] + background[n]
        totals *= row[TOTALS + n] + background[TOTALS + n]
    length = row[TOTALS] + background[TOTALS]
    reference_length = row[REFERENCE_LENGTH] + background[REFERENCE_LENGTH]
    bleu = math.sqrt(math.sqrt(matches / totals))  # the fourth root, as MAX_ORDER is 4
    if length < reference_length:
        bleu *= math.exp(1 - reference_length / length)
    return bleu * reference_length


@njit(cache=True, nogil=True)
def _passes(
    features: Any,
    base: Any,
    statistics: Any,
    sentence_offsets: Any,
    weights: Any,
    orders: Any,
    max_step: float,
    decay: float,
) -> Any:
    """The averaged weights [P, T] after each pass; ``orders`` [P, S]. ``weights`` is changed."""
    size = len(weights)
    longest = 0
    for s in range(len(sentence_offsets) - 1):
        longest = max(longest, sentence_offsets[s + 1] - sentence_offsets[s])
    scores = np.empty(longest, np.float64)
    bleus = np.empty(longest, np.float64)
    difference = np.empty(size, np.float64)
    total = np.zeros(size, np.float64)
    averages = np.empty((len(orders), size), np.float64)
    background = np.empty(NUM_STATISTICS, np.float64)
    for n in range(MAX_ORDER):
        background[n] = MAX_ORDER - n
        background[TOTALS + n] = MAX_ORDER - n
    background[REFERENCE_LENGTH] = MAX_ORDER
    num_steps = 0
    for p in range(len(orders)):
        for s in orders[p]:
            begin = sentence_offsets[s]
            length = sentence_offsets[s + 1] - begin
            for n in range(length):
                scores[n] = base[begin + n]
            for j in range(size):
                column = features[j, begin : begin + length]
                for n in range(length):
                    scores[n] += weights[j] * column[n]
            hope = 0
            fear = 0
            for n in range(length):
                bleus[n] = _background_bleu(statistics[begin + n], background)
                if scores[n] + bleus[n] > scores[hope] + bleus[hope]:
                    hope = n
                if scores[n] - bleus[n] > scores[fear] - bleus[fear]:
                    fear = n
            if bleus[hope] > bleus[fear]:
                loss = (bleus[hope] - bleus[fear]) - (scores[hope] - scores[fear])
                square = 0.0
                for j in range(size):
                    difference[j] = features[j, begin + hope] - features[j, begin + fear]
                    square += difference[j] ** 2
                if loss > 0 and square > 0:
                    step = min(max_step, loss / square)
                    for j in range(size):
                        weights[j] += step * difference[j]
                for n in range(NUM_STATISTICS):
                    background[n] = decay * background[n] + statistics[begin + hope, n]
            num_steps += 1
            for j in range(size):
                total[j] += weights[j]
        averages[p] = total / num_steps
    return averages
