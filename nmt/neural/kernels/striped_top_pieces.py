"""The greatest of each row of a wide matrix on a GPU, in one pass over it.

PyTorch's ``topk`` reads a row several times, to find its digits one by one. As in `top_pieces`, the
greatest of each stripe of 32 columns is found first, a fixed distance apart so that neighbours
are read together; only the stripes with the k greatest of those can hold one of the k greatest of
all. Everything has a fixed shape, and nothing asks the device for a number.

Shapes: R rows, V pieces, K pieces kept, P stripes.
"""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels.top_pieces import top_pieces_reference

_STRIPE: Final = 32


def striped_top_pieces(values_RV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` greatest of each row and their columns, greatest first: [R, K] each.

    Among equals any may come first. Places that stay empty hold -inf and -1. Of a row with a NaN,
    the first is one.
    """
    rows, size = values_RV.shape
    stripes = -(-size // _STRIPE)
    if stripes < 2 * count:
        return top_pieces_reference(values_RV, count)
    padded = F.pad(values_RV, (0, stripes * _STRIPE - size), value=-math.inf)
    striped_RSP = padded.view(rows, _STRIPE, stripes)
    _, best_RK = torch.topk(striped_RSP.amax(dim=1), count, dim=-1)
    columns_RSK = best_RK[:, None, :].expand(-1, _STRIPE, -1)
    found_RK, place_RK = torch.topk(striped_RSP.gather(2, columns_RSK).flatten(1), count, dim=-1)
    row_of_stripe = torch.div(place_RK, count, rounding_mode="floor")
    pieces_RK = row_of_stripe * stripes + best_RK.gather(1, place_RK % count)
    return found_RK, pieces_RK.masked_fill(found_RK == -math.inf, -1)
