"""Translations drawn at random from the model's distribution.

Shapes: R translations still drawn, V pieces, C pieces to draw from, T pieces said so far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.top_pieces import top_pieces
from nmt.neural.model.transformer import Transformer
from nmt.neural.search.beam import FoundPieces
from nmt.neural.search.limits import allowed_log_probabilities, max_length, must_end
from nmt.neural.search.steps import Steps
from nmt.recipe.systems import SearchSettings
from nmt.search_options import Sampling
from nmt.tokenization.protocol import BOS_ID, EOS_ID


@torch.inference_mode()
def sample(
    model: Transformer,
    sources: Sequence[np.ndarray],
    settings: SearchSettings,
    sampling: Sampling,
    *,
    count: int = 1,
) -> list[list[FoundPieces]]:
    """Draw ``count`` translations of each source, the likeliest of them first.

    What is drawn for a sentence depends on its pieces and the seed, not on the batch: its random
    numbers are its own. Scores are the model's log-probabilities, whatever the temperature.
    """
    if not sources:
        return []
    # Row r draws translation drawn_R[r], which is one of sentence_of[drawn_R[r]].
    sentence_of = np.repeat(np.arange(len(sources)), count)
    random = [
        _generator(source, sampling.seed, copy) for source in sources for copy in range(count)
    ]
    source_pieces = np.array([len(source) for source in sources])[sentence_of]
    limits = np.array(
        [max_length(n, settings, model.architecture.max_positions) for n in source_pieces]
    )
    steps = Steps(model, sources, beam=count)
    found: list[list[FoundPieces]] = [[] for _ in sources]
    drawn_R = np.arange(len(sentence_of))
    parent_R = drawn_R
    piece_R = np.full(len(drawn_R), BOS_ID)
    history_RT = np.empty((len(drawn_R), 0), dtype=np.int64)
    total_R = np.zeros(len(drawn_R))
    while len(drawn_R):
        logits_RV, _ = steps.advance(piece_R, parent_R, sentence_of[drawn_R])
        ends_R = must_end(history_RT, source_pieces[drawn_R], limits[drawn_R])
        log_p_RV = allowed_log_probabilities(logits_RV, history_RT, ends_R, settings)
        numbers_R = np.array([random[drawn].random() for drawn in drawn_R])
        piece_R1 = draw(log_p_RV, numbers_R, sampling)
        total_R = total_R + log_p_RV.gather(1, piece_R1)[:, 0].cpu().numpy()
        piece_R = piece_R1[:, 0].cpu().numpy()
        for row in np.flatnonzero(piece_R == EOS_ID):
            log_probability = float(total_R[row])
            found[sentence_of[drawn_R[row]]].append(
                FoundPieces(history_RT[row].tolist(), log_probability, log_probability)
            )
        parent_R = np.flatnonzero(piece_R != EOS_ID)
        drawn_R, piece_R, total_R = drawn_R[parent_R], piece_R[parent_R], total_R[parent_R]
        history_RT = np.concatenate((history_RT[parent_R], piece_R[:, None]), axis=1)
    return [sorted(hypotheses, key=lambda found: -found.score) for hypotheses in found]


def _generator(source: np.ndarray, seed: int, copy: int) -> np.random.Generator:
    digest = hashlib.sha256(np.asarray(source, dtype=np.int64).tobytes()).digest()
    return np.random.default_rng([seed, copy, int.from_bytes(digest[:8], "little")])


def draw(log_p_RV: Tensor, numbers_R: np.ndarray, sampling: Sampling) -> Tensor:
    """The piece of each row at which the summed probabilities pass a number in [0, 1): [R, 1].

    Summed over the pieces that ``sampling`` leaves, and at its temperature.
    """
    if sampling.top_k is not None:
        values_RC, pieces_RC = top_pieces(log_p_RV, min(sampling.top_k, log_p_RV.shape[1]))
    elif sampling.top_p is not None:
        values_RC, pieces_RC = torch.sort(log_p_RV, dim=-1, descending=True, stable=True)
    else:
        values_RC, pieces_RC = log_p_RV, torch.arange(log_p_RV.shape[1]).to(log_p_RV.device)[None]
    p_RC = torch.softmax(values_RC.double() / sampling.temperature, dim=-1)
    if sampling.top_p is not None:
        # The piece that passes the bound is still in (Holtzman et al. 2020, section 3.1).
        p_RC = p_RC.masked_fill(p_RC.cumsum(dim=-1) - p_RC >= sampling.top_p, 0.0)
    sums_RC = p_RC.cumsum(dim=-1)
    total_R1 = sums_RC[:, -1:]
    number_R1 = torch.from_numpy(numbers_R).to(total_R1)[:, None] * total_R1
    # Strictly below the total, so that the piece found is one with a probability.
    number_R1 = torch.minimum(number_R1, torch.nextafter(total_R1, torch.zeros_like(total_R1)))
    place_R1 = torch.searchsorted(sums_RC, number_R1, right=True)
    return pieces_RC.expand(len(place_R1), -1).gather(1, place_R1)
