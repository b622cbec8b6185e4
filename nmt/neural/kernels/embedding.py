"""Pieces and positions to vectors, ``dropout(scale * E[piece] + position)``, in one pass.

The gradient of the table adds up rows of the same piece. PyTorch does so by atomic additions or by
sorting anew; here the batch's rows are grouped by piece once, on any device, and each group is
added in its order, so that the same batch gives the same gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels import gpu
from nmt.neural.kernels.counter import CounterKey, DeviceKeys, dropout_reference
from nmt.neural.kernels.dropout import DropoutKeys, dropout


class RowGroups(NamedTuple):
    """The N rows of a batch in groups of the same piece."""

    order_N: Tensor
    """int32: the rows, group by group, rising in each."""
    offsets_V: Tensor
    """int32 [V + 1]: piece v is in ``order[offsets[v]:offsets[v + 1]]``."""


def group_rows(pieces_N: Tensor, size: int) -> RowGroups:
    """Group rows by their piece, of ``size`` that there are."""
    in_order, order_N = torch.sort(pieces_N, stable=True)
    bounds = torch.arange(size + 1, device=pieces_N.device, dtype=pieces_N.dtype)
    return RowGroups(order_N.to(torch.int32), torch.searchsorted(in_order, bounds, out_int32=True))


def embed_reference(
    pieces_N: Tensor,
    positions_N: Tensor,
    table_VD: Tensor,
    positions_LD: Tensor | None,
    scale: float,
    rate: float = 0.0,
    key: CounterKey | None = None,
) -> Tensor:
    """The same in plain PyTorch."""
    x_ND = F.embedding(pieces_N, table_VD) * scale
    if positions_LD is not None:
        x_ND = (x_ND + F.embedding(positions_N, positions_LD)).to(table_VD.dtype)
    return dropout_reference(x_ND, rate, key)


def embed(
    pieces_N: Tensor,
    positions_N: Tensor,
    table_VD: Tensor,
    positions_LD: Tensor | None,
    scale: float,
    rate: float,
    keys: DropoutKeys | DeviceKeys | None,
    groups: RowGroups | None = None,
) -> Tensor:
    """Embed pieces at the given positions of their sentences: [N, D], in the table's type.

    Args:
        pieces_N: int64.
        positions_N: int64, counted from 0 in each sentence.
        table_VD: a vector for each piece.
        positions_LD: a vector for each position, learned or not; None where attention rotates.
        scale: factor on the vectors of pieces.
        rate: share that dropout takes.
        keys: where dropout's randomness comes from; None is evaluation.
        groups: the rows by their pieces, where they are known; only the GPU's gradient uses them.
    """
    # Without groups there is no gradient to prepare, and PyTorch is as fast.
    plain = groups is None or not gpu.takes(table_VD)
    if isinstance(keys, DropoutKeys) or (keys is None and plain):
        x_ND = embed_reference(pieces_N, positions_N, table_VD, positions_LD, scale)
        return dropout(x_ND, rate, keys)
    key = keys.next() if keys is not None and rate else None
    if keys is not None and not keys.uses("embedding"):
        return embed_reference(pieces_N, positions_N, table_VD, positions_LD, scale, rate, key)
    from nmt.neural.kernels import embedding_triton

    groups = groups or group_rows(pieces_N, len(table_VD))
    return embedding_triton.embed(
        pieces_N, positions_N, table_VD, positions_LD, scale, rate, key, groups
    )
