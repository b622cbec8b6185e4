"""Logits of a few pieces a row, each row's its own: the end of a step of search with a shortlist.

A product over all pieces that any sentence of a batch lists would compute some 3,000 logits of
8,000 for every row, of which it wants 450. The loop here computes only those. Four pieces go
together, so that what is read of the row serves four times.

Shapes: R rows (hypotheses), D model width, V pieces, C pieces of the longest list, rounded up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

from nmt.neural.kernels.compiled import REORDER, compiled

_MULTIPLE = 64
"""Columns come in multiples of this: what is then computed of a row adds numbers up in the same
order, whatever the longest list of its batch."""


def list_logits_reference(
    hidden_RD: Tensor, weight_VD: Tensor, pieces: Tensor, begin_R: Tensor, end_R: Tensor
) -> Tensor:
    """The same in plain PyTorch, computing the logits of all pieces: [R, C]."""
    return of_lists(
        F.linear(hidden_RD, weight_VD), pieces, begin_R, end_R, int((end_R - begin_R).max())
    )


def of_lists(
    logits_RV: Tensor, pieces: Tensor, begin_R: Tensor, end_R: Tensor, longest: int
) -> Tensor:
    """Of the logits of all pieces, those of each row's list, which has ``longest`` at most."""
    column = torch.arange(_columns(longest), device=logits_RV.device)
    place_RC = begin_R[:, None] + column
    listed_RC = place_RC < end_R[:, None]
    logits_RC = logits_RV.gather(1, pieces[place_RC * listed_RC].long())
    return logits_RC.masked_fill(~listed_RC, float("-inf"))


def _columns(longest: int) -> int:
    return -(-longest // _MULTIPLE) * _MULTIPLE


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _multiply(hidden: Any, weight: Any, pieces: Any, begins: Any, ends: Any, out: Any) -> None:
    """Rows with the same list that stand side by side read it together."""
    rows, width = hidden.shape
    zero = hidden.dtype.type(0)
    first = 0
    while first < rows:
        begin, end = begins[first], ends[first]
        stop = first + 1
        while stop < rows and begins[stop] == begin:
            stop += 1
        for n in range(begin, end, 4):
            w0 = weight[pieces[n]]
            w1 = weight[pieces[min(n + 1, end - 1)]]
            w2 = weight[pieces[min(n + 2, end - 1)]]
            w3 = weight[pieces[min(n + 3, end - 1)]]
            for r in range(first, stop):
                x = hidden[r]
                s0, s1, s2, s3 = zero, zero, zero, zero
                for d in range(width):
                    s0 += x[d] * w0[d]
                    s1 += x[d] * w1[d]
                    s2 += x[d] * w2[d]
                    s3 += x[d] * w3[d]
                logits, c = out[r], n - begin
                logits[c], logits[c + 1], logits[c + 2], logits[c + 3] = s0, s1, s2, s3
        for r in range(first, stop):
            out[r, end - begin :] = -np.inf
        first = stop


def list_logits(
    hidden_RD: Tensor, weight_VD: Tensor, pieces: Tensor, begin_R: Tensor, end_R: Tensor
) -> Tensor:
    """Logits of each row's pieces, in the order of its list, then -inf: [R, C].

    Args:
        hidden_RD: hidden states.
        weight_VD: output weights of all pieces.
        pieces: int32, lists of pieces laid end to end.
        begin_R: int64, where each row's list begins.
        end_R: int64, one past its last piece; no list is empty.
    """
    if not compiled(hidden_RD):
        return list_logits_reference(hidden_RD, weight_VD, pieces, begin_R, end_R)
    hidden, weight, listed, begins, ends = (
        x.contiguous().numpy() for x in (hidden_RD, weight_VD.detach(), pieces, begin_R, end_R)
    )
    logits = np.empty((len(hidden), _columns(int((ends - begins).max()))), dtype=hidden.dtype)
    _multiply(hidden, weight, listed, begins, ends, logits)
    return torch.from_numpy(logits)
