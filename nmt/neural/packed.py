"""Sentences laid end to end: the shape in which batches reach the model.

A packed batch has a fixed number of positions, whatever the lengths of its sentences, so every
matrix product of training has the same shape at every step, and next to nothing is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.plan import Plan, plan_sides
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
    plan: Plan | None = None
    """For training on a GPU."""

    def to(self, device: torch.device) -> Packed:
        """The same on another device."""
        return Packed(
            self.pieces_N.to(device, non_blocking=True),
            self.positions_N.to(device, non_blocking=True),
            self.offsets.to(device, non_blocking=True),
            None if self.plan is None else self.plan.to(device),
        )

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them."""
        plan = () if self.plan is None else self.plan.tensors()
        return (self.pieces_N, self.positions_N, self.offsets, *plan)

    def with_tensors(self, tensors: Sequence[Tensor]) -> Packed:
        """The same with other tensors, in their order."""
        plan = None if self.plan is None else self.plan.with_tensors(tensors[3:])
        pieces_N, positions_N, offsets = tensors[:3]
        return Packed(pieces_N, positions_N, offsets, plan)


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

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them; those of another batch of the same shape are in the same order."""
        return (*self.source.tensors(), *self.target.tensors(), self.labels_T)

    def with_tensors(self, tensors: Sequence[Tensor]) -> PackedBatch:
        """The same with other tensors, in their order."""
        count = len(self.source.tensors())
        source = self.source.with_tensors(tensors[:count])
        target = self.target.with_tensors(tensors[count:-1])
        return PackedBatch(source, target, tensors[-1], self.num_target_pieces)


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


@dataclass(frozen=True, slots=True)
class StaticShape:
    """The shape that all batches have whose steps are replayed as one CUDA graph."""

    source_positions: int
    target_positions: int
    sentences: int
    """Those that are not there are empty, and come last."""
    vocabulary_sizes: tuple[int, int]
    """Source and target pieces that there are."""


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Rows of pieces laid end to end: many sentences, from which batches are packed."""

    flat: np.ndarray
    offsets: np.ndarray
    """int64 [rows + 1]: where each row begins in ``flat``, and where the last ends."""

    @classmethod
    def of(cls, rows: Sequence[np.ndarray]) -> RowBlock:
        """Lay rows end to end."""
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return cls(np.concatenate(rows) if len(rows) else np.empty(0, np.int64), offsets)

    @property
    def lengths(self) -> np.ndarray:
        """Pieces of each row."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> RowBlock:
        """Some of the rows, in the order of their numbers."""
        begins, offsets = self.offsets[rows], np.zeros(len(rows) + 1, dtype=np.int64)
        lengths = self.offsets[rows + 1] - begins
        np.cumsum(lengths, out=offsets[1:])
        at = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
        return RowBlock(self.flat[at], offsets)

    def closed(self, capacity: int) -> Packed:
        """The rows, each followed by EOS, in ``capacity`` positions."""
        offsets = (self.offsets + np.arange(len(self.offsets))).astype(np.int32)
        total = int(offsets[-1])
        assert total <= capacity, f"{total} pieces do not fit in {capacity} positions"
        pieces = np.full(capacity, PAD_ID, dtype=np.int64)
        positions = np.zeros(capacity, dtype=np.int64)
        positions[:total] = np.arange(total) - np.repeat(offsets[:-1], np.diff(offsets))
        ends = offsets[1:] - 1
        pieces[ends] = EOS_ID
        inside = np.ones(total, dtype=bool)
        inside[ends] = False
        pieces[:total][inside] = self.flat
        return Packed(
            torch.from_numpy(pieces), torch.from_numpy(positions), torch.from_numpy(offsets)
        )


def pack_rows(
    sources: RowBlock, targets: RowBlock, source_capacity: int, target_capacity: int
) -> PackedBatch:
    """The same as ``pack_batch``, of many rows at once."""
    source, closed = sources.closed(source_capacity), targets.closed(target_capacity)
    total = int(closed.offsets[-1])
    inputs_T = torch.full_like(closed.pieces_N, PAD_ID)
    inputs_T[1:total] = closed.pieces_N[: max(0, total - 1)]
    inputs_T[closed.offsets[:-1].long()] = BOS_ID
    return PackedBatch(source, replace(closed, pieces_N=inputs_T), closed.pieces_N, total)


def pack_static(sources: RowBlock, targets: RowBlock, shape: StaticShape) -> PackedBatch:
    """A batch of exactly this shape, with plans of both sides."""
    batch = pack_rows(sources, targets, shape.source_positions, shape.target_positions)
    source, target = batch.source, batch.target
    plans = plan_sides(
        source.pieces_N.numpy(), source.offsets.numpy(),
        target.pieces_N.numpy(), target.offsets.numpy(), shape.vocabulary_sizes,
    )  # fmt: skip
    missing = shape.sentences + 1 - len(source.offsets)
    assert missing >= 0, f"{len(source.offsets) - 1} sentences do not fit in {shape.sentences}"
    source, target = (
        replace(
            side, offsets=torch.cat((side.offsets, side.offsets[-1:].expand(missing))), plan=plan
        )
        for side, plan in zip((source, target), plans, strict=True)
    )
    return replace(batch, source=source, target=target)
