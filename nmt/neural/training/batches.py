"""From a tokenised bitext to updates of packed micro-batches, the same for the same seed.

An epoch visits the pairs in a random order, in blocks; a block is packed into micro-batches of one
fixed shape, and every ``micro_batches`` of them make an update. Everything follows from
(seed, epoch, block), so a run that was stopped can begin again at any update.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from nmt.neural.packed import PackedBatch, pack_batch

BLOCK_PAIRS = 1 << 16
"""Pairs packed (and, with subword sampling, tokenised) at a time."""

WINDOW = 256
"""Pairs from which the packer picks the next that fits."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """The fixed shape of every update."""

    source_positions: int
    target_positions: int
    micro_batches: int


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the data: the next update to come."""

    epoch: int = 0
    block: int = 0
    update: int = 0


@dataclass(frozen=True, slots=True)
class Update:
    """The micro-batches of one step of the optimiser."""

    micro_batches: list[PackedBatch]
    num_target_pieces: int
    num_positions: int
    """Source and target positions, padding included."""
    num_pieces: int
    """Source and target positions that hold a piece."""
    pairs: np.ndarray
    """Numbers of the sentence pairs."""
    after: Position


Rows = Callable[[np.ndarray, tuple[int, ...]], tuple[Sequence[np.ndarray], Sequence[np.ndarray]]]
"""Source and target pieces of pairs; the seed matters only if pieces are sampled."""


def choose_shape(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    *,
    batch_tokens: int,
    micro_batch_tokens: int,
    workers: int,
    slack: float = 1.0,
) -> BatchShape:
    """Divide a batch into micro-batches that keep all workers busy and hold the longest pair.

    Args:
        source_lengths: pieces of each source sentence, EOS included.
        target_lengths: pieces of each target sentence, EOS included.
        batch_tokens: target pieces of an update.
        micro_batch_tokens: target positions of a micro-batch, at most.
        workers: workers that compute micro-batches side by side.
        slack: how much longer subword sampling makes sentences.
    """
    micro_batches = -(-batch_tokens // micro_batch_tokens)
    micro_batches = -(-micro_batches // workers) * workers
    target = -(-batch_tokens // micro_batches)
    target = max(target, int(target_lengths.max() * slack))
    ratio = float(source_lengths.sum() / target_lengths.sum())
    source = max(round(target * ratio), int(source_lengths.max() * slack))
    # A multiple of 16 suits the vector units of every processor.
    source, target = (-(-positions // 16) * 16 for positions in (source, target))
    return BatchShape(source, target, micro_batches)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _assign(
    source_lengths: Any, target_lengths: Any, source_room: int, target_room: int, window: int
) -> Any:
    """The micro-batch of each pair, filling each with the first of the waiting pairs that fit."""
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


def pack_block(
    source_lengths: np.ndarray, target_lengths: np.ndarray, shape: BatchShape
) -> list[np.ndarray]:
    """Micro-batches of a block, as positions in the block; every pair is in exactly one."""
    assert int(source_lengths.max(initial=0)) <= shape.source_positions
    assert int(target_lengths.max(initial=0)) <= shape.target_positions
    assigned = _assign(
        source_lengths, target_lengths, shape.source_positions, shape.target_positions, WINDOW
    )
    order = np.argsort(assigned, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(assigned[order])) + 1)


def draw_epoch(origins: np.ndarray, weights: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Pair numbers of an epoch in random order; a source of weight 2.5 comes 2 or 3 times."""
    if len(weights) == 1:
        return rng.permutation(len(origins))
    whole = np.floor(np.asarray(weights)).astype(np.int64)
    part = np.asarray(weights) - whole
    times = whole[origins] + (rng.random(len(origins)) < part[origins])
    return rng.permutation(np.repeat(np.arange(len(origins)), times))


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
        block_pairs: int = BLOCK_PAIRS,
    ) -> None:
        self.rows = rows
        self.origins = origins
        self.weights = weights
        self.shape = shape
        self.seed = seed
        self.block_pairs = block_pairs

    def updates(self, position: Position) -> Iterator[Update]:
        """Updates from ``position`` on; each tells the position after it."""
        epoch, block, skip = position.epoch, position.block, position.update
        while True:
            rng = np.random.default_rng((self.seed, epoch))
            order = draw_epoch(self.origins, self.weights, rng)
            num_blocks = -(-len(order) // self.block_pairs)
            while block < num_blocks:
                pairs = order[block * self.block_pairs : (block + 1) * self.block_pairs]
                yield from self._block(pairs, epoch, block, num_blocks, skip)
                block, skip = block + 1, 0
            epoch, block = epoch + 1, 0

    def _block(
        self, pairs: np.ndarray, epoch: int, block: int, num_blocks: int, skip: int
    ) -> Iterator[Update]:
        sources, targets = self.rows(pairs, (self.seed, epoch, block))
        shape = self.shape
        source_lengths = np.fromiter((len(row) + 1 for row in sources), np.int64, len(pairs))
        target_lengths = np.fromiter((len(row) + 1 for row in targets), np.int64, len(pairs))
        # Sampled pieces can be longer than any batch; those pairs sit out this epoch.
        fits = (source_lengths <= shape.source_positions) & (
            target_lengths <= shape.target_positions
        )
        kept = np.flatnonzero(fits)
        micro = [kept[part] for part in pack_block(source_lengths[kept], target_lengths[kept], shape)]
        # The block's last, half-empty micro-batch must not always meet the same neighbours.
        np.random.default_rng((self.seed, epoch, block)).shuffle(micro)
        starts = range(0, len(micro), shape.micro_batches)
        for number, start in enumerate(starts):
            if number < skip:
                continue
            last = number + 1 == len(starts)
            after = Position(epoch, block, number + 1)
            if last:
                after = (
                    Position(epoch, block + 1) if block + 1 < num_blocks else Position(epoch + 1)
                )
            parts = micro[start : start + shape.micro_batches]
            members = np.concatenate(parts)
            yield Update(
                micro_batches=[
                    pack_batch(
                        [sources[i] for i in part],
                        [targets[i] for i in part],
                        shape.source_positions,
                        shape.target_positions,
                    )
                    for part in parts
                ],
                num_target_pieces=int(target_lengths[members].sum()),
                num_positions=len(parts) * (shape.source_positions + shape.target_positions),
                num_pieces=int(source_lengths[members].sum() + target_lengths[members].sum()),
                pairs=pairs[members],
                after=after,
            )


def prefetch(updates: Iterator[Update], depth: int = 4) -> Iterator[Update]:
    """The same updates, made ahead in a thread; closing the iterator ends the thread."""
    ready: queue.Queue[Update | BaseException] = queue.Queue(depth)
    closed = threading.Event()

    def put(item: Update | BaseException) -> None:
        while not closed.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def produce() -> None:
        try:
            for update in updates:
                put(update)
                if closed.is_set():
                    return
        except BaseException as error:  # handed to the consumer, who raises it
            put(error)

    thread = threading.Thread(target=produce, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        closed.set()
        thread.join()
