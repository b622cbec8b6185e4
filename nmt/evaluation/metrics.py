"""Scores of translations, each with its signature and, if wanted, its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nmt.evaluation.names import TITLES, MetricName
from nmt.evaluation.resampling import bootstrap_sums, percentile_interval
from nmt.evaluation.scorer import Scorer

if TYPE_CHECKING:
    from nmt.recipe.tree import EvaluationSettings

BOOTSTRAP_SAMPLES = 1000
SEED = 12345
"""sacreBLEU's own defaults, so that our intervals are those that it prints."""


@dataclass(frozen=True)
class Score:
    """A corpus score that can be reproduced: the value and how it was computed."""

    metric: MetricName
    """``bleu``, ``chrf`` or ``ter``."""
    value: float
    """From 0 to 100 (TER may exceed 100, and lower is better)."""
    signature: str
    """sacreBLEU's signature."""
    interval: tuple[float, float] | None = None
    """Bounds of the bootstrap confidence interval, where one was asked for."""
    confidence: float | None = None
    """Coverage of the interval, such as 0.95."""

    @property
    def title(self) -> str:
        """sacreBLEU's name for the metric, such as ``chrF2``."""
        return TITLES[self.metric]

    def __str__(self) -> str:
        bounds = f" [{self.interval[0]:.2f}, {self.interval[1]:.2f}]" if self.interval else ""
        return f"{self.title} {self.value:.2f}{bounds} {self.signature}"

    def to_json(self) -> dict[str, Any]:
        """Return the score as JSON-serialisable values; ``interval`` is null without one."""
        return {
            "metric": self.metric,
            "title": self.title,
            "value": self.value,
            "interval": list(self.interval) if self.interval else None,
            "confidence": self.confidence,
            "signature": self.signature,
        }


def score(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = ("bleu", "chrf"),
    *,
    tokenizer: str = "13a",
    lowercase: bool = False,
    confidence: float | None = 0.95,
    samples: int = BOOTSTRAP_SAMPLES,
    seed: int = SEED,
) -> dict[MetricName, Score]:
    """Score one system's output, detokenised, against one or more references.

    ``references`` is a list of references, each a list of lines, as in sacreBLEU. The interval is
    the percentile interval of ``samples`` bootstrap resamples (Koehn 2004); ``confidence=None``
    skips it. Raises UserError as `Scorer` does.
    """
    scorer = Scorer(references, metrics, tokenizer=tokenizer, lowercase=lowercase)
    statistics = scorer.statistics(hypotheses)
    scores = {}
    for metric in scorer.metrics:
        value = scorer.value(metric, statistics[metric].sum(axis=0))
        if confidence is None:
            scores[metric] = Score(metric, value, scorer.signature(metric))
            continue
        sums = bootstrap_sums(statistics[metric], samples=samples, seed=seed)
        interval = percentile_interval(scorer.values(metric, sums), confidence)
        signature = scorer.signature(metric, bootstrap=samples, seed=seed)
        scores[metric] = Score(metric, value, signature, interval, confidence)
    return scores


def score_with(
    settings: EvaluationSettings,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    confidence: float | None = 0.95,
) -> dict[MetricName, Score]:
    """Score as a recipe asks; see `score`."""
    return score(
        hypotheses,
        references,
        settings.metrics,
        tokenizer=settings.bleu_tokenizer,
        lowercase=settings.lowercase,
        confidence=confidence,
    )


def corpus_bleu(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    tokenizer: str = "13a",
    lowercase: bool = False,
) -> float:
    """Return BLEU alone, without interval.

    To score the same test set again and again, as in validation, keep a `Scorer` and call its
    ``scores``: it analyses the references once.
    """
    scorer = Scorer(references, ["bleu"], tokenizer=tokenizer, lowercase=lowercase)
    return scorer.scores(hypotheses)["bleu"]


def corpus_chrf(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> float:
    """Return chrF2 alone, without interval; see `corpus_bleu`."""
    return Scorer(references, ["chrf"], lowercase=lowercase).scores(hypotheses)["chrf"]
