"""gettext message catalogues (PO, POT): what is untranslated or fuzzy, and nothing else.

The file is read line by line into its entries; an entry that gets a translation has its ``msgstr``
written anew, and every other line stays as it is, with its wrapping.
"""

from __future__ import annotations

import gettext
from collections.abc import Sequence
from dataclasses import dataclass, field

import regex

from nmt.documents.content import (
    Code,
    Content,
    Document,
    LineNumbers,
    Patch,
    Segment,
    apply_patches,
)
from nmt.documents.encoding import decode
from nmt.documents.inline_markup import tags_as_codes
from nmt.documents.po_strings import PLURAL_FORMS, quote, unescape
from nmt.errors import UserError

_LINE = regex.compile(
    r"[ \t]*+(?:(?<comment>#[^\n]*+)|(?<key>msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)[ \t]*+"
    r'(?="))?+(?<string>"(?:[^"\\\n]|\\[^\n])*+")?+[ \t\r]*+(?:\n|\Z)'
)
_CHARSET = regex.compile(rb'charset=([^\s\\"]+)')
_PLURALS = regex.compile(r"nplurals\s*=\s*(\d+)\s*;\s*plural\s*=\s*([^;\n]+);?")


@dataclass(slots=True)
class _Field:
    """A string of an entry: its value, and where it is."""

    begin: int
    end: int
    """After the last of its lines, line feed included."""
    parts: list[str] = field(default_factory=list)

    @property
    def value(self) -> str:
        return unescape("".join(self.parts))


@dataclass(slots=True)
class _Entry:
    """A message: its comments, then its strings by keyword."""

    begin: int
    comments: list[tuple[int, int]] = field(default_factory=list)
    fields: dict[str, _Field] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Part:
    """A line of a message: white space, and a segment to be translated, if there is one."""

    before: str
    segment: int | None
    text: str


@dataclass(frozen=True, slots=True)
class _Task:
    """An entry that is to be translated; its singular and, if it has one, its plural."""

    entry: _Entry
    singular: tuple[_Part, ...]
    plural: tuple[_Part, ...] | None


class PoDocument(Document):
    """A message catalogue.

    Translated entries are marked ``fuzzy``, for a person to look at, unless ``final``. Of a fuzzy
    entry, whose translation is replaced, the lines with the message that the old translation was
    for (``#|``) go with it. Entries with a translation, obsolete ones (``#~``), the header and
    comments stay as they are, and so do those plural forms that have a translation. Lines of a
    message are translated by themselves where a blank or an indented one follows; within a
    paragraph, line feeds are codes.
    """

    def __init__(
        self, data: bytes, name: str, *, target_language: str, final: bool = False
    ) -> None:
        """Read a catalogue.

        Raises UserError for a line that is none of a catalogue's, and for plural messages where
        the header does not say how many forms the language has.
        """
        declared = _CHARSET.search(data[:8192])
        charset = declared[1].decode("latin-1") if declared else None
        self._name = name
        self._text, self._encoding = decode(data, name, None if charset == "CHARSET" else charset)
        self._final = final
        self._line_end = "\r\n" if "\r\n" in self._text[:4096] else "\n"
        self._numbers = LineNumbers(self._text)
        self._segments: list[Segment] = []
        entries = self._read()
        self._plurals = _plural_forms(entries)
        self._tasks = [self._task(entry) for entry in entries if self._is_open(entry)]
        self.segments = self._segments
        if self._plurals is None:
            for task in self._tasks:
                if task.plural is not None:
                    raise self._no_plural_forms(task.entry, target_language)

    def _read(self) -> list[_Entry]:
        """The entries of the file, obsolete ones left out."""
        entries: list[_Entry] = []
        entry = _Entry(0)
        current: _Field | None = None
        place = 0
        while place < len(self._text):
            match = _LINE.match(self._text, place)
            comment, key, string = match.group("comment", "key", "string") if match else (None,) * 3
            if match is None:
                raise self._not_a_line(place)
            if comment is not None:
                if entry.fields:
                    entries.append(entry)
                    entry, current = _Entry(place), None
                entry.comments.append(match.span("comment"))
            elif key is not None:
                new = key == "msgctxt" or (key == "msgid" and "msgid" in entry.fields)
                if new and entry.fields:
                    entries.append(entry)
                    entry = _Entry(place)
                if key in entry.fields or (
                    key != "msgctxt" and key != "msgid" and "msgid" not in entry.fields
                ):
                    raise self._not_a_line(place)
                assert string is not None  # the pattern wants one after a keyword
                current = entry.fields[key] = _Field(
                    match.start("key"), match.end(), [string[1:-1]]
                )
            elif string is not None:
                if current is None:
                    raise self._not_a_line(place)
                current.parts.append(string[1:-1])
                current.end = match.end()
            elif match.end() == place:
                break
            place = match.end()
        if entry.fields:
            entries.append(entry)
        for one in entries:
            if "msgid" not in one.fields or not any(key.startswith("msgstr") for key in one.fields):
                raise UserError(
                    "a message without msgid or msgstr", where=self._where(one.begin),
                    mend="msgfmt --check FILE says more",
                )  # fmt: skip
        return entries

    def _where(self, place: int) -> str:
        return f"{self._name}:{self._numbers.at(place)}"

    def _not_a_line(self, place: int) -> UserError:
        line = self._text[place:].split("\n", 1)[0].strip()
        return UserError(
            f"not a line of a message catalogue here: {line[:60]}",
            where=self._where(place),
            mend="msgfmt --check FILE says more",
        )

    def _no_plural_forms(self, entry: _Entry, language: str) -> UserError:
        forms = PLURAL_FORMS.get(regex.split("[-_]", language)[0], "nplurals=N; plural=EXPRESSION;")
        return UserError(
            "a message with plural forms, of which the header does not say how many there are",
            where=self._where(entry.begin),
            mend=f'add to the header: "Plural-Forms: {forms}\\n"',
        )

    def _is_open(self, entry: _Entry) -> bool:
        """Whether an entry is untranslated or fuzzy, and not the header."""
        if entry.fields["msgid"].value == "":
            return False
        strings = [one.value for key, one in entry.fields.items() if key.startswith("msgstr")]
        return not all(strings) or "fuzzy" in _flags(self._text, entry)

    def _task(self, entry: _Entry) -> _Task:
        flags = _flags(self._text, entry)
        printf = any(flag in ("c-format", "objc-format", "python-format") for flag in flags)
        line = self._numbers.at(entry.fields["msgid"].begin)
        plural = entry.fields.get("msgid_plural")
        return _Task(
            entry,
            self._parts(entry.fields["msgid"].value, line, printf),
            None if plural is None else self._parts(plural.value, line, printf),
        )

    def _parts(self, message: str, line: int, printf: bool) -> tuple[_Part, ...]:
        parts: list[_Part] = []
        last = 0
        for match in _PARAGRAPH.finditer(message):
            content: list[str | Code] = []
            for number, one in enumerate(_LINE_FEED.split(match[0])):
                if number % 2:
                    content.append(Code(one))
                else:
                    content += tags_as_codes(one)
            parts.append(_Part(message[last : match.start()], len(self._segments), match[0]))
            self._segments.append(Segment(tuple(content), line, printf))
            last = match.end()
        parts.append(_Part(message[last:], None, ""))
        return tuple(parts)

    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document.rebuild`; a message of which a part has no translation stays as it is."""
        patches: list[Patch] = []
        for task in self._tasks:
            singular = _message(task.singular, translations)
            plural = None if task.plural is None else _message(task.plural, translations)
            if singular is None or (task.plural is not None and plural is None):
                continue
            patches += self._written(task.entry, singular, plural)
        return self._encoding.encode(apply_patches(self._text, patches), where=self._name)

    def _written(self, entry: _Entry, singular: str, plural: str | None) -> list[Patch]:
        """What changes in the lines of an entry."""
        text, end = self._text, self._line_end
        strings = [one for key, one in entry.fields.items() if key.startswith("msgstr")]
        if plural is None:
            lines = quote("msgstr", singular, end)
        else:
            assert self._plurals is not None
            num_forms, singular_form = self._plurals
            kept = {} if "fuzzy" in _flags(text, entry) else entry.fields
            lines = ""
            for key, form in ((f"msgstr[{n}]", n) for n in range(num_forms)):
                if (old := kept.get(key)) is not None and old.value:
                    lines += text[old.begin : old.end].removesuffix(end) + end
                else:
                    lines += quote(key, singular if form == singular_form else plural, end)
        begin, finish = strings[0].begin, strings[-1].end
        if not text[:finish].endswith("\n"):
            lines = lines.removesuffix(end)
        return [*self._marked(entry), Patch(begin, finish, lines)]

    def _marked(self, entry: _Entry) -> list[Patch]:
        """What changes in the comments of an entry that is translated."""
        text = self._text
        patches: list[Patch] = []
        fuzzy = "fuzzy" in _flags(text, entry)
        flag_lines = [c for c in entry.comments if text.startswith("#,", c[0])]
        for begin, end in entry.comments:
            if text.startswith("#|", begin):
                patches.append(Patch(begin, self._next_line(end), ""))
            elif text.startswith("#,", begin) and fuzzy and self._final:
                flags = [flag for flag in _split_flags(text[begin:end]) if flag != "fuzzy"]
                if flags:
                    cr = "\r" if text[begin:end].endswith("\r") else ""
                    patches.append(Patch(begin, end, f"#, {', '.join(flags)}{cr}"))
                else:
                    patches.append(Patch(begin, self._next_line(end), ""))
        if not fuzzy and not self._final:
            if flag_lines:
                place = flag_lines[0][0] + 2
                patches.append(Patch(place, place, " fuzzy,"))
            else:
                place = min(one.begin for one in entry.fields.values())
                before = [c[0] for c in entry.comments if text.startswith("#|", c[0])]
                place = min([place, *before])
                patches.append(Patch(place, place, f"#, fuzzy{self._line_end}"))
        return patches

    def _next_line(self, place: int) -> int:
        end = self._text.find("\n", place)
        return len(self._text) if end < 0 else end + 1


_LINE_FEED = regex.compile(r"([ \t]*\n)")
# Lines up to one that is blank, or after which an indented one or a list's item comes.
_PARAGRAPH = regex.compile(r"[^\s](?:[^\n]|\n(?=[^\s*•–-]))*(?<!\s)")


def _message(parts: Sequence[_Part], translations: Sequence[Content | None]) -> str | None:
    """A message from the translations of its parts; None where one is missing."""
    written: list[str] = []
    for part in parts:
        written.append(part.before)
        if part.segment is not None:
            content = translations[part.segment]
            if content is None:
                return None
            written += [one if isinstance(one, str) else one.raw for one in content]
    return "".join(written)


def _flags(text: str, entry: _Entry) -> list[str]:
    return [
        flag
        for begin, end in entry.comments
        if text.startswith("#,", begin)
        for flag in _split_flags(text[begin:end])
    ]


def _split_flags(line: str) -> list[str]:
    return [flag.strip() for flag in line[2:].split(",") if flag.strip()]


def _plural_forms(entries: Sequence[_Entry]) -> tuple[int, int] | None:
    """How many plural forms the header tells, and which of them is for one; None if it does not."""
    for entry in entries:
        if entry.fields["msgid"].value == "" and "msgctxt" not in entry.fields:
            match = _PLURALS.search(entry.fields["msgstr"].value)
            if match is None:
                return None
            try:
                form = gettext.c2py(match[2].strip())(1)
            except ValueError:
                return None
            number = int(match[1])
            # With a single form for all numbers, the message in plural fits more of them.
            return number, -1 if number == 1 else form
    return None
