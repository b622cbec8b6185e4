"""Sentences laid end to end: the shape in which batches reach the model.

A packed batch has a fixed number of positions, whatever the lengths of its sentences, so every
matrix product of training has the same shape at every step, and next to nothing is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID


@dataclass(frozen=True, slots=True)
class Packed:
    """B sentences in N positions."""

    pieces_N: Tensor
    """int64; PAD after the last sentence."""
    positions_N: Tensor
    """int64, counted from 0 in each sentence; 0 after the last sentence."""
    offsets: Tensor
    """int32 [B + 1]: sentence b is at positions ``offsets[b]`` to ``offsets[b + 1]``."""

    def to(self, device: torch.device) -> Packed:
        """The same on another device."""
        return Packed(
            self.pieces_N.to(device, non_blocking=True),
            self.positions_N.to(device, non_blocking=True),
            self.offsets.to(device, non_blocking=True),
        )


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Source sentences, target sentences and the pieces to predict."""

    source: Packed
    target: Packed
    """The decoder's input: BOS and the target without its end."""
    labels_T: Tensor
    """int64: the piece that follows each input piece, EOS last; PAD after the last sentence."""
    num_target_pieces: int
    """Labels that are not padding."""

    def to(self, device: torch.device) -> PackedBatch:
        """The same on another device."""
        return PackedBatch(
            self.source.to(device),
            self.target.to(device),
            self.labels_T.to(device, non_blocking=True),
            self.num_target_pieces,
        )


def pack(rows: Sequence[np.ndarray | Sequence[int]], capacity: int | None = None) -> Packed:
    """Lay rows of pieces end to end in ``capacity`` positions (just enough where it is None)."""
    lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    offsets = np.zeros(len(rows) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    total = int(offsets[-1])
    size = total if capacity is None else capacity
    assert total <= size, f"{total} pieces do not fit in {size} positions"
    pieces = np.full(size, PAD_ID, dtype=np.int64)
    positions = np.zeros(size, dtype=np.int64)
    if total:
        pieces[:total] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
        positions[:total] = np.arange(total) - np.repeat(offsets[:-1], lengths)
    return Packed(torch.from_numpy(pieces), torch.from_numpy(positions), torch.from_numpy(offsets))


def pack_source(rows: Sequence[np.ndarray], capacity: int | None = None) -> Packed:
    """Pack source sentences, each closed by EOS."""
    return pack([np.append(row, EOS_ID) for row in rows], capacity)


def pack_batch(
    sources: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    source_capacity: int | None = None,
    target_capacity: int | None = None,
) -> PackedBatch:
    """Pack sentence pairs for training; each side takes one position more than it has pieces."""
    target = pack([np.concatenate(([BOS_ID], row)) for row in targets], target_capacity)
    labels = pack([np.append(row, EOS_ID) for row in targets], target_capacity)
    return PackedBatch(
        pack_source(sources, source_capacity), target, labels.pieces_N, int(target.offsets[-1])
    )
