"""A Transformer whose predictions ONNX Runtime computes; our search asks it for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from nmt.errors import UserError
from nmt.neural.model.architecture import Architecture

ENCODER: Final = "encoder.onnx"
DECODER: Final = "decoder.onnx"

_ERRORS: Final = 3
"""Of ONNX Runtime's levels of severity; its warnings are about its own optimisations."""


def import_onnxruntime() -> Any:
    """The library. Raises UserError where it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            "ONNX Runtime is not installed",
            mend="install it with: pip install 'bitext-nmt[export]'",
        ) from error
    return onnxruntime


def choose_providers(device: str, provider: str | None) -> list[str]:
    """Execution providers in the order in which ONNX Runtime is to try them.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``; ``auto`` takes the GPU if ONNX Runtime can use one.
        provider: its own name for one, such as ``TensorrtExecutionProvider``.

    Raises UserError for one that the installed ONNX Runtime does not have.
    """
    there = import_onnxruntime().get_available_providers()
    cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    wanted = [provider] if provider else [cuda] if device == "cuda" else []
    if device == "auto" and provider is None and cuda in there:
        wanted = [cuda]
    for name in wanted:
        if name not in there:
            raise UserError(
                f"the installed ONNX Runtime has no {name}",
                mend=f"choose one of {', '.join(there)}, or install onnxruntime-gpu for CUDA and "
                "TensorRT",
            )
    if provider == "TensorrtExecutionProvider" and cuda in there:
        wanted.append(cuda)  # for what TensorRT leaves
    return list(dict.fromkeys([*wanted, cpu]))


class OnnxTransformer(nn.Module):
    """An encoder and a decoder's step, as `nmt.neural.export.onnx_format` wrote them.

    It has no parameters of its own: `nmt.neural.search.steps` finds it by its type.
    """

    output: Tensor

    def __init__(self, architecture: Architecture, folder: Path, providers: list[str]) -> None:
        """Open both graphs.

        Args:
            architecture: of the model that they were made from.
            folder: where they are.
            providers: execution providers of ONNX Runtime, the first the most wanted.
        """
        super().__init__()
        self.architecture = architecture
        # Nothing is multiplied by it: it says where logits come out, which is on the CPU.
        self.register_buffer("output", torch.empty(0, architecture.width), persistent=False)
        self.encoder = Session(folder / ENCODER, providers)
        self.decoder = Session(folder / DECODER, providers)


class Session:
    """A graph that is run with arrays, whose outputs may stay where they were computed."""

    def __init__(self, path: Path, providers: list[str]) -> None:
        """Open a graph; each run takes one thread."""
        runtime = import_onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS
        self._session = runtime.InferenceSession(str(path), options, providers=providers)
        self._device = "cpu" if self._session.get_providers()[0].startswith("CPU") else "cuda"
        self._outputs = [output.name for output in self._session.get_outputs()]
        kinds = {item.name: item.type for item in self._session.get_inputs()}
        self.inputs = frozenset(kinds)
        self.dtype = np.float16 if "tensor(float16)" in kinds.values() else np.float32

    def run(
        self, arrays: Mapping[str, np.ndarray], kept: Mapping[str, Any], fetched: set[str]
    ) -> dict[str, Any]:
        """Compute all outputs by their names.

        Args:
            arrays: inputs that come from the host; those that the graph does not have are left out.
            kept: inputs that an earlier run put out, or `upload` made.
            fetched: outputs that are wanted as arrays; others stay where they are.
        """
        binding = self._session.io_binding()
        for name, array in arrays.items():
            if name in self.inputs:
                binding.bind_cpu_input(name, array)
        for name, value in kept.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, "cpu" if name in fetched else self._device)
        self._session.run_with_iobinding(binding)
        values = dict(zip(self._outputs, binding.get_outputs(), strict=True))
        return {name: value.numpy() if name in fetched else value for name, value in values.items()}

    def upload(self, array: np.ndarray) -> Any:
        """An array where the session computes."""
        return import_onnxruntime().OrtValue.ortvalue_from_numpy(array, self._device)
