"""How sure a system is of its translations: of each word, and of the whole."""

from __future__ import annotations

import math
from typing import Any

from nmt.errors import UserError
from nmt.translator import Hypothesis


def word_confidences(hypothesis: Hypothesis) -> list[tuple[str, float]]:
    """The words of a translation, each with its probability, given the words before it.

    It needs the hypothesis explained (the option ``explain``). Raises UserError for one of a system
    that does not tell probabilities.
    """
    return [
        (word, math.exp(log_p))
        for told in _told(hypothesis)
        for word, log_p in zip(told["target"], told["log_probability"], strict=True)
    ]


def quality_estimate(hypothesis: Hypothesis) -> float:
    """How good the translation is likely to be, from 0 to 1: the mean probability of its words.

    It ranks the translations of one model, best first; it is not the share of anything, and not to
    be compared between models. Of what one decoding tells, it was the best single predictor of
    sentence chrF on Multi30k's validation set, and a regression on 14 was little better
    (docs/translating.md). For a translation without words it is 1.

    Raises as `word_confidences` does.
    """
    probabilities = [probability for _, probability in word_confidences(hypothesis)]
    return sum(probabilities) / len(probabilities) if probabilities else 1.0


def _told(hypothesis: Hypothesis) -> list[dict[str, Any]]:
    told = [explanation.to_json() for explanation in hypothesis.explanations]
    if any("log_probability" not in one for one in told):
        raise UserError(
            "this kind of system does not say how sure it is",
            mend="ask a neural one, or leave out --confidence",
        )
    return told
