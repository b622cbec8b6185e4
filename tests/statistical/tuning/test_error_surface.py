"""The error surface along a line, against evaluation at every place where it might change."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmt.statistical.tuning.bleu import corpus_bleu
from nmt.statistical.tuning.error_surface import best_step, error_surface

MARGIN = 0.5


@st.composite
def surfaces(
    draw: st.DrawFn,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]]:
    """Intercepts, slopes, statistics and sentence offsets, with ties and parallel lines."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    total = sum(sizes)
    grid = st.integers(-4, 4).map(float)
    fine = st.floats(-4, 4, allow_subnormal=False).map(lambda value: round(value, 3))
    values = st.lists(draw(st.sampled_from([grid, fine])), min_size=total, max_size=total)
    rows = []
    for _ in range(total):
        length = draw(st.integers(4, 9))
        matches = sorted((draw(st.integers(0, length - n)) for n in range(4)), reverse=True)
        matches = [min(count, length - n) for n, count in enumerate(matches)]
        rows.append([*matches, *(length - n for n in range(4)), 7])
    return (
        np.array(draw(values)),
        np.array(draw(values)),
        np.array(rows, np.int32),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    )


Surface = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]]


def bleu_at(step: float, surface: Surface) -> float:
    intercepts, slopes, statistics, offsets = surface
    scores = intercepts + step * slopes
    best = [begin + int(np.argmax(scores[begin:end])) for begin, end in pairwise(offsets.tolist())]
    return float(corpus_bleu(statistics[best].sum(axis=0, dtype=np.int64)))


def breakpoints(surface: Surface) -> list[float]:
    """All steps where two hypotheses of a sentence have equal scores."""
    intercepts, slopes, _, offsets = surface
    return sorted(
        (intercepts[g] - intercepts[h]) / (slopes[h] - slopes[g])
        for begin, end in pairwise(offsets.tolist())
        for g, h in combinations(range(begin, end), 2)
        if slopes[g] != slopes[h]
    )


def between(steps: list[float]) -> list[float]:
    """A step in each interval that is wider than rounding errors."""
    if not steps:
        return [0.0]
    inner = [(low + high) / 2 for low, high in pairwise(steps) if high - low > 1e-9]
    return [steps[0] - MARGIN, *inner, steps[-1] + MARGIN]


@given(surface=surfaces())
def test_every_interval_has_its_bleu(surface: Surface) -> None:
    steps, bleus = error_surface(*surface)
    assert len(bleus) == len(steps) + 1
    assert (np.diff(steps) > 0).all()
    for step in [*between(steps.tolist()), *between(breakpoints(surface))]:
        nearest = np.abs(steps - step).min(initial=np.inf)
        if nearest > 1e-9:
            assert bleus[np.searchsorted(steps, step)] == bleu_at(step, surface)


@given(surface=surfaces())
def test_no_step_is_better_than_the_best(surface: Surface) -> None:
    steps, bleus = error_surface(*surface)
    step = best_step(steps, bleus, 0, MARGIN)
    exhaustive = [bleu_at(value, surface) for value in between(breakpoints(surface))]
    grid = [bleu_at(value, surface) for value in np.linspace(-10.0123, 10.0123, 500)]
    assert bleus[np.searchsorted(steps, step)] == bleus.max()
    assert bleus.max() >= max(exhaustive) - 1e-12
    assert bleus.max() >= max(grid) - 1e-12
    if np.abs(steps - step).min(initial=np.inf) > 1e-9:
        assert bleu_at(step, surface) == bleus.max()


@given(surface=surfaces())
def test_no_step_without_a_gain(surface: Surface) -> None:
    steps, bleus = error_surface(*surface)
    step = best_step(steps, bleus, 0, MARGIN)
    here = bleus[np.searchsorted(steps, 0.0)]
    assert (step == 0) == (here == bleus.max())


def test_a_window_prefers_a_plateau_to_a_peak() -> None:
    steps = np.arange(1.0, 8.0)
    bleus = np.array([10.0, 10.0, 31.0, 10.0, 10.0, 25.0, 26.0, 25.0])
    assert best_step(steps, bleus, 0, MARGIN) == 2.5
    assert best_step(steps, bleus, 1, MARGIN) in (6.5, 7.5)


def test_the_ends_have_no_end() -> None:
    steps = np.array([-3.0, 2.0])
    assert best_step(steps, np.array([9.0, 1.0, 2.0]), 0, MARGIN) == -3.5
    assert best_step(steps, np.array([1.0, 1.0, 2.0]), 0, MARGIN) == 2.5
    assert best_step(np.empty(0), np.array([1.0]), 0, MARGIN) == 0.0
