"""The likeliest next pieces of hypotheses: on a GPU found there, elsewhere from the logits of all.

Shapes: R rows (hypotheses), C candidates of each, V pieces, S source positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmt.neural.kernels.top_pieces import top_pieces
from nmt.neural.search.graph_steps import GraphSteps
from nmt.neural.search.hypotheses import Hypotheses
from nmt.neural.search.limits import allowed_log_probabilities, must_end, not_numbers
from nmt.neural.search.shortlist import CandidateLists
from nmt.neural.search.steps import Steps
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.protocol import EOS_ID


@dataclass(frozen=True, slots=True)
class NextPieces:
    """The likeliest next pieces of each row, the likeliest first."""

    log_p_RC: NDArray[Any]
    """Their log-probabilities; -inf is none."""
    piece_RC: NDArray[np.int64]
    weights_RS: NDArray[Any] | None
    """The attention to the source, where it was asked for."""


def next_pieces(
    steps: Steps,
    rows: Hypotheses,
    source_pieces: NDArray[np.int64],
    limits: NDArray[np.int64],
    settings: SearchSettings,
    lists: CandidateLists | None,
    count: int,
) -> NextPieces:
    """Feed each row its last piece, and find the ``count`` likeliest that it may say next.

    Args:
        steps: the decoder's state.
        rows: the hypotheses.
        source_pieces: of each sentence, without its end.
        limits: most pieces of each sentence's translation, its end included.
        settings: what hypotheses may not say; with a coverage penalty, attention is given.
        lists: the candidates of the sentences, if ``steps`` know them.
        count: pieces of each row.

    Raises UserError if the model predicts numbers that are none.
    """
    covers = settings.coverage_penalty > 0
    lengths = source_pieces[rows.sentence_R], limits[rows.sentence_R]
    if isinstance(steps, GraphSteps) and not settings.no_repeat_ngram:
        fetch = steps.start_best(
            rows.piece_R, rows.parent_R, rows.sentence_R, count, weights=covers
        )
        ends_R = must_end(rows.history_RT, rows.length_R, *lengths)  # while the device computes
        best = fetch()
        if np.isnan(best.end_R).any():
            raise not_numbers()
        log_p_RC, piece_RC = best.log_p_RC, best.piece_RC
        log_p_RC[ends_R] = -np.inf
        log_p_RC[ends_R, 0], piece_RC[ends_R, 0] = best.end_R[ends_R], EOS_ID
        return NextPieces(log_p_RC, piece_RC, best.weights_RS)
    logits_RV, attention_RS = steps.advance(
        rows.piece_R, rows.parent_R, rows.sentence_R, weights=covers
    )
    log_p_RV = allowed_log_probabilities(logits_RV, rows, *lengths, settings, lists)
    log_p_RC, piece_RC = (x.cpu().numpy() for x in top_pieces(log_p_RV, count))
    if lists is not None:
        piece_RC = lists.pieces_at(rows.sentence_R, piece_RC)
    weights_RS = None
    if attention_RS is not None:
        wide = torch.promote_types(attention_RS.dtype, torch.float32)
        weights_RS = attention_RS.to("cpu", wide).numpy()
    return NextPieces(log_p_RC, piece_RC, weights_RS)
