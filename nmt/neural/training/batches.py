"""From a tokenised bitext to updates of packed micro-batches, the same for the same seed.

An epoch visits the pairs in a random order, in blocks. The pairs of a block are packed into
updates, and each update is divided into micro-batches. Everything follows from (seed, epoch,
block), so a run that was stopped can begin again at any update.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from nmt.errors import UserError
from nmt.neural.packed import PackedBatch, RowBlock, StaticShape, pack_rows, pack_static
from nmt.neural.training.packing import (
    BatchShape,
    choose_room,
    divide_into,
    divide_pairs,
    pack_pairs,
)

BLOCK_PAIRS = 1 << 16
"""Pairs packed (and, with subword sampling, tokenised) at a time."""
STATIC_BLOCK_PAIRS = 1 << 18
"""The same where micro-batches are of one shape: the last update of a block is not made smaller."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the data: the next update to come."""

    epoch: int = 0
    block: int = 0
    update: int = 0


@dataclass(frozen=True, slots=True)
class Update:
    """One step of the optimiser: all that it is of, and the micro-batches that this rank computes.

    The counts are over all ranks.
    """

    micro_batches: list[PackedBatch]
    numbers: Sequence[int]
    """The number of each of these micro-batches among those of all ranks."""
    num_target_pieces: int
    num_pieces: int
    """Source and target positions that hold a piece."""
    num_positions: int
    """Source and target positions, padding included."""
    pairs: np.ndarray
    """Numbers of the sentence pairs."""
    after: Position
    epochs: float
    """Passes over the data that are done after this update, about."""


Side: TypeAlias = RowBlock | Sequence[np.ndarray]

Rows = Callable[[np.ndarray, tuple[int, ...]], tuple[Side, Side]]
"""Source and target pieces of pairs; the seed matters only if pieces are sampled."""


def draw_epoch(
    origins: np.ndarray, weights: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Pair numbers of an epoch in random order; a source of weight 2.5 comes 2 or 3 times."""
    whole = np.floor(np.asarray(weights)).astype(np.int64)
    part = np.asarray(weights) - whole
    times = whole[origins] + (rng.random(len(origins)) < part[origins])
    return rng.permutation(np.repeat(np.arange(len(origins)), times))


_MOST_EMPTY_EPOCHS = 100

_USES = ("order", "updates")
"""What random numbers are for; each use has its own."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Pairs with their pieces."""

    pairs: np.ndarray
    sources: RowBlock
    targets: RowBlock
    source_lengths: np.ndarray
    target_lengths: np.ndarray


class BatchStream:
    """Endless updates from a bitext, from any position on."""

    def __init__(
        self,
        rows: Rows,
        origins: np.ndarray,
        weights: Sequence[float],
        shape: BatchShape,
        *,
        seed: int,
        max_positions: int | None = None,
        block_pairs: int | None = None,
        rank: int = 0,
        num_ranks: int = 1,
        vocabulary_sizes: tuple[int, int] | None = None,
    ) -> None:
        """Set up a stream.

        Args:
            rows: gives the pieces of pairs by their numbers.
            origins: the source of each pair, which says its weight.
            weights: how often the pairs of each source come in an epoch.
            shape: how much an update holds.
            seed: seed of the order.
            max_positions: longest sentence that the model takes, EOS included. Subword sampling can
                make a pair longer than this or than an update; it then sits out that epoch.
            block_pairs: pairs packed at a time, as many as suit the shape unless given.
            rank: who asks for the updates; each rank gets other micro-batches of the same updates.
            num_ranks: how many ask, each with a stream of its own.
            vocabulary_sizes: source and target pieces that there are; needed if all micro-batches
                are of one shape.
        """
        self._rows = rows
        self._origins = origins
        self._weights = weights
        self._shape = shape
        self._seed = seed
        self._max_positions = max_positions or max(shape.source_positions, shape.target_positions)
        usual = BLOCK_PAIRS if shape.micro_pairs is None else STATIC_BLOCK_PAIRS
        self._block_pairs = block_pairs or usual
        self._rank = rank
        self._num_ranks = num_ranks
        self._static: StaticShape | None = None
        if shape.micro_pairs is not None:
            assert vocabulary_sizes is not None
            self._static = StaticShape(
                shape.micro_source_positions, shape.micro_target_positions, shape.micro_pairs,
                vocabulary_sizes,
            )  # fmt: skip

    @property
    def static(self) -> tuple[StaticShape, int] | None:
        """The shape of all micro-batches, if they are of one, and how many this rank gets."""
        if self._static is None:
            return None
        return self._static, self._shape.micro_batches // self._num_ranks

    def updates(self, position: Position) -> Iterator[Update]:
        """Updates from ``position`` on; each tells the position after it.

        Raises UserError if there is none in many epochs.
        """
        epoch, block, skip = position.epoch, position.block, position.update
        last_useful = epoch
        while epoch - last_useful < _MOST_EMPTY_EPOCHS:
            order = draw_epoch(self._origins, self._weights, self._random("order", epoch, 0))
            num_blocks = math.ceil(len(order) / self._block_pairs)
            while block < num_blocks:
                pairs = order[block * self._block_pairs : (block + 1) * self._block_pairs]
                for update in self._block(pairs, epoch, block, num_blocks, skip):
                    last_useful = epoch
                    yield update
                block, skip = block + 1, 0
            epoch, block, skip = epoch + 1, 0, 0
        raise UserError(
            f"not one training pair was drawn in {_MOST_EMPTY_EPOCHS} epochs",
            mend="raise the weights of the training data, or lower tokenizer.sampling",
        )

    def update_of(self, pairs: np.ndarray) -> Update:
        """An update of just these pairs, which must fit into one.

        Each rank gets the same micro-batches of it, the one with the longest pair among them.
        """
        block = self._read(pairs, (self._seed,))
        parts, _ = self._divide(block, np.arange(len(pairs)))
        return self._update(block, parts, Position(), 0.0, rank=0)

    def _block(
        self, pairs: np.ndarray, epoch: int, number: int, num_blocks: int, skip: int
    ) -> Iterator[Update]:
        shape = self._shape
        block = self._read(pairs, (self._seed, epoch, number))
        fits = (block.source_lengths <= min(shape.source_positions, self._max_positions)) & (
            block.target_lengths <= min(shape.target_positions, self._max_positions)
        )
        packed = self._pack(block, np.flatnonzero(fits))
        # The half-empty update that may be left must not always come at the end.
        self._random("updates", epoch, number).shuffle(packed)
        for place in range(skip, len(packed)):
            after = _after(Position(epoch, number, place), len(packed), num_blocks)
            done = (number + (place + 1) / len(packed)) / num_blocks
            yield self._update(block, packed[place], after, epoch + done, self._rank)

    def _pack(self, block: _Block, kept: np.ndarray) -> list[list[np.ndarray]]:
        """The pairs of each part of each update."""
        shape, packed = self._shape, []
        while len(kept):
            lengths = block.source_lengths[kept], block.target_lengths[kept]
            rests = []
            for batch in pack_pairs(
                *lengths, shape.source_positions, shape.target_positions, shape.pairs
            ):
                parts, rest = self._divide(block, kept[batch])
                packed.append(parts)
                rests.append(rest)
            # An empty update has room for any pair, so there are ever fewer.
            kept = np.concatenate(rests)
        return packed

    def _divide(self, block: _Block, members: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The pairs of each part of an update, and those that static parts have no room for."""
        lengths = block.source_lengths[members], block.target_lengths[members]
        if self._static is not None:
            parts, rest = divide_into(self._shape, *lengths)
            return [members[part] for part in parts], members[rest]
        parts = divide_pairs(*lengths, self._shape.micro_batches)
        return [members[part] for part in parts], members[:0]

    def _random(
        self, use: Literal["order", "updates"], epoch: int, block: int
    ) -> np.random.Generator:
        # NumPy takes (1,) and (1, 0) for the same seed, so all have as many numbers.
        return np.random.default_rng((self._seed, epoch, block, _USES.index(use)))

    def _read(self, pairs: np.ndarray, seed: tuple[int, ...]) -> _Block:
        sources, targets = (
            side if isinstance(side, RowBlock) else RowBlock.of(side)
            for side in self._rows(pairs, seed)
        )
        # Both sides take a position more than they have pieces: EOS, or BOS in its place.
        return _Block(pairs, sources, targets, sources.lengths + 1, targets.lengths + 1)

    def _update(
        self,
        block: _Block,
        parts: Sequence[np.ndarray],
        after: Position,
        epochs: float,
        rank: int,
    ) -> Update:
        members = np.sort(np.concatenate(parts))
        rooms = [self._rooms(block, part) for part in parts]
        numbers = range(rank, len(parts), self._num_ranks)
        num_target_pieces = int(block.target_lengths[members].sum())
        return Update(
            [self._micro_batch(block, parts[number], rooms[number]) for number in numbers],
            numbers,
            num_target_pieces=num_target_pieces,
            num_pieces=int(block.source_lengths[members].sum()) + num_target_pieces,
            num_positions=self._num_positions(rooms),
            pairs=block.pairs[members],
            after=after,
            epochs=epochs,
        )

    def _rooms(self, block: _Block, part: np.ndarray) -> tuple[int, int]:
        """Source and target positions of a micro-batch."""
        shape = self._shape
        rooms = shape.micro_source_positions, shape.micro_target_positions
        if self._static is not None:
            return rooms
        return (
            choose_room(block.source_lengths[part].sum(), rooms[0]),
            choose_room(block.target_lengths[part].sum(), rooms[1]),
        )

    def _num_positions(self, rooms: Sequence[tuple[int, int]]) -> int:
        if self._static is None:
            return sum(map(sum, rooms))
        # All parts are computed, those with nothing in them too.
        static = self._static
        return self._shape.micro_batches * (static.source_positions + static.target_positions)

    def _micro_batch(self, block: _Block, part: np.ndarray, rooms: tuple[int, int]) -> PackedBatch:
        sources, targets = block.sources.take(part), block.targets.take(part)
        if self._static is not None:
            return pack_static(sources, targets, self._static)
        return pack_rows(sources, targets, *rooms)


def _after(position: Position, num_updates: int, num_blocks: int) -> Position:
    if position.update + 1 < num_updates:
        return Position(position.epoch, position.block, position.update + 1)
    if position.block + 1 < num_blocks:
        return Position(position.epoch, position.block + 1)
    return Position(position.epoch + 1)
