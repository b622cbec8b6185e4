"""Opening a model whose predictions ONNX Runtime computes."""

from __future__ import annotations

from pathlib import Path

import torch

from nmt.model_folder import ModelFolder
from nmt.neural.backends.onnx_model import OnnxTransformer, choose_providers
from nmt.neural.device import prepare
from nmt.neural.model.architecture import Architecture
from nmt.neural.system import TOKENIZER, NeuralTranslator
from nmt.recipe.neural import SearchSettings
from nmt.tokenization import TokenizerPair


def load_onnx(
    folder: ModelFolder, graphs: Path, device: str, provider: str | None
) -> NeuralTranslator:
    """A translator with our search over ONNX Runtime's predictions.

    Args:
        folder: what was exported, or the folder of a Transformer that it was made from.
        graphs: where the ONNX files are.
        device: ``auto``, ``cpu`` or ``cuda``.
        provider: ONNX Runtime's name of an execution provider, in the place of ``device``.

    Raises UserError if ONNX Runtime is not installed, or without that provider.
    """
    providers = choose_providers(device, provider)
    on_cpu = providers[0] == "CPUExecutionProvider"
    workers = prepare(torch.device("cpu"))
    architecture = Architecture.from_json(
        folder.settings.get("architecture"), where=str(folder.path)
    )
    return NeuralTranslator(
        OnnxTransformer(architecture, graphs, providers),
        TokenizerPair.load(folder.path / TOKENIZER),
        SearchSettings.model_validate(folder.settings["search"]),
        source_language=folder.source_language,
        target_language=folder.target_language,
        workers=workers if on_cpu else 1,
        max_source_pieces=folder.settings.get("max_source_pieces"),
        backend="onnx",
    )
