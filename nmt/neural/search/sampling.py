"""Translations drawn at random from the model's distribution."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from nmt.neural.model.transformer import Transformer
from nmt.neural.packed import pack_source
from nmt.neural.search.beam import FoundPieces, forbid
from nmt.neural.search.limits import max_length, repeats_endlessly
from nmt.neural.search.steps import Steps
from nmt.recipe.systems import SearchSettings
from nmt.search_options import Sampling
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID


@torch.inference_mode()
def sample(
    model: Transformer,
    sources: list[np.ndarray],
    settings: SearchSettings,
    sampling: Sampling,
    *,
    count: int = 1,
) -> list[list[FoundPieces]]:
    """Draw ``count`` translations of each source, the likeliest of them first.

    What is drawn for a sentence depends on its pieces and the seed, not on the batch: its random
    numbers are its own.
    """
    device = model.output.device
    limit = model.architecture.max_positions
    numbers = np.repeat(np.arange(len(sources)), count)
    random = [
        _generator(source, sampling.seed, copy) for source in sources for copy in range(count)
    ]
    limits = np.array([max_length(len(source), settings, limit) for source in sources])[numbers]
    steps = Steps(
        model,
        pack_source(sources).to(device),
        max_rows=len(numbers),
        max_steps=int(limits.max(initial=1)),
    )
    rows = np.arange(len(numbers))  # which translation each open row is
    history = np.full((len(rows), 0), PAD_ID, dtype=np.int64)
    pieces = np.full(len(rows), BOS_ID, dtype=np.int64)
    parents = rows
    totals = np.zeros(len(rows))
    found: list[FoundPieces | None] = [None] * len(rows)
    while len(rows):
        logits_RV, _ = steps.advance(
            *(torch.from_numpy(x).to(device) for x in (pieces, parents, numbers[rows]))
        )
        forbid(logits_RV, history, settings)
        log_p_RV = torch.log_softmax(logits_RV.float(), dim=-1)
        cumulative_RV, order_RV = _filtered(log_p_RV, sampling)
        drawn = np.array([random[row].random() for row in rows])
        place = torch.searchsorted(
            cumulative_RV, torch.from_numpy(drawn).to(cumulative_RV)[:, None]
        ).clamp_(max=order_RV.shape[1] - 1)
        next_R1 = order_RV.gather(1, place)
        totals[rows] += log_p_RV.gather(1, next_R1)[:, 0].cpu().numpy()
        pieces = next_R1[:, 0].cpu().numpy()
        length = history.shape[1] + 1
        open_ = []
        for r, row in enumerate(rows):
            extended = [*history[r].tolist(), int(pieces[r])]
            ends = pieces[r] == EOS_ID
            loops = length > 1.5 * len(sources[numbers[row]]) + 8 and repeats_endlessly(
                np.asarray(extended), length
            )
            if ends or loops or length >= limits[row]:
                said = extended[:-1] if ends else extended
                found[row] = FoundPieces(said, float(totals[row]), float(totals[row]))
            else:
                open_.append(r)
        parents = np.asarray(open_, dtype=np.int64)
        history = np.concatenate((history[parents], pieces[parents, None]), axis=1)
        rows, pieces = rows[parents], pieces[parents]
    drawn_for = [
        [hypothesis for hypothesis in found[at : at + count] if hypothesis is not None]
        for at in range(0, len(found), count)
    ]
    return [sorted(drawn, key=lambda hypothesis: -hypothesis.score) for drawn in drawn_for]


def _generator(source: np.ndarray, seed: int, copy: int) -> np.random.Generator:
    digest = hashlib.sha256(np.asarray(source, dtype=np.int64).tobytes()).digest()
    return np.random.default_rng([seed, copy, int.from_bytes(digest[:8], "little")])


def _filtered(log_p_RV: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Cumulative probabilities over pieces, likeliest first, and those pieces: [R, V] each."""
    scaled_RV, order_RV = torch.sort(
        log_p_RV.double() / sampling.temperature, dim=-1, descending=True, stable=True
    )
    if sampling.top_k is not None:
        scaled_RV[:, sampling.top_k :] = float("-inf")
    p_RV = torch.softmax(scaled_RV, dim=-1)
    cumulative_RV = p_RV.cumsum(dim=-1)
    if sampling.top_p is not None:
        # The piece that crosses the bound is still in (Holtzman et al. 2020, section 3.1).
        p_RV = p_RV.masked_fill(cumulative_RV - p_RV >= sampling.top_p, 0.0)
        cumulative_RV = (p_RV / p_RV.sum(dim=-1, keepdim=True)).cumsum(dim=-1)
    return cumulative_RV, order_RV
