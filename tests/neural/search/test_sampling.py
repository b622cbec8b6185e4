from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from nmt.errors import UserError
from nmt.neural.search import sampling as sampling_module
from nmt.neural.search.beam import beam_search
from nmt.neural.search.hypotheses import FoundPieces
from nmt.neural.search.sampling import draw, sample
from nmt.recipe.neural import SearchSettings
from nmt.search_options import Sampling
from nmt.tokenization.protocol import NUM_CONTROL_IDS
from tests.neural.models import constant_model, log_probability, make_model, random_rows

LOGITS = [-2.0, -3.0, -0.5, -1.0, -0.2, -1.2, -2.2, -0.9]
"""By piece; PAD, BOS and UNK (0, 1, 3) among them."""


def pieces_of(found: list[list[FoundPieces]]) -> list[list[list[int]]]:
    return [[hypothesis.pieces for hypothesis in hypotheses] for hypotheses in found]


def shares(sampling: Sampling) -> dict[int, float]:
    """What share of the draws each piece should have, by the definitions."""
    allowed = [piece for piece in range(len(LOGITS)) if piece not in (0, 1, 3)]
    weights = {piece: math.exp(LOGITS[piece] / sampling.temperature) for piece in allowed}
    ranked = sorted(allowed, key=lambda piece: -weights[piece])[: sampling.top_k]
    total = sum(weights[piece] for piece in ranked)
    kept: dict[int, float] = {}
    for piece in ranked:
        if sampling.top_p is None or sum(kept.values()) < sampling.top_p:
            kept[piece] = weights[piece] / total
    total = sum(kept.values())
    return {piece: share / total for piece, share in kept.items()}


SAMPLINGS = [
    Sampling(),
    Sampling(temperature=0.5),
    Sampling(temperature=3.0),
    Sampling(top_k=3),
    Sampling(top_k=99),
    Sampling(top_p=0.7),
    Sampling(top_p=0.01),
    Sampling(top_p=1.0),
    Sampling(temperature=2.0, top_k=4, top_p=0.8),
]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_pieces_are_drawn_by_their_probabilities(sampling: Sampling) -> None:
    """Chi-square of the first piece of 4,000 translations by a model of known predictions."""
    model = constant_model(LOGITS)
    (found,) = sample(
        model,
        random_rows([1]),
        SearchSettings(max_length_ratio=1e-6, max_length_extra=2),
        sampling,
        count=4000,
    )
    # Two pieces at most, the end included: what is not the end at once is one piece.
    counts = Counter(f.pieces[0] if f.pieces else 2 for f in found)
    expected = shares(sampling)
    assert set(counts) <= set(expected)
    chi_square = sum(
        (counts[piece] - 4000 * share) ** 2 / (4000 * share) for piece, share in expected.items()
    )
    freedom = len(expected) - 1
    assert chi_square <= freedom + 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_any_number_gives_a_piece_that_may_be_drawn(sampling: Sampling) -> None:
    """Zero and the last number below one fall on pieces with a probability, not beside them."""
    logits = torch.tensor(LOGITS)
    logits[[0, 1, 3]] = -math.inf
    numbers = np.array([0.0, 5e-324, 0.5, 1 - 2**-53])
    drawn = draw(torch.log_softmax(logits, dim=0).repeat(4, 1), numbers, sampling)
    assert drawn.shape == (4, 1)
    assert set(drawn[:, 0].tolist()) <= set(shares(sampling))


def test_drawing_one_of_one_is_greedy() -> None:
    model = make_model(sharpness=2.0)
    sources = random_rows([4, 1, 9, 3])
    chosen = SearchSettings(beam=1, length_penalty=0.0)
    greedy = beam_search(model, sources, chosen)
    for sampling in (Sampling(top_k=1), Sampling(top_p=1e-9), Sampling(temperature=1e-6)):
        drawn = sample(model, sources, chosen, sampling)
        assert pieces_of(drawn) == pieces_of(greedy)
        for (one,), (other,) in zip(drawn, greedy, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(temperature=0.3), Sampling(top_k=5, top_p=0.9)], ids=str
)
def test_scores_are_log_probabilities_of_the_model(sampling: Sampling) -> None:
    model = make_model()
    sources = random_rows([4, 1, 9])
    for source, hypotheses in zip(
        sources, sample(model, sources, SearchSettings(), sampling, count=3), strict=True
    ):
        assert len(hypotheses) == 3
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        for hypothesis in hypotheses:
            expected = log_probability(model, source, hypothesis.pieces)
            assert hypothesis.score == hypothesis.log_probability
            assert hypothesis.score == pytest.approx(expected, abs=1e-3, rel=1e-5)


def test_a_seed_gives_the_same_again_and_another_something_else() -> None:
    model = make_model()
    sources = random_rows([4, 1, 9])
    one, same, other = (
        pieces_of(sample(model, sources, SearchSettings(), Sampling(seed=seed), count=2))
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert all(first != second for first, second in one)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=4), Sampling(top_p=0.8)], ids=str)
def test_what_is_drawn_does_not_depend_on_the_batch(
    sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    sources = random_rows([1 + n % 9 for n in range(20)])
    together = pieces_of(sample(model, sources, SearchSettings(), sampling, count=2))
    for size in (1, 7):
        apart = [
            pieces
            for start in range(0, len(sources), size)
            for pieces in pieces_of(
                sample(model, sources[start : start + size], SearchSettings(), sampling, count=2)
            )
        ]
        assert apart == together
    backwards = sample(model, sources[::-1], SearchSettings(), sampling, count=2)
    assert pieces_of(backwards)[::-1] == together
    monkeypatch.setattr(sampling_module, "rows_at_once", lambda device: 5)
    one_after_the_other = sample(model, sources, SearchSettings(), sampling, count=2)
    assert pieces_of(one_after_the_other) == together


def test_control_symbols_are_never_drawn_and_limits_never_passed() -> None:
    model = make_model()
    with torch.no_grad():
        model.output[[0, 1, 3]] *= 10
    sources = random_rows([1, 5, 8] * 10)
    chosen = SearchSettings(max_length_ratio=1.0, max_length_extra=3, no_repeat_ngram=2)
    for source, (found,) in zip(
        sources, sample(model, sources, chosen, Sampling(temperature=5.0)), strict=True
    ):
        assert len(found.pieces) + 1 <= len(source) + 3
        assert all(piece >= NUM_CONTROL_IDS for piece in found.pieces)
        assert len(set(zip(found.pieces, found.pieces[1:], strict=False))) == max(
            0, len(found.pieces) - 1
        )


def test_a_model_that_repeats_is_stopped() -> None:
    logits: list[Any] = [-30.0] * 7 + [-0.01]
    model = constant_model(logits, max_positions=512)
    chosen = SearchSettings(max_length_extra=300)
    ((found,),) = sample(model, random_rows([4]), chosen, Sampling())
    assert 12 <= len(found.pieces) <= 1.5 * 4 + 9


def test_nothing_to_draw() -> None:
    assert sample(make_model(), [], SearchSettings(), Sampling()) == []


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=4), Sampling(top_p=0.8)], ids=str)
def test_a_model_of_numbers_that_are_none(sampling: Sampling) -> None:
    model = make_model()
    with torch.no_grad():
        model.output[5, 3] = torch.nan
    with pytest.raises(UserError, match="not numbers"):
        sample(model, random_rows([3]), SearchSettings(), sampling)
