"""Word alignments of translations, as other programs read them."""

from __future__ import annotations

import bisect
import re
from typing import Final

from nmt.documents.links import character_links
from nmt.translator import Translation

_WORD: Final = re.compile(r"\S+")


def pharaoh_line(source: str, translation: Translation) -> str:
    """Links between the words of a line and of its best translation: ``0-0 1-2``.

    Words are what white space parts, in both, and are counted from 0; so the links go with the
    texts as they are, whatever a system takes for a word. Two words are linked if any parts of
    them are. Without explanations (``explain``) there are no links.
    """
    best = translation.alternatives[0]
    links = character_links(best.explanations, source, best.text)
    source_begins, target_begins = _begins(source), _begins(best.text)
    found = {
        (_word_at(source_begins, source_span[0]), _word_at(target_begins, target_span[0]))
        for source_span, target_span in links
    }
    return " ".join(f"{i}-{j}" for i, j in sorted(found))


def _begins(text: str) -> list[int]:
    return [match.start() for match in _WORD.finditer(text)]


def _word_at(begins: list[int], place: int) -> int:
    """The word in which a character is, by where words begin."""
    return max(0, bisect.bisect_right(begins, place) - 1)
