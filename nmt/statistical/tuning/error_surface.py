"""BLEU as a function of the step along a line through the space of weights (Och 2003).

Along a line, the score of a hypothesis is linear in the step: intercept + step * slope. So the best
hypothesis of a sentence changes only at the corners of the upper envelope of its hypotheses' lines,
and corpus BLEU only at the corners of all sentences. The search along a line is therefore exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.tuning.bleu import NUM_STATISTICS, corpus_bleu


@njit(cache=True, nogil=True)
def _corners(intercepts: Any, slopes: Any, sentence_offsets: Any) -> Any:
    """The corners of all sentences' envelopes: step, hypothesis before, hypothesis after.

    Returned with the hypotheses [S] that win as the step goes to minus infinity.
    """
    num_sentences = len(sentence_offsets) - 1
    capacity = 16 * num_sentences + 16
    steps = np.empty(capacity, np.float64)
    before = np.empty(capacity, np.int64)
    after = np.empty(capacity, np.int64)
    first = np.empty(num_sentences, np.int64)
    longest = 0
    for s in range(num_sentences):
        longest = max(longest, sentence_offsets[s + 1] - sentence_offsets[s])
    steeper = np.empty(longest, np.int64)
    count = 0
    for s in range(num_sentences):
        begin, end = sentence_offsets[s], sentence_offsets[s + 1]
        current = begin
        for h in range(begin + 1, end):
            if slopes[h] < slopes[current] or (
                slopes[h] == slopes[current] and intercepts[h] > intercepts[current]
            ):
                current = h
        first[s] = current
        # Only steeper lines can take over, and the next is the one that is met first.
        num_steeper = 0
        for h in range(begin, end):
            if slopes[h] > slopes[current]:
                steeper[num_steeper] = h
                num_steeper += 1
        step = -np.inf
        while num_steeper > 0:
            nearest = np.inf
            following = -1
            for n in range(num_steeper):
                h = steeper[n]
                meeting = (intercepts[current] - intercepts[h]) / (slopes[h] - slopes[current])
                if meeting < nearest or (
                    meeting == nearest and following >= 0 and slopes[h] > slopes[following]
                ):
                    nearest = meeting
                    following = h
            if following < 0:  # slopes so near to each other that they meet at infinity
                break
            if count == len(steps):
                steps = np.concatenate((steps, np.empty_like(steps)))
                before = np.concatenate((before, np.empty_like(before)))
                after = np.concatenate((after, np.empty_like(after)))
            # Rounding must not turn the order of corners about.
            step = max(step, nearest)
            steps[count] = step
            before[count] = current
            after[count] = following
            count += 1
            current = following
            kept = 0
            for n in range(num_steeper):
                if slopes[steeper[n]] > slopes[current]:
                    steeper[kept] = steeper[n]
                    kept += 1
            num_steeper = kept
    return steps[:count], before[:count], after[:count], first


@njit(cache=True, nogil=True)
def error_surface(intercepts: Any, slopes: Any, statistics: Any, sentence_offsets: Any) -> Any:
    """BLEU along a line.

    Args:
        intercepts: [H] scores at step 0.
        slopes: [H] what a step of 1 adds to each score.
        statistics: [H, 9] see `bleu_statistics`.
        sentence_offsets: [S+1] where the hypotheses of each sentence begin.

    Returns K steps, ascending, and K+1 values of BLEU: before the first, between neighbours, and
    after the last.
    """
    steps, before, after, first = _corners(intercepts, slopes, sentence_offsets)
    sums = np.zeros(NUM_STATISTICS, np.int64)
    for h in first:
        sums += statistics[h]
    order = np.argsort(steps)
    ends = np.empty(len(steps), np.float64)
    bleus = np.empty(len(steps) + 1, np.float64)
    bleus[0] = corpus_bleu(sums)
    count = 0
    for position in range(len(order)):
        corner = order[position]
        if count > 0 and steps[corner] == ends[count - 1]:
            count -= 1  # corners of several sentences in one place: no interval between them
        for n in range(NUM_STATISTICS):
            sums[n] += statistics[after[corner], n] - statistics[before[corner], n]
        ends[count] = steps[corner]
        count += 1
        bleus[count] = corpus_bleu(sums)
    return ends[:count], bleus[: count + 1]


def best_step(
    steps: NDArray[np.float64], bleus: NDArray[np.float64], window: int, margin: float
) -> float:
    """The middle of the best interval of an error surface; 0 if none is better than that of 0.

    An interval counts as much as the average of itself and ``window`` neighbours to either side:
    a lone peak on the tuning set is seldom one elsewhere (Cer, Jurafsky and Manning 2008).
    ``margin`` is how far to go into an interval without an end.
    """
    smoothed = _averaged(bleus, window)
    here = int(np.searchsorted(steps, 0.0))
    best = int(np.argmax(smoothed))
    if smoothed[best] <= smoothed[here]:
        return 0.0
    if best == 0:
        return float(steps[0]) - margin
    if best == len(steps):
        return float(steps[-1]) + margin
    return float(steps[best - 1] + steps[best]) / 2


def _averaged(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of each value and those up to ``window`` places away."""
    if window == 0:
        return values
    ends = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low = np.maximum(index - window, 0)
    high = np.minimum(index + window + 1, len(values))
    averages: NDArray[np.float64] = (ends[high] - ends[low]) / (high - low)
    return averages
