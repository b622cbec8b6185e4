"""What a hypothesis may not say: control symbols, more than its limit, the same endlessly.

Shapes: R rows (hypotheses), T pieces said so far, V pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from nmt.errors import UserError
from nmt.neural.search.hypotheses import Hypotheses
from nmt.neural.search.shortlist import CandidateLists
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID, UNK_ID

LONGEST_PERIOD = 16
"""Longest run of pieces that is noticed when it is said over and over."""
MIN_COPIES = 4
"""Times in a row from which saying the same is called endless."""
MIN_REPEATED_PIECES = 12
"""Shortest stretch that is called endless; "no, no, no, no" is not."""


def max_lengths(
    source_pieces: np.ndarray, settings: SearchSettings, max_positions: int
) -> np.ndarray:
    """Most pieces of output, ends included, for sources of so many pieces without their ends."""
    wanted = (settings.max_length_ratio * source_pieces).astype(np.int64)
    return np.clip(wanted + settings.max_length_extra, 2, max_positions)


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
def must_end(history_RT: Any, length_R: Any, source_pieces_R: Any, max_length_R: Any) -> Any:
    """Which hypotheses may only end now: [R] of bool.

    Those whose next piece is the last that the limit leaves, and those that repeat themselves
    endlessly and are already much longer than their source.
    """
    ends_R = np.empty(len(length_R), dtype=np.bool_)
    for r in range(len(length_R)):
        length = length_R[r]
        ends_R[r] = length + 1 >= max_length_R[r] or (
            length > 1.5 * source_pieces_R[r] + 8 and repeats_endlessly(history_RT[r, :length])
        )
    return ends_R


@njit(nogil=True, cache=True)
def repeating_pieces(history_RT: Any, length_R: Any, order: int) -> Any:
    """Rows and pieces, [2, N], that would make an n-gram of this order occur a second time."""
    found = [(np.int64(0), np.int64(0)) for _ in range(0)]
    for r in range(len(length_R)):
        history = history_RT[r, : length_R[r]]
        first = len(history) - order + 1  # of the n-gram that the next piece completes
        for start in range(first):
            same = True
            for i in range(order - 1):
                if history[start + i] != history[first + i]:
                    same = False
                    break
            if same:
                found.append((np.int64(r), history[start + order - 1]))
    out = np.empty((2, len(found)), dtype=np.int64)
    for number in range(len(found)):
        out[0, number], out[1, number] = found[number]
    return out


def allowed_log_probabilities(
    logits_RV: Tensor,
    rows: Hypotheses,
    source_pieces_R: np.ndarray,
    max_length_R: np.ndarray,
    settings: SearchSettings,
    lists: CandidateLists | None = None,
) -> Tensor:
    """The model's log-probabilities of the next piece, [R, V]; -inf for what may not come next.

    With candidate lists, columns are those of the row's list: [R, C].

    They are the probabilities among all pieces: ruling some out does not make others likelier, so
    a hypothesis has the score that the model gives it.

    Raises UserError if the model predicts numbers that are none.
    """
    log_p_RV = text_log_probabilities(logits_RV)
    device = log_p_RV.device
    if settings.no_repeat_ngram:
        forbid_repeats(log_p_RV, rows, settings.no_repeat_ngram, lists)
    ends_R = must_end(rows.history_RT, rows.length_R, source_pieces_R, max_length_R)
    if ends_R.any():
        ending = torch.from_numpy(np.flatnonzero(ends_R)).to(device)
        end_N = log_p_RV[ending, EOS_ID]
        log_p_RV[ending] = float("-inf")
        log_p_RV[ending, EOS_ID] = end_N
    return log_p_RV


def text_log_probabilities(logits_RV: Tensor) -> Tensor:
    """The model's log-probabilities of the next piece; -inf for control symbols but the end.

    Raises UserError if the model predicts numbers that are none.
    """
    wide = torch.promote_types(logits_RV.dtype, torch.float32)
    log_p_RV = torch.log_softmax(logits_RV, dim=-1, dtype=wide)
    # The same numbers: NumPy's calls take a tenth of the time of PyTorch's, which a sentence by
    # itself would feel.
    columns: Any = log_p_RV.numpy() if log_p_RV.device.type == "cpu" else log_p_RV
    end_R = columns[:, EOS_ID]
    if bool((end_R != end_R).any()):  # one NaN makes the whole row NaN
        raise not_numbers()
    for control in (PAD_ID, BOS_ID, UNK_ID):
        columns[:, control] = float("-inf")
    return log_p_RV


def not_numbers() -> UserError:
    """What is to be said of a model that predicts NaN."""
    return UserError(
        "the model's predictions are not numbers (NaN)",
        mend="its training diverged: train it again, with a lower learning rate; or, if this is "
        "--precision float16, its numbers are too large for that: take bfloat16",
    )


def forbid_repeats(
    log_p_RV: Tensor, rows: Hypotheses, order: int, lists: CandidateLists | None = None
) -> None:
    """Set to -inf, in place, what would make an n-gram of this order occur a second time."""
    repeating = repeating_pieces(rows.history_RT, rows.length_R, order)
    if lists is not None:
        repeating[1] = lists.columns_of(rows.sentence_R[repeating[0]], repeating[1])
    repeating_rows, pieces = torch.from_numpy(repeating).to(log_p_RV.device)
    log_p_RV[repeating_rows, pieces] = float("-inf")
