"""Candidates of sentences, and searches that are held to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.neural.explanation.forced import forced_decoding
from nmt.neural.kernels.int8_linear import int8_pays
from nmt.neural.model.ensemble import Ensemble, SearchedModel
from nmt.neural.model.rounding import use_int8
from nmt.neural.model.transformer import Transformer
from nmt.neural.search.beam import beam_search
from nmt.neural.search.listed import Listed, listed_of_all
from nmt.neural.search.shortlist import Shortlist
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.protocol import NUM_CONTROL_IDS, UNK_ID
from tests.neural.models import make_model, make_recurrent, random_rows

SOURCE, TARGET = 19, 400


def make_shortlist(
    *, frequent: int = 3, most: int = 4, target: int = TARGET, source: int = SOURCE
) -> Shortlist:
    random = np.random.default_rng(3)
    pieces = np.arange(NUM_CONTROL_IDS, target)
    rows = [np.sort(random.choice(pieces, random.integers(0, most + 1), replace=False))
            for _ in range(source)]  # fmt: skip
    return Shortlist(
        np.sort(random.choice(pieces, frequent, replace=False)).astype(np.int32),
        np.cumsum([0, *map(len, rows)]).astype(np.int64),
        np.concatenate(rows).astype(np.int32),
        target,
    )


def everything(target: int = TARGET) -> Shortlist:
    """One that rules nothing out."""
    nothing = np.zeros(0, dtype=np.int32)
    return Shortlist(
        np.arange(target, dtype=np.int32), np.zeros(SOURCE + 1, dtype=np.int64), nothing, target
    )


def round_or_skip(model: Any) -> None:
    if not int8_pays():
        pytest.skip("this processor multiplies integers no quicker")
    use_int8(model)


def model_of(kind: str) -> SearchedModel:
    if kind == "recurrent":
        return make_recurrent(tied_embeddings="none", target_vocabulary_size=TARGET, sharpness=3.0)
    if kind == "ensemble":
        return Ensemble([wide_model(), wide_model(seed=2)])
    return wide_model(decoder=kind)


def wide_model(**changes: Any) -> Transformer:
    return make_model(
        tied_embeddings="none", target_vocabulary_size=TARGET, sharpness=3.0, **changes
    )


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=9), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=30)
def test_candidates_are_the_union_of_what_the_pieces_list(lengths: list[int], seed: int) -> None:
    shortlist = make_shortlist()
    sources = random_rows(lengths, seed=seed)
    lists = shortlist.candidates(sources)
    for number, source in enumerate(sources):
        expected = {*range(NUM_CONTROL_IDS), *shortlist.frequent.tolist()}
        for piece in source:
            cells = slice(shortlist.offsets[piece], shortlist.offsets[piece + 1])
            expected |= set(shortlist.pieces[cells].tolist())
        found = lists.pieces[lists.bounds[number] : lists.bounds[number + 1]]
        assert found.tolist() == sorted(expected)
        everywhere = np.arange(TARGET)
        columns = lists.columns_of(np.full(TARGET, number), everywhere)
        assert set(np.flatnonzero(columns >= 0).tolist()) == expected
        there = everywhere[columns >= 0]
        assert lists.pieces_at(np.array([number]), columns[columns >= 0][None])[0].tolist() == (
            there.tolist()
        )


def test_saved_and_loaded(tmp_path: Path) -> None:
    shortlist = make_shortlist()
    path = tmp_path / "shortlist.safetensors"
    shortlist.save(path)
    found = Shortlist.load(path)
    assert found.vocabulary_size == shortlist.vocabulary_size
    for name in ("frequent", "offsets", "pieces"):
        assert np.array_equal(getattr(found, name), getattr(shortlist, name))


@pytest.mark.parametrize("damage", ["text", "missing", "beyond", "offsets"])
def test_what_is_damaged_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "shortlist.safetensors"
    shortlist = make_shortlist()
    if damage == "text":
        path.write_text("this is none")
    elif damage == "beyond":
        Shortlist(shortlist.frequent, shortlist.offsets, shortlist.pieces, 9).save(path)
    elif damage == "offsets":
        Shortlist(shortlist.frequent, shortlist.offsets // 2, shortlist.pieces, TARGET).save(path)
    with pytest.raises(UserError, match="shortlist"):
        Shortlist.load(path)


@pytest.mark.parametrize("kind", ["attention", "ssru", "recurrent", "ensemble"])
@pytest.mark.parametrize("beam", [1, 4])
def test_a_list_of_everything_changes_nothing(kind: str, beam: int) -> None:
    model = model_of(kind)
    sources = random_rows([5, 1, 9, 3])
    chosen = SearchSettings(beam=beam, no_repeat_ngram=2)
    free = beam_search(model, sources, chosen, nbest=beam)
    held = beam_search(model, sources, chosen, nbest=beam, shortlist=everything())
    for one, other in zip(free, held, strict=True):
        assert [found.pieces for found in one] == [found.pieces for found in other]
        np.testing.assert_allclose(
            [found.score for found in one], [found.score for found in other], atol=1e-4
        )


@pytest.mark.parametrize("kind", ["attention", "ssru", "recurrent", "ensemble"])
def test_probabilities_are_those_among_all_pieces(kind: str) -> None:
    """Those of a list alone are too high, most of all where the model is at a loss."""
    model = model_of(kind)
    sources = random_rows([5, 1, 9, 3])
    shortlist = make_shortlist(frequent=40, most=60)
    found = beam_search(model, sources, SearchSettings(beam=4), nbest=4, shortlist=shortlist)
    for source, hypotheses in zip(sources, found, strict=True):
        said = [list(one.pieces) for one in hypotheses]
        forced = forced_decoding(model, [source] * len(said), said)
        np.testing.assert_allclose(
            [one.log_probability for one in hypotheses],
            [one.log_probability_T.sum() for one in forced],
            atol=1e-4,
        )


def test_of_many_pieces_a_sample_tells_what_the_others_have() -> None:
    generator = torch.Generator().manual_seed(5)
    weight_VD = torch.randn(4000, 16, generator=generator)
    hidden_RD = 0.4 * torch.randn(12, 16, generator=generator)
    sources = random_rows([5, 1, 9, 3])
    shortlist = make_shortlist(frequent=100, most=60, target=len(weight_VD))
    lists = shortlist.candidates(sources)
    sentence_R = np.arange(12) % len(sources)
    estimated_RC = Listed(weight_VD, lists).logits(hidden_RD, sentence_R)
    begin_R, end_R, pieces = (
        torch.from_numpy(x)
        for x in (lists.bounds[sentence_R], lists.bounds[sentence_R + 1], lists.pieces)
    )
    longest = int(np.diff(lists.bounds).max())
    exact_RC = listed_of_all(hidden_RD @ weight_VD.T, pieces, begin_R, end_R, longest)
    others = UNK_ID
    rest = [column for column in range(longest) if column != others]
    torch.testing.assert_close(estimated_RC[:, rest], exact_RC[:, rest], atol=1e-4, rtol=1e-4)
    # The logits of a row are spread by 1 to 2.5; the mean of 256 exponentials by some 20 %.
    error_R = estimated_RC[:, others] - exact_RC[:, others]
    assert error_R.abs().max() < 0.7
    assert error_R.mean().abs() < 0.15


@pytest.mark.parametrize("beam", [1, 5])
def test_nothing_is_said_that_is_not_listed(beam: int) -> None:
    shortlist = make_shortlist()
    sources = random_rows([5, 1, 9, 3, 7])
    found = beam_search(wide_model(), sources, SearchSettings(beam=beam), nbest=beam,
                        shortlist=shortlist)  # fmt: skip
    lists = shortlist.candidates(sources)
    for number, hypotheses in enumerate(found):
        allowed = set(lists.pieces[lists.bounds[number] : lists.bounds[number + 1]].tolist())
        assert all(set(one.pieces) <= allowed for one in hypotheses)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("decoder", ["attention", "ssru"])
def test_a_sentence_does_not_depend_on_its_batch(decoder: str, rounded: bool) -> None:
    """To the last bit, though other sentences have longer lists."""
    model = wide_model(decoder=decoder)
    if rounded:
        round_or_skip(model)
    shortlist = make_shortlist(frequent=40, most=60)
    sources = random_rows([1 + 7 * n % 13 for n in range(30)])
    chosen = SearchSettings(beam=4)
    together = beam_search(model, sources, chosen, nbest=3, shortlist=shortlist)
    for source, expected in zip(sources, together, strict=True):
        assert beam_search(model, [source], chosen, nbest=3, shortlist=shortlist) == [expected]


def test_rounded_models_predict_nearly_the_same() -> None:
    model, rounded = wide_model(), wide_model()
    round_or_skip(rounded)
    assert not [m for m in rounded.modules() if isinstance(m, torch.nn.Linear)]
    sources = random_rows([5, 9, 3])
    chosen = SearchSettings(beam=2)
    for one, other in zip(
        beam_search(model, sources, chosen), beam_search(rounded, sources, chosen), strict=True
    ):
        assert abs(one[0].score - other[0].score) < 0.1 * abs(one[0].score) + 0.1
