"""Translations drawn at random from the model's distribution.

Shapes: R rows (translations being drawn), V pieces, C pieces to draw from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.top_pieces import top_pieces
from nmt.neural.model.ensemble import SearchedModel
from nmt.neural.search.hypotheses import FoundPieces, Hypotheses
from nmt.neural.search.limits import allowed_log_probabilities, max_lengths
from nmt.neural.search.rows import rows_at_once
from nmt.neural.search.steps import begin_steps
from nmt.recipe.neural import SearchSettings
from nmt.search_options import Sampling
from nmt.tokenization.protocol import EOS_ID


@torch.inference_mode()
def sample(
    model: SearchedModel,
    sources: Sequence[np.ndarray],
    settings: SearchSettings,
    sampling: Sampling,
    *,
    count: int = 1,
    draws: Sequence[int] = (),
) -> list[list[FoundPieces]]:
    """Draw ``count`` translations of each source, the likeliest of them first.

    What is drawn for a sentence depends on its pieces, the seed and its number among ``draws`` (0
    unless given), not on the batch: its random numbers are its own. Scores are the model's
    log-probabilities, whatever the temperature.

    Raises UserError if the model predicts numbers that are none.
    """
    if not sources:
        return []
    # Translation n is one of sentence_of[n].
    sentence_of = np.repeat(np.arange(len(sources)), count)
    random = [
        _generator(source, sampling.seed, draw, copy)
        for source, draw in zip(sources, draws or [0] * len(sources), strict=True)
        for copy in range(count)
    ]
    source_pieces = np.array([len(source) for source in sources], dtype=np.int64)[sentence_of]
    limits = max_lengths(source_pieces, settings, model.architecture.max_positions)
    room = rows_at_once(model.output.device)
    waiting = np.arange(len(sentence_of))
    found: list[list[FoundPieces]] = [[] for _ in sources]
    steps = begin_steps(model, sources, beam=count)
    rows = Hypotheses.of_nothing(waiting[:0], 0)
    while len(rows) or len(waiting):
        free = room - len(rows)
        rows = rows.and_also(Hypotheses.of_nothing(waiting[:free], 0))
        waiting = waiting[free:]
        translation_R = rows.sentence_R
        logits_RV, _ = steps.advance(rows.piece_R, rows.parent_R, sentence_of[translation_R])
        log_p_RV = allowed_log_probabilities(
            logits_RV, rows, source_pieces[translation_R], limits[translation_R], settings
        )
        number_R = np.array([random[translation].random() for translation in translation_R])
        piece_R1 = draw(log_p_RV, number_R, sampling)
        score_R = rows.score_R + log_p_RV.gather(1, piece_R1)[:, 0].cpu().numpy()
        piece_R = piece_R1[:, 0].cpu().numpy()
        for row in np.flatnonzero(piece_R == EOS_ID):
            found[sentence_of[translation_R[row]]].append(
                FoundPieces(rows.pieces(int(row)), float(score_R[row]), float(score_R[row]))
            )
        goes_on = np.flatnonzero(piece_R != EOS_ID)
        rows = rows.extended(goes_on, piece_R[goes_on], score_R[goes_on])
    return [sorted(hypotheses, key=lambda found: -found.score) for hypotheses in found]


def _generator(source: np.ndarray, seed: int, draw: int, copy: int) -> np.random.Generator:
    digest = hashlib.sha256(np.asarray(source, dtype=np.int64).tobytes()).digest()
    return np.random.default_rng([seed, draw, copy, int.from_bytes(digest[:8], "little")])


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
