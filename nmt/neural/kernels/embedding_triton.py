"""Embedding, scale, position and dropout in one pass over memory, and its gradient by groups.

At 25 k rows of 1,024 bfloat16 numbers the forward pass reads the rows of the table and writes as
many: 102 MB, 34 us at 3.0 TB/s (positions stay in the cache); eager PyTorch goes over the result
five times. The gradient reads 51 MB and writes the whole table, absent pieces as zeros: 67 MB at
32 k pieces, 39 us in all. A program adds the rows of one piece, 16 at a time; a frequent one
(a comma: 5 % of the rows) takes 80 visits, as long as all others take together, so columns are
shared out in blocks of 256.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from nmt.neural.kernels.counter import CounterKey, drop_limit, keep_scale
from nmt.neural.kernels.counter_triton import call_words, kept
from nmt.neural.kernels.embedding import RowGroups, group_rows
from nmt.neural.kernels.gpu import num_tiles

COLUMNS = 256
"""Columns of a program's tile, forward and backward."""
FORWARD_ROWS = 8
BACKWARD_ROWS = 16
NUM_WARPS = 4


@triton.jit(do_not_specialize=["rows", "call", "limit"])
def embed_forward_kernel(
    pieces: tensor, positions: tensor, table: tensor, position_table: tensor, out: tensor,
    words: tensor, rows: tensor, width: tensor, scale: tensor, call: tensor, limit: tensor,
    keep: tensor,
    ROWS: constexpr, COLUMNS: constexpr, POSITIONS: constexpr, DROPS: constexpr,
) -> None:  # fmt: skip
    """Some columns of some rows."""
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    piece = tl.load(pieces + row, mask=row < rows, other=0).to(tl.int64)
    x = tl.load(table + piece[:, None] * width + column[None, :], mask=inside, other=0.0)
    x = x.to(tl.float32) * scale
    if POSITIONS:
        position = tl.load(positions + row, mask=row < rows, other=0).to(tl.int64)
        at = position[:, None] * width + column[None, :]
        x += tl.load(position_table + at, mask=inside, other=0.0).to(tl.float32)
    at = row.to(tl.int64)[:, None] * width + column[None, :]
    if DROPS:
        one, other = call_words(words, call)
        x = tl.where(kept(at, one, other, limit), x * keep, 0.0)
    tl.store(out + at, x.to(out.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["call", "limit"])
def embed_backward_kernel(
    d_out: tensor, order: tensor, offsets: tensor, d_table: tensor, words: tensor, width: tensor,
    scale: tensor, call: tensor, limit: tensor, keep: tensor,
    ROWS: constexpr, COLUMNS: constexpr, DROPS: constexpr,
) -> None:  # fmt: skip
    """Some columns of the gradient of one row of the table."""
    entry = tl.program_id(0)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros([COLUMNS], tl.float32)
    if DROPS:
        one, other = call_words(words, call)
    last = tl.load(offsets + entry + 1)
    for start in range(tl.load(offsets + entry), last, ROWS):
        place = start + tl.arange(0, ROWS)
        row = tl.load(order + place, mask=place < last, other=0).to(tl.int64)
        inside = (place < last)[:, None] & (column < width)[None, :]
        at = row[:, None] * width + column[None, :]
        d = tl.load(d_out + at, mask=inside, other=0.0).to(tl.float32)
        if DROPS:
            d = tl.where(kept(at, one, other, limit), d * keep, 0.0)
        total += tl.sum(d, axis=0)
    at = entry.to(tl.int64) * width + column
    tl.store(d_table + at, (total * scale).to(d_table.dtype.element_ty), mask=column < width)


@torch.library.custom_op("nmt::embed", mutates_args=())
def _embed(
    pieces_N: Tensor, positions_N: Tensor, table_VD: Tensor, positions_LD: Tensor | None,
    order_N: Tensor, offsets_V: Tensor, words: Tensor | None,
    scale: float, rate: float, call: int,
) -> Tensor:  # fmt: skip
    rows, width = len(pieces_N), table_VD.shape[1]
    table_VD = table_VD.contiguous()
    out_ND = table_VD.new_empty(rows, width)
    if rows:
        embed_forward_kernel[num_tiles(width, COLUMNS), num_tiles(rows, FORWARD_ROWS)](
            pieces_N, positions_N, table_VD,
            table_VD if positions_LD is None else positions_LD.contiguous(), out_ND,
            pieces_N if words is None else words,
            rows, width, scale, call, drop_limit(rate), keep_scale(rate),
            ROWS=FORWARD_ROWS, COLUMNS=COLUMNS, POSITIONS=positions_LD is not None,
            DROPS=words is not None, num_warps=NUM_WARPS,
        )  # fmt: skip
    return out_ND


@torch.library.custom_op("nmt::embed_backward", mutates_args=())
def _embed_backward(
    d_out_ND: Tensor, order_N: Tensor, offsets_V: Tensor, words: Tensor | None,
    dtype: torch.dtype, scale: float, rate: float, call: int,
) -> Tensor:  # fmt: skip
    size, width = len(offsets_V) - 1, d_out_ND.shape[1]
    d_table_VD = d_out_ND.new_empty(size, width, dtype=dtype)
    embed_backward_kernel[size, num_tiles(width, COLUMNS)](
        d_out_ND.contiguous(), order_N, offsets_V, d_table_VD, order_N if words is None else words,
        width, scale, call, drop_limit(rate), keep_scale(rate),
        ROWS=BACKWARD_ROWS, COLUMNS=COLUMNS, DROPS=words is not None, num_warps=NUM_WARPS,
    )  # fmt: skip
    return d_table_VD


@_embed.register_fake
def _(pieces_N: Tensor, positions_N: Tensor, table_VD: Tensor, *_: Any) -> Tensor:
    return table_VD.new_empty(len(pieces_N), table_VD.shape[1])


@_embed_backward.register_fake
def _(
    d_out_ND: Tensor, order_N: Tensor, offsets_V: Tensor, words: Tensor | None,
    dtype: torch.dtype, *_: Any,
) -> Tensor:  # fmt: skip
    return d_out_ND.new_empty(len(offsets_V) - 1, d_out_ND.shape[1], dtype=dtype)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, positions_N, table_VD, positions_LD, order_N, offsets_V, words, *ctx.options = inputs
    ctx.dtype = table_VD.dtype
    ctx.positions = None if positions_LD is None else (len(positions_LD), positions_LD.dtype)
    ctx.save_for_backward(positions_N, order_N, offsets_V, words)


def _differentiate(ctx: Any, d_out_ND: Tensor) -> tuple[Any, ...]:
    positions_N, order_N, offsets_V, words = ctx.saved_tensors
    scale, rate, call = ctx.options
    d_table = d_positions = None
    if ctx.needs_input_grad[2]:
        d_table = _embed_backward(d_out_ND, order_N, offsets_V, words, ctx.dtype, scale, rate, call)
    if ctx.needs_input_grad[3]:
        size, dtype = ctx.positions
        groups = group_rows(positions_N, size)
        d_positions = _embed_backward(d_out_ND, *groups, words, dtype, 1.0, rate, call)
    return None, None, d_table, d_positions, *(None,) * 6


_embed.register_autograd(_differentiate, setup_context=_keep)


def embed(
    pieces_N: Tensor, positions_N: Tensor, table_VD: Tensor, positions_LD: Tensor | None,
    scale: float, rate: float, key: CounterKey | None, groups: RowGroups,
) -> Tensor:  # fmt: skip
    """See `nmt.neural.kernels.embedding.embed`: [N, D]."""
    words, call = (key.words, key.call) if key is not None and rate else (None, 0)
    out: Tensor = _embed(
        pieces_N, positions_N, table_VD, positions_LD, *groups, words, scale, rate, call
    )
    return out
