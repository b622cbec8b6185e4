"""Raw text to sentences of word ids, and word ids to raw text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.corpus import PieceRows, TextPairs, tokenize_pairs
from nmt.corpus.npy import NpyWriter
from nmt.files import build_once
from nmt.statistical.compounds import CompoundSplitter
from nmt.statistical.sentences import Bitext, Sentences
from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN, Vocabulary
from nmt.tokenization import TokenizerPair
from nmt.tokenization.words import FIRST_WORD_ID, SPELLING_END_ID, WordTokenizer

_VERSION: Final = 1
_BLOCK_ROWS: Final = 100_000


@dataclass(frozen=True)
class Words:
    """How text of one language becomes words and ids, and words become text."""

    tokenizer: WordTokenizer
    vocabulary: Vocabulary
    """The words of the tokenizer, in its order, or the parts that compounds are split into."""
    splitter: CompoundSplitter | None = None
    """Splits compounds, if they are to be."""

    @classmethod
    def of(cls, tokenizer: WordTokenizer, splitter: CompoundSplitter | None = None) -> Words:
        """The words that a tokenizer has learned."""
        words = Vocabulary(tokenizer.words)
        return cls(tokenizer, words if splitter is None else split_words(splitter)[0], splitter)

    def encode(self, lines: Sequence[str]) -> tuple[list[list[str]], Sentences]:
        """The words of each line, and their ids."""
        words = [self.tokenizer.tokenize(line) for line in lines]
        if self.splitter is not None:
            split = self.splitter.split
            words = [[part for word in line for part in split(word)] for line in words]
        return words, self.vocabulary.encode(words)


def encode_pairs(
    pairs: TextPairs, tokenizers: TokenizerPair, *, cache: Path, workers: int
) -> Bitext:
    """The word ids of sentence pairs, memory-mapped; a second call opens what is stored.

    Args:
        pairs: prepared pairs, on disk.
        tokenizers: word tokenizers of both languages.
        cache: folder in which the result is kept.
        workers: processes that tokenize a large corpus.
    """
    inputs = {
        "version": _VERSION,
        "text": pairs.content_hash,
        "tokenizers": tokenizers.content_hash,
    }

    def build(folder: Path) -> None:
        rows = tokenize_pairs(
            pairs, tokenizers.source, tokenizers.target, cache=cache, workers=workers
        )
        _write_sentences(rows.source, folder, "source")
        _write_sentences(rows.target, folder, "target")

    folder = build_once(cache, "words", inputs, build)
    return Bitext(Sentences.open(folder, "source"), Sentences.open(folder, "target"))


def count_words(sentences: Sentences, vocabulary: Vocabulary) -> dict[str, int]:
    """How often each word of a vocabulary occurs, in the vocabulary's order."""
    counts = np.bincount(sentences.words, minlength=len(vocabulary))[FIRST_WORD:]
    return dict(zip(vocabulary.words, counts.tolist(), strict=True))


def split_words(splitter: CompoundSplitter) -> tuple[Vocabulary, list[list[str]]]:
    """The parts of all words whose counts a splitter has, the frequent ones first.

    Also returns the parts of each of these words, in the order of the counts.
    """
    parts_of_word = [splitter.split(word) for word in splitter.counts]
    counts: Counter[str] = Counter()
    for parts, count in zip(parts_of_word, splitter.counts.values(), strict=True):
        for part in parts:
            counts[part] += count
    ranked = sorted(counts, key=lambda part: (-counts[part], part))
    return Vocabulary(ranked), parts_of_word


def split_sentences(sentences: Sentences, splitter: CompoundSplitter) -> Sentences:
    """Sentences of the words whose counts a splitter has, with their compounds split."""
    vocabulary, parts_of_word = split_words(splitter)
    rows = [[UNKNOWN]] * FIRST_WORD + [[vocabulary.id(p) for p in parts] for parts in parts_of_word]
    parts = Sentences.of_lengths(
        np.array([number for row in rows for number in row], np.int32),
        np.array([len(row) for row in rows], np.int64),
    )
    begins, lengths = parts.offsets[sentences.words], np.diff(parts.offsets)[sentences.words]
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths - begins, lengths)
    offsets = np.concatenate((np.zeros(1, np.int64), ends))[sentences.offsets]
    return Sentences(parts.words[places], offsets)


def _write_sentences(rows: PieceRows, folder: Path, name: str) -> None:
    """Write rows of a word tokenizer's ids as sentences, in the form of `Sentences.open`."""
    with (
        NpyWriter(folder / f"{name}.words.npy", np.int32) as flat,
        NpyWriter(folder / f"{name}.offsets.npy", np.int64) as offsets,
    ):
        offsets.append(np.zeros(1, np.int64))
        for first in range(0, len(rows), _BLOCK_ROWS):
            bounds = rows.offsets[first : first + _BLOCK_ROWS + 1]
            words, ends = word_ids(rows.flat[bounds[0] : bounds[-1]], bounds[1:] - bounds[0])
            offsets.append(ends + flat.length)
            flat.append(words)


def word_ids(
    ids: NDArray[Any], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Ids of a `WordTokenizer` as ids of its `Vocabulary`; a spelled word becomes UNKNOWN.

    Args:
        ids: the tokenizer's ids of some rows, end to end.
        ends: where each row ends.

    Returns the words' ids, and where each row ends in them.
    """
    whole = ids >= FIRST_WORD_ID
    kept = whole | (ids == SPELLING_END_ID)
    words = np.where(whole, ids.astype(np.int32) - (FIRST_WORD_ID - FIRST_WORD), 0)[kept]
    kept_before = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)))
    return words.astype(np.int32), kept_before[ends]
