"""Which variants of a Transformer other programs have a place for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nmt.errors import UserError

Supported = Mapping[str, tuple[object, ...]]
"""For each setting of an architecture that matters, the values that can be converted."""

CTRANSLATE2: Final[Supported] = {
    "decoder": ("attention",),
    "norm": ("layernorm", "rmsnorm"),
    "norm_position": ("pre", "post"),
    "positions": ("sinusoidal", "learned", "rotary"),
    "activation": ("relu", "gelu", "swish", "swiglu"),
    "tied_embeddings": ("all", "decoder", "none"),
}
ONNX: Final[Supported] = {**CTRANSLATE2, "decoder": ("attention", "ssru")}
MARIAN: Final[Supported] = {
    "decoder": ("attention",),
    "norm": ("layernorm",),
    "positions": ("sinusoidal",),
    "activation": ("relu", "gelu", "swish"),
    "tied_embeddings": ("all", "decoder", "none"),
}
PEGASUS: Final[Supported] = {**MARIAN, "tied_embeddings": ("all",)}


def unsupported(architecture: Mapping[str, Any], supported: Supported) -> list[str]:
    """Each setting of an architecture, in JSON, that has no place, with those that have."""
    return [
        f"{name}: {architecture[name]} (it takes {' or '.join(map(str, values))})"
        for name, values in supported.items()
        if name in architecture and architecture[name] not in values
    ]


def refuse_variants(architecture: Mapping[str, Any], supported: Supported, target: str) -> None:
    """Raise UserError that names each variant which ``target`` has no place for.

    Args:
        architecture: the model's, in JSON.
        supported: what ``target`` has a place for.
        target: the format, in words.
    """
    if refused := unsupported(architecture, supported):
        raise UserError(
            f"{target} cannot hold this model: {'; '.join(refused)}",
            mend="export to another format, or translate with --backend native",
        )
