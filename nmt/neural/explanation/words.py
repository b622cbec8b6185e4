"""From pieces to the words that a person reads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from nmt.text import one_line
from nmt.tokenization.protocol import Tokenizer

# A default word boundary of Unicode (UAX 29): around spaces and punctuation, between "3.5" and
# "m", around each character of scripts without spaces; not within "don't".
_BOUNDARY = regex.compile(r"\b", regex.WORD)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, and its pieces."""

    text: str
    begin: int
    """Its first piece."""
    end: int
    """One past its last."""


def words_of_pieces(tokenizer: Tokenizer, rows: Sequence[Sequence[int]]) -> list[list[Word]]:
    """The words that each row of pieces says; every piece belongs to exactly one.

    A word begins wherever a piece begins at a word boundary of Unicode (UAX 29). Hence punctuation
    is a word of its own if the tokenizer parts it from words, and in scripts without spaces every
    piece is a word.
    """
    # Whatever the tokenizer: how far the text comes with each piece, its decoder knows.
    said = iter(tokenizer.decode([row[: n + 1] for row in rows for n in range(len(row))]))
    return [_words(list(itertools.islice(said, len(row)))) for row in rows]


def _words(said: list[str]) -> list[Word]:
    """Words, from what the text is after each piece."""
    if not said:
        return []
    text = said[-1]
    boundaries = {match.start() for match in _BOUNDARY.finditer(text)}
    cuts = {0: 0}  # from places in the text to the numbers of the pieces that begin there
    for number, before in enumerate(said[:-1], start=1):
        # Else the pieces meet within a character: its bytes, or a letter and its accent.
        if text.startswith(before) and len(before) in boundaries and len(before) < len(text):
            cuts.setdefault(len(before), number)
    places = [*cuts.items(), (len(text), len(said))]
    return [
        Word(one_line(text[here:there]), begin, end)
        for (here, begin), (there, end) in itertools.pairwise(places)
    ]
