"""A small text of our own, and one tokenizer of each kind learned from it."""

from __future__ import annotations

import random
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
    "words-ja": WordSettings(),
    "words-th": WordSettings(),
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


def unspaced_text(language: str) -> list[str]:
    """Random words, joined to sentences of a language without blanks between words."""
    words = {
        "ja": "猫は 犬は トムは 庭で 公園で 学校へ 水を 飲む 遊んでいる 行きます 昨日 大きい 本を",
        "th": "แมว หมา ครู แม่ พ่อ ชอบ กิน เห็น ซื้อ วาด ปลา น้ำ เด็ก บ้าน ดอกไม้ ขนม",
    }[language].split()
    draw = random.Random(1)
    sentences = [draw.choices(words, k=draw.randint(2, 6)) for _ in range(200)]
    end = {"ja": "。", "th": " ค่ะ"}[language]
    return ["".join(sentence) + draw.choice(["", " 2", end]) for sentence in sentences]


def learn(kind: str) -> TokenizerPair:
    """A pair of tokenizers of one kind, from the small text."""
    text = unspaced_text(kind[-2:]) if kind in ("words-ja", "words-th") else small_text()
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
