"""The way back from text that another program cut into words, whose spaces are lost.

``nmt.tokenization.words`` marks what it cuts, so it loses nothing. Corpora that come with blanks
between all words have no such marks; here the text is put together by the conventions of its
language, and by a few rules for what those programs do to quotation marks, apostrophes and hyphens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import regex

from nmt.tokenization.moses import MARK_OF_GAP, WordSplitter
from nmt.tokenization.text import normalize_text

Cut = Literal["moses", "apart"]
"""How the words were cut: ``apart`` also took apart what hyphens and apostrophes join."""

_GLUE: Final = MARK_OF_GAP[""]
_SPACE: Final = MARK_OF_GAP[" "]

_WRITTEN: Final = {
    "``": '"', "''": '"', "&quot;": '"', "&apos;": "'", "&amp;": "&", "&lt;": "<", "&gt;": ">",
    "&#91;": "[", "&#93;": "]", "&#124;": "|", "-lrb-": "(", "-rrb-": ")", "-lsb-": "[",
    "-rsb-": "]", "-lcb-": "{", "-rcb-": "}",
}  # fmt: skip
"""What Moses and the Penn Treebank write for characters that they use themselves."""
_ESCAPED: Final = re.compile(r"&(?:quot|apos|amp|lt|gt|#91|#93|#124);")
_MOSES_JOINTS: Final = {"@-@": "-", "@/@": "/"}

_APOSTROPHES: Final = frozenset("'\u2019")
_ENDS_IN_LETTER: Final = regex.compile(r"[\p{L}\p{M}]\Z")
_STARTS_WITH_LETTER: Final = regex.compile(r"\p{L}")
_ENDS_IN_WORD: Final = regex.compile(r"[\p{L}\p{M}\p{N}]\Z")
_STARTS_WITH_WORD: Final = regex.compile(r"[\p{L}\p{N}]")
_ENDS_IN_CONSONANT: Final = regex.compile(r"[b-df-hj-np-tv-z]\Z", regex.IGNORECASE)
_ENDS_IN_S: Final = regex.compile(r"[sz]\Z", regex.IGNORECASE)

_CLITICS: Final = ("s", "t", "re", "ve", "ll", "d", "m")
_IN_NAMES: Final = ("d", "l", "o", "dell", "dall", "nell", "sull", "all")
"""Beginnings of names that keep their apostrophe in every language: d'Estaing, Dell'Alba."""
_WHOLE_ITALIAN: Final = frozenset(
    ("al", "bel", "buon", "col", "con", "dal", "del", "gran", "il", "in", "nel", "non", "per",
     "quel", "san", "sul")
)  # fmt: skip
"""Italian words that end in a consonant without having lost a vowel to an apostrophe."""
_SHORTENED_ITALIAN: Final = ("be", "da", "di", "e", "fa", "mo", "po", "sta", "va")
"""Italian words that end in an apostrophe, with a space after it: un po' di."""
_SUSPENDING: Final = {
    "en": ("and", "or"), "de": ("und", "oder"), "nl": ("en", "of"), "fr": ("et", "ou"),
    "it": ("e", "ed", "o"), "es": ("y", "e", "o", "u"),
}  # fmt: skip
"""Words before which a hyphen may end a word: "small- and medium-sized"."""


class Detokenizer:
    """Puts lines of words, with single blanks between all of them, together to text."""

    def __init__(self, language: str, cut: Cut) -> None:
        """Take the language code, and how the text was cut."""
        self._splitter = WordSplitter(language)
        self._language = language.split("-")[0]
        self._apart = cut == "apart"

    def __call__(self, line: str) -> str:
        """The text of a line of words. The words stay, but for the names of escaped signs."""
        words = [_written(word) for word in normalize_text(line).split(" ") if word]
        return normalize_text(self._splitter.join(zip(self._marks(words), words, strict=True)))

    def _marks(self, words: list[str]) -> list[str]:
        """What stands before each word, where the conventions would not know; writes joints."""
        marks = [""] * (len(words) + 1)
        lone = []
        for i, word in enumerate(words):
            if word in _MOSES_JOINTS:
                words[i] = _MOSES_JOINTS[word]
                marks[i] = marks[i + 1] = _GLUE
            elif word in _APOSTROPHES:
                inside = self._gaps_within_word(words, i) if self._apart else None
                if inside is None:
                    lone.append(i)
                else:
                    marks[i], marks[i + 1] = inside
            elif word.lower() in ("n't", "n\u2019t") and self._language == "en":
                marks[i] = _GLUE
            elif self._apart and word in ("-", "/") and self._is_inside(words, i):
                marks[i] = _GLUE
                if not self._is_suspended(words, i):
                    marks[i + 1] = _GLUE
        quoted = False
        for place, i in enumerate(lone):
            # An apostrophe after an s that no other one answers: the teachers' cars.
            is_single = not quoted and (len(lone) - place) % 2 == 1
            if i and is_single and _ENDS_IN_S.search(words[i - 1]):
                marks[i] = _GLUE
            else:
                quoted = not quoted
        return marks[:-1]

    def _gaps_within_word(self, words: Sequence[str], i: int) -> tuple[str, str] | None:
        """The marks before and after an apostrophe that belongs to words; None for other ones."""
        before = words[i - 1].lower() if i else ""
        after = words[i + 1] if i + 1 < len(words) else ""
        if not (_ENDS_IN_LETTER.search(before) and _STARTS_WITH_LETTER.match(after)):
            return None
        if self._is_elided(before) or (self._language == "en" and after in _CLITICS):
            return _GLUE, _GLUE
        if self._language == "it" and before in _SHORTENED_ITALIAN:
            return _GLUE, _SPACE
        return None

    def _is_elided(self, word: str) -> bool:
        match self._language:
            case "fr" | "ca":
                return True
            case "it":
                return bool(_ENDS_IN_CONSONANT.search(word)) and word not in _WHOLE_ITALIAN
            case _:
                return word in _IN_NAMES

    def _is_inside(self, words: Sequence[str], i: int) -> bool:
        """Whether words stand on both sides."""
        return (
            0 < i < len(words) - 1
            and _ENDS_IN_WORD.search(words[i - 1]) is not None
            and _STARTS_WITH_WORD.match(words[i + 1]) is not None
        )

    def _is_suspended(self, words: Sequence[str], i: int) -> bool:
        """Whether a hyphen stands for the rest of a word: "small- and medium-sized"."""
        return (
            words[i] == "-"
            and words[i + 1].lower() in _SUSPENDING.get(self._language, ())
            and words[i + 2 : i + 3] != ["-"]
        )


def _written(word: str) -> str:
    found = _WRITTEN.get(word.lower())
    if found is not None:
        return found
    return _ESCAPED.sub(lambda match: _WRITTEN[match[0]], word) if "&" in word else word
