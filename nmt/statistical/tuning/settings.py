"""Settings of tuning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nmt.settings import Settings

Count = Annotated[int, Field(ge=1)]


class TuningSettings(Settings):
    """How the weights of the log-linear model are tuned for BLEU on the validation set."""

    algorithm: Literal["mira", "mert", "none"] = "mira"
    """Batch MIRA, minimum error rate training, or none: the first weights stay."""
    nbest: Count = 100
    """Hypotheses a sentence and round."""
    max_rounds: Count = 10
    """Translations of the validation set at most."""
    patience: Count = 4
    """Rounds without a better BLEU after which tuning ends."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Tuning ends when no weight changes by more than this share of all weights' sum."""
    keep: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the last round's weights in those of the next, which steadies tuning."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of everything random in it."""
    step: Annotated[float, Field(gt=0)] = 0.01
    """MIRA: the greatest step (C in the paper); the smaller, the stronger the regularisation."""
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """MIRA: what one sentence leaves of the weight of those before in the background of BLEU."""
    passes: Count = 60
    """MIRA: passes over the n-best lists in a round."""
    restarts: Annotated[int, Field(ge=0)] = 10
    """MERT: random starting points in a round, besides the last weights."""
    window: Annotated[int, Field(ge=0)] = 1
    """MERT: neighbours to either side that an interval's BLEU is averaged with."""
