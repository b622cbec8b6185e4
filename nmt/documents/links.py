"""Word alignment from a system's explanations, as stretches of the two texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nmt.documents.placing import CharacterLink, Span
from nmt.translator import Explanation

_WINDOW = 64
"""How far ahead a word is looked for: further away it is another occurrence."""


def character_links(
    explanations: Sequence[Explanation], source: str, target: str
) -> list[CharacterLink]:
    """What the explanations of a translation say about which words belong together.

    Words are found in the texts whatever their case; those that are not (a tokenizer may rewrite
    quotation marks, or split compounds) have no links. Explanations without alignment give none.

    Args:
        explanations: of the segments of the text, in order.
        source: the text that was translated.
        target: its translation.
    """
    found: list[CharacterLink] = []
    source_begin = target_begin = 0
    for explanation in explanations:
        told = explanation.to_json()
        links = list(_links(told))
        if not links:
            continue
        source_spans, source_begin = _locate(told["source"], source, source_begin)
        target_spans, target_begin = _locate(told["target"], target, target_begin)
        for i, j in links:
            source_span, target_span = source_spans[i], target_spans[j]
            if source_span is not None and target_span is not None:
                found.append((source_span, target_span))
    return found


def _links(told: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Links between words: of the whole, or phrase by phrase."""
    for part in (told, *told.get("phrases", ())):
        yield from part.get("links", ())


def _locate(words: Sequence[str], text: str, begin: int) -> tuple[list[Span | None], int]:
    """Where each word is in the text from ``begin`` on, and where the last one ends."""
    text = _lower(text)
    spans: list[Span | None] = []
    for word in words:
        word = _lower(word.strip("▁ "))
        place = text.find(word, begin, begin + len(word) + _WINDOW) if word else -1
        if place < 0:
            spans.append(None)
            continue
        begin = place + len(word)
        spans.append((place, begin))
    return spans, begin


def _lower(text: str) -> str:
    """In small letters, each character for itself, so that places stay the same."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)
