"""One sentence of a guided search: what may come next, what goes on, what has ended.

Shapes: R rows (hypotheses of the sentence), A conditions, C candidates, V pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.guide import Guide
from nmt.neural.search.hypotheses import FoundPieces
from nmt.neural.search.piece_automata import PieceAutomaton, Spelling
from nmt.text import shown
from nmt.tokenization.protocol import EOS_ID

_SLACK: Final = 4
"""Pieces beyond those that the conditions need at least: for the words that must part terms."""
_NEARER: Final = 2
"""Candidates that bring a term nearer, of each row and term."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a translation must meet, as automata over a vocabulary's pieces."""

    prefix: PieceAutomaton | None
    must: tuple[PieceAutomaton, ...]
    must_not: tuple[PieceAutomaton, ...]
    name: str = ""
    """What to call the sentence in messages."""

    @classmethod
    def of(cls, guide: Guide, spelling: Spelling, *, name: str = "") -> Conditions:
        """A guide's for the sentence called ``name``; all of its texts are normalised.

        Raises UserError for a condition that no text of these pieces meets.
        """
        conditions = cls(
            spelling.begins_with(guide.prefix) if guide.prefix else None,
            tuple(spelling.contains_any(variants) for variants in guide.must),
            (
                *(spelling.contains_any(variants) for variants in guide.must_not),
                # Else the text that comes of the bytes would not be what they say.
                *((spelling.broken_text,) if guide else ()),
            ),
            name,
        )
        wanted = list(zip(map("|".join, guide.must), conditions.must, strict=True))
        if conditions.prefix:
            wanted.append((guide.prefix, conditions.prefix))
        for text, automaton in wanted:
            if not automaton.can_hold:
                raise conditions.error(f"the model has no pieces to write {text!r} with")
        return conditions

    def error(self, what: str, mend: str | None = None) -> UserError:
        """What is wrong with the conditions of this sentence."""
        return UserError(what, where=shown(self.name) if self.name else None, mend=mend)

    @property
    def all(self) -> tuple[PieceAutomaton, ...]:
        """All of them in one order: what must occur, what must not, the prefix."""
        return (*self.must, *self.must_not, *((self.prefix,) if self.prefix else ()))

    @property
    def pieces_needed(self) -> int:
        """So many pieces are enough to meet all of them, from wherever that is begun."""
        return sum(one.most_remaining + 1 for one in self.must) + (
            self.prefix.most_remaining if self.prefix else 0
        )


@dataclass(frozen=True, slots=True)
class Candidates:
    """Hypotheses of a sentence, each with one more piece that is no end; best first."""

    row_C: NDArray[np.int64]
    piece_C: NDArray[np.int64]
    score_C: NDArray[np.float64]
    state_CA: NDArray[np.int64]
    """The states of the conditions after it."""
    needed_C: NDArray[np.int64]
    """Pieces that are still needed, at least, for all terms."""
    doubtful_C: NDArray[np.bool_]
    """Whether it ends in what must not occur, unless the word goes on."""

    def __getitem__(self, chosen: NDArray[np.int64]) -> Candidates:
        return Candidates(
            self.row_C[chosen], self.piece_C[chosen], self.score_C[chosen],
            self.state_CA[chosen], self.needed_C[chosen], self.doubtful_C[chosen],
        )  # fmt: skip


class GuidedSentence:
    """A sentence being searched: its conditions, its limits, what has been found."""

    def __init__(
        self,
        conditions: Conditions,
        spelling: Spelling,
        beam: int,
        nbest: int,
        limit: int,
        most: int,
    ) -> None:
        """Take the conditions, the width of a plain beam, and the limit of a plain output.

        Raises UserError if the conditions need more than the ``most`` that the model can say.
        """
        self.conditions = conditions
        needed = conditions.pieces_needed
        if needed + 2 * _SLACK + 1 > most and needed:
            raise conditions.error(
                f"prefix and terms need about {needed} pieces, and the model says {most} at most",
                mend="give shorter ones, or fewer for one sentence",
            )
        self.limit = max(limit, needed + 2 * _SLACK + 1) if needed else limit
        banks = sum(int(one.remaining_S[0]) for one in conditions.must)
        self.plain_beam = beam
        self.beam = beam + min(banks, beam)
        self.finished: list[FoundPieces] = []
        self._most = most
        self._nbest = nbest
        self._spelling = spelling
        self._all = conditions.all
        self._not_begin = len(conditions.must)
        self._prefix_place = self._not_begin + len(conditions.must_not)

    def best(self) -> list[FoundPieces]:
        """The n best that were found; raises UserError if none was."""
        if not self.finished:
            raise self.conditions.error(
                "no translation was found that meets all conditions",
                mend="allow more variants of its terms, or forbid less",
            )
        return sorted(self.finished, key=lambda found: -found.score)[: self._nbest]

    def bar(self) -> float:
        """The score that an open hypothesis must beat, as in `nmt.neural.search.beam`."""
        if len(self.finished) < self.plain_beam:
            return -np.inf
        return sorted(found.score for found in self.finished)[-self.plain_beam]

    def restrict(
        self,
        log_p_V: NDArray[np.floating],
        plain_V: NDArray[np.floating],
        state_A: NDArray[np.int64],
        length: int,
        *,
        must_end: bool,
    ) -> None:
        """Set to -inf, in place, the pieces that a hypothesis may not say next.

        Args:
            log_p_V: log-probabilities of the next piece, to be changed.
            plain_V: the same, pieces included that only repeat an n-gram.
            state_A: states of the conditions.
            length: pieces said so far.
            must_end: whether it has reached its limit or repeats itself.
        """
        conditions = self.conditions
        states = state_A.tolist()
        unmet = [
            (int(term.remaining_S[state]), number)
            for number, (term, state) in enumerate(zip(conditions.must, states, strict=False))
            if term.remaining_S[state]
        ]
        reserve = _SLACK + sum(conditions.must[number].most_remaining + 1 for _, number in unmet)
        left = self.limit - 1 - length
        # Saying nothing avoids what must not be said, but translates nothing either.
        may_end = not unmet and (length > 0 or not self._all)
        only: NDArray[np.int64] | None = None
        prefix = conditions.prefix
        begun = prefix is None or bool(prefix.automaton.final_S[states[self._prefix_place]])
        if prefix is not None and not begun:
            state = states[self._prefix_place]
            may_end = False
            hurried = left <= reserve + prefix.remaining_S[state]
            only = (prefix.nearer_S if hurried else prefix.possible_S)[state]
        elif unmet and (must_end or left <= reserve):
            _, number = min(unmet)
            only = conditions.must[number].nearer_S[states[number]]
        banned = []
        for term, state in zip(conditions.must_not, states[self._not_begin :], strict=False):
            banned.append(term.deciding_S[state])
            may_end = may_end and not term.automaton.holds_S[state]
        end = log_p_V[EOS_ID] if may_end else -np.inf
        for pieces in banned:
            log_p_V[pieces] = -np.inf
        log_p_V[EOS_ID] = end
        if only is not None:
            values = plain_V[only].copy()
            for pieces in banned:
                values[np.isin(only, pieces)] = -np.inf
            # Another word may have to come between terms; a prefix has no between.
            if np.isfinite(values).any() or not begun:
                log_p_V[:] = -np.inf
                log_p_V[only] = values
        elif must_end and may_end:
            log_p_V[:] = -np.inf
            log_p_V[EOS_ID] = end
        if length + 2 > self._most:  # the model has no position for another piece and the end
            log_p_V[:] = -np.inf
            log_p_V[EOS_ID] = end

    def candidates(
        self,
        log_p_RV: NDArray[np.floating],
        values_RC: NDArray[np.floating],
        pieces_RC: NDArray[np.int64],
        state_RA: NDArray[np.int64],
        score_R: NDArray[np.float64],
    ) -> Candidates:
        """The likeliest continuations, and those that bring a term nearer."""
        row_C, rank_C = np.nonzero(np.isfinite(values_RC) & (pieces_RC != EOS_ID))
        rows, pieces = [row_C], [pieces_RC[row_C, rank_C]]
        for place, term in enumerate(self.conditions.must):
            for row, state in enumerate(state_RA[:, place].tolist()):
                nearer = term.nearer_S[state]
                if len(nearer):
                    log_p = log_p_RV[row, nearer]
                    best = np.argsort(-log_p, kind="stable")[:_NEARER]
                    best = best[np.isfinite(log_p[best])]
                    rows.append(np.full(len(best), row))
                    pieces.append(nearer[best])
        row_C, piece_C = np.concatenate(rows), np.concatenate(pieces)
        key_C = row_C * log_p_RV.shape[1] + piece_C
        first = np.sort(np.unique(key_C, return_index=True)[1])
        row_C, piece_C = row_C[first], piece_C[first]
        score_C = score_R[row_C] + log_p_RV[row_C, piece_C]
        state_CA = np.zeros((len(row_C), state_RA.shape[1]), dtype=np.int64)
        needed_C = np.zeros(len(row_C), dtype=np.int64)
        doubtful_C = np.zeros(len(row_C), dtype=np.bool_)
        for place, condition in enumerate(self._all):
            after_C = self._spelling.read(condition, state_RA[row_C, place], piece_C)
            state_CA[:, place] = after_C
            if place < self._not_begin:
                needed_C += condition.remaining_S[after_C]
            elif place < self._prefix_place:
                doubtful_C |= condition.automaton.holds_S[after_C]
        found = Candidates(row_C, piece_C, score_C, state_CA, needed_C, doubtful_C)
        return found[np.argsort(-score_C, kind="stable")]

    def ends(
        self,
        found: Candidates,
        log_p_RV: NDArray[np.floating],
        score_R: NDArray[np.float64],
    ) -> list[tuple[int, float]]:
        """Rows that end, and the log-probabilities of that: those among the plain beam's best.

        As in a plain search, an end that is not has better alternatives; here they must meet all
        conditions, too.
        """
        end_R = score_R + log_p_RV[:, EOS_ID]
        rivals = found.score_C[found.needed_C == 0]
        pool = np.concatenate((end_R, rivals))
        return [
            (row, float(end))
            for row, end in enumerate(end_R)
            if np.isfinite(end) and (pool > end).sum() < self.plain_beam
        ]

    def allot(self, found: Candidates) -> Candidates:
        """The candidates that go on: the best of each bank, the second best of each, and so on.

        Those that are doubtful come on top, if they are good enough to be among these: that the
        word goes on and makes them good, or not, the next step shows.
        """
        order = np.argsort(found.needed_C, kind="stable")  # by bank, in each by score
        bank_C = found.needed_C[order]
        rank_C = np.arange(len(order)) - np.searchsorted(bank_C, bank_C)
        order = order[np.lexsort((bank_C, rank_C))]
        doubtful_C = found.doubtful_C[order]
        sure = np.cumsum(~doubtful_C)
        doubts = np.cumsum(doubtful_C)
        taken_C = np.where(
            doubtful_C, (sure < self.beam) & (doubts <= self.beam), sure <= self.beam
        )
        return found[np.sort(order[taken_C])]
