"""Where words begin and end: for terms that must occur, or must not, as whole words.

Words go on with ASCII letters, digits and the underscore, and, beyond ASCII, with all characters
from U+00C0 to U+1FFF and from U+A000 to U+D7FF (alphabets, Indic scripts, Korean). Not with those
between (punctuation, signs, Chinese, Japanese) nor with later ones (emoji). So the first byte of a
character in UTF-8 tells. A term's edge that is a character of a script without spaces between words
needs no boundary: the neighbour may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

WORD_CHARACTERS: Final = r"0-9A-Za-z_\u00c0-\u1fff\ua000-\ud7ff"
"""The characters that words go on with, as a regular expression's class has them."""

_UNSPACED: Final = re.compile(
    # Thai and Lao, Tibetan, Burmese, Khmer; kana, Chinese characters, those of later planes.
    r"[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def is_word_byte(byte: int) -> bool:
    """Whether a character whose UTF-8 begins with this byte belongs to a word."""
    if byte < 0x80:
        return chr(byte).isalnum() or byte == ord("_")
    return 0xC3 <= byte <= 0xED and byte != 0xE2 and not 0xE3 <= byte <= 0xE9


def is_unspaced_character(character: str) -> bool:
    """Whether it is of a script that puts no spaces between words."""
    return _UNSPACED.match(character) is not None


def whole_words(terms: Iterable[str]) -> str:
    """A regular expression for any of some terms, the first that fits, as whole words."""
    return "|".join(
        ("" if is_unspaced_character(term[0]) else f"(?<![{WORD_CHARACTERS}])")
        + re.escape(term)
        + ("" if is_unspaced_character(term[-1]) else f"(?![{WORD_CHARACTERS}])")
        for term in terms
    )
