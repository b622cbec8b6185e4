"""How sure a system is, from its explanations."""

from __future__ import annotations

import math

import pytest

from nmt.confidence import quality_estimate, word_confidences
from nmt.errors import UserError
from nmt.translator import Hypothesis
from tests.test_alignments import Told

TOLD = {"target": ["Die", "Katze"], "log_probability": [math.log(0.5), math.log(0.25)]}


def test_words_have_their_probabilities() -> None:
    """Of all segments, in order; the estimate is their mean."""
    hypothesis = Hypothesis("Die Katze Die Katze", 0.0, 6, (Told(TOLD), Told(TOLD)))
    words = word_confidences(hypothesis)
    assert [word for word, _ in words] == ["Die", "Katze"] * 2
    assert [probability for _, probability in words] == pytest.approx([0.5, 0.25] * 2)
    assert quality_estimate(hypothesis) == pytest.approx(0.375)


def test_nothing_is_sure() -> None:
    assert quality_estimate(Hypothesis("", 0.0)) == 1.0


def test_a_system_without_probabilities_is_refused() -> None:
    hypothesis = Hypothesis("x", 0.0, 1, (Told({"target": ["x"], "links": []}),))
    with pytest.raises(UserError, match="does not say how sure it is"):
        quality_estimate(hypothesis)
