"""Which program computes a model's predictions: ours, CTranslate2 or ONNX Runtime."""

from __future__ import annotations

import importlib.util
from typing import Final, Literal

from nmt.errors import UserError
from nmt.model_folder import ModelFolder
from nmt.neural.backends.converted import converted
from nmt.neural.backends.options import other_options
from nmt.neural.export.variants import CTRANSLATE2, ONNX, unsupported
from nmt.search_options import SearchOptions
from nmt.translator import Translator

Backend = Literal["auto", "native", "ctranslate2", "onnx"]
"""Names of backends; ``auto`` takes the quickest that can do what is asked for."""

Precision = Literal["float32", "bfloat16", "float16", "int16", "int8"]
"""In what a backend computes matrix products."""

FASTEST_FIRST: Final[dict[tuple[str, str], tuple[Backend, ...]]] = {
    ("cpu", "float32"): ("native", "ctranslate2", "onnx"),
    ("cpu", "int8"): ("native", "ctranslate2", "onnx"),
}
"""Backends by device and precision, as scripts/bench_backends.py measured them."""


def installed(backend: Backend) -> bool:
    """Whether the library of a backend is there."""
    match backend:
        case "ctranslate2":
            return importlib.util.find_spec("ctranslate2") is not None
        case "onnx":
            return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
        case _:
            return True


def choose_backend(
    folder: ModelFolder,
    wanted: Backend,
    *,
    device: str,
    precision: Precision | None = None,
    options: SearchOptions | None = None,
) -> Backend:
    """The backend to open a model folder with.

    A folder that was exported is opened by the program that it was exported for. ``auto`` never
    changes the precision: weights are rounded to int8 only where that is asked for.

    Raises UserError where ``wanted`` cannot open this folder.
    """
    only: dict[str, Backend] = {"ctranslate2": "ctranslate2", "onnx": "onnx"}
    if (backend := only.get(folder.kind)) is not None:
        if wanted not in ("auto", backend):
            raise UserError(
                f"this model was exported for {backend}, and cannot be opened by {wanted}",
                where=str(folder.path),
                mend="leave --backend out, or give the model that it was exported from",
            )
        return backend
    if wanted != "auto":
        return wanted
    if folder.kind != "transformer" or (options is not None and other_options(options)):
        return "native"
    device = "cuda" if device == "auto" and torch_sees_cuda() else device
    order = FASTEST_FIRST.get((device.replace("auto", "cpu"), precision or "float32"), ("native",))
    return next((one for one in order if installed(one) and _holds(one, folder)), "native")


def _holds(backend: Backend, folder: ModelFolder) -> bool:
    """Whether a backend has a place for all variants of a model."""
    tables = {"ctranslate2": CTRANSLATE2, "onnx": ONNX}
    architecture = folder.settings.get("architecture", {})
    return backend not in tables or not unsupported(architecture, tables[backend])


def torch_sees_cuda() -> bool:
    """Whether ``auto`` means a GPU."""
    import torch

    return torch.cuda.is_available()


def load_with(
    folder: ModelFolder,
    backend: Backend,
    *,
    device: str,
    precision: Precision | None,
    provider: str | None = None,
) -> Translator:
    """Open a model folder by a backend other than the native one.

    A folder that was not exported is converted first; the result is kept in the user's cache, or,
    where that cannot be written, for as long as it takes to read it.

    Raises UserError where the backend is not installed or has no place for a variant of the model.
    """
    quantization = None if precision in (None, "float32") else precision
    if backend == "ctranslate2":
        from nmt.neural.backends.ctranslate2_translator import load_ctranslate2

        if folder.kind == backend:
            return load_ctranslate2(folder, device, precision=precision)
        with converted(folder, backend, quantization) as path:
            return load_ctranslate2(folder, device, engine_folder=path, precision=precision)
    assert backend == "onnx"
    from nmt.neural.backends.onnx_translator import load_onnx

    if folder.kind == backend:
        return load_onnx(folder, folder.path, device, provider)
    with converted(folder, backend, quantization) as path:
        return load_onnx(folder, path, device, provider)
