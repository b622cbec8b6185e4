"""Models whose linear layers compute with 8-bit integers, for search on the CPU."""

from __future__ import annotations

from torch import nn

from nmt.errors import UserError
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
    _round_layers(model)
    architecture = model.architecture
    if not (isinstance(architecture, Architecture) and architecture.output_bias):
        model.rounded_output = Int8Linear(model.output, None)


def _round_layers(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child.weight, child.bias))
        else:
            _round_layers(child)
