"""The Transformer's forward pass as a GPU trains it: each residual sum in one kernel with a norm.

The weights and sublayers are those of `nmt.neural.model.transformer`, and so is the function. But
there a sublayer begins or ends with its norm; here the sum after a sublayer and the norm that reads
it, which with norms first belongs to the next sublayer, are one pass over memory.

Shapes: S source positions and T target positions of a packed batch, N either, D model width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from torch import Tensor, nn

from nmt.neural.kernels.add_norm import add_norm
from nmt.neural.kernels.counter import DeviceKeys
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.transformer import DecoderLayer, EncoderLayer, Transformer
from nmt.neural.packed import Packed, PackedBatch

Sublayer = tuple[Callable[[Tensor], Tensor], nn.Module]
"""A function of the stream, and the norm that is its own."""


def why_not(architecture: Architecture) -> str | None:
    """Why a model cannot go this way, in words, or None if it can."""
    if architecture.encoder_layer_drop or architecture.decoder_layer_drop:
        return "layer drop leaves out other layers at every update"
    if architecture.output_bias:
        return "an output bias takes further columns after the last norm"
    if architecture.decoder == "ssru":
        return "an SSRU goes from position to position"
    if architecture.output_bias:
        return "an output bias widens the last norm"
    return None


def hidden_states(model: Transformer, batch: PackedBatch, keys: DeviceKeys) -> Tensor:
    """What ``model(batch, keys)`` gives: [T, D]."""
    memory_SD = _through(
        _embed(model.source_embedding, batch.source, keys),
        [
            sublayer
            for layer in model.encoder
            for sublayer in _encoder_sublayers(cast(EncoderLayer, layer), batch.source, keys)
        ],
        model.encoder_norm,
        model.architecture,
        keys,
    )
    return _through(
        _embed(model.target_embedding, batch.target, keys),
        [
            sublayer
            for layer in model.decoder
            for sublayer in _decoder_sublayers(cast(DecoderLayer, layer), batch, memory_SD, keys)
        ],
        model.decoder_norm,
        model.architecture,
        keys,
    )


def _embed(embedding: nn.Module, side: Packed, keys: DeviceKeys) -> Tensor:
    groups = None if side.plan is None else side.plan.groups
    x_ND: Tensor = embedding(side.pieces_N, side.positions_N, keys, groups)
    return x_ND


def _encoder_sublayers(
    layer: EncoderLayer, source: Packed, keys: DeviceKeys
) -> tuple[Sublayer, ...]:
    attend = partial(
        layer.self_attention,
        positions_N=source.positions_N, offsets=source.offsets, keys=keys,
        spans=source.plan and source.plan.own,
    )  # fmt: skip
    return (
        (attend, layer.self_attention_norm),
        (partial(layer.feed_forward, keys=keys), layer.feed_forward_norm),
    )


def _decoder_sublayers(
    layer: DecoderLayer, batch: PackedBatch, memory_SD: Tensor, keys: DeviceKeys
) -> tuple[Sublayer, ...]:
    target = batch.target
    look_back = partial(
        layer.self_attention,
        positions_N=target.positions_N, offsets=target.offsets, causal=True, keys=keys,
        spans=target.plan and target.plan.own,
    )  # fmt: skip
    attend = partial(
        layer.cross_attention,
        memory_MD=memory_SD, offsets=target.offsets, memory_offsets=batch.source.offsets, keys=keys,
        spans=target.plan and target.plan.memory,
    )  # fmt: skip
    return (
        (look_back, layer.self_attention_norm),
        (attend, layer.cross_attention_norm),
        (partial(layer.feed_forward, keys=keys), layer.feed_forward_norm),
    )


def _through(
    x_ND: Tensor,
    sublayers: Sequence[Sublayer],
    last_norm: nn.Module,
    architecture: Architecture,
    keys: DeviceKeys,
) -> Tensor:
    """The stream after residual sublayers, normed."""
    norms = [cast(nn.LayerNorm | nn.RMSNorm, norm) for _, norm in sublayers]
    rate = architecture.dropout
    if architecture.norm_position == "post":
        for (sublayer, _), norm in zip(sublayers, norms, strict=True):
            _, x_ND = add_norm(sublayer(x_ND), x_ND, norm, rate, keys)
        return x_ND
    norms.append(cast(nn.LayerNorm | nn.RMSNorm, last_norm))
    entered_ND: Tensor = norms[0](x_ND)
    for (sublayer, _), following in zip(sublayers, norms[1:], strict=True):
        x_ND, entered_ND = add_norm(sublayer(entered_ND), x_ND, following, rate, keys)
    return entered_ND
