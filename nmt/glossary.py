"""Glossaries: terms of the source, and what a translation must or must not call them.

A glossary is a text file (UTF-8) of lines with two columns parted by a tab::

    # Lines that begin with # are comments, blank ones are skipped.
    house       Haus|Hauses|Häuser          one of these must occur
    US          USA
    !house      Gebäude|Gebäudes            none of these may occur
    !           utilisieren                 nor this, whatever the source is

A line applies to sentences in whose source its term occurs as whole words (`nmt.word_boundaries`).
A term without capitals is found however it is written (``house``, ``House``, ``HOUSE``); one with
a capital only as it is given. Where terms overlap, the longest counts, and among equally long ones
that with the right case: of ``house`` and ``green house`` only the second applies to "a green
house". A term that occurs several times must occur in the translation once at least.

Target terms are whole words too, and as they are given, but that the first letter may be a capital
at the beginning of a sentence. Inflected forms are variants like any others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import regex

from nmt.errors import UserError, UserErrors
from nmt.guide import Guide
from nmt.lines import read_lines
from nmt.tokenization.text import normalize_text
from nmt.word_boundaries import WORD_CHARACTERS, is_unspaced_character, whole_words

_COMMENT: Final = "#"
_FORBIDDEN: Final = "!"
_VARIANTS: Final = "|"
_INDEXED: Final = 2
"""First characters of a term by which it is looked up."""
_WORD: Final = regex.compile(f"[{WORD_CHARACTERS}]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a glossary."""

    source: str
    """The term; empty for what may never occur."""
    variants: tuple[str, ...]
    """What a translation calls it; never empty."""
    forbidden: bool
    """Whether the variants must not occur."""
    line: int
    """Where it stands in the file, from 1."""


class Glossary:
    """What to call things; see the module's documentation for what applies when."""

    def __init__(self, entries: Iterable[Entry], name: str = "glossary") -> None:
        """Take the lines of the glossary called ``name``.

        Raises UserErrors, with the lines, for terms that are there twice, and for lines of one
        term that contradict each other.
        """
        self.entries = tuple(entries)
        self._name = name
        self._by_beginning: dict[str, dict[str, list[Entry]]] = {}
        errors = list(self._repeated())
        for entry in self.entries:
            beginning = _lower(entry.source)[:_INDEXED]
            self._by_beginning.setdefault(beginning, {}).setdefault(entry.source, []).append(entry)
        self._always = tuple(entry for entry in self.entries if not entry.source)
        for together in (each for by in self._by_beginning.values() for each in by.values()):
            errors += self._contradictions([*together, *self._always] if together[0].source else [])
        if errors:
            raise UserErrors(errors)

    def __bool__(self) -> bool:
        return bool(self.entries)

    def guide(self, text: str, prefix: str = "") -> Guide:
        """What the translation of a segment must be like, besides beginning with ``prefix``.

        Raises UserErrors, with the lines, where lines that apply contradict each other.
        """
        applying = [*self._applying(normalize_text(text)), *self._always]
        if errors := list(self._contradictions(applying)):
            raise UserErrors(errors)
        return Guide(
            prefix,
            must=tuple(dict.fromkeys(one.variants for one in applying if not one.forbidden)),
            must_not=tuple(dict.fromkeys(one.variants for one in applying if one.forbidden)),
        )

    def _applying(self, text: str) -> Iterator[Entry]:
        """The entries whose terms are in a text, each time that they are."""
        lower = _lower(text)
        place = 0
        while place < len(text):
            longest = 0
            found: list[Entry] = []
            for length in range(1, _INDEXED + 1):
                beginning = lower[place : place + length]
                for source, entries in self._by_beginning.get(beginning, {}).items():
                    exact = text.startswith(source, place)
                    if not exact and not (source == _lower(source) == lower[place:][: len(source)]):
                        continue
                    rank = 2 * len(source) + exact
                    if rank > longest and _is_whole(text, place, place + len(source)):
                        longest, found = rank, entries
            yield from found
            place += max(1, longest // 2)

    def _repeated(self) -> Iterator[UserError]:
        first: dict[tuple[str, bool], Entry] = {}
        for entry in self.entries:
            before = first.setdefault((entry.source, entry.forbidden), entry)
            if before is not entry and entry.source:
                yield self._error(
                    f"{entry.source!r} is in line {before.line} already",
                    entry,
                    "put all variants into one line, parted by |",
                )

    def _contradictions(self, applying: Sequence[Entry]) -> Iterator[UserError]:
        """Terms that must occur of which every variant has a forbidden one in it."""
        forbidden = [entry for entry in applying if entry.forbidden]
        for entry in applying:
            if entry.forbidden or not forbidden:
                continue
            lines = set()
            for variant in entry.variants:
                against = next((one for one in forbidden if _occurs(one.variants, variant)), None)
                if against is None:
                    break
                lines.add(against.line)
            else:
                others = " and ".join(f"line {line}" for line in sorted(lines))
                yield self._error(
                    f"{_VARIANTS.join(entry.variants)!r} must occur, and must not by {others}",
                    entry,
                    "take one of the lines out, or give another variant",
                )

    def _error(self, what: str, entry: Entry, mend: str) -> UserError:
        return UserError(what, where=f"{self._name}:{entry.line}", mend=mend)


def read_glossary(path: Path) -> Glossary:
    """Read a glossary; see the module's documentation.

    Raises UserErrors, with the lines, for everything that is wrong with it.
    """
    entries, errors = [], []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or line.startswith(_COMMENT):
            continue
        try:
            entries.append(_read_entry(line, number))
        except UserError as error:
            errors.append(UserError(error.what, where=f"{path}:{number}", mend=error.mend))
    if errors:
        raise UserErrors(errors)
    return Glossary(entries, str(path))


def _read_entry(line: str, number: int) -> Entry:
    columns = line.split("\t")
    if len(columns) != 2:
        raise UserError(
            f"a line has two columns, and this has {len(columns)}",
            mend="write the source term, a tab, and its translations, parted by |",
        )
    source, target = columns
    forbidden = source.startswith(_FORBIDDEN)
    source = normalize_text(source.removeprefix(_FORBIDDEN))
    variants = tuple(normalize_text(variant) for variant in target.split(_VARIANTS))
    if not source and not forbidden:
        raise UserError(
            "there is no source term",
            mend="give one; only what must not occur (!) may be without",
        )
    if not any(variants):
        raise UserError("the term has no translation", mend="write one after the tab")
    if not all(variants):
        raise UserError("a variant is empty", mend="take out the | that parts it from nothing")
    if len(set(variants)) < len(variants):
        twice = next(one for one in variants if variants.count(one) > 1)
        raise UserError(f"the variant {twice!r} is there twice", mend="take one of them out")
    return Entry(source, variants, forbidden, number)


def _occurs(variants: Sequence[str], text: str) -> bool:
    return regex.search(whole_words(variants), text) is not None


def _is_whole(text: str, begin: int, end: int) -> bool:
    """Whether a stretch of a text does not begin or end within a word."""
    return not any(
        _WORD.match(text, edge - 1)
        and _WORD.match(text, edge)
        and not is_unspaced_character(text[inside])
        for edge, inside in ((begin, begin), (end, end - 1))
        if 0 < edge < len(text)
    )


def _lower(text: str) -> str:
    """In small letters, each character for itself, so that places stay the same."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)


def met_terms(guide: Guide, text: str) -> Mapping[tuple[str, ...], bool]:
    """For each term of a guide, by its variants, whether a translation does as it says."""
    text = normalize_text(text)
    first = regex.match(f"[^{WORD_CHARACTERS}]*+", text)
    assert first is not None

    def occurs(variants: Sequence[str]) -> bool:
        capitals = [variant[0].upper() + variant[1:] for variant in variants]
        begun = regex.search(whole_words(capitals), text)
        return _occurs(variants, text) or (begun is not None and begun.start() <= first.end())

    return {one: occurs(one) for one in guide.must} | {
        one: not occurs(one) for one in guide.must_not
    }
