r"""How words stand in an ARPA file, where some strings are symbols and white space divides fields.

A word that is no symbol but looks like one, such as a literal ``<s>`` in the text, is written with
its first character as ``\u003c``; white space and control characters inside a word are written so
too. A backslash that would be read as such a sequence is itself written as ``\u005c``. All words
come back as they were, and words in the files of others are left as they are.
"""

from __future__ import annotations

import re
from typing import Final

from nmt.statistical.vocabulary import BEGIN, END, UNKNOWN

SYMBOLS: Final = {"<unk>": UNKNOWN, "<UNK>": UNKNOWN, "<s>": BEGIN, "</s>": END}
"""The control symbols; of two names, the first is written, as KenLM reads both."""

_SPECIAL: Final = re.compile(
    r"^<(?=(?:unk|UNK|s|/s)>$)|[\x00-\x20]|\\(?=u00(?:[01][0-9a-f]|20|3c|5c))"
)
_ESCAPED: Final = re.compile(r"\\u(00(?:[01][0-9a-f]|20|3c|5c))")


def escape(word: str) -> str:
    """The form of a word in a file."""
    return _SPECIAL.sub(lambda match: f"\\u{ord(match[0]):04x}", word)


def unescape(written: str) -> str:
    """The word of a form in a file; what ``escape`` cannot have written is taken as it is."""
    word = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), written)
    return word if escape(word) == written else written
