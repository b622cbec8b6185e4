"""Attention of one new position a row to what came before it: the inner step of search.

A row's keys and values are written once and never moved. Which earlier rows a hypothesis continues
is told by a small table of row numbers, so reordering a beam copies integers, not caches; and the
rows of one sentence share the keys and values of its memory.

Shapes: R rows (hypotheses), T steps so far, M packed memory positions, H heads, E head width.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from nmt.neural.kernels.compiled import REORDER, compiled


def step_self_attention_reference(
    q_RHE: Tensor, cache_TC2HE: Tensor, ancestors_RT: Tensor
) -> Tensor:
    """The same in plain PyTorch, gathering every row's history: [R, H, E]."""
    steps = torch.arange(ancestors_RT.shape[1], device=q_RHE.device)
    k_RTHE, v_RTHE = cache_TC2HE[steps, ancestors_RT].unbind(2)
    scores_RHT = torch.einsum("rhe,rthe->rht", q_RHE, k_RTHE) * q_RHE.shape[-1] ** -0.5
    return torch.einsum("rht,rthe->rhe", torch.softmax(scores_RHT, dim=-1), v_RTHE)


def step_cross_attention_reference(
    q_RHE: Tensor, kv_M2HE: Tensor, begin_R: Tensor, end_R: Tensor
) -> tuple[Tensor, Tensor]:
    """The same in plain PyTorch: mixed values [R, H, E] and mean weights [R, longest]."""
    lengths_R = end_R - begin_R
    column = torch.arange(int(lengths_R.max()), device=q_RHE.device)
    mask_RS = column < lengths_R[:, None]
    k_RSHE, v_RSHE = kv_M2HE[(begin_R[:, None] + column) * mask_RS].unbind(2)
    scores_RHS = torch.einsum("rhe,rshe->rhs", q_RHE, k_RSHE) * q_RHE.shape[-1] ** -0.5
    scores_RHS = scores_RHS.masked_fill(~mask_RS[:, None, :], float("-inf"))
    weights_RHS = torch.softmax(scores_RHS, dim=-1)
    return torch.einsum("rhs,rshe->rhe", weights_RHS, v_RSHE), weights_RHS.mean(dim=1)


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _self_loop(q: Any, cache: Any, ancestors: Any, heads: int, out: Any) -> None:
    rows, width = q.shape
    head = width // heads
    steps = ancestors.shape[1]
    scale = q.dtype.type(1.0 / math.sqrt(head))
    p = np.empty(steps, dtype=q.dtype)
    for r in range(rows):
        for h in range(heads):
            at = h * head
            q_r = q[r, at : at + head]
            peak = q.dtype.type(-np.inf)
            for t in range(steps):
                k = cache[t, ancestors[r, t], at : at + head]
                s = q.dtype.type(0)
                for e in range(head):
                    s += q_r[e] * k[e]
                p[t] = s * scale
                peak = max(peak, p[t])
            total = q.dtype.type(0)
            for t in range(steps):
                p[t] = math.exp(p[t] - peak)
                total += p[t]
            out_r = out[r, at : at + head]
            out_r[:] = 0
            for t in range(steps):
                weight = p[t] / total
                v = cache[t, ancestors[r, t], width + at : width + at + head]
                for e in range(head):
                    out_r[e] += weight * v[e]


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _cross_loop(q: Any, kv: Any, begin: Any, end: Any, heads: int, out: Any, weights: Any) -> None:
    rows, width = q.shape
    head = width // heads
    scale = q.dtype.type(1.0 / math.sqrt(head))
    p = np.empty(max(1, np.max(end - begin)), dtype=q.dtype)
    share = q.dtype.type(1.0 / heads)
    for r in range(rows):
        count = end[r] - begin[r]
        for h in range(heads):
            at = h * head
            q_r = q[r, at : at + head]
            peak = q.dtype.type(-np.inf)
            for j in range(count):
                k = kv[begin[r] + j, at : at + head]
                s = q.dtype.type(0)
                for e in range(head):
                    s += q_r[e] * k[e]
                p[j] = s * scale
                peak = max(peak, p[j])
            total = q.dtype.type(0)
            for j in range(count):
                p[j] = math.exp(p[j] - peak)
                total += p[j]
            out_r = out[r, at : at + head]
            out_r[:] = 0
            for j in range(count):
                weight = p[j] / total
                if weights.shape[0] > 0:
                    weights[r, j] += weight * share
                v = kv[begin[r] + j, width + at : width + at + head]
                for e in range(head):
                    out_r[e] += weight * v[e]


def step_self_attention(q_RHE: Tensor, cache_TC2HE: Tensor, ancestors_RT: Tensor) -> Tensor:
    """Attend from each row's new position to its own history: [R, H, E].

    Args:
        q_RHE: queries of the new position.
        cache_TC2HE: keys and values by step and row, for at least T steps and any rows C.
        ancestors_RT: int64; at step t, row r's history is in row ``ancestors[r, t]``.
    """
    if not compiled(q_RHE):
        return step_self_attention_reference(q_RHE, cache_TC2HE, ancestors_RT)
    rows, heads, _ = q_RHE.shape
    out = torch.empty_like(q_RHE, memory_format=torch.contiguous_format)
    _self_loop(
        q_RHE.reshape(rows, -1).numpy(),
        cache_TC2HE.flatten(2).numpy(),
        ancestors_RT.contiguous().numpy(),
        heads,
        out.view(rows, -1).numpy(),
    )
    return out


def step_cross_attention(
    q_RHE: Tensor, kv_M2HE: Tensor, begin_R: Tensor, end_R: Tensor, *, weights: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Attend from each row to rows ``begin`` to ``end`` of the packed memory: [R, H, E].

    Args:
        q_RHE: queries.
        kv_M2HE: keys and values of the memory of all sentences.
        begin_R: int64, the first memory row of each query's sentence.
        end_R: int64, one past the last.
        weights: also return the attention weights, the mean over heads: [R, longest].
    """
    if not compiled(q_RHE):
        mixed_RHE, weights_RS = step_cross_attention_reference(q_RHE, kv_M2HE, begin_R, end_R)
        return mixed_RHE, weights_RS if weights else None
    rows, heads, _ = q_RHE.shape
    out = torch.empty_like(q_RHE, memory_format=torch.contiguous_format)
    longest = int((end_R - begin_R).max())
    weights_RS = q_RHE.new_zeros((rows, longest) if weights else (0, 0))
    _cross_loop(
        q_RHE.reshape(rows, -1).numpy(),
        kv_M2HE.flatten(1).numpy(),
        begin_R.numpy(),
        end_R.numpy(),
        heads,
        out.view(rows, -1).numpy(),
        weights_RS.numpy(),
    )
    return out, weights_RS if weights else None
