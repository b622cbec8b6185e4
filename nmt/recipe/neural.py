"""Settings that all neural systems share: their training, their search."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from nmt.settings import Contradiction, Settings


class TrainingSettings(Settings):
    """How a neural system is trained."""

    batch_tokens: int = Field(default=4096, ge=1)
    """Target tokens an update, over all micro-batches."""
    micro_batch_tokens: int | None = Field(default=None, ge=1)
    """Target tokens computed at once; null picks by device. Less takes less memory."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Probability mass spread evenly over the vocabulary (Szegedy et al. 2016)."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate, reached at the end of the warm-up."""
    schedule: Literal["inverse-square-root", "cosine", "constant"] = "inverse-square-root"
    """Learning rate after the warm-up; cosine falls to zero at the end of training."""
    warmup_updates: int = Field(default=1000, ge=0)
    """Updates over which the learning rate rises linearly from zero."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of AdamW's first moment (Loshchilov and Hutter 2019)."""
    beta2: float = Field(default=0.98, ge=0, lt=1)
    """Decay of AdamW's second moment."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay, on matrices only."""
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Largest Euclidean norm of the gradient; null does not clip."""
    r_drop: float = Field(default=0.0, ge=0)
    """Weight of the divergence between two dropout passes (Liang et al. 2021); 0 is off."""
    precision: Literal["float32", "bfloat16", "float16", "float8"] = "float32"
    """Of matrix products; weights and sums stay in float32. A CPU only emulates float8, slowly."""
    sharding: Literal["none", "optimizer"] = "none"
    """What each of several GPUs keeps only a part of; optimizer takes up to half the memory."""
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay an update of an exponential moving average of the weights, used from validation on."""
    max_updates: int | None = Field(default=20_000, ge=1)
    """Stop after so many updates; null leaves it to the other limits."""
    max_epochs: int | None = Field(default=None, ge=1)
    """Stop after so many passes over the training data."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Stop after so many minutes of training, resumed runs counted together."""
    validate_every: int = Field(default=500, ge=1)
    """Updates between two validations."""
    validate_metric: Literal["loss", "bleu", "chrf"] = "bleu"
    """What ranks checkpoints and stops early; BLEU and chrF are of output searched each time."""
    validate_max_pairs: int | None = Field(default=None, ge=1)
    """Score only the first pairs of the validation set; null takes all."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many validations without a better one; null never stops early."""
    keep_best: int = Field(default=1, ge=1)
    """Best checkpoints kept."""
    average_checkpoints: int = Field(default=1, ge=1)
    """Best checkpoints averaged into the final model (at most ``keep_best``); 1 takes the best."""
    log_every: int = Field(default=50, ge=1)
    """Updates between two lines of the log."""
    seed: int = Field(default=1, ge=0)
    """Seed of the weights, the order of the data, dropout and subword sampling."""
    tensorboard: bool = False
    """Also write metrics for TensorBoard (needs the extra ``tensorboard``)."""

    def contradictions(self) -> Iterable[Contradiction]:
        """Training that would never end, a schedule without its end, averaging what is not kept."""
        if self.max_updates is None and self.max_epochs is None and self.max_minutes is None:
            yield Contradiction(
                "training would never end",
                ("max_updates", "max_epochs", "max_minutes"),
                "set max_updates, max_epochs or max_minutes",
            )
        if self.schedule == "cosine":
            if self.max_updates is None:
                yield Contradiction(
                    "cosine needs to know where it ends",
                    ("schedule", "max_updates"),
                    "set max_updates",
                )
            elif self.warmup_updates >= self.max_updates:
                yield Contradiction(
                    f"the warm-up ({self.warmup_updates} updates) leaves nothing of the "
                    f"{self.max_updates} updates to the cosine schedule",
                    ("warmup_updates", "max_updates", "schedule"),
                    "lower warmup_updates or raise max_updates",
                )
        if self.average_checkpoints > self.keep_best:
            yield Contradiction(
                f"averaging {self.average_checkpoints} checkpoints, but keeping {self.keep_best}",
                ("average_checkpoints", "keep_best"),
                f"set keep_best to {self.average_checkpoints} or more",
            )


class SearchSettings(Settings):
    """How a neural system searches for a translation."""

    beam: int = Field(default=5, ge=1)
    """Hypotheses kept at each step; 1 is greedy search."""
    length_penalty: float = Field(default=1.0, ge=0)
    """Exponent alpha of the length normalisation ((5+n)/6)^alpha (Wu et al. 2016, eq. 14)."""
    coverage_penalty: float = Field(default=0.0, ge=0)
    """Weight beta of the coverage penalty (Wu et al. 2016, eq. 14); 0 is off."""
    max_length_ratio: float = Field(default=2.0, gt=0)
    """Longest output in pieces, relative to the source."""
    max_length_extra: int = Field(default=20, ge=0)
    """Pieces allowed beyond ``max_length_ratio`` times the source."""
    no_repeat_ngram: int = Field(default=0, ge=0)
    """Forbid repeating any n-gram of pieces of this order; 0 is off."""
    batch_tokens: int = Field(default=4096, ge=1)
    """Source positions that a core searches at once."""
    shortlist: bool = False
    """Learn which pieces may translate which, and let beam search say no others: quicker."""
