"""Text to word ids: what the tokenizer spells is unknown, all else keeps its rank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmt.corpus.text import PairsWriter, TextPairs
from nmt.statistical.text import Words, encode_pairs, word_ids
from nmt.statistical.vocabulary import UNKNOWN
from nmt.tokenization import TokenizerPair
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.words import WordTokenizer

LINES = ["The cat sees the river.", "A dog sees the cat, and the cat the dog.", "Is it a cat?"]


def make_words() -> Words:
    return Words.of(WordTokenizer.learn(WordSettings(), LINES, "en"))


WORDS = make_words()


@given(st.lists(st.sampled_from(["the cat", "zebra", "a", "", "dog.", "x y", "Ünïcödé"])))
def test_both_ways_to_ids_agree(lines: list[str]) -> None:
    rows = WORDS.tokenizer.encode(lines)
    flat = np.array([number for row in rows for number in row], np.int32)
    ids, ends = word_ids(flat, np.cumsum([len(row) for row in rows], dtype=np.int64))
    words, sentences = WORDS.encode(lines)
    assert ids.tolist() == sentences.words.tolist()
    assert ends.tolist() == sentences.offsets[1:].tolist()
    assert [len(line) for line in words] == np.diff(sentences.offsets).tolist()
    known = [WORDS.vocabulary.id(word) != UNKNOWN for line in words for word in line]
    assert known == (ids != UNKNOWN).tolist()


def test_pairs_on_disk(tmp_path: Path) -> None:
    with PairsWriter(tmp_path / "text") as writer:
        writer.append(LINES, ["the zebra", "dog", "cat the dog"])
    pairs = TextPairs.open(tmp_path / "text")
    tokenizers = TokenizerPair(WORDS.tokenizer, WORDS.tokenizer)
    for _ in range(2):  # made, and opened
        bitext = encode_pairs(pairs, tokenizers, cache=tmp_path / "cache", workers=1)
        for side, lines in ((bitext.source, LINES), (bitext.target, list(pairs.target))):
            expected = WORDS.encode(lines)[1]
            assert side.words.tolist() == expected.words.tolist()
            assert side.offsets.tolist() == expected.offsets.tolist()
