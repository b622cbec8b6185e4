"""Search against its definition: every choice of words for short sentences."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.statistical.search.results import Derivation
from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN
from tests.statistical.word_by_word.small_models import NEVER_SEEN, sentences_of, small_model

SEEDS = st.integers(0, 2**32 - 1)
SENTENCES = st.lists(
    st.sampled_from([UNKNOWN, *range(FIRST_WORD, NEVER_SEEN + 1)]), min_size=1, max_size=5
)


def target_words(derivation: Derivation) -> tuple[int, ...]:
    """The words of a translation, a copied one as UNKNOWN; each must be at its source's place."""
    for place, phrase in enumerate(derivation.phrases):
        assert (phrase.begin, phrase.end, len(phrase.words)) == (place, place + 1, 1)
        assert phrase.words[0] >= FIRST_WORD or phrase.words[0] == ~place
    return tuple(word if word >= 0 else UNKNOWN for word in derivation.words)


@given(SEEDS, SENTENCES, st.sampled_from([0.0, 0.4, 1.5]))
@settings(max_examples=40)
def test_the_best_of_all_translations_when_nothing_is_pruned(
    seed: int, sentence: list[int], weight: float
) -> None:
    model = small_model(seed, language_weight=weight)
    score_of = {words: score for score, words in model.translations(sentence)}
    (best,) = model.decoder(exact=True).decode(sentences_of([sentence]))
    assert best.score == pytest.approx(max(score_of.values()), abs=1e-5)
    assert score_of[target_words(best)] == pytest.approx(best.score, abs=1e-5)


@given(SEEDS, SENTENCES)
@settings(max_examples=30)
def test_the_n_best_of_all_translations(seed: int, sentence: list[int]) -> None:
    model = small_model(seed)
    everything = sorted((score for score, _ in model.translations(sentence)), reverse=True)
    decoder = model.decoder(exact=True)
    (found,) = decoder.derivations(decoder.nbest(sentences_of([sentence]), 30))
    assert [one.score for one in found] == pytest.approx(everything[:30], abs=1e-5)
    assert len({target_words(one) for one in found}) == len(found)


@given(SEEDS, SENTENCES, st.integers(1, 5))
@settings(max_examples=30)
def test_a_pruned_search_gives_a_translation_with_its_score(
    seed: int, sentence: list[int], beam: int
) -> None:
    model = small_model(seed, beam=beam)
    (found,) = model.decoder(exact=False).decode(sentences_of([sentence]))
    score_of = {words: score for score, words in model.translations(sentence)}
    assert score_of[target_words(found)] == pytest.approx(found.score, abs=1e-5)


def test_what_the_language_model_does_not_weigh_is_the_most_probable_translation() -> None:
    """Without a language model, each word is translated alone."""
    model = small_model(7, language_weight=0.0)
    sentence = [FIRST_WORD, FIRST_WORD + 2, FIRST_WORD + 1, FIRST_WORD]
    (found,) = model.decoder(exact=False).decode(sentences_of([sentence]))
    best = [max(log_t for _, log_t in model.ways(word)) for word in sentence]
    assert found.score == pytest.approx(sum(best), abs=1e-5)
