"""MERT and MIRA find hidden weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from nmt.statistical.tuning.mert import mert
from nmt.statistical.tuning.mira import mira
from nmt.statistical.tuning.pool import TuningProblem, unit
from nmt.statistical.tuning.settings import TuningSettings
from tests.statistical.tuning.planted import Planted

Optimiser = Callable[
    [TuningProblem, NDArray[np.float64], TuningSettings, np.random.Generator], NDArray[np.float64]
]
HIDDEN = ([1.0, -0.5], [0.7, -0.3, 0.2], [0.5, 1.0, -0.2, 0.3, -0.6, 0.1, 0.4])


def run(
    optimiser: Optimiser, problem: TuningProblem, first: list[float], seed: int = 1
) -> NDArray[np.float64]:
    return optimiser(
        problem, unit(np.array(first)), TuningSettings(window=0), np.random.default_rng(seed)
    )


@pytest.mark.parametrize("optimiser", [mert, mira])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_bleu_rises_to_that_of_the_hidden_weights(
    optimiser: Optimiser, hidden: list[float]
) -> None:
    planted = Planted(hidden, sentences=60, candidates=20, seed=len(hidden))
    problem = planted.problem()
    first = [-weight for weight in hidden]
    found = run(optimiser, problem, first)
    assert problem.bleu(np.array(first)) < planted.best_bleu - 20
    # Fewest wrong words is not quite best BLEU, so that there may be a little more to find.
    assert problem.bleu(found) > planted.best_bleu - 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mert_finds_the_optimum_of_two_features(seed: int) -> None:
    problem = Planted(HIDDEN[0], sentences=8, candidates=6, seed=seed).problem()
    angles = np.linspace(0, 2 * np.pi, 20_000)
    optimum = max(problem.bleu(np.array([np.cos(a), np.sin(a)])) for a in angles)
    assert problem.bleu(run(mert, problem, [-1.0, 0.5])) >= optimum - 1e-9


def test_mert_finds_the_optimum_of_three_features() -> None:
    problem = Planted(HIDDEN[1], sentences=8, candidates=6, seed=4).problem()
    points = np.random.default_rng(0).normal(size=(20_000, 3))
    optimum = max(problem.bleu(point) for point in points)
    assert problem.bleu(run(mert, problem, [-1.0, 0.5, 0.1])) >= optimum - 1e-9


@pytest.mark.parametrize("optimiser", [mert, mira])
def test_the_seed_decides(optimiser: Optimiser) -> None:
    problem = Planted(HIDDEN[2], sentences=30, candidates=10, seed=5).problem()
    first = [1.0] * len(HIDDEN[2])
    found = run(optimiser, problem, first, seed=1)
    assert run(optimiser, problem, first, seed=1).tolist() == found.tolist()
    assert run(optimiser, problem, first, seed=2).tolist() != found.tolist()


@pytest.mark.parametrize("optimiser", [mert, mira])
def test_what_is_frozen_counts_but_stays(optimiser: Optimiser) -> None:
    """Where a frozen feature alone decides, the other weights do not matter."""
    problem = Planted(HIDDEN[0], sentences=30, candidates=10, seed=6).problem()
    scores = np.random.default_rng(6).normal(scale=1e9, size=len(problem.base))
    frozen = problem._replace(base=scores)
    best = frozen.bleu(np.zeros(2))
    for weights in (np.array([-0.5, 0.5]), run(optimiser, frozen, [-0.5, 0.5])):
        assert frozen.bleu(weights) == best
    assert problem.bleu(np.array([-0.5, 0.5])) != best


def test_a_smaller_step_stays_nearer() -> None:
    problem = Planted(HIDDEN[2], sentences=30, candidates=10, seed=7).problem()
    first = unit(np.ones(len(HIDDEN[2])))
    distances = [
        float(np.abs(mira(problem, first.copy(), settings, np.random.default_rng(1)) - first).sum())
        for settings in (TuningSettings(step=1e-6, passes=1), TuningSettings(passes=1))
    ]
    assert distances[0] < 0.1 * distances[1]


def test_one_hypothesis_each_changes_nothing() -> None:
    problem = Planted(HIDDEN[1], sentences=5, candidates=1, seed=8).problem()
    first = unit(np.array([0.2, 0.3, -0.4]))
    for optimiser in (mert, mira):
        found = optimiser(problem, first, TuningSettings(), np.random.default_rng(1))
        assert found == pytest.approx(first, abs=1e-12)
