"""What the Triton kernels have in common: when they run, and how exact their products are."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor

Precision = Literal["ieee", "tf32"]
"""How matrix products of float32 are computed; those of the half types add up in float32."""

Kernel = Literal[
    "attention", "add_norm", "embedding", "linear_relu", "cross_entropy", "adamw"
]  # fmt: skip
"""Each has a reference in plain PyTorch that can take its place."""

KERNELS: tuple[Kernel, ...] = get_args(Kernel)

HEAD_WIDTHS = (32, 64, 128)
"""For which there are tiles of attention."""


def takes(x: Tensor) -> bool:
    """Whether the Triton kernels can take ``x``; if not, a kernel does as its reference does."""
    types = (torch.float32, torch.bfloat16, torch.float16)
    return x.is_cuda and x.dtype in types and usable(x.device.index or 0)


@cache
def usable(index: int) -> bool:
    """Whether Triton is installed and the GPU has matrix units for bfloat16 (Ampere or newer)."""
    installed = importlib.util.find_spec("triton") is not None
    return installed and torch.cuda.get_device_capability(index) >= (8, 0)


@cache
def capability(device: torch.device) -> int:
    """A GPU's compute capability, such as 90 for Hopper; in the interpreter, on a CPU, as there."""
    if device.type != "cuda":
        return 90
    major, minor = torch.cuda.get_device_capability(device)
    return 10 * major + minor


def precision() -> Precision:
    """TF32 where PyTorch's own products use it."""
    return "tf32" if torch.get_float32_matmul_precision() != "highest" else "ieee"


def num_tiles(elements: int, tile: int) -> int:
    """Tiles that cover so many elements."""
    return -(-elements // tile)
