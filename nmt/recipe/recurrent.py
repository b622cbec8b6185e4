"""Settings of a recurrent system."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from nmt.recipe.neural import SearchSettings, TrainingSettings
from nmt.settings import Contradiction, Name, Settings


class RecurrentSearchSettings(SearchSettings):
    """How a recurrent system searches for a translation."""

    length_penalty: float = Field(default=0.6, ge=0)
    """Exponent alpha of the length normalisation ((5+n)/6)^alpha (Wu et al. 2016, eq. 14)."""
    coverage_penalty: float = Field(default=0.2, ge=0)
    """Weight beta of the coverage penalty (Wu et al. 2016, eq. 14); 0 is off."""


class RecurrentSettings(Settings):
    """LSTMs with attention (Wu et al. 2016). Unset sizes come from the preset."""

    kind: Literal["recurrent"] = "recurrent"
    """A recurrent system."""
    preset: Literal["tiny", "small", "base", "big"] = "small"
    """Sizes to start from: widths 128, 256, 512, 1024."""
    encoder_layers: int | None = Field(default=None, ge=1)
    """Depth of the encoder; every layer reads in both directions."""
    decoder_layers: int | None = Field(default=None, ge=1)
    """Depth of the decoder; the first layer attends, those above it see what it found."""
    width: int | None = Field(default=None, ge=8, multiple_of=2)
    """Width of the hidden states and embeddings."""
    heads: int | None = Field(default=None, ge=1)
    """Attention heads (Luong et al. 2015 with 1; Chen et al. 2018 took more); divide the width."""
    tied_embeddings: Literal["all", "decoder", "none"] = "all"
    """Share source, target and output embeddings (Press and Wolf 2017), or the latter two only."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout on the input of every layer, the last one's output included (Zaremba et al. 2014)."""
    recurrent_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the weights from step to step (DropConnect: Merity et al. 2018)."""
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on attention weights."""
    max_positions: int = Field(default=1024, ge=16)
    """Longest sequence in pieces, in training and in one search; longer input is split."""
    teacher: Name | None = None
    """System of this recipe whose translations of the text are learned too (Kim and Rush 2016)."""
    training: TrainingSettings = TrainingSettings()
    """How it is trained."""
    search: RecurrentSearchSettings = RecurrentSearchSettings()
    """How it translates unless the command says otherwise."""

    def contradictions(self) -> Iterable[Contradiction]:
        """Heads that do not divide the width, R-Drop without dropout to compare, and float8."""
        if self.training.precision == "float8":
            yield Contradiction(
                "the products of an LSTM go from position to position, too small for float8",
                ("training.precision",),
                "set it to bfloat16",
            )
        if self.width is not None and self.heads is not None and self.width % self.heads:
            yield Contradiction(
                f"a width of {self.width} cannot be cut into {self.heads} equal heads",
                ("heads", "width"),
                "take a number of heads that divides the width",
            )
        dropouts = (self.dropout, self.recurrent_dropout, self.attention_dropout)
        if self.training.r_drop > 0 and not any(dropouts):
            yield Contradiction(
                "R-Drop compares two dropout passes, and there is no dropout",
                ("training.r_drop", "dropout"),
                "set dropout above 0, or r_drop to 0",
            )
