"""Numbers, dates and times of day in words, in both languages."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ENGLISH: Final = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_ENGLISH_TENS: Final = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_GERMAN: Final = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
_GERMAN_TENS: Final = _words("zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")

MONTHS: Final = (
    ("January", "Januar"), ("February", "Februar"), ("March", "März"), ("April", "April"),
    ("May", "Mai"), ("June", "Juni"), ("July", "Juli"), ("August", "August"),
    ("September", "September"), ("October", "Oktober"), ("November", "November"),
    ("December", "Dezember"),
)  # fmt: skip
WEEKDAYS: Final = (
    ("Monday", "Montag"), ("Tuesday", "Dienstag"), ("Wednesday", "Mittwoch"),
    ("Thursday", "Donnerstag"), ("Friday", "Freitag"), ("Saturday", "Samstag"),
    ("Sunday", "Sonntag"),
)  # fmt: skip


def english_number(number: int) -> str:
    """A number below 100 in words; larger ones in figures, with a comma for the thousands."""
    if number >= 100:
        return f"{number:,}"
    if number < 20:
        return _ENGLISH[number]
    tens, ones = divmod(number, 10)
    return _ENGLISH_TENS[tens - 2] + (f"-{_ENGLISH[ones]}" if ones else "")


def german_number(number: int) -> str:
    """A number below 100 in words (einundzwanzig); larger ones in figures, with a point."""
    if number >= 100:
        return f"{number:,}".replace(",", ".")
    if number < 20:
        return _GERMAN[number]
    tens, ones = divmod(number, 10)
    prefix = f"{'ein' if ones == 1 else _GERMAN[ones]}und" if ones else ""
    return prefix + _GERMAN_TENS[tens - 2]


def clock(hour: int, minute: int) -> tuple[str, str]:
    """A time of day, hours from 1 to 12: half past seven is "halb acht" (half to eight)."""
    following = hour % 12 + 1
    if minute == 0:
        german_hour = "ein" if hour == 1 else german_number(hour)
        return f"{english_number(hour)} o'clock", f"{german_hour} Uhr"
    if minute == 30:
        return f"half past {english_number(hour)}", f"halb {german_number(following)}"
    past = minute < 30
    distance = minute if past else 60 - minute
    named = hour if past else following
    amounts = ("a quarter", "Viertel")
    if distance != 15:
        amounts = (english_number(distance), german_number(distance))
    return (
        f"{amounts[0]} {'past' if past else 'to'} {english_number(named)}",
        f"{amounts[1]} {'nach' if past else 'vor'} {german_number(named)}",
    )
