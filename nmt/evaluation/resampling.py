"""Resampled test sets as matrices, so that all systems and metrics are resampled by one product.

With statistics S (num_segments, num_statistics) and weights W (num_samples, num_segments), the sums
over the resampled test sets are the rows of W S. The random numbers are drawn just as sacreBLEU
draws them, so the same seed gives the same resamples as there; sums are exact here (float64), where
sacreBLEU's are float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_MAX_WEIGHTS = 2**21
"""Weights held at once (16 MB), however large the test set."""


def bootstrap_sums(statistics: Matrix, *, samples: int, seed: int) -> Matrix:
    """Sum statistics over test sets drawn with replacement (Efron 1979; Koehn 2004).

    Takes (num_segments, num_statistics), returns (samples, num_statistics).
    """
    num_segments = len(statistics)
    rng = np.random.default_rng(seed)
    sums = np.empty((samples, statistics.shape[1]))
    for rows in _blocks(samples, num_segments):
        num_rows = rows.stop - rows.start
        drawn = rng.choice(num_segments, size=(num_rows, num_segments), replace=True)
        drawn += np.arange(num_rows)[:, None] * num_segments
        counts = np.bincount(drawn.ravel(), minlength=num_rows * num_segments)
        sums[rows] = counts.reshape(num_rows, num_segments).astype(np.float64) @ statistics
    return sums


def randomized_sums(
    first: Matrix, second: Matrix, *, samples: int, seed: int
) -> tuple[Matrix, Matrix]:
    """Sum statistics of two pseudo-systems that swap segments at random (Riezler & Maxwell 2005).

    ``first`` and ``second`` are (num_segments, num_statistics); in each trial every segment is
    swapped between the two with probability one half. Returns two (samples, num_statistics).
    """
    num_segments = len(first)
    rng = np.random.default_rng(seed)
    difference = first - second
    pseudo = np.empty((samples, first.shape[1]))
    for rows in _blocks(samples, num_segments):
        kept = rng.integers(2, size=(rows.stop - rows.start, num_segments), dtype=bool)
        pseudo[rows] = kept.astype(np.float64) @ difference
    pseudo += second.sum(axis=0)
    return pseudo, first.sum(axis=0) + second.sum(axis=0) - pseudo


def percentile_interval(values: Matrix, confidence: float) -> tuple[float, float]:
    """Return the bounds that leave (1 - confidence) / 2 of the sorted values off at each end.

    This is sacreBLEU's rule (bounds are values, none is interpolated) for any confidence.
    """
    ordered = np.sort(values)
    # The tolerance keeps 1000 * 0.025 at 25 when 1 - 0.95 is a little less than 0.05.
    cut = int(len(ordered) * (1 - confidence) / 2 + 1e-9)
    return float(ordered[cut]), float(ordered[len(ordered) - 1 - cut])


def _blocks(samples: int, num_segments: int) -> Iterator[slice]:
    # Blocks of a multiple of 32 rows leave NumPy's generators, which keep spare bits only within
    # one call, where drawing everything in one call would: the numbers do not depend on the block.
    size = max(_MAX_WEIGHTS // num_segments // 32, 1) * 32
    for start in range(0, samples, size):
        yield slice(start, min(start + size, samples))
