from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.neural.search.families import STEPS, Families, StepInputs, round_to_bucket
from nmt.tokenization.protocol import BOS_ID


@given(count=st.integers(0, 100_000))
def test_buckets_are_few_and_not_much_too_large(count: int) -> None:
    bucket = round_to_bucket(count)
    assert max(1, count) <= bucket <= max(1, 1.5 * count)
    assert round_to_bucket(bucket) == bucket
    assert bin(bucket).count("1") <= 2


@given(data=st.data(), beam=st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_every_hypothesis_finds_its_own_line(data: st.DataObject, beam: int) -> None:
    """A device that does as it is told knows what each hypothesis has said, and in which sentence.

    It keeps what each lane said at each step, and follows the lanes that hypotheses go on from.
    """
    lengths = np.array(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=4)))
    families = Families(lengths, beam)
    said: list[list[int]] = []
    sentences = np.empty(0, dtype=np.int64)
    held: dict[tuple[int, int], list[int]] = {}
    of_slot: dict[int, int] = {}
    for step in range(data.draw(st.integers(1, 40))):
        rows = len(said)
        going_on = data.draw(st.lists(st.integers(0, rows - 1), max_size=9)) if rows else []
        new = data.draw(st.integers(0 if going_on else 1, 3))
        parents = np.array([*going_on, *[-1] * new], dtype=np.int64)
        parents = parents[data.draw(st.permutations(range(len(parents))))]
        drawn = np.array(data.draw(st.lists(
            st.integers(0, len(lengths) - 1), min_size=len(parents), max_size=len(parents)
        )))  # fmt: skip
        sentences = np.where(parents < 0, drawn, sentences[parents] if rows else drawn)
        pieces = np.where(parents < 0, BOS_ID, 100 * step + np.arange(len(parents)))
        said = [
            [*(said[parent] if parent >= 0 else []), int(piece)]
            for parent, piece in zip(parents, pieces, strict=True)
        ]

        before = families.layout
        move = families.go_on(parents, sentences)
        layout = families.layout
        assert (move.kept_K is None) == (layout == before)
        if move.kept_K is not None:
            assert len(move.kept_K) <= layout.slots
            moved = {int(old): new for new, old in enumerate(move.kept_K)}
            held = {(moved[n], w): line for (n, w), line in held.items() if n in moved}
            of_slot = {moved[n]: sentence for n, sentence in of_slot.items() if n in moved}
        for slot in move.begun.tolist():
            of_slot[slot] = int(families.sentence_N[slot])
        of_lanes = (layout.slots, layout.lanes)
        inputs = StepInputs(
            np.zeros(of_lanes, np.int64), np.zeros(of_lanes, np.int64),
            np.zeros(layout.slots, np.int64), np.zeros(layout.slots, np.int64),
        )  # fmt: skip
        families.fill(pieces, parents, move.begun, inputs)
        assert 0 < inputs.length_N.min() <= inputs.length_N.max() <= layout.positions
        assert inputs.step_N.max() < layout.steps
        assert layout.positions % STEPS == layout.steps % STEPS == 0

        lines = {}
        for slot, lane in np.ndindex(of_lanes):
            line = held.get((slot, int(inputs.lane_NW[slot, lane])), [])
            begins = inputs.step_N[slot] == 0
            lines[slot, lane] = [*([] if begins else line), int(inputs.piece_NW[slot, lane])]
        held = lines
        places = list(zip(families.slot_R.tolist(), families.lane_R.tolist(), strict=True))
        assert len(set(places)) == len(places)
        for row, (slot, lane) in enumerate(places):
            assert held[slot, lane] == said[row]
            assert inputs.step_N[slot] == len(said[row]) - 1
            assert of_slot[slot] == sentences[row]
            assert inputs.length_N[slot] == lengths[sentences[row]]


def test_room_is_given_up_when_half_of_it_is_idle() -> None:
    families = Families(np.array([3]), beam=2)
    rows = np.arange(40)
    families.go_on(np.full(40, -1), np.zeros(40, np.int64))
    assert families.layout.slots == 48
    inputs = StepInputs(*(np.zeros((48, 1), np.int64),) * 2, *(np.zeros(48, np.int64),) * 2)
    families.fill(np.full(40, BOS_ID), np.full(40, -1), rows, inputs)
    sizes = []
    for count in (30, 25, 24, 13, 12, 1):
        move = families.go_on(np.arange(count), np.zeros(count, np.int64))
        layout = families.layout
        sizes.append(layout.slots)
        inputs = StepInputs(
            *(np.zeros((layout.slots, layout.lanes), np.int64) for _ in range(2)),
            *(np.zeros(layout.slots, np.int64) for _ in range(2)),
        )
        families.fill(np.full(count, 5), np.arange(count), move.begun, inputs)
    assert sizes == [48, 48, 24, 24, 12, 1]
