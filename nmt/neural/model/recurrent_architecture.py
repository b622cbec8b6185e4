"""The sizes of a recurrent model, and the presets, each derived from the one before."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from nmt.neural.model.architecture import check_sizes, parse_architecture
from nmt.recipe.recurrent import RecurrentSettings


@dataclass(frozen=True, slots=True)
class RecurrentArchitecture:
    """Everything that determines the shapes and the function of a recurrent model."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    encoder_layers: int
    decoder_layers: int
    width: int
    heads: int = 1
    tied_embeddings: Literal["all", "decoder", "none"] = "all"
    dropout: float = 0.2
    recurrent_dropout: float = 0.0
    attention_dropout: float = 0.0
    max_positions: int = 1024
    source_vocabulary_size: int = 8000
    target_vocabulary_size: int = 8000

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any, *, where: str | None = None) -> RecurrentArchitecture:
        """The inverse of ``to_json``. Raises UserError, naming ``where``, for other values."""
        return parse_architecture(cls, values, "a recurrent model", where)


def tiny() -> RecurrentArchitecture:
    """Width 128: for a few thousand pairs, and for laptops."""
    return RecurrentArchitecture(encoder_layers=2, decoder_layers=2, width=128)


def small() -> RecurrentArchitecture:
    """Width 256: for tens of thousands of pairs."""
    return replace(tiny(), width=256)


def base() -> RecurrentArchitecture:
    """Width 512: for about a million pairs."""
    return replace(small(), encoder_layers=4, decoder_layers=4, width=512)


def big() -> RecurrentArchitecture:
    """Width 1024 and 8 + 8 layers: those of Wu et al. (2016), section 3."""
    return replace(base(), encoder_layers=8, decoder_layers=8, width=1024)


def design(
    settings: RecurrentSettings, source_vocabulary_size: int, target_vocabulary_size: int
) -> RecurrentArchitecture:
    """The architecture that ``settings`` describe: the preset, with what is set in its place.

    Raises UserError where the settings contradict each other once the preset is filled in.
    """
    preset = {"tiny": tiny, "small": small, "base": base, "big": big}[settings.preset]()
    chosen = {
        field.name: getattr(settings, field.name)
        for field in fields(RecurrentArchitecture)
        if getattr(settings, field.name, None) is not None
    }
    architecture = replace(
        preset,
        **chosen,
        source_vocabulary_size=source_vocabulary_size,
        target_vocabulary_size=target_vocabulary_size,
    )
    check_sizes(architecture)
    return architecture
