"""A neural model's weights on disk: safetensors, one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from nmt.errors import UserError
from nmt.model_folder import COPY_AGAIN
from nmt.neural.marian_names import BIAS, from_theirs
from nmt.neural.model.ensemble import SearchedModel
from nmt.neural.model.transformer import Transformer
from nmt.neural.model.translation_model import TranslationModel

WEIGHTS: Final = "model.safetensors"
"""Where a model folder keeps them."""


def save_weights(model: SearchedModel, path: Path) -> None:
    """Write the model's parameters, shared ones once, as safetensors."""
    safetensors.torch.save_file(
        {name: p.detach().cpu().contiguous() for name, p in model.named_parameters()}, path
    )


def load_weights(model: TranslationModel, path: Path) -> None:
    """Read what ``save_weights`` or an export to Hugging Face wrote.

    Raises UserError if it does not fit the model.
    """
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(
            f"cannot be read as weights: {error}", where=str(path), mend=COPY_AGAIN
        ) from error
    if BIAS in tensors and isinstance(model, Transformer):
        tensors = from_theirs(tensors, model.architecture)
    set_weights(model, tensors, where=str(path))


def set_weights(model: TranslationModel, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Copy weights into a model. Raises UserError, naming ``where``, if they do not fit it."""
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(
        name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name)
    )
    if wrong:
        examples = "; ".join(
            f"{name} is {_in_words(found.get(name))}, not {_in_words(shapes.get(name))}"
            for name in wrong[:3]
        )
        raise UserError(
            f"{len(wrong)} weights do not fit the model's settings: {examples}",
            where=where,
            mend=COPY_AGAIN,
        )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])


def _in_words(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " x ".join(map(str, shape)) or "a number"
