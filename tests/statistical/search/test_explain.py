"""Explanations add up, and say what the derivation says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.statistical.features import DISTORTION, NAMES, REORDERING, UNKNOWN_WORDS
from nmt.statistical.search.explain import Explanation, explain
from nmt.statistical.search.settings import PhraseSearchSettings
from nmt.statistical.vocabulary import FIRST_WORD
from tests.statistical.search.models import random_model, sentences_of

ORIENTATIONS = ["monotone", "swap", "discontinuous"]


def explained(seed: int, sentence: list[int]) -> tuple[Explanation, float]:
    decoder = random_model(seed).decoder(PhraseSearchSettings())
    (derivation,) = decoder.decode(sentences_of([sentence]))
    source = [f"source{word}" for word in sentence]
    return explain(decoder, derivation, source, lambda word: f"target{word}"), derivation.score


@given(st.integers(0, 1000), st.lists(st.integers(FIRST_WORD, FIRST_WORD + 5), max_size=12))
@settings(max_examples=40)
def test_adds_up(seed: int, sentence: list[int]) -> None:
    explanation, score = explained(seed, sentence)
    value = json.loads(json.dumps(explanation.to_json()))
    assert value["score"] == pytest.approx(score, abs=1e-9)
    assert [feature["name"] for feature in value["features"]] == list(NAMES)
    total = sum(feature["weight"] * feature["value"] for feature in value["features"])
    assert total == pytest.approx(score, abs=1e-9)
    assert sum(phrase["score"] for phrase in value["phrases"]) == pytest.approx(score, abs=1e-9)
    words = [word for phrase in value["phrases"] for word in phrase["target"]]
    assert words == value["target"]
    assert all(
        value["target"][slice(*phrase["target_span"])] == phrase["target"]
        and value["source"][slice(*phrase["source_span"])] == phrase["source"]
        for phrase in value["phrases"]
    )
    for phrase, features in zip(explanation.phrases, value["phrases"], strict=True):
        assert features["features"]["distortion"] == -abs(phrase.jump)
        assert phrase.features[DISTORTION] == -abs(phrase.jump)
        assert phrase.copied == (phrase.features[UNKNOWN_WORDS] < 0)
        before = phrase.features[REORDERING : REORDERING + 3]
        if not phrase.copied:
            assert np.flatnonzero(before).tolist() == [ORIENTATIONS.index(phrase.orientation)]
        for s, t in phrase.links:
            assert phrase.source_begin <= s < phrase.source_end
            assert phrase.target_begin <= t < phrase.target_end


def test_text_shows_each_phrase_and_feature() -> None:
    last_word = FIRST_WORD + 5
    explanation, score = explained(1, [FIRST_WORD, last_word, FIRST_WORD + 1, FIRST_WORD + 2])
    text = str(explanation)
    assert f"score {score:.4f}" in text
    assert f"source{last_word} (copied)" in text
    for name in NAMES:
        assert f"\n{name} " in text
    for phrase in explanation.phrases:
        assert " ".join(phrase.source) in text
        assert " ".join(phrase.target) in text
