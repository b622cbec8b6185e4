"""Hypotheses while they are open, and when they are finished.

Shapes: R rows (hypotheses), T pieces said by the longest, S source positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nmt.tokenization.protocol import BOS_ID


@dataclass(slots=True)
class FoundPieces:
    """A finished hypothesis."""

    pieces: list[int]
    """Without the end of sentence."""
    score: float
    """Log-probability, normalised by length and coverage as the settings say."""
    log_probability: float
    """Sum of the model's log-probabilities of the pieces, the end included."""


@dataclass(slots=True)
class Hypotheses:
    """Open hypotheses, a row each; those of a sentence stand side by side."""

    sentence_R: np.ndarray
    """Which sentence each translates; ascending."""
    parent_R: np.ndarray
    """Which row of the last step each goes on from; -1 where it begins."""
    piece_R: np.ndarray
    """The piece said last; BOS where it begins."""
    length_R: np.ndarray
    """Pieces said so far."""
    history_RT: np.ndarray
    """Those pieces, in the first ``length_R`` columns."""
    score_R: np.ndarray
    """Sums of their log-probabilities."""
    attention_RS: np.ndarray
    """Sums of the attention to each source position, for the coverage penalty."""

    def __len__(self) -> int:
        return len(self.sentence_R)

    @classmethod
    def of_nothing(cls, sentences: Sequence[int] | np.ndarray, source_positions: int) -> Hypotheses:
        """For each sentence one hypothesis that says nothing yet."""
        rows = len(sentences)
        return cls(
            sentence_R=np.array(sentences, dtype=np.int64),
            parent_R=np.full(rows, -1),
            piece_R=np.full(rows, BOS_ID),
            length_R=np.zeros(rows, dtype=np.int64),
            history_RT=np.empty((rows, 0), dtype=np.int64),
            score_R=np.zeros(rows),
            attention_RS=np.zeros((rows, source_positions)),
        )

    def and_also(self, new: Hypotheses) -> Hypotheses:
        """These, and after them hypotheses that say nothing yet."""
        history_RT = np.zeros((len(self) + len(new), self.history_RT.shape[1]), dtype=np.int64)
        history_RT[: len(self)] = self.history_RT
        return Hypotheses(
            sentence_R=np.concatenate((self.sentence_R, new.sentence_R)),
            parent_R=np.concatenate((self.parent_R, new.parent_R)),
            piece_R=np.concatenate((self.piece_R, new.piece_R)),
            length_R=np.concatenate((self.length_R, new.length_R)),
            history_RT=history_RT,
            score_R=np.concatenate((self.score_R, new.score_R)),
            attention_RS=np.concatenate((self.attention_RS, new.attention_RS)),
        )

    def extended(self, row_R: np.ndarray, piece_R: np.ndarray, score_R: np.ndarray) -> Hypotheses:
        """Rows of these, each with one more piece and a new score."""
        length_R = self.length_R[row_R] + 1
        history_RT = np.zeros((len(row_R), length_R.max(initial=0)), dtype=np.int64)
        width = min(history_RT.shape[1], self.history_RT.shape[1])
        history_RT[:, :width] = self.history_RT[row_R, :width]
        history_RT[np.arange(len(row_R)), length_R - 1] = piece_R
        return Hypotheses(
            sentence_R=self.sentence_R[row_R],
            parent_R=row_R,
            piece_R=piece_R,
            length_R=length_R,
            history_RT=history_RT,
            score_R=score_R,
            attention_RS=self.attention_RS[row_R],
        )

    def pieces(self, row: int) -> list[int]:
        """What a row has said."""
        pieces: list[int] = self.history_RT[row, : self.length_R[row]].tolist()
        return pieces
