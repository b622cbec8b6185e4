"""Names of the metrics and of the significance tests."""

from __future__ import annotations

import difflib
from typing import Literal, TypeAlias, get_args

from nmt.errors import UserError

MetricName: TypeAlias = Literal["bleu", "chrf", "ter"]
METRIC_NAMES: tuple[MetricName, ...] = get_args(MetricName)
TITLES: dict[MetricName, str] = {"bleu": "BLEU", "chrf": "chrF2", "ter": "TER"}
"""sacreBLEU's names for the metrics, with the settings used here."""

TestName: TypeAlias = Literal["bootstrap", "randomization"]


def check_metric(name: str) -> MetricName:
    """Return ``name`` if it is one of ours; raise UserError, with a suggestion, if not."""
    for known in METRIC_NAMES:
        if name.lower() == known:
            return known
    close = difflib.get_close_matches(name.lower(), METRIC_NAMES, n=1, cutoff=0.5)
    raise UserError(
        f"there is no metric {name!r}",
        mend=f"did you mean {close[0]}?" if close else f"choose from {', '.join(METRIC_NAMES)}",
    )
