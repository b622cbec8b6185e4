"""Words by the conventions of the Moses tokenizer (Koehn et al. 2007), and the way back.

Moses joins its tokens by rules that guess where spaces were, and guesses wrong now and then. Here
the rules are the same for cutting and joining: while cutting, the guess is compared with the text,
and where it is wrong, the token carries a mark that says what stood before it. So joining gives the
text back exactly, and a token is marked only where the text does not follow the conventions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import regex

from nmt.tokenization.abbreviations import abbreviations, abbreviations_before_number

MARK_OF_GAP: Final = {
    "": "\uffed",  # ￭  nothing stood before this token
    " ": "\u2423",  # ␣  a space
    "\u00a0": "\u237d",  # ⍽  a no-break space
    "\u202f": "\u23b5",  # ⎵  a narrow no-break space
}
GAP_OF_MARK: Final = {mark: gap for gap, mark in MARK_OF_GAP.items()}

_CJK: Final = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
_SOUTHEAST_ASIAN: Final = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_NO_SPACES: Final = _CJK + _SOUTHEAST_ASIAN
_WORD: Final = rf"[[\p{{L}}\p{{M}}\p{{N}}\u00ad\u200c\u200d-]--[{_NO_SPACES}]]"
_APOSTROPHES: Final = "'\u2019"
_INSIDE: Final = rf"(?<=\p{{L}}\p{{M}}*)[{_APOSTROPHES}](?=\p{{L}})"
_TOKEN: Final = rf"""
    ( \ | [\u00a0\u202f](?![\ \u00a0\u202f]|\Z) )?                # the gap before it
    ( (?:https?://|ftp://|www\.)[^\s<>"]*[\p{{L}}\p{{N}}/]        # a web address
    | (?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+  # a mail address
    | \.\.+
    | [{_NO_SPACES}]\p{{M}}*                                      # a character that is a word
    | BEFORE {_WORD}+ (?: \.{_WORD}+ | (?<=\p{{N}}),(?=\p{{N}}){_WORD}+ INSIDE )* AFTER
    | \p{{RI}}\p{{RI}}                                            # a flag
    | [^\ ] (?: [\p{{M}}\p{{Emoji_Modifier}}] | \u200d\p{{Extended_Pictographic}} )*
    )
"""

# Where an apostrophe between letters cuts a word: before it (do|n't), after it (l'|homme), nowhere.
_CUT_BEFORE_APOSTROPHE: Final = frozenset({"en"})
_CUT_AFTER_APOSTROPHE: Final = frozenset({"fr", "it", "ca", "ga"})

# Languages that write a space before these.
_SPACED_SIGNS: Final = {"fr": frozenset(";:!?%»")}
_SPACE_BEFORE_PERCENT: Final = frozenset({"de", "fr", "es", "cs", "sv", "da", "nb", "fi", "ru"})

# Languages in which a full stop makes a number an ordinal: am 3. Mai.
_ORDINALS_WITH_FULL_STOP: Final = frozenset({"de", "cs", "da", "nb", "fi", "sk", "sl"})

_NO_SPACE_BEFORE: Final = frozenset(",.;:?!%)]}…”’»›/،؛؟।॥。，、！？；：）」』】》〉") | {
    "..",
    "...",
}
_NO_SPACE_AFTER: Final = frozenset("([{¿¡„‚“‘«‹/$£¥#@（「『【《〈")
_STRAIGHT_QUOTES: Final = frozenset("\"'")
_CURLY_CLOSERS: Final = frozenset("“”")
_CJK_EDGE: Final = rf"[{_CJK}\u3001-\u303f\uff01-\uff65]"
_STARTS_CJK: Final = regex.compile(_CJK_EDGE, regex.V1)
_ENDS_CJK: Final = regex.compile(rf"{_CJK_EDGE}\p{{M}}*\Z", regex.V1)
_STARTS_SOUTHEAST_ASIAN: Final = regex.compile(rf"[{_SOUTHEAST_ASIAN}]", regex.V1)
_ENDS_SOUTHEAST_ASIAN: Final = regex.compile(rf"[{_SOUTHEAST_ASIAN}]\p{{M}}*\Z", regex.V1)
_UNSPACED: Final = regex.compile(rf"[{_NO_SPACES}&&[\p{{L}}\p{{M}}\p{{N}}]]\p{{M}}*", regex.V1)
_STARTS_LOWER: Final = regex.compile(r"\p{Ll}")
_ADDRESS: Final = regex.compile(r"[/@]|^www\.")
_STARTS_DIGIT: Final = regex.compile(r"\p{N}")
_HAS_LETTER: Final = regex.compile(r"\p{L}")
_ENDS_IN_WORD: Final = regex.compile(rf"{_WORD}\Z", regex.V1)
_CLITIC: Final = regex.compile(rf"[{_APOSTROPHES}]\p{{L}}")
_ELIDED: Final = regex.compile(rf"\p{{L}}\p{{M}}*[{_APOSTROPHES}]\Z")


def is_unspaced_character(token: str) -> bool:
    """Whether a token is a single character of a script that has no blanks between words."""
    return not token.isascii() and _UNSPACED.fullmatch(token) is not None


class WordSplitter:
    """Cuts the text of one language into words and punctuation marks, and joins them again."""

    def __init__(self, language: str) -> None:
        """Take a language code such as ``en``; for a language not known here, the common rules."""
        language = language.split("-")[0]
        self._abbreviations = abbreviations(language)
        self._ordinals = language in _ORDINALS_WITH_FULL_STOP
        self._abbreviations_before_number = abbreviations_before_number(language)
        self.cuts_before = language in _CUT_BEFORE_APOSTROPHE
        self.cuts_after = language in _CUT_AFTER_APOSTROPHE
        before = after = inside = ""
        if self.cuts_before:
            before = f"(?:{_INSIDE})?"
        elif self.cuts_after:
            after = f"(?:{_INSIDE})?"
        else:
            inside = f"| {_INSIDE}{_WORD}+"
        pattern = _TOKEN.replace("BEFORE", before).replace("AFTER", after)
        self._token = regex.compile(pattern.replace("INSIDE", inside), regex.V1 | regex.VERBOSE)
        spaced = _SPACED_SIGNS.get(language, frozenset())
        if language in _SPACE_BEFORE_PERCENT:
            spaced |= {"%"}
        self.no_space_before = _NO_SPACE_BEFORE - spaced
        self.no_space_after = _NO_SPACE_AFTER
        if language in ("de", "cs"):  # „so“ and »so«
            self.no_space_before = (self.no_space_before | set("“‘«‹")) - set("»›")
            self.no_space_after = (self.no_space_after | set("»›")) - set("“‘«‹")
        elif language == "fr":  # « ainsi »
            self.no_space_after = self.no_space_after - set("«")

    def split(self, text: str) -> list[tuple[str, str]]:
        """The tokens of normalised text, each with the gap before it: a key of MARK_OF_GAP.

        All gaps and tokens, one after the other, are the text. No token contains a space.
        """
        found: list[tuple[str, str]] = self._token.findall(text)
        if "." not in text:
            return found
        result: list[tuple[str, str]] = []
        for i, (gap, token) in enumerate(found):
            if token == "." and not gap and result:
                following = found[i + 1] if i + 1 < len(found) else None
                last_gap, last = result[-1]
                if self._keeps_full_stop(last, following):
                    result[-1] = (last_gap, last + ".")
                    continue
            result.append((gap, token))
        return result

    def _keeps_full_stop(self, word: str, following: tuple[str, str] | None) -> bool:
        if not _ENDS_IN_WORD.search(word):
            return False
        if word in self._abbreviations:
            return True
        if "." in word and _HAS_LETTER.search(word):  # p.m. and the like
            return not _ADDRESS.search(word)
        if following is None or not following[0]:
            return False
        if _STARTS_LOWER.match(following[1]) or (len(word) == 1 and word.isupper()):
            return True
        if self._ordinals and len(word) <= 2 and word.isdecimal():
            return True
        return word in self._abbreviations_before_number and bool(_STARTS_DIGIT.match(following[1]))

    def mark(self, tokens: Iterable[tuple[str, str]]) -> list[str]:
        """The mark of each token of ``split``; empty where the conventions give its gap."""
        gaps = _Gaps(self)
        marks = []
        for gap, token in tokens:
            marks.append("" if gaps.expected(token) == gap else MARK_OF_GAP[gap])
            gaps.advance(token, gap)
        return marks

    def join(self, tokens: Iterable[tuple[str, str]]) -> str:
        """The text of tokens with their marks; undoes ``split`` and ``mark``."""
        gaps = _Gaps(self)
        parts: list[str] = []
        for mark, token in tokens:
            gap = GAP_OF_MARK[mark] if mark else gaps.expected(token)
            gaps.advance(token, gap)
            parts += (gap, token)
        return "".join(parts)


class _Gaps:
    """What the conventions expect between tokens, from left to right."""

    def __init__(self, rules: WordSplitter) -> None:
        self._rules = rules
        self._last = ""
        self._sticks = True  # nothing is expected after the last token
        self._after_colon_in_number = False
        self._open_quotes: set[str] = set()

    def expected(self, token: str) -> str:
        """The gap before the next token, if nothing says otherwise."""
        rules = self._rules
        if self._sticks or token in rules.no_space_before:
            return ""
        if token in _STRAIGHT_QUOTES:
            return "" if token in self._open_quotes else " "
        last = self._last
        if token[0] in _APOSTROPHES and rules.cuts_before:
            return "" if _CLITIC.match(token) and _ENDS_IN_WORD.search(last) else " "
        if last[-1] in _APOSTROPHES and rules.cuts_after and _ELIDED.search(last):
            return ""
        if self._after_colon_in_number and _STARTS_DIGIT.match(token):  # 12:30
            return ""
        if token.isascii() and last.isascii():
            return " "
        if _STARTS_CJK.match(token) or _ENDS_CJK.search(last):
            return ""
        # A number or a foreign word does have spaces around it in these.
        inside = _STARTS_SOUTHEAST_ASIAN.match(token) and _ENDS_SOUTHEAST_ASIAN.search(last)
        return "" if inside else " "

    def advance(self, token: str, gap: str) -> None:
        """Go past the next token, which ``gap`` stands before."""
        if token in _STRAIGHT_QUOTES:
            # Right after a word, a quotation mark closes or is an apostrophe.
            opens = token not in self._open_quotes if self._sticks else gap != ""
            if opens:
                self._open_quotes.add(token)
            else:
                self._open_quotes.discard(token)
            self._sticks = opens
        else:
            self._sticks = token in self._rules.no_space_after
        if token == "„":  # often closed by a straight one
            self._open_quotes.add('"')
        elif token in _CURLY_CLOSERS:
            self._open_quotes.discard('"')
        self._after_colon_in_number = (
            token == ":" and not gap and bool(_STARTS_DIGIT.match(self._last[-1:]))
        )
        self._last = token
