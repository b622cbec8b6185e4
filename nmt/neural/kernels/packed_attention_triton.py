"""Packed attention in Triton, for sentences so short that several share a tile.

A program owns 64 rows of one head, wherever sentences begin and end in them, and visits the keys
that any of its rows sees: from the first of its first sentence to the last of its last. Which of
them a row sees is one interval (`attention_spans`), so one kernel is bidirectional, causal and
cross attention. The softmax is FlashAttention's (Dao et al. 2022, algorithm 1).

Why tiles of 64. With 28 pieces a sentence, 64 rows touch about 100 keys: two visits of 64. Of what
a tile of 128 rows, as for long texts, multiplies, four fifths would be zeros; one of 16 wastes the
matrix units. At 25 k positions, width 1,024 and bfloat16, counting each tensor once:

==========  ==========================  =======  ============  ===========================
pass        tensors of 51 MB            bytes    at 3.0 TB/s   products, masked ones too
==========  ==========================  =======  ============  ===========================
forward     q k v, out                  205 MB   68 us         13 GFLOP, 16 us at 800 T/s
backward    q k v out d_out, dq dk dv   410 MB   137 us        46 GFLOP, 57 us at 800 T/s
==========  ==========================  =======  ============  ===========================

So memory is the bound: products may be wasted, but bytes not. Queries, keys and values are read
from the buffer that their common projection wrote, and their gradients laid where its backward pass
reads them. Eager PyTorch pads by a gather (q, k, v and out are read and written once more: 3 times
the bytes forward); what torch.compile makes of the same fuses the gathers, but stores scores and
weights. One backward program computes the gradients of its rows as keys, then as queries: of the
neighbourhood that both need, the second finds in the cache what the first has read.

Shapes: N query positions, M key positions, H heads, E head width; in a kernel Q queries and K keys
of a tile, or O owned and V visited rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from nmt.neural.kernels.attention_spans import AttentionSpans
from nmt.neural.kernels.counter import drop_limit, keep_scale
from nmt.neural.kernels.counter_triton import call_words, mixed_bits
from nmt.neural.kernels.gpu import capability, num_tiles, precision

_LOG2_E = 1.4426950408889634


class Tiles(NamedTuple):
    """How a kernel is cut: rows that a program owns, rows that it visits at once, warps, stages."""

    owned: int
    visited: int
    num_warps: int
    num_stages: int


def forward_tiles(width: int, dtype: torch.dtype) -> Tiles:
    """The tiles of the forward pass."""
    if dtype == torch.float32:
        return Tiles(32, 32, 4, 1)
    return Tiles(64, 64, 4, 2)


def backward_tiles(width: int, dtype: torch.dtype, capability: int) -> Tiles:
    """The tiles of the backward pass, where two accumulators stay in registers.

    Hopper's matrix units (capability 90) take 64 rows at once and read from shared memory; before,
    64 rows of 64 do not leave enough registers for dropout.
    """
    if dtype == torch.float32:
        return Tiles(32, 32, 8 if width == 128 else 4, 1)
    if width == 64 and capability < 90:
        return Tiles(32, 64, 4, 1)
    return Tiles(64, 32, 8 if width == 128 else 4, 1)


@triton.jit
def _interval(spans: tensor, rows: tensor, count: tensor) -> tensor:
    """Interval of each row, and one that covers all of them: (begin, end, first, last)."""
    inside = rows < count
    begin = tl.load(spans + rows, mask=inside, other=0)
    end = tl.load(spans + count + rows, mask=inside, other=0)
    some = begin < end
    first = tl.min(tl.where(some, begin, 2147483647), axis=0)
    last = tl.max(tl.where(some, end, 0), axis=0)
    return begin, end, first, last


@triton.jit
def _rows(base: tensor, rows: tensor, stride: tensor, mask: tensor, WIDTH: constexpr) -> tensor:
    """Rows of one head, [rows, WIDTH]; zeros outside of the mask."""
    at = rows.to(tl.int64)[:, None] * stride + tl.arange(0, WIDTH)[None, :]
    return tl.load(base + at, mask=mask[:, None], other=0.0)


@triton.jit
def _store_rows(
    base: tensor, rows: tensor, stride: tensor, mask: tensor, value: tensor, WIDTH: constexpr
) -> None:
    at = rows.to(tl.int64)[:, None] * stride + tl.arange(0, WIDTH)[None, :]
    tl.store(base + at, value.to(base.dtype.element_ty), mask=mask[:, None])


@triton.jit
def _stays(
    queries: tensor,
    keys: tensor,
    heads: tensor,
    head: tensor,
    one: tensor,
    other: tensor,
    limit: tensor,
) -> tensor:
    """Which weights dropout leaves: a word for each row of a head, and from it one for each key."""
    row_word = mixed_bits(queries * heads + head, one, other)
    return mixed_bits(keys, row_word, other) >= limit.to(tl.uint32, bitcast=True)


@triton.jit(do_not_specialize=["call", "limit", "num_queries"])
def attention_forward_kernel(
    q: tensor, k: tensor, v: tensor, out: tensor, lse: tensor, seen: tensor, words: tensor,
    num_queries: tensor, q_stride: tensor, kv_stride: tensor, out_stride: tensor, scale: tensor,
    call: tensor, limit: tensor, keep: tensor, WIDTH: constexpr, OWNED: constexpr,
    VISITED: constexpr, DROPS: constexpr, PRECISION: constexpr,
) -> None:  # fmt: skip
    """Out, and log2 of the sum of 2^score; ``scale`` makes scores of base 2."""
    head = tl.program_id(0)
    heads = tl.num_programs(0)
    q, k, v, out = q + head * WIDTH, k + head * WIDTH, v + head * WIDTH, out + head * WIDTH
    i = tl.program_id(1) * OWNED + tl.arange(0, OWNED)
    inside = i < num_queries
    begin, end, first, last = _interval(seen, i, num_queries)
    q_QE = _rows(q, i, q_stride, inside, WIDTH)
    if DROPS:
        one, other = call_words(words, call)
    peak = tl.full([OWNED], float("-inf"), tl.float32)
    total = tl.zeros([OWNED], tl.float32)
    mixed = tl.zeros([OWNED, WIDTH], tl.float32)
    for start in range(first, last, VISITED):
        j = start + tl.arange(0, VISITED)
        k_KE = _rows(k, j, kv_stride, j < last, WIDTH)
        v_KE = _rows(v, j, kv_stride, j < last, WIDTH)
        score = tl.dot(q_QE, tl.trans(k_KE), input_precision=PRECISION) * scale
        visible = (j[None, :] >= begin[:, None]) & (j[None, :] < end[:, None])
        score = tl.where(visible, score, float("-inf"))
        higher = tl.maximum(peak, tl.max(score, axis=1))
        # A row that has seen no key yet has no peak to subtract.
        base = tl.where(higher == float("-inf"), 0.0, higher)
        weight = tl.exp2(score - base[:, None])
        shrink = tl.exp2(peak - base)
        total = total * shrink + tl.sum(weight, axis=1)
        if DROPS:
            stays = _stays(i[:, None], j[None, :], heads, head, one, other, limit)
            weight = tl.where(stays, weight * keep, 0.0)
        mixed = mixed * shrink[:, None]
        mixed = tl.dot(weight.to(v_KE.dtype), v_KE, mixed, input_precision=PRECISION)
        peak = higher
    # Rows that see no key give zeros.
    some = begin < end
    total = tl.where(some, total, 1.0)
    _store_rows(out, i, out_stride, inside, mixed / total[:, None], WIDTH)
    tl.store(lse + head * num_queries + i, tl.where(some, peak + tl.log2(total), 0.0), mask=inside)


@triton.jit
def _weights(
    q_QE: tensor, k_KE: tensor, v_KE: tensor, d_out_QE: tensor, visible: tensor, lse_Q: tensor,
    inner_Q: tensor, i: tensor, j: tensor, head: tensor, one: tensor, other: tensor,
    scale: tensor, limit: tensor, keep: tensor, DROPS: constexpr, PRECISION: constexpr,
) -> tensor:  # fmt: skip
    """Weights after dropout, and gradients of the scores: both [queries, keys]."""
    heads = tl.num_programs(0)
    score = tl.dot(q_QE, tl.trans(k_KE), input_precision=PRECISION) * scale
    weight = tl.where(visible, tl.exp2(score - lse_Q[:, None]), 0.0)
    d_weight = tl.dot(d_out_QE, tl.trans(v_KE), input_precision=PRECISION)
    dropped = weight
    if DROPS:
        stays = _stays(i[:, None], j[None, :], heads, head, one, other, limit)
        dropped = tl.where(stays, weight * keep, 0.0)
        d_weight = tl.where(stays, d_weight * keep, 0.0)
    d_score = tl.where(visible, weight * (d_weight - inner_Q[:, None]), 0.0)
    return dropped, d_score


@triton.jit(do_not_specialize=["call", "limit", "num_queries", "num_keys"])
def attention_backward_kernel(
    d_out: tensor, q: tensor, k: tensor, v: tensor, out: tensor, lse: tensor, dq: tensor,
    dk: tensor, dv: tensor, seen: tensor, seeing: tensor, words: tensor, num_queries: tensor,
    num_keys: tensor, q_stride: tensor, kv_stride: tensor, out_stride: tensor, scale: tensor,
    d_scale: tensor, call: tensor, limit: tensor, keep: tensor, WIDTH: constexpr,
    OWNED: constexpr, VISITED: constexpr, DROPS: constexpr, PRECISION: constexpr,
) -> None:  # fmt: skip
    """Gradients of a tile's rows as keys, visiting queries; then as queries, visiting keys."""
    head = tl.program_id(0)
    q, k, v, out = q + head * WIDTH, k + head * WIDTH, v + head * WIDTH, out + head * WIDTH
    dq, dk, dv, d_out = (
        dq + head * WIDTH,
        dk + head * WIDTH,
        dv + head * WIDTH,
        d_out + head * WIDTH,
    )
    lse += head * num_queries
    own = tl.program_id(1) * OWNED + tl.arange(0, OWNED)
    one = 0
    other = 0
    if DROPS:
        one, other = call_words(words, call)

    is_key = own < num_keys
    begin, end, first, last = _interval(seeing, own, num_keys)
    k_OE = _rows(k, own, kv_stride, is_key, WIDTH)
    v_OE = _rows(v, own, kv_stride, is_key, WIDTH)
    dk_OE = tl.zeros([OWNED, WIDTH], tl.float32)
    dv_OE = tl.zeros([OWNED, WIDTH], tl.float32)
    for start in range(first, last, VISITED):
        i = start + tl.arange(0, VISITED)
        q_VE = _rows(q, i, q_stride, i < last, WIDTH)
        d_out_VE = _rows(d_out, i, out_stride, i < last, WIDTH)
        out_VE = _rows(out, i, out_stride, i < last, WIDTH)
        lse_V = tl.load(lse + i, mask=i < last, other=0.0)
        inner_V = tl.sum(d_out_VE.to(tl.float32) * out_VE.to(tl.float32), axis=1)
        visible_VO = (i[:, None] >= begin[None, :]) & (i[:, None] < end[None, :])
        weight_VO, d_score_VO = _weights(
            q_VE, k_OE, v_OE, d_out_VE, visible_VO, lse_V, inner_V,
            i, own, head, one, other, scale, limit, keep, DROPS, PRECISION,
        )  # fmt: skip
        weight_VO, d_score_VO = weight_VO.to(q_VE.dtype), d_score_VO.to(q_VE.dtype)
        dv_OE = tl.dot(tl.trans(weight_VO), d_out_VE, dv_OE, input_precision=PRECISION)
        dk_OE = tl.dot(tl.trans(d_score_VO), q_VE, dk_OE, input_precision=PRECISION)
    _store_rows(dk, own, kv_stride, is_key, dk_OE * d_scale, WIDTH)
    _store_rows(dv, own, kv_stride, is_key, dv_OE, WIDTH)

    is_query = own < num_queries
    begin, end, first, last = _interval(seen, own, num_queries)
    q_OE = _rows(q, own, q_stride, is_query, WIDTH)
    d_out_OE = _rows(d_out, own, out_stride, is_query, WIDTH)
    out_OE = _rows(out, own, out_stride, is_query, WIDTH)
    lse_O = tl.load(lse + own, mask=is_query, other=0.0)
    inner_O = tl.sum(d_out_OE.to(tl.float32) * out_OE.to(tl.float32), axis=1)
    dq_OE = tl.zeros([OWNED, WIDTH], tl.float32)
    for start in range(first, last, VISITED):
        j = start + tl.arange(0, VISITED)
        k_VE = _rows(k, j, kv_stride, j < last, WIDTH)
        v_VE = _rows(v, j, kv_stride, j < last, WIDTH)
        visible_OV = (j[None, :] >= begin[:, None]) & (j[None, :] < end[:, None])
        _, d_score_OV = _weights(
            q_OE, k_VE, v_VE, d_out_OE, visible_OV, lse_O, inner_O,
            own, j, head, one, other, scale, limit, keep, DROPS, PRECISION,
        )  # fmt: skip
        dq_OE = tl.dot(d_score_OV.to(k_VE.dtype), k_VE, dq_OE, input_precision=PRECISION)
    _store_rows(dq, own, q_stride, is_query, dq_OE * d_scale, WIDTH)


def launch_forward(
    q_NHE: Tensor, k_MHE: Tensor, v_MHE: Tensor, seen_2N: Tensor, words: Tensor | None, call: int,
    rate: float, tiles: Tiles | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Out [N, H, E], and its log-sums [H, N]; heads of q, k and v are adjacent in their rows."""
    rows, heads, width = q_NHE.shape
    out_NHE = q_NHE.new_empty(rows, heads, width)
    lse_HN = torch.empty(heads, rows, dtype=torch.float32, device=q_NHE.device)
    if not out_NHE.numel():
        return out_NHE, lse_HN
    tiles = tiles or forward_tiles(width, q_NHE.dtype)
    attention_forward_kernel[heads, num_tiles(rows, tiles.owned)](
        q_NHE, k_MHE, v_MHE, out_NHE, lse_HN, seen_2N, seen_2N if words is None else words,
        rows, q_NHE.stride(0), k_MHE.stride(0), out_NHE.stride(0),
        width**-0.5 * _LOG2_E, call, drop_limit(rate), keep_scale(rate),
        WIDTH=width, OWNED=tiles.owned, VISITED=tiles.visited,
        DROPS=words is not None, PRECISION=precision(),
        num_warps=tiles.num_warps, num_stages=tiles.num_stages,
    )  # fmt: skip
    return out_NHE, lse_HN


def launch_backward(
    d_out_NHE: Tensor, q_NHE: Tensor, k_MHE: Tensor, v_MHE: Tensor, out_NHE: Tensor, lse_HN: Tensor,
    dq_NHE: Tensor, dk_MHE: Tensor, dv_MHE: Tensor, spans: AttentionSpans, words: Tensor | None,
    call: int, rate: float, tiles: Tiles | None = None,
) -> None:  # fmt: skip
    """Write all of the gradients of q, k and v, which lie in memory as q, k and v do."""
    (rows, heads, width), keys = q_NHE.shape, k_MHE.shape[0]
    tiles = tiles or backward_tiles(width, q_NHE.dtype, capability(q_NHE.device))
    programs = num_tiles(max(rows, keys), tiles.owned)
    if not programs:
        return
    attention_backward_kernel[heads, programs](
        d_out_NHE, q_NHE, k_MHE, v_MHE, out_NHE, lse_HN, dq_NHE, dk_MHE, dv_MHE,
        *spans, spans.seen_2N if words is None else words,
        rows, keys, q_NHE.stride(0), k_MHE.stride(0), out_NHE.stride(0),
        width**-0.5 * _LOG2_E, width**-0.5, call, drop_limit(rate), keep_scale(rate),
        WIDTH=width, OWNED=tiles.owned, VISITED=tiles.visited,
        DROPS=words is not None, PRECISION=precision(),
        num_warps=tiles.num_warps, num_stages=tiles.num_stages,
    )  # fmt: skip
