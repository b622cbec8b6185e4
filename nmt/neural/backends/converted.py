"""Models as other programs read them, converted once and kept in the user's cache."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import platformdirs

from nmt.files import build_once
from nmt.model_folder import ModelFolder

_VERSION = 1
"""Raised when the same model is converted into other files than before."""

_LIBRARIES = {"ctranslate2": "ctranslate2", "onnx": "onnx"}


@contextlib.contextmanager
def converted(
    folder: ModelFolder, to: Literal["ctranslate2", "onnx"], quantization: Any
) -> Iterator[Path]:
    """A folder with the model as ``to`` reads it; it may be gone when the block ends.

    Nothing is written beside the model, which may be on a disk that cannot be written to.

    Raises UserError where ``to`` has no place for a variant of the model.
    """
    from nmt.neural.export.export import write_export
    from nmt.neural.export.opened import open_transformer

    def build(path: Path) -> None:
        write_export(open_transformer(folder, to), to, path, quantization)

    inputs = {
        "version": _VERSION,
        "library": version(_LIBRARIES[to]),
        "to": to,
        "quantization": quantization,
        "settings": folder.settings,
        "files": {name: facts.sha256 for name, facts in folder.files.items()},
    }
    cache = platformdirs.user_cache_path("bitext-nmt") / "converted"
    if _can_be_written(cache):
        yield build_once(cache, to, inputs, build)
        return
    temporary = Path(tempfile.mkdtemp(prefix="nmt-"))
    try:
        build(temporary)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
