"""The sizes of a Transformer, and the presets, each derived from the one before."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Final, Literal, Protocol, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from nmt.errors import UserError
from nmt.recipe.transformer import TransformerSettings

BIAS_COLUMNS: Final = 8
"""Columns that an output bias takes in the output matrix: it is the first of them.

The others are never read; eight keep matrix products aligned.
"""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Everything that determines the shapes and the function of a Transformer."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    encoder_layers: int
    decoder_layers: int
    width: int
    feed_forward_width: int
    heads: int
    decoder: Literal["attention", "ssru"] = "attention"
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    norm_position: Literal["pre", "post"] = "pre"
    positions: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal"
    activation: Literal["relu", "gelu", "swish", "swiglu"] = "relu"
    tied_embeddings: Literal["all", "decoder", "none"] = "all"
    output_bias: bool = False
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    embedding_dropout: float = 0.1
    encoder_layer_drop: float = 0.0
    decoder_layer_drop: float = 0.0
    max_positions: int = 1024
    source_vocabulary_size: int = 8000
    target_vocabulary_size: int = 8000

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @property
    def output_width(self) -> int:
        """Columns of the output matrix: the width, and those that hold its bias."""
        return self.width + (BIAS_COLUMNS if self.output_bias else 0)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any, *, where: str | None = None) -> Architecture:
        """The inverse of ``to_json``. Raises UserError, naming ``where``, for other values."""
        return parse_architecture(cls, values, "a Transformer", where)


def tiny() -> Architecture:
    """Width 128: for small corpora (about 30 k pairs) and laptops (Wu et al. 2021)."""
    return Architecture(
        encoder_layers=4, decoder_layers=4, width=128, feed_forward_width=256, heads=4
    )


def fast() -> Architecture:
    """Width 128, a deep encoder and a shallow SSRU decoder (Kasai et al. 2021; Kim et al. 2019).

    The encoder reads a sentence once and all at once; the decoder runs once a piece and hypothesis.
    """
    return replace(
        tiny(), encoder_layers=6, decoder_layers=1, feed_forward_width=512, decoder="ssru"
    )


def small() -> Architecture:
    """Width 256: for about 100 k pairs."""
    return replace(
        tiny(), encoder_layers=3, decoder_layers=3, width=256, feed_forward_width=1024, heads=4
    )


def base() -> Architecture:
    """Width 512: the base model of Vaswani et al. (2017), table 3."""
    return replace(
        small(), encoder_layers=6, decoder_layers=6, width=512, feed_forward_width=2048, heads=8
    )


def big() -> Architecture:
    """Width 1024: the big model of Vaswani et al. (2017), table 3."""
    return replace(base(), width=1024, feed_forward_width=4096, heads=16)


def design(
    settings: TransformerSettings, source_vocabulary_size: int, target_vocabulary_size: int
) -> Architecture:
    """The architecture that ``settings`` describe: the preset, with what is set in its place.

    Raises UserError where the settings contradict each other once the preset is filled in.
    """
    presets = {"fast": fast, "tiny": tiny, "small": small, "base": base, "big": big}
    preset = presets[settings.preset]()
    chosen = {
        field.name: getattr(settings, field.name)
        for field in fields(Architecture)
        if getattr(settings, field.name, None) is not None
    }
    if settings.embedding_dropout is None:
        chosen["embedding_dropout"] = settings.dropout
    architecture = replace(
        preset,
        **chosen,
        source_vocabulary_size=source_vocabulary_size,
        target_vocabulary_size=target_vocabulary_size,
    )
    check_sizes(architecture)
    if architecture.positions == "rotary" and architecture.head_width % 2:
        raise UserError(
            f"rotary positions need an even head width, not {architecture.head_width}",
            mend="choose other heads or another width",
        )
    return architecture


class _Sizes(Protocol):
    """What the architectures of all neural systems have."""

    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def tied_embeddings(self) -> Literal["all", "decoder", "none"]: ...
    @property
    def source_vocabulary_size(self) -> int: ...
    @property
    def target_vocabulary_size(self) -> int: ...


def check_sizes(architecture: _Sizes) -> None:
    """Raise UserError for heads that do not divide the width, or one table for two vocabularies."""
    source, target = architecture.source_vocabulary_size, architecture.target_vocabulary_size
    if architecture.tied_embeddings == "all" and source != target:
        raise UserError(
            f"one table of embeddings cannot serve {source} source and {target} target pieces",
            mend="set tied_embeddings to decoder, or tokenizer.joint to true",
        )
    if architecture.width % architecture.heads:
        raise UserError(
            f"width {architecture.width} is not a multiple of heads {architecture.heads}",
            mend="choose heads that divide the width",
        )


_Architecture = TypeVar("_Architecture")


def parse_architecture(
    kind: type[_Architecture], values: Any, of_what: str, where: str | None
) -> _Architecture:
    """An architecture from its JSON. Raises UserError, naming ``where``, for other values."""
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        wrong = [".".join(map(str, e["loc"])) + ": " + e["msg"] for e in error.errors()]
        raise UserError(
            f"not the architecture of {of_what}: {'; '.join(wrong)}",
            where=where,
            mend="copy the model folder again, or take the version of nmt that wrote it",
        ) from error
