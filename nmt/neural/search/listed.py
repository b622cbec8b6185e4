"""What a model predicts of the pieces on a sentence's shortlist, and of all others together.

Probabilities among the pieces of a list alone would be too high, and the more so the less sure the
model is: what continues a sentence badly spreads over all pieces, and a search that does not see
that prefers it, however long the lists are. But what all others have together can be told from a
sample of them (Jean et al. 2015, section 3.1, train with one): the sum of exp(logit) over
those of the sample that are not on the list, times the number of all that are not on it, over the
number of those in the sample.

Shapes: R rows (hypotheses), B sentences, D model width, C columns: the pieces of a list, N pieces
of the sample.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from nmt.neural.kernels.list_logits import list_logits, of_lists
from nmt.neural.search.shortlist import CandidateLists
from nmt.tokenization.protocol import NUM_CONTROL_IDS, UNK_ID

_SAMPLED: Final = 256
"""Pieces of the sample, of a vocabulary of more than twice as many; a smaller one is taken whole.

What is left of a list's effect on BLEU with these is measured by scripts/measure_shortlist.py.
"""


class Listed:
    """From hidden states to logits of the pieces that the sentences of a batch list."""

    def __init__(self, weight_VD: Tensor, lists: CandidateLists) -> None:
        """Take the output weights, and the sentences' lists."""
        sample = _sample(lists.vocabulary_size)
        listed_BN = _on_lists(lists.pieces, lists.bounds, sample, lists.vocabulary_size)
        others_B = lists.vocabulary_size - np.diff(lists.bounds)
        with np.errstate(divide="ignore", invalid="ignore"):  # lists may have all of the sample
            log_times_B = np.log(others_B / (len(sample) - listed_BN.sum(axis=1)))
        self._weight_VD, self._bounds = weight_VD, lists.bounds
        self._pieces, self._sample, self._listed_BN, self._log_times_B = (
            torch.from_numpy(array).to(weight_VD.device)
            for array in (lists.pieces, sample, listed_BN, np.nan_to_num(log_times_B, posinf=0.0))
        )

    def logits(self, hidden_RD: Tensor, sentence_R: NDArray[Any]) -> Tensor:
        """Logits of the lists of the rows' sentences, [R, C]; see ``Steps`` for its columns."""
        weight_VD, device = self._weight_VD, hidden_RD.device
        begin_R, end_R, sentence, zero_R = (
            torch.from_numpy(x).to(device)
            for x in (
                self._bounds[sentence_R],
                self._bounds[sentence_R + 1],
                sentence_R,
                np.zeros_like(sentence_R),
            )
        )
        listed_RC = list_logits(hidden_RD, weight_VD, self._pieces, begin_R, end_R)
        size = len(self._sample)
        others_RN = list_logits(hidden_RD, weight_VD, self._sample, zero_R, zero_R + size)[:, :size]
        others_RN.masked_fill_(self._listed_BN[sentence], float("-inf"))
        others_R = torch.logsumexp(others_RN, dim=1)
        return _with_others(listed_RC, others_R + self._log_times_B[sentence].to(others_R.dtype))


def listed_of_all(
    logits_RV: Tensor, pieces: Tensor, begin_R: Tensor, end_R: Tensor, longest: int
) -> Tensor:
    """The same where the logits of all pieces are there; see `of_lists` for the arguments."""
    listed_RC = of_lists(logits_RV, pieces, begin_R, end_R, longest)
    all_R, of_list_R = torch.logsumexp(logits_RV, dim=1), torch.logsumexp(listed_RC, dim=1)
    share_R = torch.exp(of_list_R - all_R).clamp(max=1.0)
    return _with_others(listed_RC, all_R + torch.log1p(-share_R))


def _with_others(listed_RC: Tensor, others_R: Tensor) -> Tensor:
    """Let the unknown piece, which nobody may say, stand for all others, too; in place."""
    listed_RC[:, UNK_ID] = torch.logaddexp(listed_RC[:, UNK_ID], others_R)
    return listed_RC


@lru_cache(maxsize=8)
def _sample(vocabulary_size: int) -> NDArray[np.int32]:
    """Pieces but control symbols, ascending; of a vocabulary always the same."""
    pieces = np.arange(NUM_CONTROL_IDS, vocabulary_size, dtype=np.int32)
    if len(pieces) <= 2 * _SAMPLED:
        return pieces
    return np.sort(np.random.default_rng(1).choice(pieces, _SAMPLED, replace=False))


@njit(nogil=True, cache=True)
def _on_lists(pieces: Any, bounds: Any, sample: Any, vocabulary_size: int) -> Any:
    """[B, N] Which pieces of the sample each list has."""
    on_list = np.zeros((len(bounds) - 1, len(sample)), dtype=np.bool_)
    place = np.full(vocabulary_size, -1, dtype=np.int64)
    for n in range(len(sample)):
        place[sample[n]] = n
    for sentence in range(len(bounds) - 1):
        for piece in pieces[bounds[sentence] : bounds[sentence + 1]]:
            if place[piece] >= 0:
                on_list[sentence, place[piece]] = True
    return on_list
