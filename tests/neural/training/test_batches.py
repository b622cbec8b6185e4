"""The stream of updates: every pair once an epoch, the same for the same seed, from anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.neural.training.batches import BatchStream, Position, Rows, Update, draw_epoch
from nmt.neural.training.packing import BatchShape, choose_shape
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID


def make_rows(
    source_lengths: Sequence[int] | np.ndarray, target_lengths: Sequence[int] | np.ndarray
) -> Rows:
    """Rows of pieces that say which pair they belong to."""

    def rows(pairs: np.ndarray, seed: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        return (
            [np.full(source_lengths[pair], 4 + pair) for pair in pairs],
            [np.full(target_lengths[pair], 4 + pair) for pair in pairs],
        )

    return rows


def make_stream(
    size: int = 100,
    *,
    seed: int = 1,
    block_pairs: int = 32,
    micro_batches: int = 2,
    weights: Sequence[float] = (1.0,),
    longest: int = 20,
) -> BatchStream:
    """A stream over pairs of random lengths, from as many sources as there are weights."""
    rng = np.random.default_rng(5)
    source, target = rng.integers(0, longest, size), rng.integers(0, longest, size)
    return BatchStream(
        make_rows(source, target),
        np.arange(size) % len(weights),
        weights,
        BatchShape(96, 96, micro_batches),
        seed=seed,
        block_pairs=block_pairs,
    )


def epoch_of(stream: BatchStream, epoch: int = 0) -> list[Update]:
    """The updates of an epoch."""
    updates = []
    for update in stream.updates(Position(epoch)):
        updates.append(update)
        if update.after.epoch > epoch:
            return updates
    raise AssertionError


def pieces_of(update: Update) -> list[list[int]]:
    """Everything in an update, to compare."""
    return [
        tensor.tolist()
        for batch in update.micro_batches
        for tensor in (
            batch.source.pieces_N, batch.source.offsets, batch.target.pieces_N, batch.labels_T,
        )
    ]  # fmt: skip


def pairs_in(update: Update) -> Counter[int]:
    """How often each pair is in an update, as its target sentences say."""
    found: Counter[int] = Counter()
    for batch in update.micro_batches:
        for begin, end in zip(batch.target.offsets, batch.target.offsets[1:], strict=False):
            sentence = batch.target.pieces_N[begin:end].tolist()
            assert sentence[0] == BOS_ID
            labels = batch.labels_T[begin:end].tolist()
            assert labels == [*sentence[1:], EOS_ID]
            if len(sentence) > 1:
                found[sentence[1] - 4] += 1
    return found


@given(
    size=st.integers(1, 150),
    block_pairs=st.integers(1, 200),
    micro_batches=st.integers(1, 4),
    seed=st.integers(0, 2**40),
)
def test_an_epoch_holds_every_pair_once(
    size: int, block_pairs: int, micro_batches: int, seed: int
) -> None:
    """By the numbers and by the pieces; counts and positions add up."""
    stream = make_stream(size, seed=seed, block_pairs=block_pairs, micro_batches=micro_batches)
    updates = epoch_of(stream)
    assert sorted(int(pair) for update in updates for pair in update.pairs) == list(range(size))
    for update in updates:
        content = pairs_in(update)
        assert set(content) <= set(update.pairs.tolist())
        assert max(content.values(), default=1) == 1
        assert 1 <= len(update.micro_batches) <= micro_batches
        labels = [batch.labels_T for batch in update.micro_batches]
        sources = [batch.source.pieces_N for batch in update.micro_batches]
        assert update.num_positions == sum(map(len, labels)) + sum(map(len, sources))
        held = [int((pieces != PAD_ID).sum()) for pieces in (*labels, *sources)]
        assert update.num_pieces == sum(held)
        assert update.num_target_pieces == sum(held[: len(labels)])
        assert update.num_target_pieces <= 96
    assert updates[-1].epochs == pytest.approx(1.0)
    assert [u.epochs for u in updates] == sorted(u.epochs for u in updates)


@given(stop=st.integers(0, 60), block_pairs=st.integers(5, 120), size=st.integers(1, 80))
def test_any_position_gives_the_same_rest(stop: int, block_pairs: int, size: int) -> None:
    """Across blocks and epochs."""
    stream = make_stream(size, block_pairs=block_pairs)
    updates = list(islice(stream.updates(Position()), stop + 3))
    position = updates[stop - 1].after if stop else Position()
    again = list(islice(make_stream(size, block_pairs=block_pairs).updates(position), 3))
    for before, after in zip(updates[stop:], again, strict=True):
        assert pieces_of(before) == pieces_of(after)
        assert (before.after, before.epochs) == (after.after, after.epochs)
        assert before.pairs.tolist() == after.pairs.tolist()


def test_seeds_and_epochs_differ() -> None:
    """Another seed or epoch is another order; the same seed is the same one."""
    orders = [
        [u.pairs.tolist() for u in epoch_of(make_stream(seed=seed), epoch)]
        for seed, epoch in ((1, 0), (1, 1), (2, 0), (1, 0))
    ]
    assert orders[0] == orders[3]
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_orders_of_many_epochs_are_not_alike() -> None:
    """Every pair comes at every part of the epoch, which a seed used twice could prevent."""
    places = np.zeros((50, 200))
    for epoch in range(50):
        order = np.concatenate([u.pairs for u in epoch_of(make_stream(200), epoch)])
        places[epoch, order] = np.arange(200)
    assert abs(places.mean(axis=0) - 99.5).max() < 4.5 * 57.7 / 50**0.5


@given(micro_batches=st.integers(1, 16), seed=st.integers(0, 10))
def test_pairs_of_an_update_do_not_depend_on_its_division(micro_batches: int, seed: int) -> None:
    """Micro-batches and workers may change from run to run."""
    whole = epoch_of(make_stream(seed=seed, micro_batches=1))
    divided = epoch_of(make_stream(seed=seed, micro_batches=micro_batches))
    assert [u.pairs.tolist() for u in whole] == [u.pairs.tolist() for u in divided]
    assert [u.after for u in whole] == [u.after for u in divided]
    assert [pairs_in(u) for u in whole] == [pairs_in(u) for u in divided]


def test_weights_say_how_often_pairs_come() -> None:
    """Whole parts exactly, fractions on the average, each epoch by itself."""
    origins = np.repeat([0, 1, 2], 1000)
    rng = np.random.default_rng(1)
    for _ in range(5):
        counts = np.bincount(draw_epoch(origins, (2.0, 0.25, 1.5), rng), minlength=3000)
        assert (counts[:1000] == 2).all()
        assert set(counts[1000:2000]) == {0, 1}
        assert set(counts[2000:]) == {1, 2}
        assert counts[1000:2000].sum() == pytest.approx(250, abs=60)
        assert counts[2000:].sum() == pytest.approx(1500, abs=70)


@pytest.mark.parametrize("weight", [1.0, 2.0, 0.5])
def test_the_weight_of_a_single_source_counts_too(weight: float) -> None:
    """An epoch is what the weights say."""
    drawn = draw_epoch(np.zeros(1000, np.uint8), (weight,), np.random.default_rng(1))
    assert len(drawn) == pytest.approx(1000 * weight, abs=60)
    assert len(drawn) == 1000 * weight or weight == 0.5


def test_what_sampling_makes_too_long_sits_out() -> None:
    """Longer than the model's positions, or than the update."""
    lengths = [5, 40, 90, 200]
    for max_positions, there in ((None, [0, 1, 2]), (41, [0, 1]), (40, [0])):
        stream = BatchStream(
            make_rows(lengths, lengths), np.zeros(4, int), (1.0,), BatchShape(96, 96, 2),
            seed=1, max_positions=max_positions,
        )  # fmt: skip
        found = sorted(int(pair) for update in epoch_of(stream) for pair in update.pairs)
        assert found == there


def test_nothing_that_fits_is_an_error_and_no_endless_search() -> None:
    """The only way that a stream ends."""
    stream = BatchStream(
        make_rows([200], [200]), np.zeros(1, int), (1.0,), BatchShape(96, 96, 2), seed=1
    )
    with pytest.raises(UserError, match="not one training pair"):
        next(stream.updates(Position()))


def test_small_weights_leave_epochs_empty_but_not_all() -> None:
    """One pair of weight 0.2 comes in about every fifth epoch."""
    stream = BatchStream(
        make_rows([3], [3]), np.zeros(1, int), (0.2,), BatchShape(96, 96, 1), seed=1
    )
    epochs = [update.after.epoch for update in islice(stream.updates(Position()), 20)]
    assert epochs == sorted(set(epochs))
    assert 40 < epochs[-1] < 250


def test_rows_get_the_same_seed_for_the_same_block() -> None:
    """What subword sampling draws belongs to seed, epoch and block."""
    seeds: list[tuple[int, ...]] = []

    def rows(pairs: np.ndarray, seed: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        seeds.append(seed)
        return [np.array([4])] * len(pairs), [np.array([4])] * len(pairs)

    stream = BatchStream(
        rows, np.zeros(10, int), (1.0,), BatchShape(16, 16, 1), seed=7, block_pairs=5
    )
    list(islice(stream.updates(Position()), 3))
    list(islice(stream.updates(Position(epoch=1, block=1)), 1))
    assert seeds == [(7, 0, 0), (7, 0, 1), (7, 1, 0), (7, 1, 1)]


def test_an_update_of_chosen_pairs() -> None:
    """All of them and no other."""
    update = make_stream(micro_batches=3).update_of(np.array([7, 3, 11]))
    assert sorted(update.pairs.tolist()) == [3, 7, 11]
    assert set(pairs_in(update)) <= {3, 7, 11}


@pytest.mark.parametrize("workers", [1, 2, 8, 16])
@pytest.mark.parametrize("micro_batch_tokens", [2048, 512])
def test_padding_of_real_lengths(shared_data: Path, workers: int, micro_batch_tokens: int) -> None:
    """Less than 5 % of positions, however an update is divided (words stand for pieces)."""
    texts = [shared_data / "multi30k" / f"train.{language}" for language in ("en", "de")]
    lengths = [
        np.array([len(line.split()) + 1 for line in path.read_text("utf-8").split("\n")[:-1]])
        for path in texts
    ]
    shape = choose_shape(
        *lengths, batch_tokens=4096, micro_batch_tokens=micro_batch_tokens, workers=workers
    )
    stream = BatchStream(
        lambda pairs, _: tuple([np.full(side[p] - 1, 4) for p in pairs] for side in lengths),  # type: ignore[arg-type, return-value]  # a pair of lists
        np.zeros(len(lengths[0]), int), (1.0,), shape, seed=1,
    )  # fmt: skip
    updates = epoch_of(stream)
    padding = 1 - sum(u.num_pieces for u in updates) / sum(u.num_positions for u in updates)
    assert padding < (0.02 if max(workers, 4096 / micro_batch_tokens) <= 2 else 0.05)
    full = [u.num_target_pieces for u in updates if u.num_target_pieces > 2048]
    assert np.mean(full) > 0.98 * 4096
