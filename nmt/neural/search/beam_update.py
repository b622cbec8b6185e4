"""Which hypotheses go on, and which have ended: the bookkeeping of a step of beam search.

In NumPy it takes some sixty calls a step, a third of the time of a small model; here it is one.

Shapes: R rows (hypotheses), C candidates of each, B sentences, N finished hypotheses wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.tokenization.protocol import EOS_ID


@dataclass(slots=True)
class Choice:
    """What became of the rows of a step; rows of a sentence stand together, better ones first."""

    row_R: NDArray[np.int64]
    """The row that each hypothesis which goes on continues."""
    piece_R: NDArray[np.int64]
    """What it says."""
    score_R: NDArray[np.float64]
    """Sum of its log-probabilities."""
    ended_row: NDArray[np.int64]
    """Rows that ended."""
    ended_log_p: NDArray[np.float64]
    """Sums of their log-probabilities, the end's included."""
    ended_score: NDArray[np.float64]
    """Their normalised scores."""


def choose(
    log_p_RC: NDArray[Any],
    piece_RC: NDArray[np.int64],
    score_R: NDArray[np.float64],
    sentence_R: NDArray[np.int64],
    normaliser_R: NDArray[np.float64],
    penalty_R: NDArray[np.float64],
    best_BN: NDArray[np.float64],
    beam: int,
) -> Choice:
    """The best ``beam`` continuations of each sentence, and the ends among its best.

    An end counts if it is among the ``beam`` best candidates of its sentence: any other has better
    alternatives. A sentence goes on while its best open hypothesis scores better, normalised at its
    present length, than the last of the finished that are wanted.

    Args:
        log_p_RC: log-probabilities of the likeliest pieces of each row, the likeliest first; at
            least ``beam`` that are no end, where there are so many. -inf is none.
        piece_RC: those pieces.
        score_R: sum of each row's log-probabilities so far.
        sentence_R: the sentence of each row, ascending; rows of one are of one length.
        normaliser_R: what scores are divided by at the next length.
        penalty_R: what is added to the score of a row that ends now.
        best_BN: scores of the best finished hypotheses of all sentences, descending; those that end
            now are put in.
        beam: hypotheses that go on at most.
    """
    rows, candidates = log_p_RC.shape
    row_R, piece_R, ended_row = (np.empty(rows * candidates, dtype=np.int64) for _ in range(3))
    next_score_R, ended_log_p, ended_score = (np.empty(rows * candidates) for _ in range(3))
    kept, ended = _choose(
        log_p_RC, piece_RC, score_R, sentence_R, normaliser_R, penalty_R, best_BN, beam,
        row_R, piece_R, next_score_R, ended_row, ended_log_p, ended_score,
    )  # fmt: skip
    return Choice(
        row_R[:kept], piece_R[:kept], next_score_R[:kept],
        ended_row[:ended], ended_log_p[:ended], ended_score[:ended],
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _choose(
    log_p: Any, piece: Any, score: Any, sentence: Any, normaliser: Any, penalty: Any, best: Any,
    beam: int, row_out: Any, piece_out: Any, score_out: Any,
    ended_row: Any, ended_log_p: Any, ended_score: Any,
) -> Any:  # fmt: skip
    """Numbers of rows kept and ended."""
    rows, candidates = log_p.shape
    # At most one candidate of a row ends, so among twice the beam there is a beam of others.
    top = np.empty(2 * beam)
    place = np.empty(2 * beam, dtype=np.int64)
    kept = ended = first = 0
    while first < rows:
        stop = first + 1
        while stop < rows and sentence[stop] == sentence[first]:
            stop += 1
        found = 0
        for r in range(first, stop):
            for c in range(candidates):
                value = score[r] + log_p[r, c]
                if value == -np.inf or (found == len(top) and value <= top[found - 1]):
                    break  # a row's later candidates are worse
                if found < len(top):
                    found += 1
                n = found - 1
                while n > 0 and top[n - 1] < value:
                    top[n], place[n] = top[n - 1], place[n - 1]
                    n -= 1
                top[n], place[n] = value, r * candidates + c
        finished = best[sentence[first]]
        begin = kept
        for n in range(found):
            r, c = place[n] // candidates, place[n] % candidates
            if piece[r, c] != EOS_ID:
                if kept - begin < beam:
                    row_out[kept], piece_out[kept], score_out[kept] = r, piece[r, c], top[n]
                    kept += 1
            elif n < beam:
                normalised = top[n] / normaliser[r] + penalty[r]
                ended_row[ended], ended_log_p[ended] = r, top[n]
                ended_score[ended] = normalised
                ended += 1
                m = len(finished) - 1
                if normalised > finished[m]:
                    while m > 0 and finished[m - 1] < normalised:
                        finished[m] = finished[m - 1]
                        m -= 1
                    finished[m] = normalised
        if kept > begin and not score_out[begin] / normaliser[first] > finished[-1]:
            kept = begin
        first = stop
    return kept, ended
