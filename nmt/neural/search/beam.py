"""Beam search over a batch of sentences; those that are done leave the batch.

Shapes: B sentences still searched, K hypotheses each (the beam; one at the first step), R = B * K
rows, C candidates, T pieces said so far, S source positions.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmt.errors import UserError
from nmt.neural.kernels.top_pieces import top_pieces
from nmt.neural.model.transformer import Transformer
from nmt.neural.search.limits import allowed_log_probabilities, max_length, must_end
from nmt.neural.search.steps import Steps
from nmt.recipe.systems import SearchSettings
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID

DEAD = -np.inf
"""Score of a place in the beam that holds no hypothesis."""


@dataclass(slots=True)
class FoundPieces:
    """A finished hypothesis."""

    pieces: list[int]
    """Without the end of sentence."""
    score: float
    """Log-probability, normalised by length and coverage as the settings say."""
    log_probability: float
    """Sum of the model's log-probabilities of the pieces, the end included."""


@torch.inference_mode()
def beam_search(
    model: Transformer, sources: Sequence[np.ndarray], settings: SearchSettings, *, nbest: int = 1
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

    Raises:
        UserError: the model predicts numbers that are none.
    """
    if not sources:
        return []
    beam = max(settings.beam, nbest)
    source_pieces = np.array([len(source) for source in sources])
    limits = np.array(
        [max_length(n, settings, model.architecture.max_positions) for n in source_pieces]
    )
    steps = Steps(model, sources, beam=beam)
    finished = _Finished(len(sources), nbest)
    # What is open: at first one hypothesis a sentence, which says nothing.
    open_B = np.arange(len(sources))
    score_BK = np.zeros((len(sources), 1))
    parent_R = np.arange(len(sources))
    piece_R = np.full(len(sources), BOS_ID)
    history_RT = np.empty((len(sources), 0), dtype=np.int64)
    coverage_RS = np.zeros((len(sources), source_pieces.max() + 1))
    while len(open_B):
        sentence_R = np.repeat(open_B, score_BK.shape[1])
        logits_RV, attention_RS = steps.advance(
            piece_R, parent_R, sentence_R, weights=settings.coverage_penalty > 0
        )
        ends_R = must_end(history_RT, source_pieces[sentence_R], limits[sentence_R])
        log_p_RV = allowed_log_probabilities(logits_RV, history_RT, ends_R, settings)
        penalty_R = np.zeros(len(sentence_R))
        if attention_RS is not None:
            coverage_RS = coverage_RS[parent_R]
            coverage_RS[:, : attention_RS.shape[1]] += attention_RS.cpu().numpy()
            penalty_R = settings.coverage_penalty * coverage(
                coverage_RS, source_pieces[sentence_R] + 1
            )
        score_BC, row_BC, piece_BC = _best_candidates(score_BK, log_p_RV, beam)
        ends_BC = piece_BC == EOS_ID
        normaliser = length_normaliser(history_RT.shape[1] + 1, settings.length_penalty)
        # An end that is not among the K best has better alternatives.
        for b, c in np.argwhere(ends_BC[:, :beam] & (score_BC[:, :beam] > DEAD)):
            row, log_probability = row_BC[b, c], float(score_BC[b, c])
            score = log_probability / normaliser + float(penalty_R[row])
            finished.add(open_B[b], FoundPieces(history_RT[row].tolist(), score, log_probability))
        score_BC = np.where(ends_BC, DEAD, score_BC)
        kept_BK = np.argsort(-score_BC, axis=1, kind="stable")[:, :beam]
        score_BK, row_BK, piece_BK = (
            np.take_along_axis(x, kept_BK, axis=1) for x in (score_BC, row_BC, piece_BC)
        )
        still_B = score_BK[:, 0] / normaliser > finished.bars(open_B)
        open_B, score_BK = open_B[still_B], score_BK[still_B]
        parent_R = row_BK[still_B].ravel()
        piece_R = np.where(score_BK > DEAD, piece_BK[still_B], PAD_ID).ravel()
        history_RT = np.concatenate((history_RT[parent_R], piece_R[:, None]), axis=1)
    return finished.best()


def length_normaliser(length: int, alpha: float) -> float:
    """``((5 + n) / 6) ** alpha``: Wu et al. (2016), equation 14."""
    return float(((5.0 + length) / 6.0) ** alpha)


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
    score_BK: np.ndarray, log_p_RV: Tensor, beam: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each sentence's 2K best continuations, best first: score, row and piece, [B, C] each.

    At most one of a row ends, so K of them go on (where there are that many).
    """
    sentences, width = score_BK.shape
    values_RC, pieces_RC = (x.cpu().numpy() for x in top_pieces(log_p_RV, beam + 1))
    score_BC = (score_BK[:, :, None] + values_RC.reshape(sentences, width, -1)).reshape(
        sentences, -1
    )
    best_BC = np.argsort(-score_BC, axis=1, kind="stable")[:, : 2 * beam]
    row_BC = best_BC // (beam + 1) + np.arange(sentences)[:, None] * width
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
        """The n best of every sentence. Raises UserError if there is a sentence without any."""
        if not all(self._found):
            raise UserError(
                "the model's predictions are not numbers (NaN)",
                mend="its training diverged: train it again, with a lower learning rate",
            )
        return [found[: self._nbest] for found in self._found]
