"""What a translation of a segment must and must not be, besides a translation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    """Conditions on the translation of one segment; all of them hold for what a search gives."""

    prefix: str = ""
    """How it begins; within a word, too. A space at its end says that the word is complete."""
    must: tuple[tuple[str, ...], ...] = ()
    """Terms that occur, as whole words: of each, at least one of its variants."""
    must_not: tuple[tuple[str, ...], ...] = ()
    """Terms that do not occur as whole words, in any of their variants."""

    def normalized(self, normalize: Callable[[str], str]) -> Guide:
        """The same with all texts as a tokenizer normalises them."""

        def variants(terms: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
            return tuple(tuple(dict.fromkeys(map(normalize, term))) for term in terms)

        prefix = normalize(self.prefix) + (" " if self.prefix.endswith(" ") else "")
        return Guide(prefix, variants(self.must), variants(self.must_not))

    def __bool__(self) -> bool:
        return bool(self.prefix or self.must or self.must_not)
