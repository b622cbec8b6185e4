"""Attention over sentences laid end to end: no padding is stored or computed.

Translation batches are many short sentences of uneven length. Packed, a batch of N positions is
``[N, H, E]`` whatever the lengths, so the products around the attention always have one shape, and
sentence b is rows ``offsets[b]`` to ``offsets[b + 1]``.

On the CPU the loops below are compiled by Numba: a sentence's keys and values (a few KB a head)
stay in the first-level cache. On a GPU the kernels are those of `packed_attention_triton`.
Elsewhere the reference pads to a grid and calls PyTorch.

Shapes: N query positions, M key positions, H heads, E head width, B sentences.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.neural.kernels import gpu
from nmt.neural.kernels.attention_spans import AttentionSpans, attention_spans
from nmt.neural.kernels.compiled import REORDER, compiled
from nmt.neural.kernels.counter import DeviceKeys, keep_scale, keep_weights_reference
from nmt.neural.kernels.dropout import DropoutKeys, dropout, keep_bits, mask_arguments


def packed_attention_reference(
    q_NHE: Tensor,
    k_MHE: Tensor,
    v_MHE: Tensor,
    q_offsets: Tensor,
    k_offsets: Tensor,
    *,
    causal: bool = False,
    dropout_rate: float = 0.0,
    keys: DropoutKeys | DeviceKeys | None = None,
) -> Tensor:
    """The same in plain PyTorch, through a padded grid: [N, H, E]; rows of no sentence are zero."""
    q_rows, q_mask_BL = _grid(q_offsets)
    k_rows, k_mask_BS = _grid(k_offsets)
    q_BHLE = q_NHE[q_rows].transpose(1, 2)
    k_BHSE, v_BHSE = k_MHE[k_rows].transpose(1, 2), v_MHE[k_rows].transpose(1, 2)
    mask_B1LS = k_mask_BS[:, None, None, :]
    if causal:
        length = q_rows.shape[1]
        past = torch.ones(length, length, dtype=torch.bool, device=q_NHE.device).tril()
        mask_B1LS = mask_B1LS & past
    if keys is None or dropout_rate == 0:
        mixed_BHLE = F.scaled_dot_product_attention(q_BHLE, k_BHSE, v_BHSE, attn_mask=mask_B1LS)
    else:
        scores = q_BHLE @ k_BHSE.transpose(-2, -1) * q_NHE.shape[-1] ** -0.5
        # Not of minus infinity: rows of an empty sentence, which go nowhere, must stay numbers.
        lowest = torch.finfo(scores.dtype).min
        weights = torch.softmax(scores.masked_fill(~mask_B1LS, lowest), dim=-1)
        if isinstance(keys, DeviceKeys):
            heads, key = q_NHE.shape[1], keys.next()
            kept = keep_weights_reference(q_rows, k_rows, heads, dropout_rate, key)
            weights = weights * kept * keep_scale(dropout_rate)
        else:
            weights = dropout(weights, dropout_rate, keys)
        mixed_BHLE = weights @ v_BHSE
    out_NHE = torch.zeros_like(q_NHE)
    return out_NHE.index_put((q_rows[q_mask_BL],), mixed_BHLE.transpose(1, 2)[q_mask_BL])


def _grid(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Row numbers [B, longest] of each sentence, and where the grid holds one."""
    lengths = offsets[1:] - offsets[:-1]
    column = torch.arange(int(lengths.max()), device=offsets.device)
    mask = column < lengths[:, None]
    return (offsets[:-1, None] + column).long() * mask, mask


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _forward(
    q: Any, kv: Any, first_k: int, first_v: int, heads: int, q_at: Any, k_at: Any, longest: int,
    causal: bool, key: Any, limit: Any, keep: Any,
) -> Any:  # fmt: skip
    rows = q.shape[0]
    width = (first_v - first_k) // heads
    out = np.zeros((rows, heads * width), dtype=q.dtype)
    scale = q.dtype.type(1.0 / math.sqrt(width))
    p = np.empty(longest, dtype=q.dtype)
    for b in range(len(q_at) - 1):
        first = k_at[b]
        for h in range(heads):
            at = h * width
            for i in range(q_at[b], q_at[b + 1]):
                count = k_at[b + 1] - first
                if causal:
                    count = i - q_at[b] + 1
                q_i = q[i, at : at + width]
                peak = q.dtype.type(-np.inf)
                for j in range(count):
                    k_j = kv[first + j, first_k + at : first_k + at + width]
                    s = q.dtype.type(0)
                    for e in range(width):
                        s += q_i[e] * k_j[e]
                    p[j] = s * scale
                    peak = max(peak, p[j])
                total = q.dtype.type(0)
                for j in range(count):
                    p[j] = math.exp(p[j] - peak)
                    total += p[j]
                share = q.dtype.type(1) / total
                out_i = out[i, at : at + width]
                for j in range(count):
                    weight = p[j] * share
                    if limit > 0:
                        if keep_bits((i * heads + h) * longest + j, key) < limit:
                            continue
                        weight *= keep
                    v_j = kv[first + j, first_v + at : first_v + at + width]
                    for e in range(width):
                        out_i[e] += weight * v_j[e]
    return out


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _backward(
    d_out: Any, q: Any, kv: Any, dq: Any, dkv: Any,
    first_k: int, first_v: int, heads: int, q_at: Any, k_at: Any, longest: int,
    causal: bool, key: Any, limit: Any, keep: Any,
) -> None:  # fmt: skip
    width = (first_v - first_k) // heads
    scale = q.dtype.type(1.0 / math.sqrt(width))
    p = np.empty(longest, dtype=q.dtype)
    dp = np.empty(longest, dtype=q.dtype)
    for b in range(len(q_at) - 1):
        first = k_at[b]
        for h in range(heads):
            at = h * width
            for i in range(q_at[b], q_at[b + 1]):
                count = k_at[b + 1] - first
                if causal:
                    count = i - q_at[b] + 1
                q_i = q[i, at : at + width]
                d_i = d_out[i, at : at + width]
                # The weights once more: keeping them would take memory square in the length.
                peak = q.dtype.type(-np.inf)
                for j in range(count):
                    k_j = kv[first + j, first_k + at : first_k + at + width]
                    v_j = kv[first + j, first_v + at : first_v + at + width]
                    s = q.dtype.type(0)
                    dp_j = q.dtype.type(0)
                    for e in range(width):
                        s += q_i[e] * k_j[e]
                        dp_j += d_i[e] * v_j[e]
                    p[j] = s * scale
                    dp[j] = dp_j
                    peak = max(peak, p[j])
                total = q.dtype.type(0)
                for j in range(count):
                    p[j] = math.exp(p[j] - peak)
                    total += p[j]
                share = q.dtype.type(1) / total
                inner = q.dtype.type(0)
                for j in range(count):
                    p[j] *= share
                    dropped = p[j]
                    if limit > 0:
                        if keep_bits((i * heads + h) * longest + j, key) < limit:
                            dp[j] = q.dtype.type(0)
                            continue
                        dropped *= keep
                        dp[j] *= keep
                    inner += p[j] * dp[j]
                    dv_j = dkv[first + j, first_v + at : first_v + at + width]
                    for e in range(width):
                        dv_j[e] += dropped * d_i[e]
                dq_i = dq[i, at : at + width]
                for j in range(count):
                    ds = p[j] * (dp[j] - inner) * scale
                    k_j = kv[first + j, first_k + at : first_k + at + width]
                    dk_j = dkv[first + j, first_k + at : first_k + at + width]
                    for e in range(width):
                        dq_i[e] += ds * k_j[e]
                        dk_j[e] += ds * q_i[e]


class _PackedAttention(torch.autograd.Function):
    """Queries from the first columns of one buffer, keys and values from columns of another.

    Whole rows go to the compiled loops, not views of them: only of a contiguous array does the
    compiler know that neighbours in a head are neighbours in memory, which lets it use vectors.
    Without a memory the three stand side by side in the one buffer of ``queries``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        memory: Tensor | None,
        q_offsets: Tensor,
        k_offsets: Tensor,
        causal: bool,
        heads: int,
        rate: float,
        keys: DropoutKeys | None,
    ) -> Tensor:
        queries = queries.contiguous()
        memory = None if memory is None else memory.contiguous()
        width = queries.shape[1] // (3 if memory is None else 1)
        first_k = width if memory is None else 0
        q_at, k_at = q_offsets.numpy(), k_offsets.numpy()
        longest = int(np.diff(k_at).max(initial=1))
        drops = keys is not None and rate > 0
        key = keys.next() if keys is not None and drops else (0, 0)
        ctx.options = (
            first_k, first_k + width, heads, q_at, k_at, longest, causal,
            *mask_arguments(rate if drops else 0.0, key, queries.dtype),
        )  # fmt: skip
        ctx.save_for_backward(queries, memory)
        kv = queries if memory is None else memory
        return torch.from_numpy(_forward(queries.numpy(), kv.numpy(), *ctx.options))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> Any:
        queries, memory = ctx.saved_tensors
        d_queries = torch.zeros_like(queries)
        d_memory = None if memory is None else torch.zeros_like(memory)
        _backward(
            d_out.contiguous().numpy(),
            queries.numpy(),
            (queries if memory is None else memory).numpy(),
            d_queries.numpy(),
            (d_queries if d_memory is None else d_memory).numpy(),
            *ctx.options,
        )
        return d_queries, d_memory, None, None, None, None, None, None


def _on_gpu(x: Tensor, dropout_rate: float, keys: DropoutKeys | DeviceKeys | None) -> bool:
    """Whether the Triton kernels take it: for dropout they need keys that lie on the device."""
    if isinstance(keys, DeviceKeys):
        return keys.uses("attention") and x.shape[-1] in gpu.HEAD_WIDTHS
    host_keys = keys is not None and dropout_rate > 0
    return gpu.takes(x) and x.shape[-1] in gpu.HEAD_WIDTHS and not host_keys


def packed_self_attention(
    qkv_N3HE: Tensor,
    offsets: Tensor,
    *,
    causal: bool = False,
    dropout_rate: float = 0.0,
    keys: DropoutKeys | DeviceKeys | None = None,
    spans: AttentionSpans | None = None,
) -> Tensor:
    """``softmax(q k^T / sqrt(E)) v`` within each sentence: [N, H, E].

    Args:
        qkv_N3HE: queries, keys and values; rows of no sentence give zeros.
        offsets: int32 [B + 1], where each sentence begins, and where the last ends.
        causal: position i of a sentence sees positions 0 to i only.
        dropout_rate: dropout on the weights, if there are keys to draw it from.
        keys: where dropout's randomness comes from; None is evaluation.
        spans: on a GPU, the offsets' spans where several layers share them.
    """
    if _on_gpu(qkv_N3HE, dropout_rate, keys):
        from nmt.neural.kernels import packed_attention_gpu

        count = len(qkv_N3HE)
        spans = spans or attention_spans(offsets, offsets, count, count, causal=causal)
        key = keys.next() if isinstance(keys, DeviceKeys) and dropout_rate else None
        return packed_attention_gpu.packed_self_attention(qkv_N3HE, spans, dropout_rate, key)
    if isinstance(keys, DeviceKeys) or not compiled(qkv_N3HE):
        q_NHE, k_NHE, v_NHE = qkv_N3HE.unbind(1)
        return packed_attention_reference(
            q_NHE, k_NHE, v_NHE, offsets, offsets,
            causal=causal, dropout_rate=dropout_rate, keys=keys,
        )  # fmt: skip
    rows, _, heads, width = qkv_N3HE.shape
    out_ND: Tensor = _PackedAttention.apply(  # type: ignore[no-untyped-call]  # PyTorch gives it no type
        qkv_N3HE.reshape(rows, 3 * heads * width), None, offsets, offsets,
        causal, heads, dropout_rate, keys,
    )  # fmt: skip
    return out_ND.view(rows, heads, width)


def packed_cross_attention(
    q_NHE: Tensor,
    kv_M2HE: Tensor,
    q_offsets: Tensor,
    k_offsets: Tensor,
    *,
    dropout_rate: float = 0.0,
    keys: DropoutKeys | DeviceKeys | None = None,
    spans: AttentionSpans | None = None,
) -> Tensor:
    """``softmax(q k^T / sqrt(E)) v`` of each sentence's queries and its memory: [N, H, E].

    Args:
        q_NHE: queries, sentence b being rows ``q_offsets[b]`` to ``q_offsets[b + 1]``.
        kv_M2HE: keys and values, sentence b being rows ``k_offsets[b]`` to ``k_offsets[b + 1]``.
        q_offsets: int32 [B + 1].
        k_offsets: int32 [B + 1].
        dropout_rate: dropout on the weights, if there are keys to draw it from.
        keys: where dropout's randomness comes from; None is evaluation.
        spans: on a GPU, the offsets' spans where several layers share them.
    """
    if _on_gpu(q_NHE, dropout_rate, keys):
        from nmt.neural.kernels import packed_attention_gpu

        spans = spans or attention_spans(q_offsets, k_offsets, len(q_NHE), len(kv_M2HE))
        key = keys.next() if isinstance(keys, DeviceKeys) and dropout_rate else None
        return packed_attention_gpu.packed_cross_attention(q_NHE, kv_M2HE, spans, dropout_rate, key)
    if isinstance(keys, DeviceKeys) or not compiled(q_NHE):
        k_MHE, v_MHE = kv_M2HE.unbind(1)
        return packed_attention_reference(
            q_NHE, k_MHE, v_MHE, q_offsets, k_offsets, dropout_rate=dropout_rate, keys=keys
        )
    rows, heads, width = q_NHE.shape
    out_ND: Tensor = _PackedAttention.apply(  # type: ignore[no-untyped-call]  # PyTorch gives it no type
        q_NHE.reshape(rows, heads * width), kv_M2HE.reshape(-1, 2 * heads * width),
        q_offsets, k_offsets, False, heads, dropout_rate, keys,
    )  # fmt: skip
    return out_ND.view(rows, heads, width)
