"""Settings of a Transformer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from nmt.recipe.neural import SearchSettings, TrainingSettings
from nmt.settings import Contradiction, Name, Settings


class TransformerSettings(Settings):
    """An encoder-decoder Transformer (Vaswani et al. 2017). Unset sizes come from the preset."""

    kind: Literal["transformer"] = "transformer"
    """A Transformer."""
    preset: Literal["fast", "tiny", "small", "base", "big"] = "small"
    """Sizes to start from: widths 128 (fast: 6 encoder layers, 1 of SSRU), 128, 256, 512, 1024."""
    encoder_layers: int | None = Field(default=None, ge=1)
    """Depth of the encoder."""
    decoder_layers: int | None = Field(default=None, ge=1)
    """Depth of the decoder."""
    width: int | None = Field(default=None, ge=8, multiple_of=2)
    """Width of the residual stream (d_model)."""
    feed_forward_width: int | None = Field(default=None, ge=1)
    """Inner width of the feed-forward layers."""
    heads: int | None = Field(default=None, ge=1)
    """Attention heads; must divide the width."""
    decoder: Literal["attention", "ssru"] | None = None
    """How a decoder looks back: self-attention, or a quicker SSRU (Kim et al. 2019)."""
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    """LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019)."""
    norm_position: Literal["pre", "post"] = "pre"
    """Normalise before each sublayer (with one more norm at the end) or after each residual sum."""
    positions: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal"
    """How positions are told apart (rotary: Su et al. 2021, in self-attention)."""
    activation: Literal["relu", "gelu", "swish", "swiglu"] = "relu"
    """Activation of the feed-forward layers (swish: x * sigmoid(x); SwiGLU: Shazeer 2020)."""
    tied_embeddings: Literal["all", "decoder", "none"] = "all"
    """Share source, target and output embeddings (Press and Wolf 2017), or the latter two only."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout on the output of every sublayer, before the residual sum."""
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on attention weights."""
    activation_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout after the activation of the feed-forward layers."""
    embedding_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout on embeddings plus positions; unset takes ``dropout``."""
    encoder_layer_drop: float = Field(default=0.0, ge=0, lt=1)
    """Probability of skipping an encoder layer in training (Fan et al. 2020)."""
    decoder_layer_drop: float = Field(default=0.0, ge=0, lt=1)
    """Probability of skipping a decoder layer in training."""
    max_positions: int = Field(default=1024, ge=16)
    """Longest sequence in pieces, in training and in one search; longer input is split."""
    teacher: Name | None = None
    """System of this recipe whose translations of the text are learned too (Kim and Rush 2016)."""
    initial_model: Path | None = None
    """Model folder to start from; sizes, variants and the tokenizer are then that model's."""
    training: TrainingSettings = TrainingSettings()
    """How it is trained."""
    search: SearchSettings = SearchSettings()
    """How it translates unless the command says otherwise."""

    def contradictions(self) -> Iterable[Contradiction]:
        """Sizes that do not divide, and R-Drop without the dropout that it compares."""
        if self.width is not None and self.heads is not None:
            part = 2 if self.positions == "rotary" else 1
            if self.width % (self.heads * part):
                parts = "heads of even width" if part == 2 else "equal heads"
                yield Contradiction(
                    f"a width of {self.width} cannot be cut into {self.heads} {parts}",
                    ("heads", "width", "positions"),
                    "take a number of heads that divides the width"
                    + (", and its half" if part == 2 else ""),
                )
        dropouts = (
            self.dropout,
            self.attention_dropout,
            self.activation_dropout,
            self.embedding_dropout or 0.0,
            self.encoder_layer_drop,
            self.decoder_layer_drop,
        )
        if self.training.r_drop > 0 and not any(dropouts):
            yield Contradiction(
                "R-Drop compares two dropout passes, and there is no dropout",
                ("training.r_drop", "dropout"),
                "set dropout above 0, or r_drop to 0",
            )
