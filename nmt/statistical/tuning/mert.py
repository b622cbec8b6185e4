"""Minimum error rate training on n-best lists (Och 2003)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.tuning.error_surface import best_step, error_surface
from nmt.statistical.tuning.pool import TuningProblem, unit
from nmt.statistical.tuning.settings import TuningSettings

_LEAST_GAIN: Final = 0.02
"""BLEU that a pass over all directions must gain for another to follow."""
_MARGIN: Final = 0.1
"""How far a step goes into an interval without an end; the weights' absolute values sum to 1."""


def mert(
    problem: TuningProblem,
    weights: NDArray[np.float64],
    settings: TuningSettings,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The weights [T] with the best BLEU on the n-best lists that line searches find.

    From the last weights, and from ``settings.restarts`` random points around them, every direction
    is searched in turn: the T axes and T random ones (Cer, Jurafsky and Manning 2008), in random
    order, until a pass over them gains nothing. ``weights`` and result have absolute values that
    sum to 1.
    """
    spread = np.abs(weights).mean()
    starts = [weights]
    starts += [weights + rng.normal(0.0, spread, len(weights)) for _ in range(settings.restarts)]
    best, best_bleu = weights, problem.bleu(weights)
    for start in starts:
        found, bleu = _climb(problem, unit(start), settings.window, rng)
        if bleu > best_bleu:
            best, best_bleu = found, bleu
    return best


def _climb(
    problem: TuningProblem, weights: NDArray[np.float64], window: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Go to the best point along each direction, and again while that helps; also give its BLEU."""
    size = len(weights)
    best, best_bleu = weights, problem.bleu(weights)
    while True:
        intercepts = problem.base + weights @ problem.features
        random = rng.normal(size=(size, size))
        random /= np.linalg.norm(random, axis=1, keepdims=True)
        for direction in rng.permutation(np.concatenate([np.eye(size), random])):
            slopes = direction @ problem.features
            steps, bleus = error_surface(
                intercepts, slopes, problem.statistics, problem.sentence_offsets
            )
            step = best_step(steps, bleus, window, _MARGIN)
            weights = weights + step * direction
            intercepts += step * slopes
        weights = unit(weights)
        bleu = problem.bleu(weights)
        gain = bleu - best_bleu
        if gain > 0:
            best, best_bleu = weights, bleu
        if gain < _LEAST_GAIN:
            return best, best_bleu
