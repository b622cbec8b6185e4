"""What ``training.precision`` means: in which type a model computes, and whether a device can."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nmt.errors import UserError
from nmt.neural.kernels.float8 import FIRST_CAPABILITY, has_float8
from nmt.neural.model.rounding import use_float8
from nmt.neural.model.translation_model import TranslationModel
from nmt.recipe.neural import TrainingSettings


def compute_type(settings: TrainingSettings) -> torch.dtype:
    """Of activations, and of the products that are not in float8."""
    if settings.precision == "float8":
        return torch.bfloat16
    dtype: torch.dtype = getattr(torch, settings.precision)
    return dtype


def adopt_precision(model: TranslationModel, settings: TrainingSettings) -> str | None:
    """Make the linear layers of a model to be trained compute as the settings say, in place.

    Returns what else there is to be said about it, in words.
    """
    if settings.precision != "float8":
        return None
    on_cpu = model.output.device.type == "cpu"
    left = use_float8(model)
    remarks = (["emulated, slower than bfloat16"] if on_cpu else []) + (
        [f"bfloat16 where a width is no multiple of 16: {_in_words(left)}"] if left else []
    )
    return "; ".join(remarks) or None


def refuse_precision(settings: TrainingSettings, device: torch.device, name: str) -> None:
    """Raise UserError if a device cannot train system ``name`` in the precision of its settings."""
    if settings.precision == "float8" and device.type == "cuda" and not has_float8(device):
        first = ".".join(map(str, FIRST_CAPABILITY))
        raise UserError(
            f"{torch.cuda.get_device_name(device)} has no matrix units for float8, which GPUs "
            f"from compute capability {first} on have (Ada, Hopper and newer)",
            where=f"systems.{name}.training.precision",
            mend="set it to bfloat16, or train on another GPU",
        )


def _in_words(names: Sequence[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"
