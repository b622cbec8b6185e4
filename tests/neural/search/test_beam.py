from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.neural.kernels import packed_attention, packed_lstm, step_attention, top_pieces
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.search import beam
from nmt.neural.search.beam import beam_search, coverage, length_normaliser
from nmt.neural.search.hypotheses import FoundPieces
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.protocol import EOS_ID, NUM_CONTROL_IDS
from tests.neural.models import (
    constant_model,
    log_probability,
    make_model,
    make_recurrent,
    next_log_probabilities,
    random_rows,
)
from tests.neural.search.test_steps import last_attention

TINY: dict[str, Any] = {"source_vocabulary_size": 7, "target_vocabulary_size": 7}
"""Three text pieces, 4 to 6."""


def search_settings(longest: int | None = None, **changes: Any) -> SearchSettings:
    """Settings with a fixed limit on the length, the end included."""
    if longest is not None:
        changes |= {"max_length_ratio": 1e-6, "max_length_extra": longest}
    return SearchSettings(**changes)


def all_outputs(longest: int) -> list[tuple[int, ...]]:
    """Every output of at most so many pieces, the end included."""
    return [
        pieces
        for length in range(longest)
        for pieces in itertools.product((4, 5, 6), repeat=length)
    ]


def assert_same(
    found: Sequence[Sequence[FoundPieces]],
    expected: Sequence[Sequence[FoundPieces]],
    tolerance: float = 1e-5,
) -> None:
    """The same pieces, and the same scores but for rounding."""
    for of_found, of_expected in zip(found, expected, strict=True):
        assert [f.pieces for f in of_found] == [f.pieces for f in of_expected]
        for one, other in zip(of_found, of_expected, strict=True):
            assert one.score == pytest.approx(other.score, abs=tolerance)
            assert one.log_probability == pytest.approx(other.log_probability, abs=tolerance)


# --- against the truth


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_beam_as_wide_as_everything_ranks_everything(seed: int, alpha: float) -> None:
    model = make_model(seed=seed, sharpness=2.0, dtype=torch.float64, **TINY)
    outputs = all_outputs(4)
    sources = random_rows([3, 1], vocabulary=7)
    found = beam_search(
        model, sources, search_settings(4, beam=200, length_penalty=alpha), nbest=len(outputs)
    )
    for source, hypotheses in zip(sources, found, strict=True):
        expected = {
            pieces: log_probability(model, source, pieces) / ((6 + len(pieces)) / 6) ** alpha
            for pieces in outputs
        }
        ranked = sorted(expected, key=lambda pieces: -expected[pieces])
        assert [tuple(hypothesis.pieces) for hypothesis in hypotheses] == ranked
        for hypothesis in hypotheses:
            wanted = expected[tuple(hypothesis.pieces)]
            assert hypothesis.score == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_without_a_length_penalty_stopping_early_loses_nothing(seed: int) -> None:
    """Open hypotheses can then only get worse."""
    model = make_model(seed=seed, sharpness=3.0, **TINY)
    sources = random_rows([3, 2, 5], seed=seed, vocabulary=7)
    found = beam_search(model, sources, search_settings(5, beam=200, length_penalty=0.0))
    for source, (best,) in zip(sources, found, strict=True):
        expected = max(all_outputs(5), key=lambda pieces: log_probability(model, source, pieces))
        assert tuple(best.pieces) == expected


def argmax_loop(model: TranslationModel, source: np.ndarray, longest: int) -> list[int]:
    """Greedy search, computing everything anew for each piece."""
    pieces: list[int] = []
    while len(pieces) + 1 < longest:
        log_p = next_log_probabilities(model, source, pieces)[-1]
        allowed = [EOS_ID, *range(NUM_CONTROL_IDS, len(log_p))]
        best = max(allowed, key=lambda piece: float(log_p[piece]))
        if best == EOS_ID:
            break
        pieces.append(best)
    return pieces


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    model = make_model(seed=seed, sharpness=2.0)
    sources = random_rows([4, 1, 9], seed=seed)
    found = beam_search(model, sources, search_settings(11, beam=1))
    for source, (best,) in zip(sources, found, strict=True):
        assert best.pieces == argmax_loop(model, source, 11)


def plain_beam_search(
    model: TranslationModel, source: np.ndarray, longest: int, beam: int, nbest: int, alpha: float
) -> list[FoundPieces]:
    """The same search of one sentence, written with lists, and nothing cached."""
    open_: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[FoundPieces] = []
    for length in itertools.count(1):
        candidates = []
        for score, pieces in open_:
            log_p = next_log_probabilities(model, source, pieces)[-1].tolist()
            next_pieces = [EOS_ID] if length == longest else [EOS_ID, *range(4, len(log_p))]
            candidates += [(score + log_p[piece], [*pieces, piece]) for piece in next_pieces]
        candidates.sort(key=lambda candidate: -candidate[0])
        normaliser = float(length_normaliser(np.array(length), alpha))
        finished += [
            FoundPieces(pieces[:-1], score / normaliser, score)
            for score, pieces in candidates[:beam]
            if pieces[-1] == EOS_ID
        ]
        finished.sort(key=lambda found: -found.score)
        open_ = [candidate for candidate in candidates if candidate[1][-1] != EOS_ID][:beam]
        enough = len(finished) >= beam
        if not open_ or (enough and open_[0][0] / normaliser <= finished[beam - 1].score):
            return finished[:nbest]
    raise AssertionError


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize(("beam", "nbest"), [(1, 1), (2, 1), (3, 3), (5, 2)])
def test_it_is_the_search_that_it_says_it_is(beam: int, nbest: int, alpha: float) -> None:
    sources = random_rows([4, 1, 7, 2])
    chosen = search_settings(7, beam=beam, length_penalty=alpha)
    for model in (
        make_model(seed=3, sharpness=1.5, dtype=torch.float64, encoder_layers=1),
        make_recurrent(seed=3, sharpness=3.0, dtype=torch.float64),
    ):
        found = beam_search(model, sources, chosen, nbest=nbest)
        expected = [plain_beam_search(model, source, 7, beam, nbest, alpha) for source in sources]
        assert_same(found, expected, 1e-9)


# --- what it gives


@pytest.mark.parametrize("changes", [{}, {"no_repeat_ngram": 2}, {"coverage_penalty": 0.3}])
def test_log_probabilities_are_those_of_the_model(changes: dict[str, Any]) -> None:
    model = make_model(sharpness=2.0)
    sources = random_rows([4, 1, 9])
    for source, hypotheses in zip(
        sources, beam_search(model, sources, SearchSettings(**changes), nbest=5), strict=True
    ):
        for hypothesis in hypotheses:
            expected = log_probability(model, source, hypothesis.pieces)
            assert hypothesis.log_probability == pytest.approx(expected, abs=1e-3, rel=1e-5)


def test_the_n_best_are_sorted_and_distinct_and_as_many_as_asked() -> None:
    model = make_model(sharpness=2.0)
    for hypotheses in beam_search(model, random_rows([4, 1, 9]), SearchSettings(beam=6), nbest=6):
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert len(hypotheses) == 6
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(hypothesis.pieces) for hypothesis in hypotheses}) == 6


@given(nbest=st.integers(1, 5), alpha=st.sampled_from([0.0, 1.0, 3.0]))
@settings(deadline=None, max_examples=10)
def test_what_is_best_does_not_depend_on_how_many_are_asked_for(nbest: int, alpha: float) -> None:
    model = make_model(sharpness=2.0)
    sources = random_rows([4, 1, 9])
    chosen = SearchSettings(beam=5, length_penalty=alpha)
    some = beam_search(model, sources, chosen, nbest=nbest)
    assert_same(some, [found[:nbest] for found in beam_search(model, sources, chosen, nbest=5)])


def test_more_may_be_asked_than_the_beam_holds() -> None:
    model = make_model(sharpness=2.0)
    sources = random_rows([4, 6])
    found = beam_search(model, sources, SearchSettings(beam=2), nbest=7)
    assert [len(hypotheses) for hypotheses in found] == [7, 7]
    assert_same(found, beam_search(model, sources, SearchSettings(beam=7), nbest=7))


def test_a_beam_wider_than_the_vocabulary() -> None:
    model = make_model(**TINY)
    found = beam_search(
        model, random_rows([2], vocabulary=7), search_settings(3, beam=50), nbest=50
    )
    assert sorted(tuple(hypothesis.pieces) for hypothesis in found[0]) == sorted(all_outputs(3))


def test_nothing_to_search() -> None:
    assert beam_search(make_model(), [], SearchSettings()) == []


def test_an_empty_source_is_searched_like_any() -> None:
    model = make_model(sharpness=2.0)
    (found,) = beam_search(model, [np.array([], dtype=np.int64)], search_settings(6, beam=1))
    assert found[0].pieces == argmax_loop(model, np.array([], dtype=np.int64), 6)


@given(st.integers(0, 50), st.integers(1, 6), st.sampled_from([0, 1, 3]))
@settings(max_examples=15, deadline=None)
def test_control_symbols_are_never_said_and_limits_never_passed(
    seed: int, beam: int, order: int
) -> None:
    model = make_model(seed=seed)
    with torch.no_grad():  # a model that would like nothing more than control symbols
        model.output[[0, 1, 3]] *= 10
    sources = random_rows([1, 3, 8], seed=seed)
    chosen = SearchSettings(
        beam=beam, max_length_ratio=1.5, max_length_extra=2, no_repeat_ngram=order
    )
    for source, hypotheses in zip(
        sources, beam_search(model, sources, chosen, nbest=beam), strict=True
    ):
        assert hypotheses
        for hypothesis in hypotheses:
            assert len(hypothesis.pieces) + 1 <= int(1.5 * len(source)) + 2
            assert all(piece >= NUM_CONTROL_IDS for piece in hypothesis.pieces)
            assert math.isfinite(hypothesis.score)


def test_the_last_position_of_the_model_can_be_reached() -> None:
    """Pieces that never end: 15 of them and the end fill 16 positions."""
    model = constant_model([-9.0, -9.0, -9.0, -9.0, -1.0, -1.5, -0.7], max_positions=16)
    found = beam_search(model, random_rows([7]), SearchSettings(beam=3))
    assert all(len(hypothesis.pieces) == 15 for hypothesis in found[0])


# --- penalties


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("length", [1, 7, 100])
def test_the_length_normaliser_is_that_of_the_paper(length: int, alpha: float) -> None:
    (normaliser,) = length_normaliser(np.array([length]), alpha)
    assert normaliser == pytest.approx((5 + length) ** alpha / 6**alpha)


def test_coverage_is_that_of_the_paper() -> None:
    attention = np.array([[0.5, 1.0, 0.2, 0.0], [2.0, 0.1, 1.5, 0.3]])
    expected = [math.log(0.5) + math.log(0.2), math.log(0.1) + math.log(0.3)]
    np.testing.assert_allclose(coverage(attention, np.array([3, 4])), expected, rtol=1e-12)
    # A position that nothing attends to costs much, but not everything.
    assert -20 < float(coverage(np.zeros((1, 1)), np.array([1]))[0]) < -10


def test_a_longer_output_is_preferred_with_a_higher_length_penalty() -> None:
    model = constant_model([-20, -20, -1.2, -20, -0.5, -3, -3])
    lengths = []
    for alpha in (0.0, 2.0):
        chosen = search_settings(12, length_penalty=alpha)
        ((best,),) = beam_search(model, random_rows([4]), chosen)
        lengths.append(len(best.pieces))
    assert lengths[0] < lengths[1]


@torch.no_grad()
@pytest.mark.parametrize("make", [make_model, make_recurrent])
@pytest.mark.parametrize("room", [3, 320])
def test_the_coverage_penalty_is_added_to_the_score(
    room: int, make: Callable[..., TranslationModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of sentences whose longest comes and goes, so that the width of attention changes."""
    monkeypatch.setattr(beam, "rows_at_once", lambda device: room)
    beta = 0.4
    model = make(sharpness=2.0, dtype=torch.float64)
    sources = random_rows([2, 17, 5, 3])
    # Short outputs leave every position attended to less than once in sum, the end's too.
    chosen = SearchSettings(
        beam=3,
        coverage_penalty=beta,
        length_penalty=0.8,
        max_length_ratio=0.3,
        max_length_extra=2,
    )
    found = beam_search(model, sources, chosen, nbest=3)
    assert_same(found, [beam_search(model, [s], chosen, nbest=3)[0] for s in sources], 1e-9)
    for source, hypotheses in zip(sources, found, strict=True):
        for hypothesis in hypotheses:
            pieces = hypothesis.pieces
            attention = sum(
                last_attention(model, source, pieces[:length]) for length in range(len(pieces) + 1)
            )
            assert isinstance(attention, torch.Tensor)
            penalty = float(attention.clamp(max=1.0).log().sum())
            expected = hypothesis.log_probability / ((6 + len(pieces)) / 6) ** 0.8
            assert hypothesis.score == pytest.approx(expected + beta * penalty, abs=1e-9)


# --- repetition


@pytest.mark.parametrize("order", [1, 2, 3])
def test_no_ngram_is_repeated(order: int) -> None:
    model = constant_model([-20, -20, -4, -20, -0.1, -2, -3, -3.5, -3.2])
    chosen = search_settings(30, no_repeat_ngram=order, beam=4)
    for hypothesis in beam_search(model, random_rows([5]), chosen, nbest=4)[0]:
        pieces = hypothesis.pieces
        ngrams = [tuple(pieces[i : i + order]) for i in range(len(pieces) - order + 1)]
        assert len(ngrams) == len(set(ngrams))


@pytest.mark.parametrize("beam", [1, 4])
def test_a_model_that_repeats_is_stopped(beam: int) -> None:
    """The model says piece 7 forever; the limit alone would let it say 299 of them."""
    model = constant_model([-30.0] * 7 + [-0.01], max_positions=512)
    (found,) = beam_search(model, random_rows([4]), search_settings(300, beam=beam))
    assert 12 <= len(found[0].pieces) <= 1.5 * 4 + 9
    assert set(found[0].pieces) == {7}
    assert math.isfinite(found[0].score)


def test_a_repetition_as_long_as_the_source_is_not_stopped() -> None:
    """Twelve times the same may be right: it is stopped only when much longer than the source."""
    model = constant_model([-30.0] * 7 + [-0.01], max_positions=512)
    (found,) = beam_search(model, random_rows([40]), search_settings(60, beam=2))
    assert len(found[0].pieces) == 59


# --- batches


@pytest.mark.parametrize("recurrent", [False, True])
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 3), st.randoms())
@settings(max_examples=10, deadline=None)
def test_a_translation_does_not_depend_on_its_batch(
    recurrent: bool, seed: int, width: int, nbest: int, random: Any
) -> None:
    """In float32: alone, in threes, in one batch, in another order, with room for a few."""
    positions = "rotary" if seed % 2 else "sinusoidal"
    model = (
        make_recurrent(seed=seed, sharpness=4.0)
        if recurrent
        else make_model(seed=seed, sharpness=2.0, positions=positions)
    )
    lengths = [random.randint(1, 14) for _ in range(10)]
    sources = random_rows(lengths, seed=seed)
    chosen = SearchSettings(
        beam=width,
        max_length_extra=6,
        coverage_penalty=0.2 if seed % 3 == 0 else 0.0,
        no_repeat_ngram=3 if seed % 5 == 0 else 0,
    )
    together = beam_search(model, sources, chosen, nbest=nbest)
    for size in (1, 3):
        apart = [
            found
            for start in range(0, len(sources), size)
            for found in beam_search(model, sources[start : start + size], chosen, nbest=nbest)
        ]
        assert_same(apart, together)
    order = list(range(len(sources)))
    random.shuffle(order)
    shuffled = beam_search(model, [sources[i] for i in order], chosen, nbest=nbest)
    assert_same(shuffled, [together[i] for i in order])
    with pytest.MonkeyPatch.context() as patch:
        # Sentences are then begun when others are done.
        patch.setattr(beam, "rows_at_once", lambda device: 4 * width)
        assert_same(beam_search(model, sources, chosen, nbest=nbest), together)


@pytest.mark.parametrize("make", [make_model, make_recurrent])
def test_where_nothing_is_compiled_the_same_is_found(
    make: Callable[..., TranslationModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where the kernels do what their references do."""
    model = make(sharpness=2.0, dtype=torch.float64)
    sources = random_rows([3, 9, 1, 5])
    chosen = SearchSettings(beam=4, no_repeat_ngram=3, coverage_penalty=0.2, max_length_extra=5)
    expected = beam_search(model, sources, chosen, nbest=2)
    for kernel in (packed_attention, packed_lstm, step_attention, top_pieces):
        monkeypatch.setattr(kernel, "compiled", lambda x: False)
    assert_same(beam_search(model, sources, chosen, nbest=2), expected, 1e-9)


# --- models that are broken


def test_a_model_of_numbers_that_are_none() -> None:
    model = make_model()
    with torch.no_grad():
        model.output[5, 3] = torch.nan
    with pytest.raises(UserError, match="not numbers"):
        beam_search(model, random_rows([3]), SearchSettings())
