"""Models made ready to translate: on their device, in the precision that is asked for."""

from __future__ import annotations

from typing import TypeVar

import torch

from nmt.errors import UserError
from nmt.neural.model.few_rows import prepare_few_rows
from nmt.neural.model.rounding import use_int8
from nmt.neural.model.transformer import Transformer
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.search.graph_steps import prepare_graphs

_Model = TypeVar("_Model", bound=TranslationModel)


def prepare_inference(
    model: _Model, device: torch.device, precision: str | None, *, where: str
) -> _Model:
    """Bring a model to a device, in place, for nothing but inference from then on.

    Args:
        model: with the weights that it was kept with, on the CPU.
        device: where it is to compute.
        precision: ``int8`` rounds weights and what they are multiplied with (CPU); ``bfloat16`` and
            ``float16`` round weights, and what is computed but for scores (GPU). None or
            ``float32`` change nothing.
        where: the model's place, for messages.

    Raises UserError if the device cannot compute in this precision.
    """
    if precision not in (None, "float32"):
        halves = {"bfloat16": torch.bfloat16, "float16": torch.float16}
        if precision == "int8" and device.type == "cpu":
            use_int8(model)
        elif precision in halves and device.type == "cuda":
            _refuse_missing_units(device, precision, where)
            model.to(halves[precision])
        else:
            raise UserError(
                f"the native backend does not compute in {precision} on {device.type}",
                where=where,
                mend="leave --precision out, or choose another --backend",
            )
    if isinstance(model, Transformer) and device.type == "cpu":
        prepare_few_rows(model)
    model.to(device)
    if isinstance(model, Transformer) and device.type == "cuda":
        prepare_graphs(model)
    return model


def _refuse_missing_units(device: torch.device, precision: str, where: str) -> None:
    """Raise UserError for bfloat16 on GPUs that only emulate it."""
    if precision == "bfloat16" and torch.cuda.get_device_capability(device) < (8, 0):
        raise UserError(
            f"{torch.cuda.get_device_name(device)} has no matrix units for bfloat16, which GPUs "
            "from compute capability 8.0 on have (Ampere and newer)",
            where=where,
            mend="take --precision float16",
        )
