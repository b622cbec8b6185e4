"""Where hypotheses stand in the buffers of a static step: families in slots.

All hypotheses that go back to one beginning are a family. They are of one sentence and of one
length, and each goes on from another of its family, so a family needs only its own keys and
values. A slot of the buffers holds one; its lanes hold the members. Which member said what is a
small table (`StaticStep`), so no keys and values move when hypotheses go on from others.

The number of slots, lanes and steps that there is room for is one of a few, the layouts; a change
of layout moves everything once, and is seldom.

Shapes: R rows (hypotheses), N slots, W lanes, K slots that are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.tokenization.protocol import BOS_ID

STEPS: Final = 16
"""Steps and source positions come in multiples of this: aligned, as GPUs like them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Room for so much."""

    slots: int
    lanes: int
    """Hypotheses of a family."""
    steps: int
    """Of each hypothesis."""
    positions: int
    """Of each source, its end included."""


@dataclass(frozen=True, slots=True)
class Move:
    """What a step changes besides what is said."""

    kept_K: NDArray[np.int64] | None
    """Slots that the first slots of a new layout continue; None where the layout is as it was."""
    begun: NDArray[np.int64]
    """Slots in which families begin."""


@dataclass(frozen=True, slots=True)
class StepInputs:
    """What the device is told of a step; idle slots and lanes say the beginning."""

    piece_NW: NDArray[np.int64]
    lane_NW: NDArray[np.int64]
    """From which lane each goes on."""
    step_N: NDArray[np.int64]
    length_N: NDArray[np.int64]
    """Source positions, at least 1."""


def round_to_bucket(count: int) -> int:
    """The least of 1, 2, 3, 4, 6, 8, 12, 16... that is no less: at most half more than needed."""
    power = 1 << max(0, count - 1).bit_length()
    return power * 3 // 4 if power > 2 and power * 3 // 4 >= count else power


class Families:
    """The slots of a search, as the host knows them."""

    def __init__(
        self, source_positions: NDArray[np.int64], beam: int, *, keeps_steps: bool = True
    ) -> None:
        """Begin without rows.

        Args:
            source_positions: of each source sentence, the end included.
            beam: members that families are expected to have.
            keeps_steps: whether something is kept of every step of a hypothesis.
        """
        self._keeps_steps = keeps_steps
        self.source_positions = source_positions
        """Of each source sentence."""
        self._beam = beam
        longest = int(source_positions.max())
        positions = STEPS * round_to_bucket(-(-longest // STEPS))
        self.layout = Layout(1, 1, STEPS, positions)
        """What the buffers must have room for."""
        self.slot_R = np.empty(0, dtype=np.int64)
        """Where the rows of the last step stand."""
        self.lane_R = np.empty(0, dtype=np.int64)
        self.sentence_N = np.full(1, -1)
        """The sentence of each slot; -1 where it is idle."""
        self._step_N = np.zeros(1, dtype=np.int64)
        self._renumber_N = np.zeros(1, dtype=np.int64)

    def go_on(self, parent_R: NDArray[np.int64], sentence_R: NDArray[np.int64]) -> Move:
        """Let rows go on from rows of the last step, or begin (-1), each in its own family."""
        sizes_N = np.zeros(self.layout.slots, dtype=np.int64)
        begins = _count(parent_R, self.slot_R, sizes_N)
        live = np.flatnonzero(sizes_N)
        steps = 2 + int(self._step_N[live].max(initial=-1)) if self._keeps_steps else 1
        layout = self._fitting(len(live) + begins, max(1, int(sizes_N.max())), steps)
        sentence_N, step_N = (x[live] for x in (self.sentence_N, self._step_N))
        if layout == self.layout:
            place, kept = live, None
            begun = np.flatnonzero(sizes_N == 0)[:begins]
        else:
            place, kept = np.arange(len(live)), live
            begun = np.arange(len(live), len(live) + begins)
        self._renumber_N = np.zeros(self.layout.slots, dtype=np.int64)
        self._renumber_N[live] = place
        self.layout = layout
        self.sentence_N, self._step_N = np.full(layout.slots, -1), np.zeros(layout.slots, np.int64)
        self.sentence_N[place], self._step_N[place] = sentence_N, step_N + 1
        self.sentence_N[begun] = sentence_R[parent_R < 0]
        return Move(kept, begun)

    def _fitting(self, slots: int, lanes: int, steps: int) -> Layout:
        """The layout of the moment while it is not too small, nor twice as large as needed."""
        now = self.layout
        grows = slots > now.slots or lanes > now.lanes or steps > now.steps
        if not grows and 2 * slots > now.slots:
            return now
        width = now.lanes
        while width < lanes:
            width = max(2 * width, self._beam) if width > 1 else max(2, self._beam)
        steps = STEPS * round_to_bucket(-(-steps // STEPS))
        return Layout(round_to_bucket(slots), width, steps, now.positions)

    def fill(
        self, piece_R: NDArray[np.int64], parent_R: NDArray[np.int64], begun: NDArray[np.int64],
        inputs: StepInputs,
    ) -> None:  # fmt: skip
        """After `go_on`: give each row a lane, and write down what the device must be told."""
        slot_R, lane_R = np.empty_like(parent_R), np.empty_like(parent_R)
        _fill(
            piece_R, parent_R, self.slot_R, self.lane_R, self._renumber_N, begun,
            slot_R, lane_R, np.zeros(self.layout.slots, np.int64), inputs.piece_NW, inputs.lane_NW,
        )  # fmt: skip
        inputs.step_N[:] = self._step_N
        idle_N = self.sentence_N < 0
        inputs.length_N[:] = np.where(idle_N, 1, self.source_positions[self.sentence_N])
        self.slot_R, self.lane_R = slot_R, lane_R


@njit(nogil=True, cache=True)
def _count(parent_R: Any, slot_R: Any, sizes_N: Any) -> int:
    """Count the rows that go on in each slot; return how many begin."""
    begins = 0
    for parent in parent_R:
        if parent < 0:
            begins += 1
        else:
            sizes_N[slot_R[parent]] += 1
    return begins


@njit(nogil=True, cache=True)
def _fill(
    piece_R: Any, parent_R: Any, slot_R: Any, lane_R: Any, renumber_N: Any, begun: Any,
    new_slot_R: Any, new_lane_R: Any, sizes_N: Any, piece_NW: Any, lane_NW: Any,
) -> None:  # fmt: skip
    piece_NW[:] = BOS_ID
    lane_NW[:] = 0
    begins = 0
    for r in range(len(parent_R)):
        parent, before = parent_R[r], 0
        if parent < 0:
            slot = begun[begins]
            begins += 1
        else:
            slot, before = renumber_N[slot_R[parent]], lane_R[parent]
        lane = sizes_N[slot]
        sizes_N[slot] += 1
        new_slot_R[r], new_lane_R[r] = slot, lane
        piece_NW[slot, lane], lane_NW[slot, lane] = piece_R[r], before
