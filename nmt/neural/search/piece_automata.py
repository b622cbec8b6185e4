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
def _lift(
    next_SB: Any, final_S: Any, bytes_N: Any, ends_V: Any, first: int, out_SV: Any, leads_SS: Any
) -> None:
    """The state after each state and each piece from the first on; and what leads where at all."""
    for state in range(len(next_SB)):
        for piece in range(first, len(ends_V)):
            after = state
            for place in range(ends_V[piece - 1], ends_V[piece]):
                if final_S[after]:
                    break
                after = next_SB[after, bytes_N[place]]
            out_SV[state, piece - first] = after
            leads_SS[state, after] = True


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
        text_SV = np.empty((states, len(self.ends_V) - NUM_CONTROL_IDS), dtype=np.int32)
        leads_SS = np.zeros((states, states), dtype=np.bool_)
        _lift(
            automaton.next_SB, automaton.final_S, self.bytes_N, self.ends_V, NUM_CONTROL_IDS,
            text_SV, leads_SS,
        )  # fmt: skip
        remaining_S = np.where(automaton.holds_S, 0, UNREACHABLE).astype(np.int32)
        reached_S = automaton.holds_S
        while reached_S.any():
            reached_S = leads_SS[:, reached_S].any(axis=1) & (remaining_S == UNREACHABLE)
            remaining_S[reached_S] = remaining_S[remaining_S < UNREACHABLE].max() + 1
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
