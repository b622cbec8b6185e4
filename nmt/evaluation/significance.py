"""Is a system better than the first one, or was it the choice of test sentences?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nmt.errors import UserError
from nmt.evaluation.metrics import BOOTSTRAP_SAMPLES, SEED, Score
from nmt.evaluation.names import MetricName, TestName
from nmt.evaluation.resampling import (
    Matrix,
    bootstrap_sums,
    percentile_interval,
    randomized_sums,
)
from nmt.evaluation.scorer import Scorer

DEFAULT_SAMPLES: dict[TestName, int] = {"bootstrap": BOOTSTRAP_SAMPLES, "randomization": 10_000}
"""sacreBLEU's defaults."""

_ROUNDING = 1e-9
"""Score differences closer than this, in points, are equal up to rounding."""


@dataclass(frozen=True)
class Difference:
    """How one system differs from the first in one metric."""

    value: float
    """This system's score minus the first system's."""
    interval: tuple[float, float]
    """Bounds of the paired bootstrap confidence interval of the difference."""
    p_value: float
    """Probability of a difference at least as large (either way) if the systems were equal."""


@dataclass(frozen=True)
class SystemScores:
    """One system's scores, and its differences from the first system (none for the first)."""

    name: str
    scores: dict[MetricName, Score]
    differences: dict[MetricName, Difference]


@dataclass(frozen=True)
class Comparison:
    """Scores of one or more systems on the same segments; all but the first tested against it."""

    systems: tuple[SystemScores, ...]
    num_segments: int
    test: TestName
    samples: int
    """Resamples (bootstrap) or trials (randomization) behind each p-value."""
    seed: int
    confidence: float

    @property
    def metrics(self) -> tuple[MetricName, ...]:
        """The metrics, in the order asked for."""
        return tuple(self.systems[0].scores)

    def is_significant(self, difference: Difference) -> bool:
        """Whether the difference is significant at level 1 - confidence."""
        # The tolerance keeps p = 0.05 on its side when 1 - 0.95 is a little more than 0.05.
        return difference.p_value < 1 - self.confidence - 1e-12

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON-serialisable values.

        ``nmt-score --json`` prints this object, with ``references`` and ``source`` (file names) and
        ``warnings`` (sentences) added:

        - ``segments``: number of segments; ``confidence``: of all intervals, such as 0.95
        - ``test``, ``samples``: of the p-values, null for a single system; ``seed``
        - ``systems``: in the order given, each with ``name``, ``scores`` and
          ``differences_from_first`` (empty for the first)
        - ``scores``: metric to ``metric``, ``title``, ``value``, ``interval`` ([low, high]),
          ``confidence``, ``signature``
        - ``differences_from_first``: metric to ``value``, ``interval``, ``p_value``,
          ``significant`` (p below 1 - confidence)
        """
        several = len(self.systems) > 1
        return {
            "segments": self.num_segments,
            "confidence": self.confidence,
            "test": self.test if several else None,
            "samples": self.samples if several else None,
            "seed": self.seed,
            "systems": [
                {
                    "name": system.name,
                    "scores": {name: score.to_json() for name, score in system.scores.items()},
                    "differences_from_first": {
                        name: {
                            "value": difference.value,
                            "interval": list(difference.interval),
                            "p_value": difference.p_value,
                            "significant": self.is_significant(difference),
                        }
                        for name, difference in system.differences.items()
                    },
                }
                for system in self.systems
            ],
        }


def compare(
    systems: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = ("bleu", "chrf"),
    *,
    test: TestName = "bootstrap",
    samples: int | None = None,
    seed: int = SEED,
    confidence: float = 0.95,
    tokenizer: str = "13a",
    lowercase: bool = False,
) -> Comparison:
    """Score systems (name to output lines) and test each against the first of them.

    - ``bootstrap``: the paired bootstrap of Koehn (2004, https://aclanthology.org/W04-3250), with
      the two-sided p-value of Riezler and Maxwell (2005): the share of resampled test sets whose
      absolute difference, less its mean, is at least the observed one.
    - ``randomization``: their approximate randomisation (2005, https://aclanthology.org/W05-0908):
      the share of trials, each swapping segments between the two systems at random, whose
      absolute difference is at least the observed one.

    Both count the observation itself, (c + 1) / (samples + 1), so no p-value is 0. These are
    sacreBLEU's tests, with one difference: "at least", as in the paper, where sacreBLEU counts only
    larger ones and so finds a system significantly different from itself. The bootstrap is
    lenient (the paper found so too): at level 5 % it finds a difference between about one in nine
    pairs of equal systems. Where a claim hangs on it, use randomization.

    Intervals always come from the bootstrap: ``samples`` resamples if that is the test, else 1,000.
    Every system and metric sees the same resamples. No correction is made for the number of
    systems. Raises UserError as `Scorer` does, naming the system.
    """
    if not systems:
        raise UserError("there is no system to score")
    scorer = Scorer(references, metrics, tokenizer=tokenizer, lowercase=lowercase)
    return compare_statistics(
        scorer, _statistics(scorer, systems),
        test=test, samples=samples, seed=seed, confidence=confidence,
    )  # fmt: skip


def compare_statistics(
    scorer: Scorer,
    statistics: Mapping[str, Mapping[MetricName, Matrix]],
    *,
    test: TestName = "bootstrap",
    samples: int | None = None,
    seed: int = SEED,
    confidence: float = 0.95,
) -> Comparison:
    """`compare` where the systems' statistics are there: `Scorer.statistics` of each, by name.

    For several comparisons of the same systems: analysing their text, for TER above all, takes much
    longer than resampling.
    """
    samples = DEFAULT_SAMPLES[test] if samples is None else samples
    resamples = samples if test == "bootstrap" else BOOTSTRAP_SAMPLES
    signatures = {
        metric: scorer.signature(
            metric,
            bootstrap=resamples,
            randomization=samples if test == "randomization" and len(statistics) > 1 else None,
            seed=seed,
        )
        for metric in scorer.metrics
    }
    scores: dict[str, dict[MetricName, Score]] = {name: {} for name in statistics}
    differences: dict[str, dict[MetricName, Difference]] = {name: {} for name in statistics}
    first, *others = statistics
    for metric in scorer.metrics:
        resampled = _resampled_scores(scorer, metric, statistics, samples=resamples, seed=seed)
        for name in statistics:
            scores[name][metric] = Score(
                metric,
                scorer.value(metric, statistics[name][metric].sum(axis=0)),
                signatures[metric],
                percentile_interval(resampled[name], confidence),
                confidence,
            )
        for name in others:
            delta = scores[name][metric].value - scores[first][metric].value
            deltas = resampled[name] - resampled[first]
            if test == "bootstrap":
                extremes = np.abs(deltas) - np.abs(deltas).mean()
            else:
                extremes = _shuffled_differences(
                    scorer,
                    metric,
                    statistics[first][metric],
                    statistics[name][metric],
                    samples=samples,
                    seed=seed,
                )
            p_value = (np.sum(extremes >= abs(delta) - _ROUNDING).item() + 1) / (samples + 1)
            interval = percentile_interval(deltas, confidence)
            differences[name][metric] = Difference(delta, interval, p_value)
    return Comparison(
        tuple(SystemScores(name, scores[name], differences[name]) for name in statistics),
        scorer.num_segments,
        test,
        samples,
        seed,
        confidence,
    )


def _statistics(
    scorer: Scorer, systems: Mapping[str, Sequence[str]]
) -> dict[str, dict[MetricName, Matrix]]:
    statistics = {}
    for name, hypotheses in systems.items():
        try:
            statistics[name] = scorer.statistics(hypotheses)
        except UserError as error:
            raise UserError(error.what, where=name, mend=error.mend) from error
    return statistics


def _resampled_scores(
    scorer: Scorer,
    metric: MetricName,
    statistics: Mapping[str, Mapping[MetricName, Matrix]],
    *,
    samples: int,
    seed: int,
) -> dict[str, Matrix]:
    stacked = np.hstack([of_system[metric] for of_system in statistics.values()])
    sums = bootstrap_sums(stacked, samples=samples, seed=seed)
    parts = np.split(sums, len(statistics), axis=1)
    return {name: scorer.values(metric, part) for name, part in zip(statistics, parts, strict=True)}


def _shuffled_differences(
    scorer: Scorer, metric: MetricName, first: Matrix, second: Matrix, *, samples: int, seed: int
) -> Matrix:
    pseudo_first, pseudo_second = randomized_sums(first, second, samples=samples, seed=seed)
    return np.abs(scorer.values(metric, pseudo_first) - scorer.values(metric, pseudo_second))
