"""Beam search over many sentences; those that are done make room for others.

Shapes: B sentences being searched, K hypotheses of each at most (the beam), R rows (hypotheses of
all of them), C candidates, V pieces, S source positions.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.top_pieces import top_pieces
from nmt.neural.model.ensemble import SearchedModel
from nmt.neural.search.hypotheses import FoundPieces, Hypotheses
from nmt.neural.search.limits import allowed_log_probabilities, max_lengths
from nmt.neural.search.rows import rows_at_once
from nmt.neural.search.shortlist import CandidateLists, Shortlist
from nmt.neural.search.steps import begin_steps
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.protocol import EOS_ID

DEAD = -np.inf
"""Score of a candidate that is none."""


@torch.inference_mode()
def beam_search(
    model: SearchedModel,
    sources: Sequence[np.ndarray],
    settings: SearchSettings,
    *,
    nbest: int = 1,
    shortlist: Shortlist | None = None,
) -> list[list[FoundPieces]]:
    """The n best translations of each source, best first; at least one of each.

    A sentence is done when ``nbest`` hypotheses have ended and no open one scores better than the
    last of them, normalised at its present length. The result for a sentence does not depend on
    the others: rows of different sentences never meet.

    Args:
        model: the model.
        sources: pieces of each source sentence, without its end.
        settings: beam, penalties and limits.
        nbest: hypotheses wanted; the beam is at least as wide.
        shortlist: says which pieces a translation may be made of; None allows all. Probabilities
            are then those among the pieces allowed.

    Raises:
        UserError: the model predicts numbers that are none.
    """
    if not sources:
        return []
    beam = max(settings.beam, nbest)
    source_pieces = np.array([len(source) for source in sources], dtype=np.int64)
    limits = max_lengths(source_pieces, settings, model.architecture.max_positions)
    covers = settings.coverage_penalty > 0
    positions = source_pieces.max() + 1 if covers else 0
    room = max(1, rows_at_once(model.output.device) // beam)
    waiting = np.arange(len(sources))
    finished = _Finished(len(sources), nbest)
    lists = None if shortlist is None else shortlist.candidates(sources)
    steps = begin_steps(model, sources, beam=beam, lists=lists)
    rows = Hypotheses.of_nothing(waiting[:0], positions)
    while len(rows) or len(waiting):
        free = room - len(np.unique(rows.sentence_R))
        rows = rows.and_also(Hypotheses.of_nothing(waiting[:free], positions))
        waiting = waiting[free:]
        logits_RV, attention_RS = steps.advance(
            rows.piece_R, rows.parent_R, rows.sentence_R, weights=covers
        )
        penalty_R = np.zeros(len(rows))
        if attention_RS is not None:
            rows.attention_RS[:, : attention_RS.shape[1]] += attention_RS.cpu().numpy()
            source_positions_R = source_pieces[rows.sentence_R] + 1
            penalty_R = settings.coverage_penalty * coverage(rows.attention_RS, source_positions_R)
        log_p_RV = allowed_log_probabilities(
            logits_RV,
            rows,
            source_pieces[rows.sentence_R],
            limits[rows.sentence_R],
            settings,
            lists,
        )
        normaliser_R = length_normaliser(rows.length_R + 1, settings.length_penalty)
        open_B, first_B = np.unique(rows.sentence_R, return_index=True)
        score_BC, row_BC, piece_BC = _best_candidates(rows, log_p_RV, beam, lists)
        ends_BC = piece_BC == EOS_ID
        # An end that is not among the K best has better alternatives.
        for b, c in np.argwhere(ends_BC[:, :beam] & (score_BC[:, :beam] > DEAD)):
            row, log_p = int(row_BC[b, c]), float(score_BC[b, c])
            score = log_p / float(normaliser_R[row]) + float(penalty_R[row])
            finished.add(open_B[b], FoundPieces(rows.pieces(row), score, log_p))
        score_BC = np.where(ends_BC, DEAD, score_BC)
        kept_BK = np.argsort(-score_BC, axis=1, kind="stable")[:, :beam]
        score_BK, row_BK, piece_BK = (
            np.take_along_axis(x, kept_BK, axis=1) for x in (score_BC, row_BC, piece_BC)
        )
        goes_on_B = score_BK[:, 0] / normaliser_R[first_B] > finished.bars(open_B)
        goes_on_BK = goes_on_B[:, None] & (score_BK > DEAD)
        rows = rows.extended(row_BK[goes_on_BK], piece_BK[goes_on_BK], score_BK[goes_on_BK])
    return finished.best()


def length_normaliser(length: np.ndarray, alpha: float) -> np.ndarray:
    """``((5 + n) / 6) ** alpha``: Wu et al. (2016), equation 14."""
    normaliser: np.ndarray = ((5.0 + length) / 6.0) ** alpha
    return normaliser


def coverage(attention_RS: np.ndarray, length_R: np.ndarray) -> np.ndarray:
    """``sum_s log(min(a_s, 1))`` over a source's positions: Wu et al. (2016), equation 14.

    Args:
        attention_RS: the attention that each source position has got so far, in sum.
        length_R: source positions, the end included.
    """
    of_source_RS = np.arange(attention_RS.shape[1]) < length_R[:, None]
    log_RS = np.log(np.clip(attention_RS, 1e-6, 1.0))
    sums_R: np.ndarray = (log_RS * of_source_RS).sum(axis=1)
    return sums_R


def _best_candidates(
    rows: Hypotheses, log_p_RV: Tensor, beam: int, lists: CandidateLists | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each sentence's 2K best continuations, best first: score, row and piece, [B, C] each.

    At most one of a row ends, so K of them go on (where there are that many). What there is not
    has the score DEAD.
    """
    values_RC, pieces_RC = (x.cpu().numpy() for x in top_pieces(log_p_RV, beam + 1))
    if lists is not None:
        pieces_RC = lists.pieces_at(rows.sentence_R, pieces_RC)
    _, first_B, b_R = np.unique(rows.sentence_R, return_index=True, return_inverse=True)
    score_BKC = np.full((len(first_B), beam, beam + 1), DEAD)
    score_BKC[b_R, np.arange(len(rows)) - first_B[b_R]] = rows.score_R[:, None] + values_RC
    score_BC = score_BKC.reshape(len(first_B), -1)
    best_BC = np.argsort(-score_BC, axis=1, kind="stable")[:, : 2 * beam]
    row_BC = np.minimum(first_B[:, None] + best_BC // (beam + 1), len(rows) - 1)
    piece_BC = pieces_RC[row_BC, best_BC % (beam + 1)]
    return np.take_along_axis(score_BC, best_BC, axis=1), row_BC, piece_BC


class _Finished:
    """The finished hypotheses of every sentence, best first."""

    def __init__(self, sentences: int, nbest: int) -> None:
        self._found: list[list[FoundPieces]] = [[] for _ in range(sentences)]
        self._nbest = nbest

    def add(self, sentence: int, found: FoundPieces) -> None:
        """Put a hypothesis in its place."""
        bisect.insort(self._found[sentence], found, key=lambda found: -found.score)

    def bars(self, sentences: np.ndarray) -> np.ndarray:
        """Scores that an open hypothesis of each sentence must beat to be among the n best."""
        lists = (self._found[sentence] for sentence in sentences)
        return np.array(
            [found[self._nbest - 1].score if len(found) >= self._nbest else DEAD for found in lists]
        )

    def best(self) -> list[list[FoundPieces]]:
        """The n best of every sentence."""
        assert all(self._found)
        return [found[: self._nbest] for found in self._found]
