"""Search against its definition: every derivation of short sentences under small random models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.statistical.features import NUM_FEATURES, UNKNOWN_WORDS
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.search.records import CUBES_FULL, OPTIONS_FULL, Capacity
from nmt.statistical.search.results import COPIED_ENTRY, Derivation
from nmt.statistical.search.settings import PhraseSearchSettings, fast_settings
from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN
from tests.statistical.search.models import (
    RandomModel,
    Step,
    all_derivations,
    features_of,
    random_model,
    sentences_of,
)

ALL = PhraseSearchSettings(stack_size=None, pop_limit=None, beam_threshold=None, max_options=100)
"""Nothing is pruned."""
SEEDS = st.integers(0, 2**32 - 1)
LIMITS = st.sampled_from([-1, 0, 1, 2, 3, 6])
SHORT = st.lists(st.integers(FIRST_WORD, FIRST_WORD + 5), min_size=1, max_size=5).map(tuple)


def steps_of(model: RandomModel, sentence: tuple[int, ...], derivation: Derivation) -> list[Step]:
    """A derivation with entries counted within their source phrase."""
    firsts, first = {}, 0
    for source, entries in model.entries.items():
        firsts[source] = first
        first += len(entries)
    steps: list[Step] = []
    for phrase in derivation.phrases:
        if phrase.entry == COPIED_ENTRY:
            assert phrase.words == (~phrase.begin,)
            steps.append((phrase.begin, phrase.end, None, (UNKNOWN,)))
        else:
            number = phrase.entry - firsts[sentence[phrase.begin : phrase.end]]
            steps.append((phrase.begin, phrase.end, number, phrase.words))
    return steps


@given(SEEDS, SHORT, LIMITS, st.booleans(), st.booleans(), st.integers(1, 4))
@settings(max_examples=60)
def test_finds_the_best_of_all_derivations_when_nothing_is_pruned(
    seed: int,
    sentence: tuple[int, ...],
    limit: int,
    cubes: bool,
    future_distortion: bool,
    order: int,
) -> None:
    model = random_model(seed, order=order)
    chosen = ALL.model_copy(
        update={
            "distortion_limit": limit,
            "cube_pruning": cubes,
            "future_distortion": future_distortion,
        }
    )
    everything = sorted(all_derivations(model, sentence, limit), key=lambda found: -found[0])
    decoder = model.decoder(chosen)
    (best,) = decoder.decode(sentences_of([sentence]))
    assert best.score == pytest.approx(everything[0][0], abs=1e-9)
    features = features_of(model, sentence, steps_of(model, sentence, best))
    np.testing.assert_allclose(decoder.phrase_features(best).sum(axis=0), features, atol=1e-9)
    assert model.weights @ features == pytest.approx(best.score, abs=1e-9)


@given(SEEDS, SHORT, LIMITS, st.booleans(), st.booleans(), st.sampled_from([1, 20, 2000]))
@settings(max_examples=60)
def test_n_best_are_the_best_of_all_derivations(
    seed: int, sentence: tuple[int, ...], limit: int, cubes: bool, distinct: bool, size: int
) -> None:
    model = random_model(seed)
    chosen = ALL.model_copy(update={"distortion_limit": limit, "cube_pruning": cubes})
    decoder = model.decoder(chosen)
    nbest = decoder.nbest(sentences_of([sentence]), size, distinct=distinct)
    best_scores: dict[object, float] = {}
    for number, (score, steps, _) in enumerate(all_derivations(model, sentence, limit)):
        words = tuple(
            word
            for begin, _, entry, words in steps
            for word in ((~begin,) if entry is None else words)
        )
        key = words if distinct else number
        best_scores[key] = max(score, best_scores.get(key, -np.inf))
    expected = sorted(best_scores.values(), reverse=True)[:size]
    # With ``distinct``, the search for more ends after a while.
    assert len(nbest.scores) == len(expected) or distinct
    assert len(nbest.scores) > 0
    np.testing.assert_allclose(nbest.scores, expected[: len(nbest.scores)], atol=1e-9)
    np.testing.assert_allclose(nbest.features @ model.weights, nbest.scores, atol=1e-9)
    (derivations,) = decoder.derivations(nbest)
    seen = set()
    for n, derivation in enumerate(derivations):
        steps = steps_of(model, sentence, derivation)
        np.testing.assert_allclose(
            nbest.features[n], features_of(model, sentence, steps), atol=1e-9
        )
        words = nbest.words[nbest.word_offsets[n] : nbest.word_offsets[n + 1]].tolist()
        assert words == derivation.words
        seen.add(tuple(words) if distinct else tuple(steps))
    assert len(seen) == len(derivations)


@given(SEEDS, st.lists(st.integers(FIRST_WORD, FIRST_WORD + 5), min_size=5, max_size=30), LIMITS)
@settings(max_examples=40)
def test_pruned_search_gives_a_derivation_with_its_score(
    seed: int, sentence: list[int], limit: int
) -> None:
    model = random_model(seed)
    chosen = PhraseSearchSettings(
        stack_size=8, pop_limit=10, beam_threshold=1.0, max_options=2, distortion_limit=limit
    )
    decoder = model.decoder(chosen)
    (best,) = decoder.decode(sentences_of([sentence]))
    assert sorted(
        position for phrase in best.phrases for position in range(phrase.begin, phrase.end)
    ) == list(range(len(sentence)))
    steps = steps_of(model, tuple(sentence), best)
    features = features_of(model, tuple(sentence), steps)
    assert best.score == pytest.approx(model.weights @ features, abs=1e-9)
    ends = [0, *(phrase.end for phrase in best.phrases)]
    jumps = [abs(p.begin - end) for p, end in zip(best.phrases, ends, strict=False)]
    assert limit < 0 or max(jumps) <= limit
    nbest = decoder.nbest(sentences_of([sentence]), 10)
    assert nbest.scores[0] == pytest.approx(best.score, abs=1e-9)


@given(SEEDS, st.lists(st.integers(FIRST_WORD, FIRST_WORD + 5), min_size=8, max_size=12))
@settings(max_examples=20)
def test_cube_pruning_without_a_limit_equals_plain_search(seed: int, sentence: list[int]) -> None:
    model = random_model(seed, coverage=0.5, max_entries=2)
    scores = [
        model.decoder(ALL.model_copy(update={"cube_pruning": cubes, "distortion_limit": 3}))
        .decode(sentences_of([sentence]))[0]
        .score
        for cubes in (True, False)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-9)


def random_sentences(count: int, longest: int, seed: int = 5) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [
        rng.integers(FIRST_WORD - 1, FIRST_WORD + 6, rng.integers(0, longest)).tolist()
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return random_model(3).decoder(PhraseSearchSettings())


def test_results_do_not_depend_on_workers_or_on_other_sentences(decoder: Decoder) -> None:
    lines = random_sentences(100, 20)
    alone = [decoder.decode(sentences_of([line]))[0] for line in lines]
    assert decoder.decode(sentences_of(lines)) == alone
    assert decoder.decode(sentences_of(lines), workers=4) == alone
    one, four = (decoder.nbest(sentences_of(lines), 5, workers=workers) for workers in (1, 4))
    for field in ("sentence_offsets", "scores", "features", "words", "segments"):
        np.testing.assert_array_equal(getattr(one, field), getattr(four, field))


def test_nothing_and_blank_sentences(decoder: Decoder) -> None:
    assert decoder.decode(sentences_of([])) == []
    assert len(decoder.nbest(sentences_of([]), 3)) == 0
    blank, word = decoder.decode(sentences_of([[], [FIRST_WORD]]))
    assert blank == Derivation(0.0, ())
    assert len(word.phrases) == 1
    nbest = decoder.nbest(sentences_of([[], [FIRST_WORD]]), 3)
    assert len(nbest) == 2
    assert nbest.sentence_offsets[1] == 1
    assert nbest.word_offsets[1] == 0
    assert not nbest.features[0].any()


def test_words_that_no_phrase_covers_are_copied(decoder: Decoder) -> None:
    last_word, beyond = FIRST_WORD + 5, 10_000
    for sentence in ([last_word], [UNKNOWN, last_word, beyond, UNKNOWN, beyond]):
        (derivation,) = decoder.decode(sentences_of([sentence]))
        assert derivation.words == [~n for n in range(len(sentence))]
        assert derivation.links == [(n, n) for n in range(len(sentence))]
        features = decoder.phrase_features(derivation).sum(axis=0)
        assert features[UNKNOWN_WORDS] == -len(sentence)


@pytest.mark.parametrize("limit", [-1, 6, 64])
def test_long_sentences(limit: int) -> None:
    chosen = PhraseSearchSettings(distortion_limit=limit, pop_limit=30, stack_size=20)
    decoder = random_model(4).decoder(chosen)
    rng = np.random.default_rng(0)
    sentence = rng.integers(FIRST_WORD, FIRST_WORD + 6, 300).tolist()
    (derivation,) = decoder.decode(sentences_of([sentence]))
    assert sum(phrase.end - phrase.begin for phrase in derivation.phrases) == 300
    features = decoder.phrase_features(derivation).sum(axis=0)
    assert features @ decoder.weights == pytest.approx(derivation.score, abs=1e-8)


def test_without_jumps_phrases_come_in_the_order_of_the_source() -> None:
    decoder = random_model(8).decoder(PhraseSearchSettings(distortion_limit=0))
    for derivation in decoder.decode(sentences_of(random_sentences(20, 30))):
        end = 0
        for phrase in derivation.phrases:
            assert phrase.begin == end
            end = phrase.end


@pytest.mark.parametrize("chosen", [PhraseSearchSettings(), fast_settings(PhraseSearchSettings())])
def test_the_scale_of_weights_changes_scores_only(chosen: PhraseSearchSettings) -> None:
    sentences = sentences_of(random_sentences(30, 20))
    decoder = random_model(6, coverage=1.0, max_entries=20).decoder(chosen)
    larger = decoder.with_weights(8 * decoder.weights)
    for one, other in zip(decoder.decode(sentences), larger.decode(sentences), strict=True):
        assert other.phrases == one.phrases
        assert other.score == 8 * one.score


def test_options_are_the_best_by_weighted_score() -> None:
    model = random_model(2, max_entries=30, max_phrase_words=1, unknown=0)
    decoder = model.decoder(ALL.model_copy(update={"max_options": 3, "distortion_limit": 0}))
    first = 0
    for phrase, entries in model.entries.items():
        scores = []
        for words, scored, _, _ in entries:
            log_p = sum(model.language_model.score(words[:n], w) for n, w in enumerate(words))
            head = model.weights[:5] @ [log_p, -len(words), 1, 0, 0]
            scores.append(head + model.weights[5:9] @ np.array(scored))
        best = set((first + np.argsort(scores)[::-1][:3]).tolist())
        nbest = decoder.nbest(sentences_of([phrase]), 100, distinct=False)
        assert set(nbest.segments[:, 2].tolist()) == best
        first += len(entries)


def test_small_memory_grows() -> None:
    decoder = random_model(9, coverage=1.0, max_entries=20).decoder(ALL)
    lines = random_sentences(20, 7)
    expected = decoder.decode(sentences_of(lines))
    small = random_model(9, coverage=1.0, max_entries=20).decoder(ALL)
    small._capacity = Capacity(4, 2, 1, 1)
    assert small.decode(sentences_of(lines)) == expected
    few = Capacity(options=2_000)
    kept = random_model(9, coverage=1.0, max_entries=20).decoder(PhraseSearchSettings())
    wide = kept.decode(sentences_of(lines))
    kept = kept.with_weights(kept.weights)
    kept._capacity = few
    assert kept.decode(sentences_of(lines)) == wide


def test_memory_has_an_end() -> None:
    with pytest.raises(UserError, match="room for more than"):
        Capacity(options=1 << 28).grown(OPTIONS_FULL)
    assert Capacity().grown(CUBES_FULL).cubes == 2 * Capacity().cubes


def test_weights_are_replaced() -> None:
    model = random_model(12)
    sentences = sentences_of(random_sentences(20, 12))
    other = np.random.default_rng(1).uniform(0, 1, NUM_FEATURES)
    model_with_other = random_model(12)
    model_with_other.weights = other
    chosen = PhraseSearchSettings()
    decoder = model.decoder(chosen)
    before = decoder.decode(sentences)
    changed = decoder.with_weights(other)
    assert changed.decode(sentences) == model_with_other.decoder(chosen).decode(sentences)
    assert decoder.decode(sentences) == before


def test_settings_are_replaced() -> None:
    model = random_model(13, coverage=1.0, max_entries=20)
    sentences = sentences_of(random_sentences(20, 12))
    decoder = model.decoder(PhraseSearchSettings())
    before = decoder.decode(sentences)
    for change in ({"stack_size": 1, "pop_limit": 2}, {"max_options": 1}, {"max_phrase_words": 1}):
        chosen = decoder.settings.model_copy(update=change)
        changed = decoder.with_settings(chosen).decode(sentences)
        assert changed == model.decoder(chosen).decode(sentences) != before
    assert decoder.decode(sentences) == before
