"""Places in texts: what differs from a reference, and where the tokens of a system lie.

Spans are half-open, in characters of Python strings; `utf16` turns them to what JavaScript counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, TypeAlias

import regex

from nmt.tokenization.moses import GAP_OF_MARK

Span: TypeAlias = tuple[int, int]

_WORD: Final = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’\-][\p{L}\p{M}\p{N}]+)*|[^\s]")
_CHARACTER: Final = regex.compile(r"(?=\S)\X")
_JOINTS: Final = {"@-@": "-", "@/@": "/"}
# What shows in tokens where a space was, or was not: SentencePiece's, and the word tokenizer's.
_NOT_TEXT: Final = str.maketrans(dict.fromkeys(["▁", *GAP_OF_MARK]))


@dataclass(frozen=True, slots=True)
class Differences:
    """How a text differs from its reference, word by word."""

    changed: list[Span]
    """What the reference does not have there; neighbours are one span."""
    missing: list[int]
    """Where words of the reference were left out, with nothing in their place."""


def differences(text: str, reference: str, *, unspaced: bool) -> Differences:
    """Compare a text with its reference word by word.

    Where the language is written without spaces, character by character.
    """
    pattern = _CHARACTER if unspaced else _WORD
    words = [match.span() for match in pattern.finditer(text)]
    matcher = SequenceMatcher(
        None,
        [text[begin:end] for begin, end in words],
        [match.group() for match in pattern.finditer(reference)],
        autojunk=False,
    )
    changed: list[Span] = []
    missing: list[int] = []
    for what, begin, end, _, _ in matcher.get_opcodes():
        if what in ("replace", "delete"):
            changed.append((words[begin][0], words[end - 1][1]))
        elif what == "insert":
            missing.append(words[begin - 1][1] if begin else 0)
    return Differences(changed, missing)


def segments(text: str, spans: Sequence[Span]) -> list[tuple[str, bool]]:
    """Cut a text at its spans: each part, and whether it lies in a span."""
    parts: list[tuple[str, bool]] = []
    last = 0
    for begin, end in spans:
        parts += [(text[last:begin], False), (text[begin:end], True)]
        last = end
    parts.append((text[last:], False))
    return [part for part in parts if part[0]]


def locate(tokens: Sequence[str], text: str) -> list[Span | None]:
    """Find the tokens that a text was made of, or was cut into, in that text.

    Tokens may differ from the text in case and spaces, carry the marks of their tokenizer, and
    occur in part only; None stands for what is not in the text at all, such as an end mark. The
    spans are in order and do not overlap.
    """
    letters: list[str] = []
    owners: list[int] = []
    for number, token in enumerate(tokens):
        plain = _JOINTS.get(token, token).translate(_NOT_TEXT)
        shown = [_lower(c) for c in plain if not c.isspace()]
        letters += shown
        owners += [number] * len(shown)
    places = [place for place, c in enumerate(text) if not c.isspace()]
    visible = [_lower(text[place]) for place in places]
    spans: list[Span | None] = [None] * len(tokens)
    for i, j in _matches(letters, visible):
        known = spans[owners[i]]
        spans[owners[i]] = (known[0] if known else places[j], places[j] + 1)
    return spans


def _lower(character: str) -> str:
    """In lower case, if that is one character too."""
    lower = character.lower()
    return lower if len(lower) == 1 else character


def _matches(a: list[str], b: list[str]) -> list[tuple[int, int]]:
    if a == b:
        return [(i, i) for i in range(len(a))]
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return [
        (block.a + offset, block.b + offset) for block in blocks for offset in range(block.size)
    ]


def words_at(text: str) -> list[int]:
    """For every character, the number of the word that it is in; spaces end words."""
    number = 0
    numbers = []
    for c in text:
        number += c.isspace()
        numbers.append(number)
    return numbers


def utf16(text: str) -> list[int]:
    """For every place in a text, its end included, the place that JavaScript counts."""
    return list(itertools.accumulate((1 + (c > "\uffff") for c in text), initial=0))
