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


STATIC_MULTIPLE = 64
"""The same on a GPU, whose matrix products go in tiles."""

STATIC_SLACK = 1.003
"""By how much static micro-batches are larger than an even share, which no division quite gives.

Of Tatoeba's and Europarl's sentences in 2 to 8 parts all find room already at 1.002; at 1.0 one of
a thousand does not.
"""

PAIRS_SLACK = 1.5
"""How many more sentences than usual a static batch has room for."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """How much an update holds, and into how many parts it is divided."""

    source_positions: int
    """Most source pieces of an update."""
    target_positions: int
    """Most target pieces of an update."""
    micro_batches: int
    """Parts into which it is divided."""
    micro_pairs: int | None = None
    """Most pairs of a part, where all parts must have one shape, as a CUDA graph needs."""

    @property
    def micro_source_positions(self) -> int:
        """Source positions of a micro-batch, but for what whole sentences need beyond."""
        return self._share(self.source_positions)

    @property
    def micro_target_positions(self) -> int:
        """Target positions of a micro-batch, but for what whole sentences need beyond."""
        return self._share(self.target_positions)

    @property
    def pairs(self) -> int | None:
        """Most pairs of an update, if there is a bound."""
        return None if self.micro_pairs is None else self.micro_pairs * self.micro_batches

    def _share(self, positions: int) -> int:
        if self.micro_pairs is None or self.micro_batches == 1:
            return up_to_multiple(positions / self.micro_batches, MULTIPLE)
        return up_to_multiple(STATIC_SLACK * positions / self.micro_batches, STATIC_MULTIPLE)


def choose_shape(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    *,
    batch_tokens: int,
    micro_batch_tokens: int,
    workers: int,
    slack: float = 1.0,
    static: bool = False,
) -> BatchShape:
    """The shape of updates that hold the longest pair, and parts that keep all workers busy.

    Args:
        source_lengths: pieces of each source sentence, EOS included.
        target_lengths: pieces of each target sentence, EOS included.
        batch_tokens: target pieces of an update.
        micro_batch_tokens: target positions of a micro-batch, about.
        workers: workers that compute micro-batches side by side.
        slack: how much longer subword sampling makes sentences.
        static: whether all parts must have one shape.
    """
    ratio = float(source_lengths.sum() / target_lengths.sum())
    target = max(batch_tokens, math.ceil(target_lengths.max() * slack))
    source = max(batch_tokens * ratio, math.ceil(source_lengths.max() * slack))
    parts = -(-target // micro_batch_tokens)
    parts = -(-parts // workers) * workers
    if not static:
        return BatchShape(up_to_multiple(source, MULTIPLE), up_to_multiple(target, MULTIPLE), parts)
    # Each part must take the longest pair.
    source = max(source, parts * source_lengths.max() * slack)
    target = max(target, parts * target_lengths.max() * slack)
    pairs = target / parts / min(float(target_lengths.mean()), target_lengths.max() / 2)
    return BatchShape(
        up_to_multiple(source, STATIC_MULTIPLE),
        up_to_multiple(target, STATIC_MULTIPLE),
        parts,
        micro_pairs=up_to_multiple(PAIRS_SLACK * pairs, 16),
    )


def up_to_multiple(number: float, of: int) -> int:
    """The smallest multiple that is not less than ``number``."""
    return math.ceil(number / of) * of


@njit(nogil=True, cache=True)
def _fill(
    source_lengths: Any, target_lengths: Any, source_room: int, target_room: int, pair_room: int,
    window: int,
) -> Any:  # fmt: skip
    """The batch of each pair, filling each with the first of the waiting pairs that fit."""
    count = len(source_lengths)
    assigned = np.full(count, -1, dtype=np.int64)
    waiting = np.empty(window, dtype=np.int64)
    num_waiting = 0
    arriving = 0
    batch = 0
    placed = 0
    while placed < count:
        source_left, target_left, pairs_left = source_room, target_room, pair_room
        begin = 0
        while pairs_left > 0:
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
            pairs_left -= 1
            for w in range(found, num_waiting - 1):
                waiting[w] = waiting[w + 1]
            num_waiting -= 1
            # What was passed over did not fit, and the room only shrinks.
            begin = found
        batch += 1
    return assigned


@njit(nogil=True, cache=True)
def _spread(
    source_lengths: Any, target_lengths: Any, order: Any, parts: int, source_room: int,
    target_room: int, pair_room: int,
) -> Any:  # fmt: skip
    """The part of each pair: in the given order, each goes where the fuller side stays emptiest.

    Minus one for a pair that fits nowhere.
    """
    source_scale, target_scale = 1.0 / source_lengths.sum(), 1.0 / target_lengths.sum()
    loads = np.zeros((parts, 2))
    lefts = np.empty((parts, 3), dtype=np.int64)
    lefts[:, 0], lefts[:, 1], lefts[:, 2] = source_room, target_room, pair_room
    assigned = np.empty(len(order), dtype=np.int64)
    for pair in order:
        source = source_lengths[pair] * source_scale
        target = target_lengths[pair] * target_scale
        best, least = -1, np.inf
        for part in range(parts):
            left = lefts[part]
            fits = source_lengths[pair] <= left[0] and target_lengths[pair] <= left[1]
            load = max(loads[part, 0] + source, loads[part, 1] + target)
            if fits and left[2] > 0 and load < least:
                best, least = part, load
        assigned[pair] = best
        if best >= 0:
            loads[best, 0] += source
            loads[best, 1] += target
            lefts[best, 0] -= source_lengths[pair]
            lefts[best, 1] -= target_lengths[pair]
            lefts[best, 2] -= 1
    return assigned


def pack_pairs(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    source_room: int,
    target_room: int,
    pair_room: int | None = None,
) -> list[np.ndarray]:
    """Numbers of the pairs of each batch; every pair is in exactly one, in about its order.

    Args:
        source_lengths: positions that each pair's source takes, none over ``source_room``.
        target_lengths: positions that each pair's target takes, none over ``target_room``.
        source_room: source positions of a batch.
        target_room: target positions of a batch.
        pair_room: most pairs of a batch; None sets no bound.
    """
    assert int(source_lengths.max(initial=0)) <= source_room
    assert int(target_lengths.max(initial=0)) <= target_room
    if pair_room is None:
        pair_room = len(source_lengths)
    return _group(
        _fill(source_lengths, target_lengths, source_room, target_room, pair_room, WINDOW)
    )


def divide_pairs(
    source_lengths: np.ndarray, target_lengths: np.ndarray, parts: int
) -> list[np.ndarray]:
    """Numbers of the pairs of each part, all parts about as long on both sides; none is empty.

    The longest pairs are dealt out first, so that the short ones can even out the rest.
    """
    if parts == 1:
        return [np.arange(len(source_lengths))]
    rooms = (int(source_lengths.sum()), int(target_lengths.sum()), len(source_lengths))
    order = _longest_first(source_lengths, target_lengths)
    return _group(_spread(source_lengths, target_lengths, order, parts, *rooms))


def divide_into(
    shape: BatchShape, source_lengths: np.ndarray, target_lengths: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """The same for parts of one shape, and the pairs that no part has room for any more."""
    assert shape.micro_pairs is not None
    assigned = _spread(
        source_lengths, target_lengths, _longest_first(source_lengths, target_lengths),
        shape.micro_batches, shape.micro_source_positions, shape.micro_target_positions,
        shape.micro_pairs,
    )  # fmt: skip
    placed = np.flatnonzero(assigned >= 0)
    return [placed[part] for part in _group(assigned[placed])], np.flatnonzero(assigned < 0)


def _longest_first(source_lengths: np.ndarray, target_lengths: np.ndarray) -> np.ndarray:
    shares = source_lengths / source_lengths.sum() + target_lengths / target_lengths.sum()
    return np.argsort(-shares, kind="stable")


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
    return order[: np.count_nonzero(fits)][: shape.pairs]
