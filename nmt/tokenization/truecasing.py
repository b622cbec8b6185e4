"""Truecasing: the first word of a sentence is written as it would be within one.

The model is what Moses' truecaser learns (the most frequent form of each word where no sentence
begins), reduced to what it is used for: the words that are written small within sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import regex

AS_IS_MARK: Final = "\uffec"
"""￬  Marks the first word of a sentence that does not begin with a capital letter."""

_ENDS_SENTENCE: Final = frozenset(".?!。？！।॥؟")
_WORD_LIKE: Final = regex.compile(r"[\p{L}\p{N}]")


class Truecaser:
    """Writes the first words of sentences small where that is their usual form, and back."""

    def __init__(self, small_words: Iterable[str]) -> None:
        """Take the words that are written small within sentences; none: every word stays."""
        self.small_words = frozenset(small_words)

    @classmethod
    def learn(cls, counts: Mapping[str, int]) -> Truecaser:
        """Learn from how often each word occurs where no sentence begins."""
        forms_of_word: dict[str, Counter[str]] = {}
        for word, count in counts.items():
            forms_of_word.setdefault(word.lower(), Counter())[word] += count
        best = (max(f, key=lambda form: (f[form], form)) for f in forms_of_word.values())
        return cls(word for word in best if capitalize(word) != word)

    def lower(self, word: str) -> str:
        """The first word of a sentence in its usual form, marked if ``restore`` needs that."""
        small = word[0].lower() + word[1:]
        if small in self.small_words and capitalize(small) == word:
            return small
        return word if capitalize(word) == word else AS_IS_MARK + word

    def restore(self, word: str) -> str:
        """The first word of a sentence as it is written there; undoes ``lower``."""
        if word.startswith(AS_IS_MARK):
            return word.removeprefix(AS_IS_MARK)
        return capitalize(word)


class SentenceStarts:
    """Tells, token by token, which words begin a sentence; the same for either case of a word."""

    def __init__(self) -> None:
        self._pending = True

    def begins(self, token: str) -> bool:
        """Whether this next token is the first word of a sentence."""
        if _WORD_LIKE.search(token):
            begins, self._pending = self._pending, False
            return begins
        if token in _ENDS_SENTENCE:
            self._pending = True
        return False


def capitalize(word: str) -> str:
    """The word with its first letter large."""
    return word[:1].upper() + word[1:]
