"""The parameters of a Transformer under the names of Hugging Face's MarianMT and Pegasus.

Both compute what ours does: Marian's layers have their norms last, Pegasus' have them first. Three
things differ. Names. Queries, keys and values are matrices of their own there. And positions: ours
alternate sines and cosines, theirs have all sines in the first half of the columns, so the columns
of everything that reads or writes the residual stream are put into another order; the function is
the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from nmt.neural.model.architecture import BIAS_COLUMNS, Architecture
from nmt.neural.model.layers import sinusoids

SHARED: Final = "model.shared.weight"
ENCODER_TABLE: Final = "model.encoder.embed_tokens.weight"
DECODER_TABLE: Final = "model.decoder.embed_tokens.weight"
HEAD: Final = "lm_head.weight"
BIAS: Final = "final_logits_bias"
_OUTPUT: Final = "output"
"""Our output matrix; a table that is tied to it has no other name."""

_LINEAR: Final = {
    "self_attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention.out": ("self_attn.out_proj",),
    "cross_attention.q": ("encoder_attn.q_proj",),
    "cross_attention.kv": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "cross_attention.out": ("encoder_attn.out_proj",),
    "feed_forward.inner": ("fc1",),
    "feed_forward.outer": ("fc2",),
}
_WRITES: Final = ("self_attention.out", "cross_attention.out", "feed_forward.outer")
"""Those whose output is the stream; the input of all others is."""
_NORMS: Final = {
    "self_attention_norm": "self_attn_layer_norm",
    "cross_attention_norm": "encoder_attn_layer_norm",
    "feed_forward_norm": "final_layer_norm",
}


@dataclass(frozen=True)
class _Same:
    """One parameter of ours, and the one or several that it is there."""

    ours: str
    theirs: tuple[str, ...]
    stream: int | None
    """The axis along which it lies in the stream; none where it does not."""


def _correspondence(architecture: Architecture) -> Iterator[_Same]:
    for side in ("encoder", "decoder"):
        for number in range(getattr(architecture, f"{side}_layers")):
            ours, theirs = f"{side}.{number}", f"model.{side}.layers.{number}"
            for name, others in _LINEAR.items():
                if side == "encoder" and name.startswith("cross"):
                    continue
                writes = name in _WRITES
                yield _Same(
                    f"{ours}.{name}.weight",
                    tuple(f"{theirs}.{other}.weight" for other in others),
                    0 if writes else 1,
                )
                yield _Same(
                    f"{ours}.{name}.bias",
                    tuple(f"{theirs}.{other}.bias" for other in others),
                    0 if writes else None,
                )
            for name, other in _NORMS.items():
                if side == "encoder" and name.startswith("cross"):
                    continue
                for kind in ("weight", "bias"):
                    yield _Same(f"{ours}.{name}.{kind}", (f"{theirs}.{other}.{kind}",), 0)
        if architecture.norm_position == "pre":
            inner = ".norm" if side == "decoder" and architecture.output_bias else ""
            for kind in ("weight", "bias"):
                yield _Same(f"{side}_norm{inner}.{kind}", (f"model.{side}.layer_norm.{kind}",), 0)


def _stream_order(width: int) -> Tensor:
    """For each column of their stream, the column of ours."""
    return torch.cat((torch.arange(0, width, 2), torch.arange(1, width, 2)))


def to_theirs(weights: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """Our parameters, by the names of a MarianMT model or, with norms first, of Pegasus.

    Raises KeyError if one is missing.
    """
    order = _stream_order(architecture.width)
    found: dict[str, Tensor] = {}
    for same in _correspondence(architecture):
        tensor = weights[same.ours]
        if same.stream is not None:
            tensor = tensor.index_select(same.stream, order)
        parts = tensor.chunk(len(same.theirs))
        found |= {name: part.contiguous() for name, part in zip(same.theirs, parts, strict=True)}
    for name, ours in _tables(architecture).items():
        found[name] = weights[ours][:, : architecture.width].index_select(1, order)
    for side in ("encoder", "decoder"):
        table_LD = sinusoids(architecture.max_positions, architecture.width)
        found[f"model.{side}.embed_positions.weight"] = table_LD.index_select(1, order)
    size = architecture.target_vocabulary_size
    bias_V = torch.zeros(size)
    if architecture.output_bias:
        bias_V = weights[_OUTPUT][:, architecture.width].float()
    found[BIAS] = bias_V[None].contiguous()
    return found


def from_theirs(tensors: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """The inverse of `to_theirs`, for a model of this architecture, in float32.

    Parameters that are tied may be there under any of their names. What is missing stays out.
    """
    order = _stream_order(architecture.width).argsort()
    found = {}
    for same in _correspondence(architecture):
        if not all(name in tensors for name in same.theirs):
            continue
        tensor = torch.cat([tensors[name].float() for name in same.theirs])
        if same.stream is not None:
            tensor = tensor.index_select(same.stream, order)
        found[same.ours] = tensor
    for theirs, ours in _tables(architecture).items():
        name = next((name for name in (theirs, *_aliases(theirs)) if name in tensors), None)
        if name is not None:
            found[ours] = tensors[name].float().index_select(1, order)
    if architecture.output_bias and _OUTPUT in found:
        columns = torch.zeros(architecture.target_vocabulary_size, BIAS_COLUMNS)
        if BIAS in tensors:
            columns[:, 0] = tensors[BIAS].float().flatten()
        found[_OUTPUT] = torch.cat((found[_OUTPUT], columns), dim=1)
    return found


def _tables(architecture: Architecture) -> dict[str, str]:
    """Their tables of embeddings that are parameters of their own, and ours."""
    source, target = "source_embedding.table.weight", "target_embedding.table.weight"
    match architecture.tied_embeddings:
        case "all":
            return {SHARED: _OUTPUT}
        case "decoder":
            return {ENCODER_TABLE: source, DECODER_TABLE: _OUTPUT}
        case "none":
            return {ENCODER_TABLE: source, DECODER_TABLE: target, HEAD: _OUTPUT}


def _aliases(name: str) -> tuple[str, ...]:
    """Other names of a tied table."""
    if name == SHARED:
        return (ENCODER_TABLE, DECODER_TABLE, HEAD)
    if name == DECODER_TABLE:
        return (HEAD,)
    return ()
