"""What a line of text is on the way into a system and out of it."""

from __future__ import annotations

import regex

# What str.splitlines and most other tools take for the end of a line, and NUL, which C libraries
# take for the end of a text.
_SEPARATORS = regex.compile("[\0\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029]+")
_SURROGATES = regex.compile("[\ud800-\udfff]")
# White space, control and format characters (zero-width spaces and joiners, byte order marks, soft
# hyphens, direction marks): nothing of these can be seen, hence nothing can be translated.
_VISIBLE = regex.compile(r"[^\s\p{Cc}\p{Cf}]")
# Characters of a text that messages show.
_SHOWN = 60


def is_blank(line: str) -> bool:
    """Whether nothing in the line is visible: only white space, control and format characters."""
    return _VISIBLE.search(line) is None


def one_line(text: str) -> str:
    """The text as a single line: every run of line separators or NUL becomes a space."""
    return _SEPARATORS.sub(" ", text).strip()


def clean_line(line: str) -> str:
    """The line as every system can take it: a single line of encodable Unicode.

    Lone surrogates, which occur in Python strings but in no UTF-8 file, become U+FFFD.
    """
    line = one_line(line)
    if _SURROGATES.search(line):
        line = line.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return line


def shown(text: str) -> str:
    """Text in quotation marks as messages show it: no more of it than its beginning."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
