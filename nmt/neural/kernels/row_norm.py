"""Normalisation of rows on the CPU, in one loop that is called without PyTorch's detours.

For a few rows PyTorch's call costs several times what it computes. The loop here serves any number
of rows, so that a row's numbers do not depend on how many others there are.

Shapes: R rows, D model width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

from nmt.neural.kernels.compiled import REORDER


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def normalize(x: Any, weight: Any, bias: Any, epsilon: Any, centred: bool, out: Any) -> None:
    """Fill ``out``, [R, D]: LayerNorm, or RMSNorm where rows are not centred."""
    rows, width = x.shape
    share = x.dtype.type(1.0 / width)
    for r in range(rows):
        x_r, out_r = x[r], out[r]
        mean = x.dtype.type(0)
        if centred:
            for d in range(width):
                mean += x_r[d]
            mean *= share
        # The mean is rounded, so deviations from it do not quite add up to zero.
        squares = rest = x.dtype.type(0)
        for d in range(width):
            deviation = x_r[d] - mean
            squares += deviation * deviation
            rest += deviation
        if centred:
            mean += rest * share
            squares -= rest * rest * share
        scale = x.dtype.type(1) / np.sqrt(squares * share + epsilon)
        for d in range(width):
            out_r[d] = (x_r[d] - mean) * scale * weight[d] + bias[d]


class RowNorm(nn.Module):
    """Takes the place of LayerNorm or RMSNorm, for inference on the CPU in float32."""

    def __init__(self, norm: nn.LayerNorm | nn.RMSNorm) -> None:
        """Take a norm's parameters."""
        super().__init__()
        self.weight = norm.weight
        bias: Tensor | None = None
        if isinstance(norm, nn.LayerNorm):
            self.bias = bias = norm.bias
        self.centred = isinstance(norm, nn.LayerNorm)
        """Whether it is a LayerNorm."""
        self._weight = norm.weight.detach().numpy()
        self._bias = np.zeros_like(self._weight) if bias is None else bias.detach().numpy()
        assert self._weight.dtype == np.float32
        assert norm.eps is not None
        self.epsilon = np.float32(norm.eps)

    @property
    def width(self) -> int:
        """D."""
        return len(self._weight)

    @property
    def weight_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        """[D] each; a bias of zeros if there is none."""
        return self._weight, self._bias

    def of_rows(self, x_RD: np.ndarray) -> np.ndarray:
        """The same on arrays, [R, D] to [R, D]."""
        out_RD = np.empty_like(x_RD)
        normalize(x_RD, self._weight, self._bias, self.epsilon, self.centred, out_RD)
        return out_RD

    def forward(self, x_RD: Tensor) -> Tensor:
        """[R, D] to [R, D]."""
        return torch.from_numpy(self.of_rows(x_RD.contiguous().numpy()))
