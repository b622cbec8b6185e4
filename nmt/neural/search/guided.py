"""Beam search under conditions: a prefix, terms that must occur, terms that must not.

Dynamic beam allocation (Post and Vilar 2018, https://aclanthology.org/N18-1119) with the vectorised
allotment of Hu et al. (2019, https://aclanthology.org/N19-1090): hypotheses are put in banks by how
many pieces they still need to meet all conditions, and the beam is shared out among the banks, so
that hypotheses in the middle of a term survive beside those that are likelier without it. Unlike
there, a condition is an automaton over the bytes of the text (see `piece_automata`): it does not
matter into which pieces a term is cut, a term has variants, words are whole, and a prefix may end
within a piece.

Shapes: R rows (hypotheses), A conditions, C candidates, V pieces, S source positions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from nmt.neural.kernels.top_pieces import top_pieces
from nmt.neural.model.ensemble import SearchedModel
from nmt.neural.search.beam import coverage, length_normaliser
from nmt.neural.search.guided_sentence import Conditions, GuidedSentence
from nmt.neural.search.hypotheses import FoundPieces, Hypotheses
from nmt.neural.search.limits import (
    forbid_repeats,
    max_lengths,
    must_end,
    text_log_probabilities,
)
from nmt.neural.search.piece_automata import Spelling
from nmt.neural.search.rows import rows_at_once
from nmt.neural.search.steps import begin_steps
from nmt.recipe.neural import SearchSettings


@torch.inference_mode()
def guided_search(
    model: SearchedModel,
    sources: Sequence[np.ndarray],
    conditions: Sequence[Conditions],
    spelling: Spelling,
    settings: SearchSettings,
    *,
    nbest: int = 1,
) -> list[list[FoundPieces]]:
    """The n best translations of each source among those that meet its conditions, best first.

    Without conditions, the same as `beam_search`. A sentence's beam is wider by what its terms
    need, and a hypothesis must bring them in before it reaches the limit of its length, which is
    raised where they need more. Repeating n-grams are allowed where a term wants them.

    Args:
        model: the model.
        sources: pieces of each source sentence, without its end.
        conditions: what each translation must meet.
        spelling: of the target's pieces.
        settings: beam, penalties and limits.
        nbest: hypotheses wanted; the beam is at least as wide.

    Raises:
        UserError: the model predicts numbers that are none; or the conditions of a sentence are not
            to be met within the model's longest sequence, or not together.
    """
    if not sources:
        return []
    most = model.architecture.max_positions
    source_pieces = np.array([len(source) for source in sources], dtype=np.int64)
    limits = max_lengths(source_pieces, settings, most)
    sentences = [
        GuidedSentence(each, spelling, max(settings.beam, nbest), nbest, int(limit), most)
        for each, limit in zip(conditions, limits, strict=True)
    ]
    covers = settings.coverage_penalty > 0
    positions = source_pieces.max() + 1 if covers else 0
    widest = max(one.beam for one in sentences)
    room = max(1, rows_at_once(model.output.device) // widest)
    waiting = np.arange(len(sources))
    steps = begin_steps(model, sources, beam=2 * widest)
    rows = Hypotheses.of_nothing(waiting[:0], positions)
    state_RA = np.zeros((0, max(len(one.conditions.all) for one in sentences)), dtype=np.int64)
    while len(rows) or len(waiting):
        free = max(0, room - len(np.unique(rows.sentence_R)))
        rows = rows.and_also(Hypotheses.of_nothing(waiting[:free], positions))
        state_RA = np.pad(state_RA, ((0, len(rows) - len(state_RA)), (0, 0)))
        waiting = waiting[free:]
        logits_RV, attention_RS = steps.advance(
            rows.piece_R, rows.parent_R, rows.sentence_R, weights=covers
        )
        penalty_R = np.zeros(len(rows))
        if attention_RS is not None:
            rows.attention_RS[:, : attention_RS.shape[1]] += attention_RS.cpu().numpy()
            source_positions_R = source_pieces[rows.sentence_R] + 1
            penalty_R = settings.coverage_penalty * coverage(rows.attention_RS, source_positions_R)
        log_p_RV = text_log_probabilities(logits_RV).cpu()
        plain_RV = log_p_RV.numpy()
        if settings.no_repeat_ngram:
            plain_RV = plain_RV.copy()
            forbid_repeats(log_p_RV, rows, settings.no_repeat_ngram)
        normaliser_R = length_normaliser(rows.length_R + 1, settings.length_penalty)
        limit_R = np.array([sentences[sentence].limit for sentence in rows.sentence_R])
        ends_R = must_end(rows.history_RT, rows.length_R, source_pieces[rows.sentence_R], limit_R)
        bounds = np.flatnonzero(np.diff(rows.sentence_R, prepend=-1, append=-1))
        parts = [slice(*pair) for pair in itertools.pairwise(bounds.tolist())]
        of_parts = [sentences[rows.sentence_R[part.start]] for part in parts]
        for part, sentence in zip(parts, of_parts, strict=True):
            for r in range(part.start, part.stop):
                sentence.restrict(
                    log_p_RV.numpy()[r], plain_RV[r], state_RA[r],
                    int(rows.length_R[r]), must_end=bool(ends_R[r]),
                )  # fmt: skip
        values_RC, pieces_RC = (x.numpy() for x in top_pieces(log_p_RV, widest + 1))
        chosen = []
        for part, sentence in zip(parts, of_parts, strict=True):
            found = sentence.candidates(
                log_p_RV.numpy()[part], values_RC[part], pieces_RC[part],
                state_RA[part], rows.score_R[part],
            )  # fmt: skip
            for r, log_p in sentence.ends(found, log_p_RV.numpy()[part], rows.score_R[part]):
                row = part.start + r
                score = log_p / float(normaliser_R[row]) + float(penalty_R[row])
                sentence.finished.append(FoundPieces(rows.pieces(row), score, log_p))
            kept = sentence.allot(found)
            best = kept.score_C.max(initial=-np.inf)
            if best / normaliser_R[part.start] > sentence.bar():
                chosen.append((kept.row_C + part.start, kept.piece_C, kept.score_C, kept.state_CA))
        none = (np.zeros(0, dtype=np.int64),) * 2 + (np.zeros(0), state_RA[:0])
        row_R, piece_R, score_R, state_RA = (
            np.concatenate(each) for each in zip(none, *chosen, strict=True)
        )
        rows = rows.extended(row_R, piece_R, score_R)
    return [sentence.best() for sentence in sentences]
