"""What happens to text before it is cut into pieces: as little as possible."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

TEXT_VERSION: Final = 1
"""Raised when ``normalize_text`` changes; part of every tokenizer's hash."""

# Everything at which str.splitlines() breaks, and the tab.
_LINE_BREAKS_AND_TABS = "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
_TO_COLLAPSE = re.compile(f"[{_LINE_BREAKS_AND_TABS}]|  |^ | \\Z")
_WHITESPACE = re.compile(f"[ {_LINE_BREAKS_AND_TABS}]+")

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def normalize_text(text: str) -> str:
    """Unicode NFC, and plain white space in its simplest form; everything else stays.

    - Canonically equivalent characters become the same (NFC): they look the same and mean the same.
    - Tabs and everything at which ``str.splitlines`` breaks a line become a space, runs of spaces
      become one, and spaces at both ends go. The result is always a single line.
    - No-break, thin and other typographic spaces, control and zero-width characters, bidirectional
      marks, NUL and the byte order mark are text, and stay.

    The function is idempotent. Raises UnicodeEncodeError for lone surrogates, which are not text.
    """
    if _NOT_ASCII.search(text):
        text.encode("utf-8")
        text = unicodedata.normalize("NFC", text)
    if _TO_COLLAPSE.search(text):
        text = _WHITESPACE.sub(" ", text).strip(" ")
    return text
