"""Beam search over a batch of sentences; those that are done leave the batch.

Shapes: B sentences still searched, K hypotheses each (the beam), R = B * K rows, C candidates a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.top_pieces import log_sum_exp, top_pieces
from nmt.neural.model.transformer import Transformer
from nmt.neural.packed import pack_source
from nmt.neural.search.limits import max_length, repeated_ngram_pieces, repeats_endlessly
from nmt.neural.search.steps import Steps
from nmt.recipe.systems import SearchSettings
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID, UNK_ID

DEAD = np.float32(-1e9)
"""Score of a place in the beam that holds no hypothesis."""


@dataclass(slots=True)
class FoundPieces:
    """A finished hypothesis."""

    pieces: list[int]
    """Without the end of sentence."""
    score: float
    """Log-probability, normalised by length and coverage as the settings say."""
    log_probability: float
    """Sum of the pieces' log-probabilities, the end included."""


@dataclass(slots=True)
class _Sentence:
    """One sentence's finished hypotheses, and its limit."""

    number: int
    max_length: int
    source_pieces: int
    finished: list[FoundPieces] = field(default_factory=list)


def length_normaliser(length: int, alpha: float) -> float:
    """``((5 + n) / 6) ** alpha``: Wu et al. (2016), equation 14."""
    return float(((5.0 + length) / 6.0) ** alpha)


@torch.inference_mode()
def beam_search(
    model: Transformer, sources: list[np.ndarray], settings: SearchSettings, *, nbest: int = 1
) -> list[list[FoundPieces]]:
    """The n best translations of each source, best first; at least one of each.

    A sentence is done when ``nbest`` hypotheses have ended and no open one scores better than the
    last of them, normalised at its present length. The result for a sentence does not depend on
    the others: rows of different sentences never meet.

    Args:
        model: the model.
        sources: pieces of each source sentence, without its end; none may be empty.
        settings: beam, penalties and limits.
        nbest: hypotheses wanted; at most the beam.
    """
    beam = max(settings.beam, nbest)
    device = model.output.device
    limit = model.architecture.max_positions
    open_ = [
        _Sentence(number, max_length(len(source), settings, limit), len(source))
        for number, source in enumerate(sources)
    ]
    sentences = list(open_)
    steps = Steps(
        model,
        pack_source(sources).to(device),
        max_rows=len(sources) * beam,
        max_steps=max((s.max_length for s in open_), default=1),
    )
    history = np.full((len(sources) * beam, 0), PAD_ID, dtype=np.int64)
    pieces = np.full(len(sources) * beam, BOS_ID, dtype=np.int64)
    parents = np.arange(len(sources) * beam)
    # At first a beam holds a single hypothesis, the empty one.
    scores_BK = np.full((len(sources), beam), DEAD, dtype=np.float32)
    scores_BK[:, 0] = 0
    coverage: Tensor | None = None
    while open_:
        numbers = np.repeat([sentence.number for sentence in open_], beam)
        logits_RV, attention = steps.advance(
            *(torch.from_numpy(x).to(device) for x in (pieces, parents, numbers)),
            weights=settings.coverage_penalty > 0,
        )
        if attention is not None:
            attention = attention.cpu()
            coverage = attention if coverage is None else coverage[parents] + attention
        log_z_R1 = log_sum_exp(logits_RV)
        forbid(logits_RV, history, settings)
        values_RC, pieces_RC = top_pieces(logits_RV, beam + 1)
        log_p_RC, piece_RC = (values_RC - log_z_R1).cpu().numpy(), pieces_RC.cpu().numpy()
        # Any beam + 1 best of a sentence's rows hold its beam best that do not end.
        candidates = scores_BK[:, :, None] + log_p_RC.reshape(len(open_), beam, -1)
        flat_BC = candidates.reshape(len(open_), -1)
        order_BC = np.argsort(-flat_BC, axis=1, kind="stable")[:, : 2 * beam]
        score_BC = np.take_along_axis(flat_BC, order_BC, axis=1)
        width = log_p_RC.shape[1]
        row_BC = order_BC // width + np.arange(len(open_))[:, None] * beam
        next_BC = piece_RC[row_BC, order_BC % width]
        kept_parents, kept_pieces, kept_scores, still_open = [], [], [], []
        length = history.shape[1] + 1
        for b, sentence in enumerate(open_):
            chosen = _extend(
                sentence, score_BC[b], row_BC[b], next_BC[b], history, length, beam, settings,
                coverage,
            )  # fmt: skip
            if _is_done(sentence, chosen, length, nbest, settings):
                continue
            still_open.append(sentence)
            for score, row, piece in chosen:
                kept_scores.append(score)
                kept_parents.append(row)
                kept_pieces.append(piece)
        open_ = still_open
        parents = np.asarray(kept_parents, dtype=np.int64)
        pieces = np.asarray(kept_pieces, dtype=np.int64)
        scores_BK = np.asarray(kept_scores, dtype=np.float32).reshape(-1, beam)
        history = np.concatenate((history[parents], pieces[:, None]), axis=1)
    for sentence in sentences:
        sentence.finished.sort(key=lambda found: -found.score)
    return [sentence.finished[:nbest] for sentence in sentences]


def forbid(logits_RV: Tensor, history: np.ndarray, settings: SearchSettings) -> None:
    """Rule out control symbols and, where asked, repeated n-grams."""
    logits_RV[:, [PAD_ID, BOS_ID, UNK_ID]] = float("-inf")
    order = settings.no_repeat_ngram
    if order:
        for row, pieces in enumerate(history):
            banned = repeated_ngram_pieces(pieces, order)
            logits_RV[row, banned] = float("-inf")


def _extend(
    sentence: _Sentence,
    scores: np.ndarray,
    rows: np.ndarray,
    pieces: np.ndarray,
    history: np.ndarray,
    length: int,
    beam: int,
    settings: SearchSettings,
    coverage: Tensor | None,
) -> list[tuple[float, int, int]]:
    """File the candidates that end; return the beam of those that go on (score, row, piece)."""
    going_on: list[tuple[float, int, int]] = []
    for rank in range(len(scores)):
        score, row, piece = float(scores[rank]), int(rows[rank]), int(pieces[rank])
        if score <= DEAD / 2:
            break
        ends = piece == EOS_ID
        if ends or length >= sentence.max_length:
            # One that is cut at the limit counts as ended where it is.
            if rank < beam:
                found = history[row].tolist() + ([] if ends else [piece])
                normalised = score / length_normaliser(length, settings.length_penalty)
                if coverage is not None:
                    normalised += _coverage(coverage[row], sentence, settings.coverage_penalty)
                sentence.finished.append(FoundPieces(found, normalised, score))
        elif not _loops(sentence, history[row], piece, length):
            going_on.append((score, row, piece))
            if len(going_on) == beam:
                break
    dead = (float(DEAD), int(rows[0]), PAD_ID)
    return going_on + [dead] * (beam - len(going_on))


def _loops(sentence: _Sentence, past: np.ndarray, piece: int, length: int) -> bool:
    """Whether a hypothesis, already much longer than its source, repeats itself endlessly."""
    if length <= 1.5 * sentence.source_pieces + 8:
        return False
    return bool(repeats_endlessly(np.append(past, piece), length))


def _coverage(attention_S: Tensor, sentence: _Sentence, weight: float) -> float:
    """``beta * sum_s log(min(attention to s, 1))``: Wu et al. (2016), equation 14."""
    seen = attention_S[: sentence.source_pieces + 1].clamp(1e-6, 1.0)
    return weight * float(seen.log().sum())


def _is_done(
    sentence: _Sentence,
    going_on: list[tuple[float, int, int]],
    length: int,
    nbest: int,
    settings: SearchSettings,
) -> bool:
    best_open = going_on[0][0]
    if best_open <= DEAD / 2:
        if not sentence.finished:
            # Every continuation was ruled out: the empty translation is at least honest.
            sentence.finished.append(FoundPieces([], float(DEAD), float(DEAD)))
        return True
    if len(sentence.finished) < nbest:
        return False
    bar = sorted((found.score for found in sentence.finished), reverse=True)[nbest - 1]
    return best_open / length_normaliser(length, settings.length_penalty) <= bar
