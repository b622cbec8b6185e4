"""Transformers whose decoder computes a few rows by loops made for that: a single sentence's."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from nmt.neural.kernels.few_rows_layer import FewRowsLayer, few_rows_layer
from nmt.neural.kernels.few_rows_linear import FewRowsLinear
from nmt.neural.kernels.row_norm import RowNorm
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.transformer import DecoderLayer, Transformer

_VECTOR = 32
"""Numbers that PyTorch computes together at most; what is left over, it computes one by one."""


def prepare_few_rows(model: Transformer) -> None:
    """Make the decoder's steps quick for few rows, in place; for inference on the CPU.

    Its linear layers, if they compute in float32, are given copies of their weights, laid out for
    that; its norms, a loop of their own. Parameters and their names stay, and a row's numbers do
    not depend on how many there are. Where they would, for the processor or the architecture, the
    model stays as it is.
    """
    if model.output.dtype != torch.float32 or not _whole_vectors(model.architecture):
        return
    replacements = [
        (name, replacement)
        for name, module in model.named_modules()
        if name.startswith("decoder")
        and not name.endswith("cross_attention.kv")  # that is for the memory, before all steps
        and (replacement := _replacement(module)) is not None
    ]
    output = model.output_map or FewRowsLinear(model.output, None)
    if not all(
        replacement.equals_library
        for replacement in (output, *(replacement for _, replacement in replacements))
        if isinstance(replacement, FewRowsLinear)
    ):
        return
    for name, replacement in replacements:
        model.set_submodule(name, replacement)
    model.output_map = output
    model.takes_few_rows = True
    if model.architecture.decoder == "attention" and model.architecture.positions != "rotary":
        layers = [_whole_layer(cast(DecoderLayer, layer)) for layer in model.decoder]
        if all(layers):
            model.few_rows_layers = [layer for layer in layers if layer is not None]


def _whole_layer(layer: DecoderLayer) -> FewRowsLayer | None:
    return few_rows_layer(
        [
            layer.self_attention.qkv, layer.self_attention.out,
            layer.cross_attention.q, layer.cross_attention.out,
            layer.feed_forward.inner, layer.feed_forward.outer,
        ],
        [layer.self_attention_norm, layer.cross_attention_norm, layer.feed_forward_norm],
        layer.feed_forward.activation,
        heads=layer.self_attention.heads,
        pre_norm=layer.pre_norm,
    )  # fmt: skip


def _replacement(module: nn.Module) -> FewRowsLinear | RowNorm | None:
    if type(module) is nn.Linear:
        return FewRowsLinear(module.weight, module.bias)
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        return RowNorm(module)
    return None


def _whole_vectors(architecture: Architecture) -> bool:
    """Whether any number of rows is whole vectors wherever a function is more than arithmetic.

    Exponentials and sines of what is left over differ in the last digit; eight rows leave nothing.
    """
    widths = []
    if architecture.activation != "relu":
        widths.append(architecture.feed_forward_width)
    if architecture.decoder == "ssru":
        widths.append(architecture.width)
    elif architecture.positions == "rotary":
        widths.append(architecture.width // architecture.heads // 2)
    return all(width % _VECTOR == 0 for width in widths)
