"""What the GPU's kernels want to know of a packed batch, found out on the host while it is packed.

Which keys a query sees, and which rows hold the same piece, follows from lengths and pieces alone.
The host knows them before the batch travels; found out here, they cost the device nothing, and no
step has to ask it for a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.attention_spans import AttentionSpans
from nmt.neural.kernels.embedding import RowGroups


@dataclass(frozen=True, slots=True)
class Plan:
    """Of one side of a batch."""

    groups: RowGroups
    """The rows by their pieces."""
    own: AttentionSpans
    """Of the attention of each sentence to itself: causal on the target side."""
    memory: AttentionSpans | None = None
    """On the target side, of the attention to the source."""

    def to(self, device: torch.device) -> Plan:
        """The same on another device."""

        def moved(tensors: tuple[Tensor, ...]) -> list[Tensor]:
            return [tensor.to(device, non_blocking=True) for tensor in tensors]

        memory = None if self.memory is None else AttentionSpans(*moved(self.memory))
        return Plan(RowGroups(*moved(self.groups)), AttentionSpans(*moved(self.own)), memory)

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them."""
        return (*self.groups, *self.own, *(self.memory or ()))

    def with_tensors(self, tensors: Sequence[Tensor]) -> Plan:
        """The same with other tensors, in their order."""
        memory = None if self.memory is None else AttentionSpans(*tensors[4:6])
        return Plan(RowGroups(*tensors[:2]), AttentionSpans(*tensors[2:4]), memory)


def plan_sides(
    source_pieces: np.ndarray,
    source_offsets: np.ndarray,
    target_pieces: np.ndarray,
    target_offsets: np.ndarray,
    vocabulary_sizes: tuple[int, int],
) -> tuple[Plan, Plan]:
    """Plans of the source and the target side.

    Args:
        source_pieces: int64 [S].
        source_offsets: [B + 1], where each sentence begins, and where the last ends.
        target_pieces: int64 [T].
        target_offsets: [B + 1], the same of the target.
        vocabulary_sizes: source and target pieces that there are.
    """
    source = _intervals(source_offsets, source_offsets, len(source_pieces))
    target = _intervals(target_offsets, target_offsets, len(target_pieces))
    here = np.arange(len(target_pieces), dtype=np.int32)
    held = here < target_offsets[-1]
    causal = (np.stack((target[0], here * held + held)), np.stack((here * held, target[1])))
    to_source = _intervals(target_offsets, source_offsets, len(target_pieces))
    to_target = _intervals(source_offsets, target_offsets, len(source_pieces))
    return (
        Plan(_groups(source_pieces, vocabulary_sizes[0]), _spans(source, source)),
        Plan(
            _groups(target_pieces, vocabulary_sizes[1]),
            _spans(*causal),
            _spans(to_source, to_target),
        ),
    )


def _intervals(of: np.ndarray, to: np.ndarray, positions: int) -> np.ndarray:
    """For each position, the interval in ``to`` of the sentence that holds it in ``of``."""
    intervals = np.zeros((2, positions), dtype=np.int32)
    for bound, at in zip(intervals, (to[:-1], to[1:]), strict=True):
        bound[: of[-1]] = np.repeat(at, np.diff(of))
    return intervals


def _spans(seen: np.ndarray, seeing: np.ndarray) -> AttentionSpans:
    return AttentionSpans(torch.from_numpy(seen), torch.from_numpy(seeing))


def _groups(pieces: np.ndarray, size: int) -> RowGroups:
    # NumPy sorts 16-bit numbers by their digits, ten times as fast as longer ones.
    narrow = pieces.astype(np.uint16) if size <= 1 << 16 else pieces
    order = np.argsort(narrow, kind="stable").astype(np.int32)
    offsets = np.zeros(size + 1, dtype=np.int32)
    np.cumsum(np.bincount(pieces, minlength=size), out=offsets[1:])
    return RowGroups(torch.from_numpy(order), torch.from_numpy(offsets))
