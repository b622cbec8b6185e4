"""Every piece belongs to one word, whatever the tokenizer; words are those of Unicode."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.neural.explanation.words import words_of_pieces
from nmt.text import one_line
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.protocol import Tokenizer
from nmt.tokenization.settings import HuggingFaceTokenizerSettings, SentencePieceSettings

TEXT = [
    f"{who} {does} {what}."
    for who in ("The cat", "A small dog", "My brother's house", "Der Bär")
    for does in ("sees", "likes to paint", "doesn't remember", "well-known")
    for what in ("the river", "an old house", "3.5 miles", "猫が好きです")
]

SETTINGS = [
    SentencePieceSettings(algorithm="bpe", vocabulary_size=400),
    SentencePieceSettings(algorithm="unigram", vocabulary_size=340),
    HuggingFaceTokenizerSettings(kind="huggingface", algorithm="byte-bpe", vocabulary_size=400),
    HuggingFaceTokenizerSettings(kind="huggingface", algorithm="wordpiece", vocabulary_size=700),
]


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda one: one.algorithm)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    pair: TokenizerPair = learn_tokenizers(request.param, TEXT, TEXT, cache=None)
    return pair.source


def assert_parted(tokenizer: Tokenizer, row: list[int]) -> list[str]:
    """The words of a row: they take all of its pieces, and say all of its text but spaces."""
    (words,) = words_of_pieces(tokenizer, [row])
    places = [0, *(word.end for word in words)]
    assert [word.begin for word in words] == places[:-1]
    assert places[-1] == len(row)
    assert all(begin < end for begin, end in itertools.pairwise(places))
    said = "".join(word.text for word in words)
    assert "".join(said.split()) == "".join(one_line(tokenizer.decode([row])[0]).split())
    return [word.text for word in words]


@given(st.data())
def test_pieces_of_any_text(tokenizer: Tokenizer, data: Any) -> None:
    text = data.draw(st.sampled_from(TEXT) | st.text(st.characters(exclude_categories=["Cs"])))
    assert_parted(tokenizer, tokenizer.encode([text])[0])


@given(st.data())
def test_pieces_that_are_no_text(tokenizer: Tokenizer, data: Any) -> None:
    """Broken characters, control symbols, spaces alone: models say anything."""
    ids = st.integers(0, tokenizer.vocabulary_size - 1)
    assert_parted(tokenizer, data.draw(st.lists(ids, max_size=12)))


def test_punctuation_is_parted_and_apostrophes_are_not(tokenizer: Tokenizer) -> None:
    line = "My brother's house doesn't remember 3.5 zyzzy miles, the Bär."
    assert assert_parted(tokenizer, tokenizer.encode([line])[0]) == [
        "My", "brother's", "house", "doesn't", "remember", "3.5", "zyzzy", "miles", ",",
        "the", "Bär", ".",
    ]  # fmt: skip


def test_a_character_is_never_cut(tokenizer: Tokenizer) -> None:
    """What is not in the vocabulary is written in bytes, and accents may be pieces."""
    assert assert_parted(tokenizer, tokenizer.encode(["💡 x\u0302y ŵ"])[0]) == [
        "💡",
        "x\u0302y",
        "ŵ",
    ]


def test_without_spaces_pieces_are_words(tokenizer: Tokenizer) -> None:
    row = tokenizer.encode(["猫が好き"])[0]
    words = assert_parted(tokenizer, row)
    whole = [tokenizer.decode([row[: n + 1]])[0] for n in range(len(row))]
    assert words == [
        after.removeprefix(before)
        for before, after in itertools.pairwise(
            ["", *(w for w in whole if "猫が好き".startswith(w))]
        )
        if after != before
    ]
