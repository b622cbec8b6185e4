"""Words of languages without blanks: found in the text itself, and joined without them again."""

from __future__ import annotations

from pathlib import Path

import pytest
import regex

from nmt.tokenization import Tokenizer, WordTokenizer
from nmt.tokenization.detokenizing import Detokenizer
from nmt.tokenization.settings import WordSettings
from tests.tokenization.conftest import unspaced_text


def words_of(tokenizers: dict[str, Tokenizer], language: str) -> WordTokenizer:
    tokenizer = tokenizers[f"words-{language}"]
    assert isinstance(tokenizer, WordTokenizer)
    return tokenizer


@pytest.mark.parametrize("language", ["ja", "th"])
def test_words_are_more_than_characters_and_less_than_sentences(
    language: str, tokenizers: dict[str, Tokenizer]
) -> None:
    tokenizer = words_of(tokenizers, language)
    lines = unspaced_text(language)
    words = [tokenizer.tokenize(line) for line in lines]
    assert [tokenizer.detokenize(line) for line in words] == lines
    num_words = sum(map(len, words))
    num_characters = sum(len(regex.findall(r"[^\s\p{M}]", line)) for line in lines)
    assert 2 * len(lines) < num_words < 0.75 * num_characters


def test_punctuation_numbers_and_foreign_words_stay_apart(
    tokenizers: dict[str, Tokenizer],
) -> None:
    words = words_of(tokenizers, "ja").tokenize("犬は、8時にOKだ。")
    assert {"、", "8", "OK", "。"} <= set(words)


def test_what_a_system_puts_together_has_no_blanks(tokenizers: dict[str, Tokenizer]) -> None:
    japanese, thai = words_of(tokenizers, "ja"), words_of(tokenizers, "th")
    assert japanese.detokenize(["公園", "で", "猫", "が", "3", "匹", "。"]) == "公園で猫が3匹。"
    assert thai.detokenize(["แมว", "กิน", "ปลา", "2", "ตัว"]) == "แมวกินปลา 2 ตัว"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["hello there"], ["猫", "が", "い", "る"]),  # nothing learned: characters
        (["猫。"], ["猫", "がいる"]),  # characters that were never seen stay together
    ],
)
def test_too_little_text_is_no_error(lines: list[str], words: list[str]) -> None:
    tokenizer = WordTokenizer.learn(WordSettings(), lines, "ja")
    assert tokenizer.tokenize("猫がいる") == words
    assert tokenizer.detokenize(words) == "猫がいる"


def test_the_same_text_gives_the_same_words() -> None:
    text = unspaced_text("ja")
    first, second = (WordTokenizer.learn(WordSettings(), text, "ja") for _ in range(2))
    assert first.content_hash == second.content_hash


def test_words_are_mostly_those_of_a_trained_tagger(shared_data: Path) -> None:
    """KyTea, which cuts endings off, cut this corpus; most of our cuts are among its cuts."""
    path = shared_data / "small_parallel_enja" / "train.ja"
    cut = path.read_text(encoding="utf-8").split("\n")[:4000]
    text = Detokenizer("ja", "moses")
    tokenizer = WordTokenizer.learn(WordSettings(), [text(line) for line in cut], "ja")
    ours = [ends(tokenizer.tokenize(text(line))) for line in cut]
    theirs = [ends(line.split()) for line in cut]
    common = sum(len(a & b) for a, b in zip(ours, theirs, strict=True))
    assert common / sum(map(len, ours)) > 0.8


def ends(words: list[str]) -> set[int]:
    """Where words end, in characters, all but the last."""
    positions, end = set(), 0
    for word in words[:-1]:
        end += len(word)
        positions.add(end)
    return positions
