"""Strings in message catalogues, and how many plural forms languages have."""

from __future__ import annotations

from typing import Final

import regex

_WIDTH: Final = 79
"""Lines of gettext's tools are at most so long."""

_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPED = regex.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))")
_TO_ESCAPE = regex.compile(r'[\\"\n\t\r\a\b\f\v]')
_BACKWARDS: Final = {value: f"\\{key}" for key, value in _ESCAPES.items()}


def unescape(text: str) -> str:
    """The value of what is between quotation marks."""

    def value(match: regex.Match[str]) -> str:
        if match[1] or match[2]:
            return chr(int(match[1], 16) if match[1] else int(match[2], 8))
        return _ESCAPES.get(match[3], match[3])

    return _ESCAPED.sub(value, text)


def escape(text: str) -> str:
    """A value as it is written between quotation marks."""
    return _TO_ESCAPE.sub(lambda match: _BACKWARDS.get(match[0], f"\\{match[0]}"), text)


def quote(keyword: str, value: str, line_end: str) -> str:
    """The lines of a string, wrapped as gettext's own tools do it.

    In one line if it fits and has no line feed but at its end; else, after an empty string, a line
    for each of its own, wrapped at spaces.
    """
    whole = escape(value)
    if "\n" not in value[:-1] and len(keyword) + len(whole) + 3 <= _WIDTH:
        return f'{keyword} "{whole}"{line_end}'
    lines = [f'{keyword} ""']
    for line in regex.findall(r"[^\n]*\n|[^\n]+", value):
        current = ""
        for word in regex.findall(r"[^ ]* +|[^ ]+", line):
            word = escape(word)
            if current and len(current) + len(word.rstrip(" ")) > _WIDTH - 2:
                lines.append(f'"{current}"')
                current = ""
            current += word
        lines.append(f'"{current}"')
    return "".join(f"{line}{line_end}" for line in lines)


def _codes(listed: str) -> list[str]:
    return listed.split()


_TWO: Final = "nplurals=2; plural=(n != 1);"
_FRENCH: Final = "nplurals=2; plural=(n > 1);"
_ONE: Final = "nplurals=1; plural=0;"
_RUSSIAN: Final = (
    "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) "
    "? 1 : 2);"
)
PLURAL_FORMS: Final = {
    **dict.fromkeys(
        [
            "bg",
            "ca",
            "da",
            "de",
            "el",
            "en",
            "eo",
            "es",
            "et",
            "eu",
            "fi",
            "gl",
            "he",
            "hu",
            "it",
            "nb",
            "nl",
            "nn",
            "no",
            "pt",
            "sv",
            "tr",
        ],
        _TWO,
    ),
    "fr": _FRENCH,
    **dict.fromkeys(_codes("id ja ko ms th vi zh"), _ONE),
    **dict.fromkeys(_codes("be bs hr ru sr uk"), _RUSSIAN),
    **dict.fromkeys(_codes("cs sk"), "nplurals=3; plural=(n==1) ? 0 : (n>=2 && n<=4) ? 1 : 2;"),
    "pl": "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);",
    "lt": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) "
    "? 1 : 2);",
    "lv": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2);",
    "ro": "nplurals=3; plural=n==1 ? 0 : (n==0 || (n%100 > 0 && n%100 < 20)) ? 1 : 2;",
    "sl": "nplurals=4; plural=(n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3);",
    "ga": "nplurals=3; plural=n==1 ? 0 : n==2 ? 1 : 2;",
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : "
    "n%100>=11 ? 4 : 5);",
}
"""``Plural-Forms`` of languages, as in gettext's manual and its table of plural forms."""
