"""From a trained model to the folder of another program, complete by itself."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, get_args

import safetensors.torch
import torch

from nmt.errors import UserError
from nmt.model_folder import ModelFolder, open_model_folder, write_model_folder
from nmt.neural.export.opened import OpenedModel, open_transformer
from nmt.neural.search.shortlist import SHORTLIST
from nmt.neural.system import TOKENIZER
from nmt.neural.weights import WEIGHTS

Format = Literal["ctranslate2", "onnx", "huggingface", "safetensors"]
"""What can be exported to."""

Quantization = Literal["int8", "int16", "float16", "bfloat16"]
"""Types in which weights can be kept, other than float32."""

_QUANTIZATIONS: Final[dict[Format, tuple[Quantization, ...]]] = {
    "ctranslate2": get_args(Quantization),
    "onnx": ("int8", "float16"),
    "huggingface": ("float16", "bfloat16"),
    "safetensors": ("float16", "bfloat16"),
}

KINDS: Final[dict[Format, str]] = {
    "ctranslate2": "ctranslate2",
    "onnx": "onnx",
    "huggingface": "transformer",  # its files and ours are in one folder
    "safetensors": "transformer",
}
"""What ``model.json`` calls the exported system."""

Write = Callable[[OpenedModel, Path, Quantization | None], None]


def export_model(
    path: Path, to: Format, output: Path, quantization: Quantization | None = None
) -> ModelFolder:
    """Write a model as another program reads it, with all that ``nmt-translate`` needs.

    The result is a model folder itself: `nmt.load` opens it, by the program that it is for.

    Args:
        path: the model folder of a Transformer.
        to: the format.
        output: the new folder.
        quantization: type in which weights are kept; None is float32.

    Raises:
        UserError: the format has no place for a variant of the model, or not for this type of
            weights; a library is not installed; ``output`` cannot be written.
    """
    if quantization is not None and quantization not in _QUANTIZATIONS[to]:
        raise UserError(
            f"--quantization {quantization} does not go with --to {to}",
            mend=f"choose {' or '.join(_QUANTIZATIONS[to])}, or leave it out for float32",
        )
    refuse_overwriting(path, output)
    opened = open_transformer(open_model_folder(path), to)
    return write_export(opened, to, output, quantization)


def write_export(
    opened: OpenedModel, to: Format, output: Path, quantization: Quantization | None
) -> ModelFolder:
    """`export_model` of a model that is open already."""
    write = _writer(to)

    def fill(staging: Path) -> None:
        write(opened, staging, quantization)
        opened.tokenizers.save(staging / TOKENIZER)
        if KINDS[to] == "transformer" and SHORTLIST in opened.folder.files:
            shutil.copyfile(opened.folder.file(SHORTLIST), staging / SHORTLIST)

    settings: dict[str, Any] = dict(opened.folder.settings)
    settings["quantization"] = quantization
    try:
        return write_model_folder(
            output,
            kind=KINDS[to],
            source_language=opened.folder.source_language,
            target_language=opened.folder.target_language,
            settings=settings,
            training=opened.folder.training,
            fill=fill,
        )
    except UserError:
        with contextlib.suppress(OSError):
            output.rmdir()  # if there is nothing in it
        raise


def _writer(to: Format) -> Write:
    match to:
        case "ctranslate2":
            from nmt.neural.backends.ctranslate2_translator import import_ctranslate2
            from nmt.neural.export.ctranslate2_format import names_of, write_ctranslate2

            import_ctranslate2()
            return lambda opened, folder, quantization: write_ctranslate2(
                opened.model, names_of(opened.tokenizers), folder, quantization
            )
        case "onnx":
            from nmt.neural.backends.onnx_model import import_onnxruntime
            from nmt.neural.export.onnx_format import write_onnx

            import_onnxruntime()
            return lambda opened, folder, quantization: write_onnx(
                opened.model, folder, quantization
            )
        case "huggingface":
            from nmt.neural.export.huggingface_format import write_huggingface

            return write_huggingface
        case "safetensors":
            return _write_safetensors


def _write_safetensors(
    opened: OpenedModel, folder: Path, quantization: Quantization | None
) -> None:
    """The weights under our own names, in a smaller type; see docs/deployment.md."""
    dtype = getattr(torch, quantization or "float32")
    weights = {name: tensor.to(dtype) for name, tensor in opened.model.named_parameters()}
    safetensors.torch.save_file(weights, folder / WEIGHTS)


def refuse_overwriting(source: Path, output: Path) -> None:
    """Raise UserError where ``output`` holds something that an export must not replace."""
    if output.resolve() == source.resolve():
        raise UserError("this is the model itself", where=str(output), mend="choose another folder")
    if output.exists() and not (output / "model.json").is_file():
        if not output.is_dir():
            raise UserError("this is a file; an export is a folder", where=str(output))
        if any(output.iterdir()):
            raise UserError(
                "this folder holds something else; it is left as it is",
                where=str(output),
                mend="choose another --output, or empty it yourself",
            )
    if (output / "training").exists():
        raise UserError(
            "here is a trained model with its checkpoints; it is left as it is",
            where=str(output),
            mend="choose another --output",
        )
