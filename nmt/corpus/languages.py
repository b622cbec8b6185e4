"""What cleaning has to know of a language: its scripts, and whether it spaces its words."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import regex
from numpy.typing import NDArray

_UNSPACED = "bo dz ja jpn km lo my th wuu yue zh zho"

_LANGUAGES_OF: dict[tuple[str, ...], str] = {
    ("Latin",): """
        af an ast az bs ca ceb co cs cy da de en eo es et eu fi fil fo fr fy ga gd gl gn gv ha haw
        hr ht hu ia id ig io is it jv kl kw la lb li ln lt lv mg mi ms mt nb nl nn no nso ny oc om
        pl pt qu rm ro rw sc sk sl sm sn so sq st su sv sw tk tl tn to tr ts vi vo wa wo xh yo zu
    """,
    ("Cyrillic",): "ab ba be bg ce cv kk ky mk mn os ru sah tg tt uk",
    ("Cyrillic", "Latin"): "sh sr uz",
    ("Arabic",): "ar arz ckb fa ps ug ur",
    ("Arabic", "Devanagari"): "sd",
    ("Arabic", "Gurmukhi"): "pa",
    ("Arabic", "Latin"): "ku",
    ("Hebrew",): "he yi",
    ("Greek",): "el",
    ("Armenian",): "hy",
    ("Georgian",): "ka",
    ("Ethiopic",): "am ti",
    ("Devanagari",): "bh hi mai mr ne sa",
    ("Bengali",): "as bn",
    ("Gujarati",): "gu",
    ("Kannada",): "kn",
    ("Malayalam",): "ml",
    ("Oriya",): "or",
    ("Sinhala",): "si",
    ("Tamil",): "ta",
    ("Telugu",): "te",
    ("Khmer",): "km",
    ("Lao",): "lo",
    ("Myanmar",): "my",
    ("Thai",): "th",
    ("Tibetan",): "bo dz",
    ("Han", "Bopomofo"): "wuu yue zh zho",
    ("Han", "Hiragana", "Katakana"): "ja jpn",
    ("Hangul", "Han"): "ko",
}
_SCRIPTS = {
    language: scripts
    for scripts, languages in _LANGUAGES_OF.items()
    for language in languages.split()
}

_SCRIPT_SUBTAGS = {
    "latn": ("Latin",),
    "cyrl": ("Cyrillic",),
    "arab": ("Arabic",),
    "deva": ("Devanagari",),
    "hans": ("Han", "Bopomofo"),
    "hant": ("Han", "Bopomofo"),
}


def is_unspaced(language: str) -> bool:
    """Whether the language is written without blanks between words."""
    return language.split("-")[0] in _UNSPACED.split()


def scripts_of(language: str) -> tuple[str, ...] | None:
    """The Unicode names of the scripts that a language uses; None if not known here."""
    code, _, subtag = language.partition("-")
    return _SCRIPT_SUBTAGS.get(subtag.lower()) or _SCRIPTS.get(code)


@lru_cache(maxsize=8)
def letter_classes(scripts: tuple[str, ...]) -> NDArray[np.int8]:
    """For every code point: 1 for a letter of these scripts, -1 for one of others, else 0.

    Letters that many scripts share (Unicode scripts Common and Inherited) count as none.
    """
    # No letter lies between the surrogates and the end of the private use area.
    characters = "".join(map(chr, [*range(0xD800), *range(0xF900, 0x33480)]))
    classes = np.zeros(0x110000, np.int8)
    own = "".join(rf"\p{{Script={script}}}" for script in scripts)
    for value, pattern in (
        (-1, rf"[\p{{L}}--[{own}\p{{Script=Common}}\p{{Script=Inherited}}]]+"),
        (1, rf"[\p{{L}}&&[{own}]]+"),
    ):
        for run in regex.findall(pattern, characters, flags=regex.VERSION1):
            classes[[ord(character) for character in run]] = value
    return classes
