"""What the loops that Numba compiles for the CPU have in common."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

REORDER: Final = {"reassoc", "nsz", "contract", "arcp"}
"""Liberties of their arithmetic: sums in any order, so that they can use vectors.

Not the liberty to assume that no number is NaN or infinite: a loss that is not finite must show.
"""


def compiled(x: Tensor) -> bool:
    """Whether the compiled loops can take ``x``; if not, a kernel does as its reference does."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
