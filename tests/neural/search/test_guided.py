"""A guided search gives what meets its conditions, and without any it is the plain search."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.guide import Guide
from nmt.neural.model.ensemble import Ensemble
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.search.beam import beam_search
from nmt.neural.search.guided import guided_search
from nmt.neural.search.guided_sentence import Conditions
from nmt.neural.search.hypotheses import FoundPieces
from nmt.neural.search.piece_automata import Spelling
from nmt.recipe.neural import SearchSettings
from nmt.tokenization import normalize_text
from nmt.word_boundaries import whole_words
from tests.neural.models import (
    constant_model,
    log_probability,
    make_model,
    make_recurrent,
    random_rows,
)

PIECES = [b"", b"", b"", b"", b" a", b" b", b"a", b"b", b"c", b" ", b" ab", b"ba", b".", b" C",
          b"d", b" Ab", b"ab", b" c", b"b a"]  # fmt: skip
SPELLING = Spelling(PIECES)
MODELS: list[TranslationModel] = [
    make_model(sharpness=2.0),
    make_model(sharpness=4.0, seed=2, positions="learned", norm_position="post"),
    make_recurrent(sharpness=3.0),
]
WORDS = st.text(st.sampled_from("abcd"), min_size=1, max_size=4)
TERMS = st.lists(WORDS, min_size=1, max_size=2).map(tuple)


def search(
    model: Any,
    guides: list[Guide],
    nbest: int = 1,
    lengths: list[int] | None = None,
    **changes: Any,
) -> list[list[FoundPieces]]:
    """Search sources of these lengths, a guide for each; outputs are short."""
    sources = random_rows(lengths or [3] * len(guides))
    conditions = [Conditions.of(guide, SPELLING) for guide in guides]
    settings = SearchSettings(**{"max_length_extra": 5, **changes})
    return guided_search(model, sources, conditions, SPELLING, settings, nbest=nbest)


def text_of(found: FoundPieces) -> str:
    """What a translator would make of it."""
    return normalize_text(b"".join(PIECES[piece] for piece in found.pieces).decode("utf-8"))


def assert_met(guide: Guide, text: str) -> None:
    """Every condition holds, by means of regular expressions."""
    assert text.startswith(guide.prefix)
    for variants in guide.must:
        first = [variant.capitalize() for variant in variants]
        assert re.search(whole_words(variants), text) or re.match(whole_words(first), text), text
    for variants in guide.must_not:
        assert not re.search(whole_words(variants), text)


@pytest.mark.parametrize("nbest", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [{}, {"beam": 1}, {"beam": 7, "length_penalty": 0.0}, {"no_repeat_ngram": 2},
     {"coverage_penalty": 0.3}],
    ids=str,
)  # fmt: skip
def test_without_conditions_it_is_the_plain_search(changes: dict[str, Any], nbest: int) -> None:
    lengths = [4, 1, 9, 2]
    plain_settings = SearchSettings(max_length_extra=5, **changes)
    for model in (*MODELS, Ensemble([MODELS[0], MODELS[2]])):
        plain = beam_search(model, random_rows(lengths), plain_settings, nbest=nbest)
        assert search(model, [Guide()] * len(lengths), nbest, lengths, **changes) == plain


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_all_conditions_are_met_always(data: st.DataObject) -> None:
    """Whatever they are, and of all that is given, as long as they can be met together."""
    model = data.draw(st.sampled_from(MODELS))
    guides = []
    for _ in range(data.draw(st.integers(1, 3))):
        must = tuple(data.draw(st.lists(TERMS, max_size=3)))
        prefix = data.draw(st.one_of(st.just(""), WORDS, st.tuples(WORDS, WORDS).map(" ".join)))
        said = {*prefix.split(), *(word for term in must for word in term)}
        said |= {word.capitalize() for word in said}
        ban = st.lists(WORDS.filter(lambda word: word not in said), min_size=1, max_size=2)  # noqa: B023 (drawn at once)
        must_not = tuple(map(tuple, data.draw(st.lists(ban, max_size=2))))
        if any(
            word.startswith(prefix.split()[-1]) for words in must_not for word in words if prefix
        ):
            must_not = ()
        guides.append(Guide(prefix, must, must_not))
    found = search(
        model, guides, nbest=data.draw(st.integers(1, 3)), beam=data.draw(st.integers(1, 5))
    )
    for guide, hypotheses in zip(guides, found, strict=True):
        assert hypotheses
        for hypothesis in hypotheses:
            assert_met(guide, text_of(hypothesis))


def test_scores_are_the_models() -> None:
    """What is forced costs what the model thinks of it."""
    guides = [Guide("ab c"), Guide(must=(("cab", "dad"),)), Guide(must_not=(("a", "b"),))]
    sources = random_rows([3] * 3)
    for model in MODELS:
        for source, hypotheses in zip(sources, search(model, guides, 2), strict=True):
            for one in hypotheses:
                expected = log_probability(model, source, one.pieces)
                assert one.log_probability == pytest.approx(expected, abs=1e-3)


def test_conditions_of_a_sentence_are_its_own() -> None:
    """The same as alone."""
    guides = [Guide(), Guide("dad"), Guide(must=(("cab",), ("dad",))), Guide(must_not=(("c",),))]
    for model in MODELS:
        together = search(model, guides, lengths=[5] * 4)
        for number, guide in enumerate(guides):
            alone = guided_search(
                model, [random_rows([5] * 4)[number]], [Conditions.of(guide, SPELLING)],
                SPELLING, SearchSettings(max_length_extra=5),
            )  # fmt: skip
            assert alone[0][0].pieces == together[number][0].pieces


def test_forbidding_what_nobody_says_changes_nothing() -> None:
    for model in MODELS:
        plain = beam_search(model, random_rows([6] * 10), SearchSettings(max_length_extra=5))
        guides = [Guide(must_not=(("abcabd", "cab cab"),))] * 10
        for (before,), (after,) in zip(plain, search(model, guides, lengths=[6] * 10), strict=True):
            assert before == after or not before.pieces  # saying nothing is a way out


def test_a_longer_word_is_not_the_forbidden_one() -> None:
    """It is the whole word that must not occur."""
    prefix = Guide("abc", must_not=(("ab",),))
    (found,) = search(MODELS[0], [prefix], beam=1)
    assert text_of(found[0]).startswith("abc")


def test_conditions_may_need_more_than_the_limit() -> None:
    must = tuple((word * 3,) for word in ("abc", "bcd", "cda"))
    (found,) = search(MODELS[0], [Guide("dcba dcba", must)], max_length_ratio=1e-6)
    assert_met(Guide("dcba dcba", must), text_of(found[0]))


@pytest.mark.parametrize(
    ("guide", "words"),
    [
        (Guide(must=(("xyz",),)), "no pieces to write 'xyz' with"),
        (Guide("äb"), "no pieces to write 'äb' with"),
        (Guide("abcd" * 40), "and the model says 64 at most"),
        (Guide(must=(("abcd" * 40,),)), "and the model says 64 at most"),
        (Guide("a b", must_not=(("a",),)), "no translation was found that meets all conditions"),
    ],
)
def test_what_cannot_be_met_is_refused(guide: Guide, words: str) -> None:
    with pytest.raises(UserError, match=words):
        search(MODELS[0], [guide])


def test_one_variant_is_enough() -> None:
    """The likelier one is said, in whichever order they are given."""
    for model in MODELS:
        (one,), (other,) = search(
            model, [Guide(must=(("cab", "dada"),)), Guide(must=(("dada", "cab"),))]
        )
        sources = random_rows([3, 3])
        np.testing.assert_array_equal(sources[0], random_rows([3, 3])[0])
        assert_met(Guide(must=(("cab", "dada"),)), text_of(one))
        (swapped,) = guided_search(
            model, sources[:1], [Conditions.of(Guide(must=(("dada", "cab"),)), SPELLING)],
            SPELLING, SearchSettings(max_length_extra=5),
        )  # fmt: skip
        assert swapped[0].pieces == one.pieces
        assert_met(Guide(must=(("cab", "dada"),)), text_of(other))


def test_saying_nothing_is_no_way_out() -> None:
    """Even where all that the model would like to begin with is forbidden."""
    likely = constant_model(
        [-9.0, -9.0, -1.0, -9.0, -0.6, -0.7] + [-3.0] * (len(PIECES) - 6), max_positions=64
    )
    guide = Guide(must_not=(("a", "b", "ab"),))
    for beam in (1, 4):
        (found,) = search(likely, [guide], beam=beam)
        assert text_of(found[0])
        assert_met(guide, text_of(found[0]))
