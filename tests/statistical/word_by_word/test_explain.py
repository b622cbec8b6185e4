"""Explanations add up, and say what the models say."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN
from nmt.statistical.word_by_word.explain import WordExplanation, explain_words
from tests.statistical.word_by_word.small_models import (
    NEVER_SEEN,
    SOURCE,
    TARGET,
    SmallModel,
    sentences_of,
    small_model,
)


def explained(model: SmallModel, sentence: list[int]) -> tuple[WordExplanation, float]:
    decoder = model.decoder(exact=False)
    (derivation,) = decoder.decode(sentences_of([sentence]))
    source = [SOURCE.word(word) for word in sentence]
    return explain_words(decoder, derivation, source, TARGET.word), derivation.score


@given(st.integers(0, 100), st.lists(st.integers(FIRST_WORD, NEVER_SEEN), max_size=8))
@settings(max_examples=30)
def test_adds_up(seed: int, sentence: list[int]) -> None:
    model = small_model(seed)
    explanation, score = explained(model, sentence)
    value = json.loads(json.dumps(explanation.to_json()))
    assert value["score"] == pytest.approx(score, abs=1e-9)
    weighted = sum(one["weight"] * one["value"] for one in value["features"])
    assert weighted == pytest.approx(score, abs=1e-9)
    assert sum(one["score"] for one in value["phrases"]) == pytest.approx(score, abs=1e-9)
    ids = [TARGET.id(word) for word in value["target"]]
    language = float(model.language_model.score(sentences_of([ids]))[0]) if sentence else 0.0
    assert value["features"][1]["value"] == pytest.approx(language, abs=1e-5)
    assert value["source"] == [SOURCE.word(word) for word in sentence]
    for n, (word, phrase) in enumerate(zip(sentence, value["phrases"], strict=True)):
        assert phrase["source_span"] == phrase["target_span"] == [n, n + 1]
        assert [phrase["source"][0], phrase["target"][0]] == [
            value[s][n] for s in ("source", "target")
        ]
        assert phrase["copied"] == (word == NEVER_SEEN)
        way = (UNKNOWN if phrase["copied"] else ids[n], phrase["features"]["translation"])
        assert way in [(t, pytest.approx(log_t, abs=1e-6)) for t, log_t in model.ways(word)]


def test_text_shows_each_word_with_its_probability() -> None:
    explanation, score = explained(small_model(1), [FIRST_WORD, NEVER_SEEN, FIRST_WORD + 1])
    text = str(explanation)
    assert f"score {score:.4f}" in text
    rows = text.splitlines()[-3:]
    for row, word in zip(rows, explanation.words, strict=True):
        cells = row.split()
        assert cells[:2] == [word.source, word.target]
        shown = "-" if word.copied else f"{math.exp(word.translation):.4f}"
        assert shown in cells
        assert ("(copied)" in row) == word.copied
    assert [word.copied for word in explanation.words] == [False, True, False]
