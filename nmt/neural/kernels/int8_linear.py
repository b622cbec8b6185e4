"""Linear maps by 8-bit integers on the CPU: a quarter of the memory, and of the time of a product.

``y_n = s_r s_n sum_d q_rd w_nd + b_n``. Weights are rounded once, with a scale for each output
(Jacob et al. 2018); inputs when they come, with a scale for each row (as Devlin 2017 does for
translation). Sums of integers are exact, so a row's result does not depend on the other rows, nor
on the library or its threads.

PyTorch's own dynamic linear layers (``torch.ops.quantized``, deprecated) use a scale for the whole
batch, by which a sentence's translation would depend on its neighbours. The product is
``torch._int_mm``, oneDNN's. On one core of an AMD Zen 5, for 320 rows of 256: a float32 product
reaches 215 GFLOP/s, bfloat16 430, the quantized layer 480 to 600, this product 900.

Shapes: R rows, D inputs, N outputs.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from nmt.neural.kernels.compiled import REORDER


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _round_rows(x: Any, out: Any, scales: Any) -> None:
    """Divide each row by its largest number, and round to -127 ... 127."""
    rows, width = x.shape
    bits = x.view(np.int32)
    for r in range(rows):
        # Of numbers without their sign, the bits are in the order of the numbers; NaN is the last.
        peak = np.int32(0)
        bits_r = bits[r]
        for d in range(width):
            peak = max(peak, np.int32(bits_r[d] & np.int32(0x7FFFFFFF)))
        scales[r] = peak
    peaks = scales.view(np.float32)
    for r in range(rows):
        scale = peaks[r] / np.float32(127)
        inverse = np.float32(1) / scale if scale > 0 else np.float32(0)
        x_r, out_r = x[r], out[r]
        for d in range(width):
            out_r[d] = np.int8(np.floor(x_r[d] * inverse + np.float32(0.5)))
        peaks[r] = scale


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _scale(sums: Any, row_scales: Any, scales: Any, bias: Any, out: Any) -> None:
    rows, width = sums.shape
    for r in range(rows):
        sums_r, out_r, scale = sums[r], out[r], row_scales[r]
        for n in range(width):
            out_r[n] = np.float32(sums_r[n]) * (scale * scales[n]) + bias[n]


def round_rows(x_RD: Tensor) -> tuple[Tensor, Tensor]:
    """int8 rows and their scales, float32: ``x ~ q * scale``; a row with NaN has the scale NaN."""
    q_RD, scale_R = _rounded(x_RD.numpy())
    return torch.from_numpy(q_RD), torch.from_numpy(scale_R)


def _rounded(x_RD: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    q_RD = np.empty(x_RD.shape, dtype=np.int8)
    scale_R = np.empty(len(x_RD), dtype=np.int32)
    _round_rows(x_RD, q_RD, scale_R)
    return q_RD, scale_R.view(np.float32)


class Int8Linear(nn.Module):
    """Takes the place of a linear layer, for inference on the CPU in float32."""

    def __init__(self, weight_ND: Tensor, bias_N: Tensor | None) -> None:
        """Round a linear layer's weights."""
        super().__init__()
        weight_ND, scale_N = round_rows(weight_ND.detach().float().contiguous())
        bias = torch.zeros(len(weight_ND)) if bias_N is None else bias_N.detach().float()
        self._weight_DN = weight_ND.t()
        self._scale_N = scale_N.numpy()
        self._bias_N = bias.contiguous().numpy()

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] to [..., N]."""
        y_RN = self.of_rows(x.reshape(-1, x.shape[-1]).contiguous().numpy())
        return torch.from_numpy(y_RN).view(*x.shape[:-1], -1)

    def of_rows(self, x_RD: NDArray[Any]) -> NDArray[Any]:
        """The same on arrays that lie end to end, [R, D] to [R, N]."""
        q_RD, scale_R = _rounded(x_RD)
        sums_RN = torch._int_mm(torch.from_numpy(q_RD), self._weight_DN).numpy()
        y_RN = np.empty(sums_RN.shape, dtype=np.float32)
        _scale(sums_RN, scale_R, self._scale_N, self._bias_N, y_RN)
        return y_RN


def int8_pays() -> bool:
    """Whether this processor multiplies integers quicker than float32; found by measuring."""
    numbers = torch.randn(256, 256, generator=torch.Generator().manual_seed(0))
    rounded, _ = round_rows(numbers)
    return _seconds(torch._int_mm, rounded) < 0.8 * _seconds(torch.mm, numbers)


def _seconds(product: Any, factor: Tensor) -> float:
    """Processor time: what else the machine does must not decide."""
    best = float("inf")
    for _ in range(20):
        begin = time.thread_time()
        product(factor, factor)
        best = min(best, time.thread_time() - begin)
    return best
