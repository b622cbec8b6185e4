"""Rounds a matrix to float8 and transposes it in two passes over memory.

The first finds the largest number, the second divides, rounds, and writes rows and columns: for
25 k rows of 1,024 bfloat16 numbers 52 MB and 105 MB, 17 us and 35 us at 3.0 TB/s. PyTorch's
operations (maximum, product, conversion, a copy of single bytes) move 315 MB. The product that all
this is for should take 34 us for each 1,024 columns of the other matrix, if float8 is twice as fast
as bfloat16. Both layouts are wanted since Hopper's units read float8 along the dimension that is
summed over, and that is another one in the backward pass.

The largest of a tensor goes from program to program through memory: each of the first pass leaves
its own, and each of the second reads them all (2 KB, from the cache).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from nmt.neural.kernels.float8 import MULTIPLE, SMALLEST_SCALE
from nmt.neural.kernels.gpu import num_tiles

PROGRAMS = 512
"""Of the first pass: about four a multiprocessor."""

BLOCK = 8192
"""Elements that a program of the first pass reads at once."""

ROWS = 128
COLUMNS = 64
"""A tile of the second pass: as columns it is written 128 bytes at once, as rows 64."""

NUM_WARPS = 8


@triton.jit
def peak_kernel(x: tensor, peaks: tensor, size: tensor, BLOCK: constexpr) -> None:
    """The bits of the largest of a part of the numbers, without their signs.

    Bits without sign are in the order of the numbers; those of NaN are larger than all others.
    """
    peak = tl.zeros([BLOCK], tl.int32)
    first = tl.program_id(0).to(tl.int64) * BLOCK
    for start in range(first, size, tl.num_programs(0).to(tl.int64) * BLOCK):
        at = start + tl.arange(0, BLOCK)
        numbers = tl.load(x + at, mask=at < size, other=0.0).to(tl.float32)
        peak = tl.maximum(peak, numbers.to(tl.int32, bitcast=True) & 0x7FFFFFFF)
    tl.store(peaks + tl.program_id(0), tl.max(peak, axis=0))


@triton.jit(do_not_specialize=["rows", "num_peaks"])
def round_kernel(
    x: tensor, peaks: tensor, values: tensor, transposed: tensor, scale: tensor,
    rows: tensor, room: tensor, width: tensor, num_peaks: tensor,
    inverse_largest: tensor, smallest_scale: tensor,
    PEAKS: constexpr, ROWS: constexpr, COLUMNS: constexpr,
) -> None:  # fmt: skip
    """A tile, rounded; and with the first tile, the scale."""
    number = tl.arange(0, PEAKS)
    peak = tl.max(tl.load(peaks + number, mask=number < num_peaks, other=0), axis=0)
    # Not by a maximum, which may lose NaN.
    size = peak.to(tl.float32, bitcast=True) * inverse_largest
    size = tl.where(size < smallest_scale, smallest_scale, size)
    if (tl.program_id(0) == 0) & (tl.program_id(1) == 0):
        tl.store(scale, size)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    at = row.to(tl.int64)[:, None] * width + column[None, :]
    numbers = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    rounded = (numbers * tl.div_rn(1.0, size)).to(values.dtype.element_ty)
    tl.store(values + at, rounded, mask=inside)
    at = column.to(tl.int64)[:, None] * room + row[None, :]
    inside = (column < width)[:, None] & (row < room)[None, :]
    tl.store(transposed + at, tl.trans(rounded), mask=inside)


@torch.library.custom_op("nmt::to_float8", mutates_args=())
def _to_float8(x_ND: Tensor, format_: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    values_ND, transposed_DM, scale = _room(x_ND, format_)
    launch(x_ND.contiguous(), values_ND, transposed_DM, scale, torch.finfo(format_).max)
    return values_ND, transposed_DM, scale


@_to_float8.register_fake
def _(x_ND: Tensor, format_: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    return _room(x_ND, format_)


def _room(x_ND: Tensor, format_: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Room for rows, columns and scale."""
    rows, width = x_ND.shape
    return (
        x_ND.new_empty(rows, width, dtype=format_),
        x_ND.new_empty(width, rows + -rows % MULTIPLE, dtype=format_),
        x_ND.new_empty((), dtype=torch.float32),
    )


def launch(
    x_ND: Tensor, values_ND: Tensor, transposed_DM: Tensor, scale: Tensor, largest: float
) -> None:
    """Fill the last three tensors, the first two in their type, of which ``largest`` is."""
    if not x_ND.numel():
        scale.fill_(SMALLEST_SCALE)
        return
    rows, width = x_ND.shape
    programs = min(PROGRAMS, num_tiles(x_ND.numel(), BLOCK))
    peaks = x_ND.new_empty(programs, dtype=torch.int32)
    peak_kernel[(programs,)](x_ND, peaks, x_ND.numel(), BLOCK=BLOCK, num_warps=NUM_WARPS)
    room = transposed_DM.shape[1]
    round_kernel[num_tiles(room, ROWS), num_tiles(width, COLUMNS)](
        x_ND, peaks, values_ND, transposed_DM, scale, rows, room, width, programs,
        1 / largest, SMALLEST_SCALE,
        PEAKS=PROGRAMS, ROWS=ROWS, COLUMNS=COLUMNS, num_warps=NUM_WARPS,
    )  # fmt: skip


def to_float8(x_ND: Tensor, format_: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """See `nmt.neural.kernels.float8.to_float8`: values, the same transposed, scale."""
    values_ND: Tensor
    transposed_DM: Tensor
    scale: Tensor
    values_ND, transposed_DM, scale = _to_float8(x_ND, format_)
    return values_ND, transposed_DM, scale
