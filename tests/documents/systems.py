"""Systems for tests of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nmt.documents import Document, TranslatedDocument, translate_document
from nmt.documents.placing import units
from nmt.translator import Hypothesis, SearchOptions
from tests.upper_case import UpperCase


class Identity(UpperCase):
    """Gives back what it is given."""

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """The same again."""
        return [[Hypothesis(segment, 0.0, len(segment))] for segment in segments]


@dataclass(frozen=True)
class Reversed:
    """The alignment of a text with the same text from its end."""

    words: list[str]

    def to_json(self) -> dict[str, Any]:
        """As the systems tell theirs."""
        last = len(self.words) - 1
        return {
            "source": self.words,
            "target": self.words[::-1],
            "phrases": [{"links": [[n, last - n]]} for n in range(last + 1)],
        }


class Backwards(UpperCase):
    """Writes the words from the last to the first, and says so."""

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """The words backwards."""
        found = []
        for segment in segments:
            words = [segment[begin:end] for begin, end in units(segment)]
            told = (Reversed(words),) if options.explain else ()
            found.append([Hypothesis(" ".join(words[::-1]), 0.0, len(segment), told)])
        return found


class Saying(UpperCase):
    """Says the same of everything."""

    def __init__(self, text: str) -> None:
        super().__init__(4000)
        self.text = text

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Its text."""
        return [[Hypothesis(self.text, 0.0, 1)] for _ in segments]


def in_capitals(document: Document) -> str:
    """A document of UTF-8 translated into capitals."""
    return translated(document, UpperCase(4000)).data.decode("utf-8")


def translated(document: Document, system: UpperCase) -> TranslatedDocument:
    """A document translated by a system."""
    return translate_document(document, system, {})


def unchanged(document: Document) -> bytes:
    """A document by a system that gives back what it is given."""
    return translated(document, Identity(4000)).data
