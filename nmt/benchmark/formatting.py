"""Figures as people read them."""

from __future__ import annotations

from datetime import date
from typing import Final

_LANGUAGES: Final = {
    "ar": "Arabic", "bg": "Bulgarian", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fi": "Finnish",
    "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "lt": "Lithuanian", "lv": "Latvian", "mt": "Maltese", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def language_name(code: str) -> str:
    """The English name of a language; its code if the name is not known here."""
    return _LANGUAGES.get(code.split("-")[0], code)


def day(iso: str) -> str:
    """A day such as ``22 November 2026``; as given if it is not ISO 8601."""
    try:
        when = date.fromisoformat(iso[:10])
    except ValueError:
        return iso
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def points(value: float) -> str:
    """A score or a difference, to a tenth; a minus sign rather than a hyphen."""
    return _minus(f"{value + 0.0:.1f}")


def gain(value: float) -> str:
    """A difference with its sign."""
    text = f"{value:+.1f}"
    return "±0.0" if text in ("+0.0", "-0.0") else _minus(text)


def _minus(text: str) -> str:
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def probability(p: float) -> str:
    """A p-value, to three decimals, with its relation: ``< 0.001`` or ``= 0.042``
    (with a space at which no line ends).

    Never rounded to the other side of 0.05.
    """
    if p < 0.001:
        return "<\u00a00.001"
    text = f"{p:.3f}"
    return f"=\u00a0{p:.5f}" if (float(text) < 0.05) != (p < 0.05) else f"=\u00a0{text}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 99.5:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(num_bytes: int) -> str:
    """An amount of memory in the decimal unit that suits it."""
    value = float(num_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if value >= 9.95 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def rate(per_second: float) -> str:
    """A speed with two or three digits that count."""
    return f"{per_second:,.0f}" if per_second >= 9.95 else f"{per_second:.2g}"


def parameters(number: int) -> str:
    """A number of parameters in millions or thousands."""
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"
