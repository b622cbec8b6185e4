"""Attention of one new position a row to what came before it: the inner step of search.

A row's keys and values are written once, in a place of their own, and never moved. Where those of a
hypothesis' history are is told by a small table of places, so reordering a beam copies integers,
not keys and values; and the rows of one sentence share the keys and values of its memory.

Shapes: R rows (hypotheses), T steps so far, P places, M packed memory positions, S source
positions, H heads, E head width.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from nmt.neural.kernels.compiled import REORDER, compiled


def step_self_attention_reference(
    q_RHE: Tensor, kv_P2HE: Tensor, places_RT: Tensor, counts_R: Tensor
) -> Tensor:
    """The same in plain PyTorch, gathering every row's history: [R, H, E]."""
    k_RTHE, v_RTHE = kv_P2HE[places_RT].unbind(2)
    mask_RT = torch.arange(places_RT.shape[1], device=q_RHE.device) < counts_R[:, None]
    scores_RHT = torch.einsum("rhe,rthe->rht", q_RHE, k_RTHE) * q_RHE.shape[-1] ** -0.5
    scores_RHT = scores_RHT.masked_fill(~mask_RT[:, None, :], float("-inf"))
    # What stands in places that are not taken yet may be anything, NaN included.
    v_RTHE = v_RTHE.masked_fill(~mask_RT[:, :, None, None], 0.0)
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
def attend_rows(q: Any, kv: Any, places: Any, counts: Any, heads: int, out: Any, mean: Any) -> None:
    """Row r attends to the first ``counts[r]`` of its places; ``mean`` may have no rows."""
    rows, width = q.shape
    head = width // heads
    scale = q.dtype.type(1.0 / math.sqrt(head))
    p = np.empty((heads, places.shape[1]), dtype=q.dtype)
    for r in range(rows):
        count = counts[r]
        # All heads of a place before the next: what comes from far memory comes in one piece.
        for t in range(count):
            k = kv[places[r, t]]
            for h in range(heads):
                q_h, k_h = q[r, h * head : (h + 1) * head], k[h * head : (h + 1) * head]
                s = q.dtype.type(0)
                for e in range(head):
                    s += q_h[e] * k_h[e]
                p[h, t] = s * scale
        for h in range(heads):
            peak = q.dtype.type(-np.inf)
            for t in range(count):
                peak = max(peak, p[h, t])
            total = q.dtype.type(0)
            for t in range(count):
                p[h, t] = math.exp(p[h, t] - peak)
                total += p[h, t]
            share = q.dtype.type(1) / total
            for t in range(count):
                p[h, t] *= share
        out_r = out[r]
        out_r[:] = 0
        for t in range(count):
            v = kv[places[r, t], width:]
            for h in range(heads):
                out_h, v_h = out_r[h * head : (h + 1) * head], v[h * head : (h + 1) * head]
                weight = p[h, t]
                for e in range(head):
                    out_h[e] += weight * v_h[e]
        if len(mean) > 0:
            for t in range(count):
                for h in range(heads):
                    mean[r, t] += p[h, t] / q.dtype.type(heads)


def attend(
    q_RD: NDArray[Any], kv_P2D: NDArray[Any], places_RT: NDArray[Any], counts_R: NDArray[Any],
    heads: int,
) -> NDArray[Any]:  # fmt: skip
    """Attend from each row to the first ``counts`` of its places: [R, D]; arrays lie end to end."""
    out_RD = np.empty_like(q_RD)
    attend_rows(
        q_RD, kv_P2D, places_RT, counts_R, heads, out_RD, np.empty((0, 0), dtype=q_RD.dtype)
    )
    return out_RD


def step_self_attention(
    q_RHE: Tensor, kv_P2HE: Tensor, places_RT: Tensor, counts_R: Tensor
) -> Tensor:
    """Attend from each row's new position to its own history: [R, H, E].

    Args:
        q_RHE: queries of the new position.
        kv_P2HE: keys and values by place.
        places_RT: int64, the place of each step of each row's history, the new one included.
        counts_R: int64, how many of a row's places are of its history.
    """
    if not compiled(q_RHE):
        return step_self_attention_reference(q_RHE, kv_P2HE, places_RT, counts_R)
    mixed_RD = attend(
        q_RHE.flatten(1).contiguous().numpy(),
        kv_P2HE.flatten(1).numpy(),
        places_RT.contiguous().numpy(),
        counts_R.numpy(),
        q_RHE.shape[1],
    )
    return torch.from_numpy(mixed_RD).view(q_RHE.shape)


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
        out_RHE, weights_RS = step_cross_attention_reference(q_RHE, kv_M2HE, begin_R, end_R)
        return out_RHE, weights_RS if weights else None
    counts_R = (end_R - begin_R).numpy()
    places_RS = begin_R.numpy()[:, None] + np.arange(counts_R.max())
    out_RHE = q_RHE.new_empty(q_RHE.shape)
    weights_RS = q_RHE.new_zeros(places_RS.shape if weights else (0, 0))
    attend_rows(
        q_RHE.flatten(1).contiguous().numpy(),
        kv_M2HE.flatten(1).numpy(),
        places_RS,
        counts_R,
        q_RHE.shape[1],
        out_RHE.flatten(1).numpy(),
        weights_RS.numpy(),
    )
    return out_RHE, weights_RS if weights else None
