"""The one place that touches sacreBLEU: metric classes, per-segment statistics, signatures.

Corpus metrics are functions of sums over segments (n-gram matches for BLEU and chrF, edits for
TER). sacreBLEU calls these the statistics of a segment; keeping them lets every resampled score be
computed from a matrix product, without looking at text again. The statistics, and the function from
their sum to a score, are sacreBLEU's own (Post 2018, https://aclanthology.org/W18-6319).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from nmt.errors import UserError
from nmt.evaluation.names import METRIC_NAMES, MetricName, check_metric

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

Statistics: TypeAlias = npt.NDArray[np.float64]
"""(num_segments, num_statistics): a row of sufficient statistics for each segment."""


class Scorer:
    """Scores any number of systems against the same references, which are analysed once.

    ``references`` is a list of references, each a list of lines. ``tokenizer`` (one of sacreBLEU's
    for BLEU) does not touch chrF and TER; ``lowercase`` does not touch TER, which sacreBLEU always
    computes without regard to case. The signatures say so.

    Raises UserError for an unknown metric or tokenizer, a tokenizer that is not installed,
    references of unequal lengths, or no segments at all.
    """

    def __init__(
        self,
        references: Sequence[Sequence[str]],
        metrics: Sequence[str],
        *,
        tokenizer: str = "13a",
        lowercase: bool = False,
    ) -> None:
        if isinstance(references, str) or any(isinstance(lines, str) for lines in references):
            raise TypeError("references: expected a list of references, each a list of lines")
        if not metrics:
            raise UserError("no metric given", mend=f"choose from {', '.join(METRIC_NAMES)}")
        lengths = {len(lines) for lines in references}
        if len(lengths) > 1:
            counts = ", ".join(str(len(lines)) for lines in references)
            raise UserError(f"the references have unequal numbers of lines: {counts}")
        self.num_segments = lengths.pop() if lengths else 0
        if self.num_segments == 0:
            raise UserError("there is no reference line to score against")
        self._metrics = {
            name: _build_metric(name, references, tokenizer, lowercase)
            for name in dict.fromkeys(check_metric(metric) for metric in metrics)
        }

    @property
    def metrics(self) -> tuple[MetricName, ...]:
        """The metrics, in the order asked for, without repetition."""
        return tuple(self._metrics)

    def statistics(self, hypotheses: Sequence[str]) -> dict[MetricName, Statistics]:
        """Return each metric's statistics of one system's output.

        Raises UserError if there is not one hypothesis for each segment.
        """
        if len(hypotheses) != self.num_segments:
            raise UserError(
                f"{len(hypotheses)} hypothesis lines for {self.num_segments} reference lines"
            )
        return {
            name: np.array(metric._extract_corpus_statistics(hypotheses, None), dtype=np.float64)
            for name, metric in self._metrics.items()
        }

    def scores(self, hypotheses: Sequence[str]) -> dict[MetricName, float]:
        """Return each metric's score of one system's output; raises as `statistics` does."""
        return {
            metric: self.value(metric, statistics.sum(axis=0))
            for metric, statistics in self.statistics(hypotheses).items()
        }

    def value(self, metric: MetricName, sums: npt.NDArray[np.float64]) -> float:
        """Return the score for statistics summed over a corpus: (num_statistics,)."""
        # A list, because the arithmetic runs in Python, where NumPy's scalars are slow.
        score = self._metrics[metric]._compute_score_from_stats(sums.tolist())
        return float(score.score)

    def values(self, metric: MetricName, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the score of each row of summed statistics: (num_rows, num_statistics)."""
        compute = self._metrics[metric]._compute_score_from_stats
        return np.array([compute(row).score for row in sums.tolist()], dtype=np.float64)

    def signature(
        self,
        metric: MetricName,
        *,
        bootstrap: int | None = None,
        randomization: int | None = None,
        seed: int | None = None,
    ) -> str:
        """Return sacreBLEU's signature, with the numbers of resamples, if any, and their seed."""
        signature = self._metrics[metric].get_signature()
        signature.update("bs", bootstrap)
        signature.update("ar", randomization)
        signature.update("seed", seed)
        return str(signature.format())


def _build_metric(
    name: MetricName, references: Sequence[Sequence[str]], tokenizer: str, lowercase: bool
) -> Metric:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    match name:
        case "chrf":
            return CHRF(lowercase=lowercase, references=references)
        case "ter":
            return TER(references=references)
        case "bleu":
            known = sorted(BLEU.TOKENIZERS)
            if tokenizer not in known:
                close = difflib.get_close_matches(tokenizer, known, n=1)
                raise UserError(
                    f"BLEU has no tokenizer {tokenizer!r}",
                    mend=f"did you mean {close[0]}?"
                    if close
                    else f"choose from {', '.join(known)}",
                )
            try:
                # force: the warning about tokenized text is ours, since it can name the file.
                return BLEU(
                    lowercase=lowercase, tokenize=tokenizer, force=True, references=references
                )
            except (RuntimeError, ImportError) as error:
                extra = tokenizer.split("-")[0]
                raise UserError(
                    f"BLEU's tokenizer {tokenizer} needs packages that are not installed",
                    mend=f'pip install "sacrebleu[{extra}]"',
                ) from error
            except OSError as error:
                raise UserError(
                    f"BLEU's tokenizer {tokenizer} is fetched when first used, and that failed: "
                    f"{error}",
                    mend="go online once, or choose another tokenizer",
                ) from error
