"""Packing sentence pairs into updates, and dividing an update into micro-batches.

Which pairs meet in an update depends on neither the size of a micro-batch nor the number of
workers: the update is the same sum, however it is computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

WINDOW = 256
"""Pairs from which the packer picks the next that fits."""

MULTIPLE = 16
"""Positions come in multiples of this, which suits the vector units of every processor."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """How much an update holds, and into how many parts it is divided."""

    source_positions: int
    """Most source pieces of an update."""
    target_positions: int
    """Most target pieces of an update."""
    micro_batches: int
    """Parts into which it is divided."""

    @property
    def micro_source_positions(self) -> int:
        """Source positions of a micro-batch, but for what whole sentences need beyond."""
        return self._share(self.source_positions)

    @property
    def micro_target_positions(self) -> int:
        """Target positions of a micro-batch, but for what whole sentences need beyond."""
        return self._share(self.target_positions)

    def _share(self, positions: int) -> int:
        return up_to_multiple(positions / self.micro_batches, MULTIPLE)


def choose_shape(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    *,
    batch_tokens: int,
    micro_batch_tokens: int,
    workers: int,
    slack: float = 1.0,
) -> BatchShape:
    """The shape of updates that hold the longest pair, and parts that keep all workers busy.

    Args:
        source_lengths: pieces of each source sentence, EOS included.
        target_lengths: pieces of each target sentence, EOS included.
        batch_tokens: target pieces of an update.
        micro_batch_tokens: target positions of a micro-batch, about.
        workers: workers that compute micro-batches side by side.
        slack: how much longer subword sampling makes sentences.
    """
    ratio = float(source_lengths.sum() / target_lengths.sum())
    target = max(batch_tokens, math.ceil(target_lengths.max() * slack))
    source = max(batch_tokens * ratio, math.ceil(source_lengths.max() * slack))
    parts = -(-target // micro_batch_tokens)
    parts = -(-parts // workers) * workers
    return BatchShape(up_to_multiple(source, MULTIPLE), up_to_multiple(target, MULTIPLE), parts)


def up_to_multiple(number: float, of: int) -> int:
    """The smallest multiple that is not less than ``number``."""
    return math.ceil(number / of) * of


@njit(nogil=True, cache=True)
def _fill(
    source_lengths: Any, target_lengths: Any, source_room: int, target_room: int, window: int
) -> Any:
    """The batch of each pair, filling each with the first of the waiting pairs that fit."""
    count = len(source_lengths)
    assigned = np.full(count, -1, dtype=np.int64)
    waiting = np.empty(window, dtype=np.int64)
    num_waiting = 0
    arriving = 0
    batch = 0
    placed = 0
    while placed < count:
        source_left, target_left = source_room, target_room
        begin = 0
        while True:
            while num_waiting < window and arriving < count:
                waiting[num_waiting] = arriving
                num_waiting += 1
                arriving += 1
            found = -1
            for w in range(begin, num_waiting):
                pair = waiting[w]
                if source_lengths[pair] <= source_left and target_lengths[pair] <= target_left:
                    found = w
                    break
            if found < 0:
                break
            pair = waiting[found]
            assigned[pair] = batch
            placed += 1
            source_left -= source_lengths[pair]
            target_left -= target_lengths[pair]
            for w in range(found, num_waiting - 1):
                waiting[w] = waiting[w + 1]
            num_waiting -= 1
            # What was passed over did not fit, and the room only shrinks.
            begin = found
        batch += 1
    return assigned


@njit(nogil=True, cache=True)
def _spread(source_lengths: Any, target_lengths: Any, order: Any, parts: int) -> Any:
    """The part of each pair: in the given order, each goes where the fuller side stays emptiest."""
    source_scale, target_scale = 1.0 / source_lengths.sum(), 1.0 / target_lengths.sum()
    loads = np.zeros((parts, 2))
    assigned = np.empty(len(order), dtype=np.int64)
    for pair in order:
        source = source_lengths[pair] * source_scale
        target = target_lengths[pair] * target_scale
        best, least = 0, np.inf
        for part in range(parts):
            load = max(loads[part, 0] + source, loads[part, 1] + target)
            if load < least:
                best, least = part, load
        assigned[pair] = best
        loads[best, 0] += source
        loads[best, 1] += target
    return assigned


def pack_pairs(
    source_lengths: np.ndarray, target_lengths: np.ndarray, source_room: int, target_room: int
) -> list[np.ndarray]:
    """Numbers of the pairs of each batch; every pair is in exactly one, in about its order.

    Args:
        source_lengths: positions that each pair's source takes, none over ``source_room``.
        target_lengths: positions that each pair's target takes, none over ``target_room``.
        source_room: source positions of a batch.
        target_room: target positions of a batch.
    """
    assert int(source_lengths.max(initial=0)) <= source_room
    assert int(target_lengths.max(initial=0)) <= target_room
    return _group(_fill(source_lengths, target_lengths, source_room, target_room, WINDOW))


def divide_pairs(
    source_lengths: np.ndarray, target_lengths: np.ndarray, parts: int
) -> list[np.ndarray]:
    """Numbers of the pairs of each part, all parts about as long on both sides; none is empty.

    The longest pairs are dealt out first, so that the short ones can even out the rest.
    """
    if parts == 1:
        return [np.arange(len(source_lengths))]
    shares = source_lengths / source_lengths.sum() + target_lengths / target_lengths.sum()
    order = np.argsort(-shares, kind="stable")
    return _group(_spread(source_lengths, target_lengths, order, parts))


def choose_room(num_pieces: int, usual: int) -> int:
    """Positions for so many pieces: the usual, unless they need more or far less."""
    needed = up_to_multiple(num_pieces, MULTIPLE)
    return usual if 0.9 * usual <= needed <= usual else needed


def _group(assigned: np.ndarray) -> list[np.ndarray]:
    if not len(assigned):
        return []
    order = np.argsort(assigned, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(assigned[order])) + 1)


def hardest_pairs(
    source_lengths: np.ndarray, target_lengths: np.ndarray, shape: BatchShape
) -> np.ndarray:
    """The longest pair beside as many short ones as fit: what takes most memory, padded."""
    longest = int((source_lengths + target_lengths).argmax())
    order = np.argsort(source_lengths + target_lengths, kind="stable")
    order = np.concatenate(([longest], order[order != longest]))
    fits = (source_lengths[order].cumsum() <= shape.source_positions) & (
        target_lengths[order].cumsum() <= shape.target_positions
    )
    return order[: np.count_nonzero(fits)]
