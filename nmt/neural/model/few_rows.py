"""Transformers whose decoder computes a few rows by loops made for that: a single sentence's."""

from __future__ import annotations

from torch import nn

from nmt.neural.kernels.few_rows_linear import FewRowsLinear
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.transformer import Transformer

_VECTOR = 32
"""Numbers that PyTorch computes together at most; what is left over, it computes one by one."""


def prepare_few_rows(model: Transformer) -> None:
    """Make the decoder's steps quick for few rows, in place; for inference on the CPU in float32.

    Its linear layers are given copies of their weights, laid out for that. Parameters and their
    names stay, and so does every number that comes out. Where the numbers would be others, for the
    processor or the architecture, the model stays as it is.
    """
    if not _whole_vectors(model.architecture):
        return
    replaced = [
        (parent, name, FewRowsLinear(child.weight, child.bias))
        for parent in model.decoder.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear
    ]
    output = FewRowsLinear(model.output, None)
    if not (output.equals_library and all(layer.equals_library for *_, layer in replaced)):
        return
    for parent, name, layer in replaced:
        setattr(parent, name, layer)
    model.output_map = output
    model.takes_few_rows = True


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
