"""Splitting compounds, so that their parts are translated (Koehn and Knight 2003, section 3.2).

A word is split where the geometric mean of its parts' counts is above its own count: "Schneemann"
is rarer than "Schnee" and "Mann", and both can be translated even where the whole was never seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

_MIN_LETTERS: Final = 4
"""Shortest part; shorter ones are mostly endings."""
_MIN_COUNT: Final = 3
"""Occurrences that a part needs."""
_MAX_PARTS: Final = 4
_LINKS: Final = ("", "s", "es")
"""Letters that may stand between two parts, and belong to neither."""


class CompoundSplitter:
    """Splits words into words that are seen more often; always the same word in the same way."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the words of a text, in all their writings."""
        self.counts = dict(counts)
        self._form: dict[str, str] = {}
        self._count: dict[str, int] = {}
        for word, count in sorted(counts.items()):
            small = word.lower()
            if small not in self._form or count > counts[self._form[small]]:
                self._form[small] = word
            self._count[small] = self._count.get(small, 0) + count
        self._parts: dict[str, list[str]] = {}

    def split(self, word: str) -> list[str]:
        """The parts of a compound, each in its most frequent writing; else the word alone."""
        parts = self._parts.get(word)
        if parts is None:
            parts = self._parts[word] = self._split(word)
        return parts

    def _split(self, word: str) -> list[str]:
        small = word.lower()
        if len(small) < 2 * _MIN_LETTERS or not small.isalpha():
            return [word]
        own = math.log(self._count.get(small, 0) or 0.5)
        # best[end][n]: the greatest sum of logarithms of n parts that end there, and those parts.
        best: list[dict[int, tuple[float, list[str]]]] = [{} for _ in range(len(small) + 1)]
        best[0][0] = (0.0, [])
        for end in range(_MIN_LETTERS, len(small) + 1):
            for begin in range(end - _MIN_LETTERS + 1):
                part = small[begin:end]
                count = self._count.get(part, 0)
                if count < _MIN_COUNT or len(part) == len(small):
                    continue
                for link in _LINKS:
                    before = begin - len(link)
                    if before < 0 or (link and before == 0) or small[before:begin] != link:
                        continue
                    for number, (total, parts) in best[before].items():
                        total += math.log(count)
                        if number < _MAX_PARTS and total > best[end].get(number + 1, _NOTHING)[0]:
                            best[end][number + 1] = (total, [*parts, self._form[part]])
        found = best[-1].items()
        mean, parts = max(
            ((total / number, parts) for number, (total, parts) in found),
            default=(own, [word]),
            key=lambda split: split[0],
        )
        return parts if mean > own else [word]


_NOTHING: Final[tuple[float, list[str]]] = (-math.inf, [])
