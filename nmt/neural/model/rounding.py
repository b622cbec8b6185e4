"""Models whose linear layers compute with 8 bits: integers in search, float8 in training."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from nmt.errors import UserError
from nmt.neural.kernels.float8 import Float8Linear, fits_float8
from nmt.neural.kernels.int8_linear import Int8Linear, int8_pays
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.translation_model import TranslationModel


def use_int8(model: TranslationModel) -> None:
    """Round the weights of a model on the CPU, in place; it is for inference only from then on.

    Embeddings and norms stay as they are, and so do the weights of LSTM gates, whose errors would
    add up from step to step, and output weights where the model has an output bias. The logits of
    shortlists are computed in float32: they are few.

    Raises UserError where float32 is as quick.
    """
    if not int8_pays():
        raise UserError(
            "this processor multiplies 8-bit integers no quicker than float32 numbers",
            mend="leave --precision out, or try --backend ctranslate2",
        )
    _replace_layers(model, lambda linear: Int8Linear(linear.weight, linear.bias))
    architecture = model.architecture
    if not (isinstance(architecture, Architecture) and architecture.output_bias):
        model.output_map = Int8Linear(model.output, None)


def use_float8(model: TranslationModel) -> list[str]:
    """Let the linear layers of a model to be trained compute in float8, in place.

    These are all products of encoder and decoder with weights. Parameters and their names stay.

    Returns the names of layers whose shapes float8 cannot take: they stay as they are.
    """
    left = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not fits_float8(module)
    ]
    _replace_layers(model, lambda linear: Float8Linear(linear) if fits_float8(linear) else linear)
    return left


def _replace_layers(module: nn.Module, replacement: Callable[[nn.Linear], nn.Module]) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, replacement(child))
        else:
            _replace_layers(child, replacement)
