"""Words and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from nmt.statistical.sentences import Sentences

UNKNOWN: Final = 0
"""Any word outside the vocabulary."""
BEGIN: Final = 1
"""Stands before a sentence, as context of its first words."""
END: Final = 2
"""Stands after a sentence; a language model predicts it."""
FIRST_WORD: Final = 3
"""Ids from here on are words."""


class Vocabulary:
    """The words of one language, each with an id from ``FIRST_WORD`` on: the frequent ones first.

    A word is any string without a space or line feed, also one that looks like a control symbol.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Number the words in the order given; they must differ."""
        self.words = tuple(words)
        self._id_of_word = {word: FIRST_WORD + n for n, word in enumerate(self.words)}
        assert len(self._id_of_word) == len(self.words)

    @classmethod
    def learn(cls, lines: Iterable[Sequence[str]]) -> Vocabulary:
        """All words of a text, the most frequent first (equals in the order of their letters)."""
        counts: Counter[str] = Counter()
        for words in lines:
            counts.update(words)
        return cls(sorted(counts, key=lambda word: (-counts[word], word)))

    def __len__(self) -> int:
        """Number of ids, those of the control symbols included."""
        return FIRST_WORD + len(self.words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    __hash__ = None  # type: ignore[assignment]  # compared by content, so not to be hashed

    def id(self, word: str) -> int:
        """The id of a word; UNKNOWN if it has none."""
        return self._id_of_word.get(word, UNKNOWN)

    def word(self, number: int) -> str:
        """The word of an id that is not a control symbol's."""
        assert number >= FIRST_WORD
        return self.words[number - FIRST_WORD]

    def encode(self, lines: Iterable[Sequence[str]]) -> Sentences:
        """The ids of lines of words."""
        id_of_word = self._id_of_word
        lengths: list[int] = []
        flat: list[int] = []
        for words in lines:
            lengths.append(len(words))
            flat += [id_of_word.get(word, UNKNOWN) for word in words]
        return Sentences.of_lengths(np.array(flat, np.int32), np.array(lengths, np.int64))

    def save(self, path: Path) -> None:
        """Write the words, one a line, in the order of their ids."""
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what ``save`` wrote."""
        with path.open(encoding="utf-8", newline="\n") as file:
            return cls(line.removesuffix("\n") for line in file)
