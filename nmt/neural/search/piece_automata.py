"""Automata over bytes, lifted to pieces: what each piece does to a condition on the text.

Shapes: S states of an automaton, V pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.neural.search.text_automata import (
    ByteAutomaton,
    begins_with,
    broken_text,
    contains_any,
)
from nmt.tokenization.protocol import NUM_CONTROL_IDS

UNREACHABLE: Final = np.iinfo(np.int32).max
"""Pieces from a state in which the condition can no longer be made to hold."""
_REMEMBERED: Final = 256
"""Automata kept: terms come again."""


@dataclass(frozen=True, slots=True, eq=False)
class PieceAutomaton:
    """A condition, and how pieces bring it about."""

    automaton: ByteAutomaton
    remaining_S: NDArray[np.int32]
    """Fewest pieces after which the condition holds; 0 where it does already."""
    nearer_S: tuple[NDArray[np.int64], ...]
    """The pieces on the shortest ways there: those after which one less remains."""
    deciding_S: tuple[NDArray[np.int64], ...]
    """The pieces after which it holds whatever comes."""
    possible_S: tuple[NDArray[np.int64] | None, ...]
    """The pieces after which it can still hold; None where it can after all of them, or never."""
    most_remaining: int
    """Pieces that are enough from any state from which it can be made to hold."""

    @property
    def can_hold(self) -> bool:
        """Whether any text of these pieces meets the condition."""
        return bool(self.remaining_S[0] < UNREACHABLE)


@njit(nogil=True, cache=True)
def _lift(next_SB: Any, bytes_N: Any, ends_V: Any, first_piece: int, out_SV: Any) -> None:
    """The state after each state and piece; pieces before the first change nothing."""
    for state in range(len(next_SB)):
        for piece in range(len(ends_V)):
            after = state
            if piece >= first_piece:
                begin = ends_V[piece - 1]
                for place in range(begin, ends_V[piece]):
                    after = next_SB[after, bytes_N[place]]
            out_SV[state, piece] = after


@njit(nogil=True, cache=True)
def read_pieces(
    next_SB: Any, bytes_N: Any, ends_V: Any, state_N: Any, piece_N: Any, out_N: Any
) -> None:
    """The states after states and the pieces that follow."""
    for n in range(len(state_N)):
        after, piece = state_N[n], piece_N[n]
        for place in range(ends_V[piece - 1], ends_V[piece]):
            after = next_SB[after, bytes_N[place]]
        out_N[n] = after


class Spelling:
    """The bytes of all pieces of a vocabulary, and the automata lifted to them."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """Take the bytes that each piece stands for; control symbols stand for none."""
        self.bytes_N = np.frombuffer(b"".join(pieces), dtype=np.uint8).copy()
        self.ends_V = np.cumsum([len(piece) for piece in pieces])
        self.contains_any = lru_cache(_REMEMBERED)(self._contains_any)

    def _contains_any(self, variants: tuple[str, ...]) -> PieceAutomaton:
        """`contains_any`, lifted; remembered."""
        return self.lift(contains_any(variants))

    @cached_property
    def broken_text(self) -> PieceAutomaton:
        """`broken_text`, lifted."""
        return self.lift(broken_text())

    def begins_with(self, prefix: str) -> PieceAutomaton:
        """`begins_with`, lifted."""
        return self.lift(begins_with(prefix))

    def read(
        self, automaton: PieceAutomaton, state_N: NDArray[np.int64], piece_N: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The state of an automaton after each state and piece."""
        out_N = np.empty(len(state_N), dtype=np.int64)
        next_SB = automaton.automaton.next_SB
        read_pieces(next_SB, self.bytes_N, self.ends_V, state_N, piece_N, out_N)
        return out_N

    def lift(self, automaton: ByteAutomaton) -> PieceAutomaton:
        """What pieces do in each state of an automaton."""
        states = len(automaton.next_SB)
        after_SV = np.empty((states, len(self.ends_V)), dtype=np.int32)
        _lift(automaton.next_SB, self.bytes_N, self.ends_V, NUM_CONTROL_IDS, after_SV)
        text_SV = after_SV[:, NUM_CONTROL_IDS:]
        remaining_S = np.where(automaton.holds_S, 0, UNREACHABLE).astype(np.int32)
        distance = 0
        while True:
            reaches_S = (remaining_S[text_SV] == distance).any(axis=1)
            new_S = reaches_S & (remaining_S == UNREACHABLE)
            distance += 1
            if not new_S.any():
                break
            remaining_S[new_S] = distance
        left_SV = remaining_S[text_SV]
        open_S = remaining_S[remaining_S < UNREACHABLE]

        def pieces(chosen_SV: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
            return tuple(np.flatnonzero(row) + NUM_CONTROL_IDS for row in chosen_SV)

        final_and_holds_S = automaton.final_S & automaton.holds_S
        return PieceAutomaton(
            automaton,
            remaining_S,
            pieces((left_SV < remaining_S[:, None]) & (remaining_S[:, None] < UNREACHABLE)),
            # In a final state all pieces would be listed, and nobody asks.
            pieces(final_and_holds_S[text_SV] & ~automaton.final_S[:, None]),
            tuple(
                None if row.all() or not row.any() else np.flatnonzero(row) + NUM_CONTROL_IDS
                for row in left_SV < UNREACHABLE
            ),
            int(open_S.max(initial=0)),
        )
