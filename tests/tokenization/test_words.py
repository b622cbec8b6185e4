"""Words by Moses' conventions; sacremoses is the oracle."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacremoses import MosesDetokenizer, MosesTokenizer

from nmt.tokenization import Tokenizer, WordTokenizer, normalize_text
from nmt.tokenization.moses import GAP_OF_MARK, WordSplitter
from nmt.tokenization.settings import WordSettings
from tests.tokenization.test_round_trip import any_text


@pytest.fixture(scope="module")
def english(tokenizers: dict[str, Tokenizer]) -> WordTokenizer:
    tokenizer = tokenizers["words-en"]
    assert isinstance(tokenizer, WordTokenizer)
    return tokenizer


def captions(folder: Path, language: str) -> list[str]:
    text = (folder / "multi30k" / f"train.{language}").read_text(encoding="utf-8")
    return text.split("\n")[:3000]


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_words_are_those_of_moses(language: str, shared_data: Path) -> None:
    lines = captions(shared_data, language)
    moses = MosesTokenizer(language)
    splitter = WordSplitter(language)
    different = sum(
        moses.tokenize(line, escape=False) != [token for _, token in splitter.split(line)]
        for line in lines
    )
    assert different / len(lines) < 0.003


@pytest.mark.parametrize("name", ["deen.en", "deen.de", "fren.fr"])
def test_joined_better_than_by_moses(name: str, shared_data: Path) -> None:
    """The conventions alone, without marks, on news: fewer lines are wrong than with sacremoses."""
    language = name[-2:]
    path = shared_data / "wmt_newstest" / f"newstest2014-{name}"
    lines = [normalize_text(line) for line in path.read_text(encoding="utf-8").split("\n")[:1500]]
    splitter = WordSplitter(language)
    ours = [splitter.join(("", word) for _, word in splitter.split(line)) for line in lines]
    tokenizer, detokenizer = MosesTokenizer(language), MosesDetokenizer(language)
    theirs = [
        detokenizer.detokenize(tokenizer.tokenize(line, escape=False), unescape=False)
        for line in lines
    ]
    assert num_different(ours, lines) < num_different(theirs, lines)


def num_different(texts: list[str], others: list[str]) -> int:
    return sum(a != b for a, b in zip(texts, others, strict=True))


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_marks_are_rare(language: str, shared_data: Path) -> None:
    lines = captions(shared_data, language)
    tokenizer = WordTokenizer.learn(WordSettings(), lines, language)
    tokens = [token for line in lines for token in tokenizer.tokenize(line)]
    marked = sum(token[0] in GAP_OF_MARK for token in tokens)
    assert marked / len(tokens) < 0.001
    assert tokenizer.decode(tokenizer.encode(lines)) == [tokenizer.normalize(x) for x in lines]


@pytest.mark.parametrize(
    ("language", "line", "words"),
    [
        ("en", 'He said: "Don\'t go!"', 'He said : " Don \'t go ! "'),
        ("en", "Mr. Smith (55) paid $1,000.50 at 5 p.m.",
         "Mr. Smith ( 55 ) paid $ 1,000.50 at 5 p.m."),
        ("en", "At 12:30, here: 5.", "At 12 : 30 , here : 5 ."),
        ("en", "No. 5 is it. No. Well-known...", "No. 5 is it . No . Well-known ..."),
        ("en", "It’s the boys’ dog", "It ’s the boys ’ dog"),
        ("en", "see https://example.org/a?b=c, or a.b@c.org.",
         "see https://example.org/a?b=c , or a.b@c.org ."),
        ("de", "Am 3. Mai z.B. kam „Otto“ an; 50 % blieben.",
         "Am 3. Mai z.B. kam „ Otto “ an ; 50 % blieben ."),
        ("fr", "L'homme d’ici : « Aujourd'hui, qu'est-ce ? »",
         "L' homme d’ ici : « Aujourd' hui , qu' est-ce ? »"),
        ("ru", "Он сказал: «Да».", "Он сказал : « Да » ."),
        ("zh", "他说，好。", "他 说 ， 好 。"),
    ],
)  # fmt: skip
def test_conventions(language: str, line: str, words: str) -> None:
    splitter = WordSplitter(language)
    tokens = splitter.split(line)
    assert [token for _, token in tokens] == words.split(" ")
    assert set(splitter.mark(tokens)) == {""}
    assert splitter.join(("", word) for word in words.split(" ")) == line


def test_first_words_are_written_as_within_sentences(english: WordTokenizer) -> None:
    assert english.tokenize("The harbour! A baker. Zoe.") == [
        "the", "harbour", "!", "a", "baker", ".", "Zoe", ".",
    ]  # fmt: skip
    assert english.detokenize(["the", "harbour", "!", "a", "baker", "."]) == "The harbour! A baker."
    assert english.detokenize(english.tokenize("the harbour")) == "the harbour"
    assert english.detokenize(english.tokenize("THE harbour")) == "THE harbour"


def test_text_without_capitals_is_left_alone(text: list[str]) -> None:
    tokenizer = WordTokenizer.learn(WordSettings(), [line.lower() for line in text], "en")
    assert tokenizer.tokenize("the harbour. The end") == ["the", "harbour", ".", "The", "end"]
    assert tokenizer.detokenize(["the", "harbour"]) == "the harbour"


def test_no_truecasing_when_not_asked(text: list[str]) -> None:
    tokenizer = WordTokenizer.learn(WordSettings(truecase=False), text, "en")
    assert tokenizer.tokenize("The end")[0] == "The"


def test_ids_by_frequency(text: list[str]) -> None:
    tokenizer = WordTokenizer.learn(WordSettings(vocabulary_size=300), text, "en")
    occurrences = Counter(word for line in text for word in tokenizer.tokenize(line))
    counts = [occurrences[word] for word in tokenizer.words]
    assert counts == sorted(counts, reverse=True)
    assert tokenizer.vocabulary_size == 300
    assert counts[0] == max(occurrences.values())


@given(line=any_text)
def test_tokens_survive_a_line_of_text(english: WordTokenizer, line: str) -> None:
    """Joined by single spaces, as in the files of statistical systems, and split again."""
    tokens = english.tokenize(line)
    assert " ".join(tokens).split(" ") == (tokens or [""])
    assert all(token and "\n" not in token for token in tokens)
    assert english.detokenize(tokens) == english.normalize(line)


@given(tokens=st.lists(any_text))
def test_any_tokens_can_be_joined(english: WordTokenizer, tokens: list[str]) -> None:
    assert len(english.detokenize(tokens).splitlines()) <= 1
