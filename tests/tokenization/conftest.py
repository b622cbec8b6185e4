"""A small text of our own, and one tokenizer of each kind learned from it."""

from __future__ import annotations

from itertools import product

import pytest

from nmt.tokenization import Tokenizer, TokenizerPair, learn_tokenizers
from nmt.tokenization.settings import (
    HuggingFaceTokenizerSettings,
    SentencePieceSettings,
    TokenizerSettings,
    WordSettings,
)

SETTINGS: dict[str, TokenizerSettings] = {
    "unigram": SentencePieceSettings(algorithm="unigram", vocabulary_size=420),
    "bpe": SentencePieceSettings(algorithm="bpe", vocabulary_size=420),
    "byte-bpe": HuggingFaceTokenizerSettings(algorithm="byte-bpe", vocabulary_size=420),
    "wordpiece": HuggingFaceTokenizerSettings(algorithm="wordpiece", vocabulary_size=700),
    "words-en": WordSettings(),
    "words-fr": WordSettings(),
    "words-de": WordSettings(),
}
SUBWORDS = ["unigram", "bpe", "byte-bpe", "wordpiece"]
SAMPLED = ["unigram", "bpe", "byte-bpe"]


def small_text() -> list[str]:
    """A few hundred sentences, with things in them that look like control symbols."""
    people = ["The old baker", "A young gardener", "Their neighbour", "My grandmother's friend"]
    verbs = ["walked slowly to", "is looking for", "doesn't remember", "painted"]
    things = ["the harbour", "a small bridge", "her brother's garden", "the railway station"]
    ends = [".", "!", " <s> </s> <unk> <pad>.", ", wasn't it?"]
    return [
        f"{who} {does} {what}{end}" for who, does, what, end in product(people, verbs, things, ends)
    ]


def learn(kind: str) -> TokenizerPair:
    """A pair of tokenizers of one kind, from the small text."""
    text = small_text()
    language = kind.removeprefix("words-") if kind.startswith("words") else "en"
    return learn_tokenizers(
        SETTINGS[kind],
        text,
        text[::-1],
        cache=None,
        source_language=language,
        target_language=language,
    )


@pytest.fixture(scope="session")
def text() -> list[str]:
    return small_text()


@pytest.fixture(scope="session")
def tokenizers() -> dict[str, Tokenizer]:
    return {kind: learn(kind).source for kind in SETTINGS}


@pytest.fixture(scope="session", params=list(SETTINGS))
def tokenizer(request: pytest.FixtureRequest, tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    return tokenizers[request.param]


@pytest.fixture(scope="session", params=SAMPLED)
def sampled(request: pytest.FixtureRequest, tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    return tokenizers[request.param]
