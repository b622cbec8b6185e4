"""What a hypothesis may not say: control symbols, more than its limit, the same endlessly.

Shapes: R rows (hypotheses), T pieces said so far, V pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from nmt.recipe.systems import SearchSettings
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID, UNK_ID

LONGEST_PERIOD = 16
"""Longest run of pieces that is noticed when it is said over and over."""
MIN_COPIES = 4
"""Times in a row from which saying the same is called endless."""
MIN_REPEATED_PIECES = 12
"""Shortest stretch that is called endless; "no, no, no, no" is not."""


def max_length(source_pieces: int, settings: SearchSettings, max_positions: int) -> int:
    """Most pieces of output, the end included, for a source of so many pieces without its end."""
    wanted = int(settings.max_length_ratio * source_pieces) + settings.max_length_extra
    return max(2, min(wanted, max_positions))


@njit(nogil=True, cache=True)
def repeats_endlessly(pieces: Any) -> bool:
    """Whether the pieces end in at least four copies of the same short run."""
    length = len(pieces)
    for period in range(1, LONGEST_PERIOD + 1):
        stretch = max(MIN_COPIES * period, MIN_REPEATED_PIECES)
        if stretch > length:
            continue
        same = True
        for i in range(length - stretch, length - period):
            if pieces[i] != pieces[i + period]:
                same = False
                break
        if same:
            return True
    return False


@njit(nogil=True, cache=True)
def must_end(history_RT: Any, source_pieces_R: Any, max_length_R: Any) -> Any:
    """Which hypotheses may only end now: [R] of bool.

    Those whose next piece is the last that the limit leaves, and those that repeat themselves
    endlessly and are already much longer than their source.
    """
    rows, length = history_RT.shape
    ends_R = np.empty(rows, dtype=np.bool_)
    for r in range(rows):
        ends_R[r] = length + 1 >= max_length_R[r] or (
            length > 1.5 * source_pieces_R[r] + 8 and repeats_endlessly(history_RT[r])
        )
    return ends_R


@njit(nogil=True, cache=True)
def repeating_pieces(history_RT: Any, order: int) -> Any:
    """Rows and pieces, [2, N], that would make an n-gram of this order occur a second time."""
    rows, length = history_RT.shape
    found = [(np.int64(0), np.int64(0)) for _ in range(0)]
    for r in range(rows):
        for start in range(length - order + 1):
            same = True
            for i in range(order - 1):
                if history_RT[r, start + i] != history_RT[r, length - order + 1 + i]:
                    same = False
                    break
            if same:
                found.append((np.int64(r), history_RT[r, start + order - 1]))
    out = np.empty((2, len(found)), dtype=np.int64)
    for number in range(len(found)):
        out[0, number], out[1, number] = found[number]
    return out


def allowed_log_probabilities(
    logits_RV: Tensor, history_RT: np.ndarray, must_end_R: np.ndarray, settings: SearchSettings
) -> Tensor:
    """The model's log-probabilities of the next piece, [R, V]; -inf for what may not come next.

    They are the probabilities among all pieces: ruling some out does not make others likelier, so
    a hypothesis has the score that the model gives it.
    """
    wide = torch.promote_types(logits_RV.dtype, torch.float32)
    log_p_RV = torch.log_softmax(logits_RV, dim=-1, dtype=wide)
    log_p_RV[:, [PAD_ID, BOS_ID, UNK_ID]] = float("-inf")
    if settings.no_repeat_ngram:
        rows, pieces = torch.from_numpy(repeating_pieces(history_RT, settings.no_repeat_ngram))
        log_p_RV[rows.to(log_p_RV.device), pieces.to(log_p_RV.device)] = float("-inf")
    if must_end_R.any():
        ending = torch.from_numpy(np.flatnonzero(must_end_R)).to(log_p_RV.device)
        end_N = log_p_RV[ending, EOS_ID]
        log_p_RV[ending] = float("-inf")
        log_p_RV[ending, EOS_ID] = end_N
    return log_p_RV
