from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.neural.packed import (
    Packed,
    RowBlock,
    StaticShape,
    pack,
    pack_batch,
    pack_rows,
    pack_source,
    pack_static,
)
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID

ROWS = st.lists(st.lists(st.integers(4, 99), max_size=6), max_size=5)


def unpack(packed: Packed) -> list[list[int]]:
    offsets = packed.offsets.tolist()
    pieces = packed.pieces_N.tolist()
    return [pieces[begin:end] for begin, end in itertools.pairwise(offsets)]


@given(ROWS, st.integers(0, 4))
def test_what_is_packed_can_be_unpacked(rows: list[list[int]], spare: int) -> None:
    total = sum(map(len, rows))
    packed = pack(rows, total + spare)
    assert unpack(packed) == rows
    assert packed.pieces_N.tolist()[total:] == [PAD_ID] * spare
    expected = [position for row in rows for position in range(len(row))] + [0] * spare
    assert packed.positions_N.tolist() == expected
    assert packed.pieces_N.dtype == packed.positions_N.dtype == torch.int64
    assert packed.offsets.dtype == torch.int32
    assert len(pack(rows).pieces_N) == total


@given(ROWS)
def test_sources_are_closed(rows: list[list[int]]) -> None:
    assert unpack(pack_source([np.array(row) for row in rows])) == [[*row, EOS_ID] for row in rows]


@given(st.lists(st.tuples(*[st.lists(st.integers(4, 99), max_size=6)] * 2), max_size=5))
def test_each_label_is_the_piece_after_its_input(pairs: list[tuple[list[int], list[int]]]) -> None:
    sources = [np.array(source, dtype=np.int64) for source, _ in pairs]
    targets = [np.array(target, dtype=np.int64) for _, target in pairs]
    batch = pack_batch(sources, targets, 40, 50)
    assert unpack(batch.source) == [[*source, EOS_ID] for source, _ in pairs]
    assert unpack(batch.target) == [[BOS_ID, *target] for _, target in pairs]
    labels = Packed(batch.labels_T, batch.target.positions_N, batch.target.offsets)
    assert unpack(labels) == [[*target, EOS_ID] for _, target in pairs]
    assert int((batch.labels_T != PAD_ID).sum()) == batch.num_target_pieces
    assert len(batch.source.pieces_N) == 40
    assert len(batch.target.pieces_N) == len(batch.labels_T) == 50


def test_what_does_not_fit_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="3 pieces do not fit in 2"):
        pack([[4, 5, 6]], 2)


def test_moving_keeps_everything() -> None:
    batch = pack_batch([np.array([4])], [np.array([5, 6])])
    moved = batch.to(torch.device("cpu"))
    assert unpack(moved.source) == unpack(batch.source)
    assert unpack(moved.target) == unpack(batch.target)
    assert torch.equal(moved.labels_T, batch.labels_T)
    assert moved.num_target_pieces == 3
    assert batch.to(torch.device("meta")).labels_T.device.type == "meta"


# --- many rows at once, and static shapes

LENGTHS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=9)


def rows_of(lengths: list[int], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(4, 19, length) for length in lengths]


@given(LENGTHS, st.integers(0, 4), st.integers(0, 4))
def test_rows_laid_end_to_end_are_packed_as_rows_in_a_list(
    lengths: list[tuple[int, int]], source_room: int, target_room: int
) -> None:
    sources = rows_of([pair[0] for pair in lengths], 1)
    targets = rows_of([pair[1] for pair in lengths], 2)
    rooms = (
        sum(map(len, sources)) + len(lengths) + source_room,
        sum(map(len, targets)) + len(lengths) + target_room,
    )
    expected = pack_batch(sources, targets, *rooms)
    given_ = pack_rows(RowBlock.of(sources), RowBlock.of(targets), *rooms)
    assert given_.num_target_pieces == expected.num_target_pieces
    for one, other in zip(given_.tensors(), expected.tensors(), strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.data())
def test_rows_are_taken_in_the_order_of_their_numbers(lengths: list[int], data: Any) -> None:
    rows = rows_of(lengths, 3)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9))
    taken = RowBlock.of(rows).take(np.array(chosen, dtype=np.int64))
    assert taken.lengths.tolist() == [lengths[number] for number in chosen]
    assert taken.flat.tolist() == [piece for number in chosen for piece in rows[number]]


def test_a_static_batch_has_one_shape_whatever_is_in_it() -> None:
    shape = StaticShape(30, 33, 6, (19, 19))
    full = pack_static(
        RowBlock.of(rows_of([5, 0, 9], 1)), RowBlock.of(rows_of([2, 7, 3], 2)), shape
    )
    empty = pack_static(RowBlock.of([]), RowBlock.of([]), shape)
    for one, other in zip(full.tensors(), empty.tensors(), strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
    assert full.source.offsets.tolist() == [0, 6, 7, 17, 17, 17, 17]
    assert empty.target.offsets.tolist() == [0] * 7
    assert empty.num_target_pieces == 0
    again = empty.with_tensors(full.tensors())
    assert all(map(torch.equal, again.tensors(), full.tensors()))
    moved = full.to(torch.device("cpu"))
    assert moved.target.plan is not None
    assert all(map(torch.equal, moved.tensors(), full.tensors()))
