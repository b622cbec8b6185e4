"""Linear maps of a few rows on the CPU: what a single sentence's search spends its time in.

Libraries are made for many rows. For five, PyTorch's way to oneDNN costs more than the product, and
each call lays the weights out anew. Here they are laid out once, in blocks of columns that are read
from front to back, while the sums of a block stay in the first-level cache. What it brings is "ms
alone" in scripts/bench_translation.py.

A sentence's translation must not depend on how many rows it was computed with, so the sums must be
the library's to the last bit. Both add products up in their order, in fused multiplications and
additions; the library does so in blocks of the inputs (of 512, as seen) whose sums it then adds.
How long its blocks are is found by trying, with a product of many rows. Where nothing fits, as on
processors for which it sums in another order, the library computes few rows too.

Shapes: R rows, D inputs, N outputs, C columns of a block.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor, nn

FEW_ROWS: Final = 8
"""Rows that are few: with more, the library is as quick."""

_COLUMNS: Final = 128
_UNROLLED: Final = 8
_FIVE: Final = 5
ALONE: Final = 2
"""Rows that are computed one at a time; more are filled up to fives."""
_LINE: Final = 16
"""Numbers of a cache line."""
_AHEAD: Final = 16 * _COLUMNS
_MANY_ROWS: Final = 320
_FUSED: Final = {"nsz", "contract"}
"""Liberties of the arithmetic: none but to fuse multiplications with additions."""


@njit(nogil=True, cache=True, fastmath=_FUSED, error_model="numpy")
def multiply(x: Any, blocks: Any, bias: Any, summed_at_once: int, out: Any) -> None:
    """Fill ``out``, [R, N], one row at a time.

    Args:
        x: [R, D].
        blocks: the weights, laid out.
        bias: [N].
        summed_at_once: inputs whose products are added up before that sum is added to the rest.
        out: [R, N].
    """
    rows, width = x.shape
    # What stands side by side in one array is known to be apart: the inner loop needs no checks.
    sums = np.empty(rows * _COLUMNS, dtype=np.float32)
    for b in range(len(blocks) // (width * _COLUMNS)):
        for begin in range(0, width, summed_at_once):
            sums[:] = 0
            for d in range(begin, min(begin + summed_at_once, width), 8):
                at = (b * width + d) * _COLUMNS
                w = blocks[at : at + 8 * _COLUMNS]
                for r in range(rows):
                    x0, x1, x2, x3 = x[r, d], x[r, d + 1], x[r, d + 2], x[r, d + 3]
                    x4, x5, x6, x7 = x[r, d + 4], x[r, d + 5], x[r, d + 6], x[r, d + 7]
                    sums_r = sums[r * _COLUMNS : (r + 1) * _COLUMNS]
                    for c in range(_COLUMNS):
                        s = sums_r[c]
                        s += x0 * w[c]
                        s += x1 * w[_COLUMNS + c]
                        s += x2 * w[2 * _COLUMNS + c]
                        s += x3 * w[3 * _COLUMNS + c]
                        s += x4 * w[4 * _COLUMNS + c]
                        s += x5 * w[5 * _COLUMNS + c]
                        s += x6 * w[6 * _COLUMNS + c]
                        s += x7 * w[7 * _COLUMNS + c]
                        sums_r[c] = s
            _write(sums, b * _COLUMNS, begin > 0, out)
        _add_bias(bias, b * _COLUMNS, out)


@njit(nogil=True, cache=True, fastmath=_FUSED, error_model="numpy")
def multiply_fives(x: Any, blocks: Any, bias: Any, summed_at_once: int, out: Any) -> Any:
    """The same, five rows at a time; ``x`` has so many that no five is incomplete.

    A weight that was loaded serves five rows. One row at a time, there are more loads than
    multiplications, and a core does two of each in a cycle. What is returned is only there because
    the compiler leaves out vain reading.
    """
    rows, width = x.shape
    read_ahead = np.float32(0)
    sums = np.empty(rows * _COLUMNS, dtype=np.float32)
    for b in range(len(blocks) // (width * _COLUMNS)):
        for begin in range(0, width, summed_at_once):
            sums[:] = 0
            for d in range(begin, min(begin + summed_at_once, width), 4):
                at = (b * width + d) * _COLUMNS
                w = blocks[at : at + 4 * _COLUMNS]
                # Weights come from far memory: one number of each cache line calls it in time.
                coming = blocks[at + _AHEAD : at + _AHEAD + 4 * _COLUMNS]
                for c in range(0, len(coming), _LINE):
                    read_ahead += coming[c]
                for r in range(0, rows, _FIVE):
                    a0, a1, a2, a3 = x[r, d], x[r, d + 1], x[r, d + 2], x[r, d + 3]
                    b0, b1, b2, b3 = x[r + 1, d], x[r + 1, d + 1], x[r + 1, d + 2], x[r + 1, d + 3]
                    c0, c1, c2, c3 = x[r + 2, d], x[r + 2, d + 1], x[r + 2, d + 2], x[r + 2, d + 3]
                    d0, d1, d2, d3 = x[r + 3, d], x[r + 3, d + 1], x[r + 3, d + 2], x[r + 3, d + 3]
                    e0, e1, e2, e3 = x[r + 4, d], x[r + 4, d + 1], x[r + 4, d + 2], x[r + 4, d + 3]
                    sums_r = sums[r * _COLUMNS : (r + _FIVE) * _COLUMNS]
                    for c in range(_COLUMNS):
                        w0, w1 = w[c], w[_COLUMNS + c]
                        w2, w3 = w[2 * _COLUMNS + c], w[3 * _COLUMNS + c]
                        s = sums_r[c]
                        s += a0 * w0
                        s += a1 * w1
                        s += a2 * w2
                        s += a3 * w3
                        sums_r[c] = s
                        s = sums_r[_COLUMNS + c]
                        s += b0 * w0
                        s += b1 * w1
                        s += b2 * w2
                        s += b3 * w3
                        sums_r[_COLUMNS + c] = s
                        s = sums_r[2 * _COLUMNS + c]
                        s += c0 * w0
                        s += c1 * w1
                        s += c2 * w2
                        s += c3 * w3
                        sums_r[2 * _COLUMNS + c] = s
                        s = sums_r[3 * _COLUMNS + c]
                        s += d0 * w0
                        s += d1 * w1
                        s += d2 * w2
                        s += d3 * w3
                        sums_r[3 * _COLUMNS + c] = s
                        s = sums_r[4 * _COLUMNS + c]
                        s += e0 * w0
                        s += e1 * w1
                        s += e2 * w2
                        s += e3 * w3
                        sums_r[4 * _COLUMNS + c] = s
            _write(sums, b * _COLUMNS, begin > 0, out)
        _add_bias(bias, b * _COLUMNS, out)
    return read_ahead


@njit(nogil=True, cache=True, fastmath=_FUSED, error_model="numpy")
def _write(sums: Any, first: int, adds: bool, out: Any) -> None:
    """Put the sums of a block's columns, from ``first`` on, or add them to what is there."""
    count = min(_COLUMNS, out.shape[1] - first)
    for r in range(len(out)):
        out_r = out[r, first : first + count]
        sums_r = sums[r * _COLUMNS : r * _COLUMNS + count]
        if adds:
            for c in range(count):
                out_r[c] += sums_r[c]
        else:
            out_r[:] = sums_r


@njit(nogil=True, cache=True, fastmath=_FUSED, error_model="numpy")
def _add_bias(bias: Any, first: int, out: Any) -> None:
    count = min(_COLUMNS, out.shape[1] - first)
    bias_b = bias[first : first + count]
    for r in range(len(out)):
        out_r = out[r, first : first + count]
        for c in range(count):
            out_r[c] += bias_b[c]


class FewRowsLinear(nn.Linear):
    """Takes the place of a linear layer, for inference on the CPU in float32: the same function."""

    def __init__(self, weight_ND: Tensor, bias_N: Tensor | None) -> None:
        """Take a linear layer's parameters, and lay a copy of the weights out."""
        outputs, inputs = weight_ND.shape
        super().__init__(inputs, outputs, bias=bias_N is not None, device="meta")
        self.weight, self.bias = weight_ND, bias_N  # type: ignore[assignment]  # not to be trained
        self.laid_out = np.empty(0, dtype=np.float32)
        """The weights, as the loops here read them."""
        self.bias_row = np.zeros(outputs, dtype=np.float32)
        """The bias, or zeros."""
        if bias_N is not None:
            self.bias_row = bias_N.detach().numpy()
        self.summed_at_once = 0
        """Inputs whose products are added up before the sum is added to those before."""
        if weight_ND.dtype == torch.float32 and inputs % _UNROLLED == 0:
            self.laid_out = _in_blocks(weight_ND.detach())
            self.summed_at_once = self._find_summed_at_once()

    @property
    def equals_library(self) -> bool:
        """Whether the loop here computes few rows: whether it gives the library's numbers."""
        return self.summed_at_once > 0

    def _find_summed_at_once(self) -> int:
        """Inputs whose products the library adds up before it adds the sum to those before.

        0 if it adds in an order that the loop here does not know.
        """
        generator = torch.Generator().manual_seed(0)
        x_RD = torch.randn(_MANY_ROWS, self.in_features, generator=generator)
        with torch.inference_mode():
            wanted_RN = F.linear(x_RD, self.weight, self.bias)[:FEW_ROWS].numpy()
            for inputs in (self.in_features, 512, 384, 256, 192, 128, 64):
                self.summed_at_once = inputs
                if np.array_equal(self.of_rows(x_RD[:FEW_ROWS].numpy()), wanted_RN):
                    return inputs
        return 0

    def of_rows(self, x_RD: np.ndarray) -> np.ndarray:
        """The same by the loop here, on arrays of few rows that lie end to end: [R, N]."""
        out_RN = np.empty((len(x_RD), self.out_features), dtype=np.float32)
        if len(x_RD) <= ALONE:
            multiply(x_RD, self.laid_out, self.bias_row, self.summed_at_once, out_RN)
        else:
            x_RD = filled_rows(x_RD)
            multiply_fives(x_RD, self.laid_out, self.bias_row, self.summed_at_once, out_RN)
        return out_RN

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] to [..., N]."""
        if x.ndim != 2 or len(x) > FEW_ROWS or not self.summed_at_once:
            return F.linear(x, self.weight, self.bias)
        return torch.from_numpy(self.of_rows(x.contiguous().numpy()))


def filled_rows(x_RD: np.ndarray) -> np.ndarray:
    """Rows, and as many zeros as it takes that `multiply_fives` can have them, if it is to."""
    if len(x_RD) <= ALONE or not (missing := -len(x_RD) % _FIVE):
        return x_RD
    return np.concatenate((x_RD, np.zeros((missing, x_RD.shape[1]), dtype=x_RD.dtype)))


def _in_blocks(weight_ND: Tensor) -> np.ndarray:
    """Weights as [blocks, D, C], flat; of columns that fill up the last block, zeros.

    In memory of PyTorch's: it begins with a cache line, so that no vector lies in two of them.
    """
    outputs, inputs = weight_ND.shape
    blocks = -(-outputs // _COLUMNS)
    laid_out = torch.zeros(blocks, inputs, _COLUMNS)
    padded = F.pad(weight_ND, (0, 0, 0, blocks * _COLUMNS - outputs))
    laid_out[:] = padded.view(blocks, _COLUMNS, inputs).transpose(1, 2)
    flat: np.ndarray = laid_out.view(-1).numpy()
    return flat
