"""Every pair in exactly one batch, within its room, and next to no padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.neural.training.batches import BatchStream, Position
from nmt.neural.training.packing import (
    MULTIPLE,
    BatchShape,
    choose_room,
    choose_shape,
    divide_into,
    divide_pairs,
    hardest_pairs,
    pack_pairs,
)
from scripts.gpu_training_data import draw_pairs

LENGTHS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=400)


def arrays(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Source and target lengths."""
    source, target = zip(*pairs, strict=True)
    return np.array(source), np.array(target)


def together(groups: list[np.ndarray]) -> list[int]:
    """All members of all groups, sorted."""
    return sorted(int(member) for group in groups for member in group)


@given(pairs=LENGTHS, room=st.integers(60, 500), other=st.integers(60, 500))
def test_every_pair_is_in_one_batch_within_its_room(
    pairs: list[tuple[int, int]], room: int, other: int
) -> None:
    """A partition whose parts fit, on both sides."""
    source, target = arrays(pairs)
    batches = pack_pairs(source, target, room, other)
    assert together(batches) == list(range(len(pairs)))
    for batch in batches:
        assert len(batch)
        assert source[batch].sum() <= room
        assert target[batch].sum() <= other


@given(pairs=LENGTHS, parts=st.integers(1, 9))
def test_division_is_even(pairs: list[tuple[int, int]], parts: int) -> None:
    """A partition with no empty part; no part is fuller than an even share and the longest pair."""
    source, target = arrays(pairs)
    groups = divide_pairs(source, target, parts)
    assert together(groups) == list(range(len(pairs)))
    assert 1 <= len(groups) <= parts
    assert all(len(group) for group in groups)
    if parts > 1:
        # Greedy: when a pair was put somewhere, some part was below the average of the two sides.
        shares = source / source.sum() + target / target.sum()
        bound = 2 / parts + shares.max()
        for group in groups:
            assert source[group].sum() / source.sum() <= bound + 1e-9
            assert target[group].sum() / target.sum() <= bound + 1e-9


@given(pairs=LENGTHS, micro=st.integers(1, 5000), workers=st.integers(1, 16))
def test_updates_do_not_depend_on_micro_batches(
    pairs: list[tuple[int, int]], micro: int, workers: int
) -> None:
    """The room of an update is the same; the longest pair fits; parts are a multiple of workers."""
    source, target = arrays(pairs)
    shape = choose_shape(
        source, target, batch_tokens=512, micro_batch_tokens=micro, workers=workers
    )
    one = choose_shape(source, target, batch_tokens=512, micro_batch_tokens=10**6, workers=1)
    assert (shape.source_positions, shape.target_positions) == (
        one.source_positions,
        one.target_positions,
    )
    assert one.micro_batches == 1
    assert shape.micro_batches % workers == 0
    assert source.max() <= shape.source_positions
    assert target.max() <= shape.target_positions
    assert shape.micro_target_positions <= max(MULTIPLE, micro + MULTIPLE)


@given(num_pieces=st.integers(1, 10_000), usual=st.integers(1, 300).map(lambda n: n * MULTIPLE))
def test_room_holds_the_pieces_and_little_more(num_pieces: int, usual: int) -> None:
    """Enough, a multiple, and at most a tenth too much."""
    room = choose_room(num_pieces, usual)
    assert room >= num_pieces
    assert room % MULTIPLE == 0
    assert room - num_pieces <= max(MULTIPLE, usual / 10 + MULTIPLE)


@given(pairs=LENGTHS)
def test_hardest_pairs_fit_and_hold_the_longest(pairs: list[tuple[int, int]]) -> None:
    """One update, with the longest pair and, for what is left, as many as can be."""
    source, target = arrays(pairs)
    shape = choose_shape(source, target, batch_tokens=256, micro_batch_tokens=256, workers=1)
    chosen = hardest_pairs(source, target, shape)
    assert len(set(chosen.tolist())) == len(chosen)
    assert source[chosen].sum() <= shape.source_positions
    assert target[chosen].sum() <= shape.target_positions
    assert (source + target)[chosen].max() == (source + target).max()


@pytest.mark.parametrize("slack", [1.0, 1.3])
def test_slack_makes_room_for_sampled_pieces(slack: float) -> None:
    """A pair that sampling makes longer still fits."""
    lengths = np.array([1000, 10])
    shape = choose_shape(
        lengths, lengths, batch_tokens=64, micro_batch_tokens=64, workers=1, slack=slack
    )
    assert shape.target_positions >= 1000 * slack
    assert shape.source_positions >= 1000 * slack


def test_one_micro_batch_is_the_whole_update() -> None:
    """Nothing is added."""
    shape = BatchShape(496, 512, 1)
    assert (shape.micro_source_positions, shape.micro_target_positions) == (496, 512)


# --- parts of one shape


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("name", ["tatoeba", "europarl", "newstest"])
def test_static_parts_are_full_of_real_sentences(name: str, parts: int) -> None:
    """Of a whole epoch, the last update too: at least 97 of 100 positions hold a piece."""
    pairs = draw_pairs(name, 8_000, 80_000)
    tokens = 25_600
    shape = choose_shape(
        pairs.source_lengths, pairs.target_lengths, batch_tokens=tokens,
        micro_batch_tokens=tokens // parts, workers=1, static=True,
    )  # fmt: skip
    stream = BatchStream(
        lambda chosen, _: (pairs.sources.take(chosen), pairs.targets.take(chosen)),
        np.zeros(len(pairs.source_lengths), np.int64), (1.0,), shape, seed=1,
        vocabulary_sizes=(8_000, 8_000),
    )  # fmt: skip
    assert stream.static is not None
    pieces = positions = seen = 0
    shapes = set()
    for update in stream.updates(Position()):
        pieces += update.num_pieces
        positions += update.num_positions
        seen += len(update.pairs)
        shapes |= {tuple(t.shape for t in batch.tensors()) for batch in update.micro_batches}
        if update.after.epoch:
            break
    assert seen == len(pairs.source_lengths)
    assert len(shapes) == 1
    print(f"{name} in {parts} parts: {pieces / positions:.2%} full")
    assert pieces / positions >= 0.97


@given(pairs=LENGTHS, parts=st.integers(1, 5), most=st.integers(1, 30))
def test_no_static_part_is_too_full_and_no_pair_is_lost(
    pairs: list[tuple[int, int]], parts: int, most: int
) -> None:
    source, target = arrays(pairs)
    shape = BatchShape(64 * parts, 64 * parts, parts, most)
    divided, rest = divide_into(shape, source, target)
    assert together([*divided, rest]) == list(range(len(pairs)))
    for part in divided:
        assert source[part].sum() <= shape.micro_source_positions
        assert target[part].sum() <= shape.micro_target_positions
        assert len(part) <= most
