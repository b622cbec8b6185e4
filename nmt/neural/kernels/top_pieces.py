"""The pieces with the greatest logits, or log-probabilities, of each row.

PyTorch's ``topk`` takes 6 to 9 us a row of 8,000 on one core, twice as long as its softmax; the
loop here takes 1. It first finds the greatest of each stripe of 32 logits that stand a fixed
distance apart (neighbouring stripes in vectors, with no branches), and then looks only into those
stripes whose greatest is among the k best: no others can hold one.

Shapes: R rows, V pieces, K pieces kept.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

from nmt.neural.kernels.compiled import compiled

_STRIPE = 32


def top_pieces_reference(logits_RV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The same in plain PyTorch, except that among equal logits any may come first."""
    missing = max(0, count - logits_RV.shape[1])
    values_RK, pieces_RK = torch.topk(logits_RV, count - missing, dim=-1)
    values_RK = F.pad(values_RK, (0, missing), value=-math.inf)
    pieces_RK = F.pad(pieces_RK, (0, missing), value=-1)
    return values_RK, pieces_RK.masked_fill(values_RK == -math.inf, -1)


@njit(inline="always")
def _insert(best: Any, which: Any, value: Any, piece: int) -> None:
    """Put a value that is better than the last of the best in its place among them."""
    place = len(best) - 1
    while place > 0 and (
        best[place - 1] < value or (best[place - 1] == value and which[place - 1] > piece)
    ):
        best[place] = best[place - 1]
        which[place] = which[place - 1]
        place -= 1
    best[place] = value
    which[place] = piece


@njit(nogil=True, cache=True)
def _select(x: Any, values: Any, pieces: Any) -> None:
    rows, size = x.shape
    last = values.shape[1] - 1
    least = x.dtype.type(-np.inf)
    stripes = -(-size // _STRIPE)
    peaks = np.empty(stripes, dtype=x.dtype)
    for r in range(rows):
        row, best, which = x[r], values[r], pieces[r]
        peaks[:] = row[:stripes]
        for start in range(stripes, size, stripes):
            part = row[start : start + stripes]
            for n in range(len(part)):
                peaks[n] = part[n] if part[n] > peaks[n] else peaks[n]
        best[:] = least
        which[:] = -1
        for n in range(stripes):
            if peaks[n] > best[last]:
                _insert(best, which, peaks[n], n)
        bar = best[last]
        best[:] = least
        which[:] = -1
        for n in range(stripes):
            if peaks[n] >= bar and peaks[n] > least:
                for piece in range(n, size, stripes):
                    value = row[piece]
                    # Stripes mix the order of pieces, and of equals the lower piece comes first.
                    if value > best[last] or (value == best[last] and piece < which[last]):
                        _insert(best, which, value, piece)


def top_pieces(logits_RV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` greatest logits of each row and their pieces, greatest first: [R, K] each.

    Of equal logits the lower piece comes first. A logit of -inf rules its piece out; places that
    then stay empty hold -inf and piece -1.
    """
    if not compiled(logits_RV):
        return top_pieces_reference(logits_RV, count)
    values_RK = logits_RV.new_empty(logits_RV.shape[0], count)
    pieces_RK = torch.empty(values_RK.shape, dtype=torch.int64)
    _select(logits_RV.contiguous().numpy(), values_RK.numpy(), pieces_RK.numpy())
    return values_RK, pieces_RK
