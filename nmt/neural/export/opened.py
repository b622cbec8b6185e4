"""A model folder read for conversion: its parts, on the CPU, with nothing set up for search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nmt.errors import UserError
from nmt.model_folder import ModelFolder
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.transformer import Transformer
from nmt.neural.system import TOKENIZER
from nmt.neural.weights import WEIGHTS, load_weights
from nmt.recipe import SearchSettings
from nmt.tokenization import TokenizerPair


@dataclass(frozen=True)
class OpenedModel:
    """What is in the model folder of a Transformer."""

    folder: ModelFolder
    model: Transformer
    tokenizers: TokenizerPair
    search: SearchSettings

    @property
    def architecture(self) -> Architecture:
        """The model's sizes and variants."""
        return self.model.architecture


def open_transformer(folder: ModelFolder, target: str) -> OpenedModel:
    """Read a Transformer, its weights in float32 on the CPU.

    Raises UserError if the folder is of another kind of system, which ``target`` cannot take.
    """
    where = str(folder.path)
    if folder.kind != "transformer":
        raise UserError(
            f"{target} takes a Transformer, and this is a system of kind {folder.kind}",
            where=where,
            mend="translate with --backend native, or train a system of kind transformer",
        )
    architecture = Architecture.from_json(folder.settings.get("architecture"), where=where)
    model = Transformer(architecture)
    load_weights(model, folder.file(WEIGHTS))
    return OpenedModel(
        folder,
        model.requires_grad_(False),
        TokenizerPair.load(folder.path / TOKENIZER),
        SearchSettings.model_validate(folder.settings["search"]),
    )


def named_weights(model: Transformer) -> dict[str, np.ndarray]:
    """The parameters by the names that they have in a model without an output bias."""
    return {
        name.replace("decoder_norm.norm.", "decoder_norm."): tensor.detach().numpy()
        for name, tensor in model.named_parameters()
    }


def split_output(model: Transformer) -> tuple[np.ndarray, np.ndarray | None]:
    """The output matrix, [V, D], and the bias, [V], if there is one."""
    width = model.architecture.width
    output = model.output.detach().numpy()
    bias = output[:, width].copy() if model.architecture.output_bias else None
    return output[:, :width], bias
