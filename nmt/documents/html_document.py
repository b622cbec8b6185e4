"""HTML pages: text in blocks, with inline tags in it, and attributes that people read."""

from __future__ import annotations

import bisect
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from nmt.documents.content import (
    Code,
    Content,
    Document,
    LineNumbers,
    Patch,
    Role,
    Segment,
    apply_patches,
)
from nmt.documents.encoding import byte_order_mark, decode
from nmt.documents.html_scan import Token, tokens
from nmt.documents.inline_markup import VOID
from nmt.documents.xml_scan import XML_ENCODING


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_INLINE = _names(
    "a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd label mark nobr"
    " q rb rp rt ruby s samp small span strike strong sub sup svg time tt u var wbr math"
)
_VERBATIM = _names(
    "script style code kbd samp var svg math template object noscript"
    " xmp iframe noembed noframes plaintext"
)
"""Elements whose content is no text for people, or stays in its own language."""
_READ = frozenset({"alt", "title", "placeholder", "aria-label"})
_DESCRIBING = _names(
    "description keywords og:title og:description og:image:alt twitter:title twitter:description"
)
_CHARSET = regex.compile(
    rb"""<meta[^>]*?\scharset\s*=\s*["']?\s*([^\s"'/>;]+)"""
    rb"""|<meta[^>]*?content\s*=\s*["'][^"'>]*?charset=([^\s"'/>;]+)""",
    regex.IGNORECASE,
)
_XHTML = regex.compile(r"\s*<\?xml\s|.{0,1000}?<html\s[^>]*\bxmlns\s*=", regex.DOTALL)
_REFERENCE = regex.compile(r"&(?:#[xX][0-9A-Fa-f]+|#\d+|[A-Za-z][A-Za-z0-9]*);")
_SPACES = " \t\r\n\f"


@dataclass(frozen=True, slots=True)
class _Placed:
    """A code, and where it is in the file: there may be attributes to translate in it."""

    code: Code
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class _Task:
    """Where a segment is, and how its characters were written."""

    begin: int
    end: int
    codes: tuple[_Placed, ...]
    references: dict[str, str]
    quote: str
    """The quotation mark around an attribute's value; empty for text, a space for none."""


class HtmlDocument(Document):
    """A page, or a part of one.

    A segment is the text between two tags of blocks, with inline tags as codes in it. Scripts,
    styles, ``code`` and its like, and whatever is marked ``translate="no"`` stay as they are.
    Translated are also ``alt``, ``title``, ``placeholder``, ``aria-label``, the values of buttons
    and a page's description. Characters that were written as references (``&nbsp;``) are again.
    """

    def __init__(self, data: bytes, name: str) -> None:
        """Read a page.

        Raises UserError where the encoding that it names does not hold.
        """
        self._name = name
        charset = None
        if byte_order_mark(data) is None:
            match = XML_ENCODING.match(data) or _CHARSET.search(data[:4096])
            charset = (match[1] or match[2]).decode("latin-1") if match else None
        if charset and charset.lower() in ("iso-8859-1", "latin1", "us-ascii", "ascii"):
            charset = "utf-8" if _is_utf8(data) else "cp1252"  # as browsers read these names
        text, self._encoding = decode(data, name, charset)
        self._patches = HtmlPatches(text)
        self.segments = self._patches.segments

    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document.rebuild`."""
        return self._encoding.encode(
            self._patches.apply(translations), where=self._name, references=True
        )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class HtmlPatches:
    """The segments of a text in HTML, and how they are put into their places."""

    def __init__(self, text: str, first_line: int = 1) -> None:
        self._text = text
        self._numbers = LineNumbers(text)
        self._first_line = first_line
        self.segments: list[Segment] = []
        self._tasks: list[_Task] = []
        self._read()

    def _add(
        self, content: Content, begin: int, end: int, codes: Sequence[_Placed], quote: str
    ) -> None:
        text = self._text
        references = {
            html.unescape(match[0]): match[0]
            for match in _REFERENCE.finditer(text, begin, end)
            if len(html.unescape(match[0])) == 1
        }
        line = self._numbers.at(begin) + self._first_line - 1
        self.segments.append(Segment(content, line))
        self._tasks.append(_Task(begin, end, tuple(codes), references, quote))

    def _read(self) -> None:
        """Walk through the text; a run of inline tokens is a segment."""
        run: list[_Placed | Token] = []
        lines_matter = 0
        skipping: tuple[str, int] | None = None
        skip_begin = 0
        for token in tokens(self._text, xhtml=_XHTML.match(self._text) is not None):
            if skipping is not None:
                name, depth = skipping
                if token.role in (Role.OPEN, Role.CLOSE) and token.name == name:
                    depth += 1 if token.role is Role.OPEN else -1
                    skipping = (name, depth)
                if depth == 0:
                    skipping = None
                    if name in _INLINE:
                        raw = self._text[skip_begin : token.end]
                        run.append(_Placed(Code(raw, visible=True), skip_begin, token.end))
                continue
            if token.role is Role.OPEN and token.name not in VOID and _is_kept(token):
                skipping, skip_begin = (token.name, 1), token.begin
                if token.name not in _INLINE:
                    self._end_run(run)
                continue
            if token.role is not None:
                self._add_attributes(token)
                if token.name in ("pre", "textarea"):
                    self._end_run(run)
                    step = {Role.OPEN: 1, Role.CLOSE: -1, Role.SINGLE: 0}[token.role]
                    lines_matter = max(0, lines_matter + step)
                elif token.name in _INLINE:
                    run.append(self._placed(token))
                else:
                    self._end_run(run)
            elif token.is_text and lines_matter:
                for line in regex.finditer(r"[^\n]+|\n+", self._text[token.begin : token.end]):
                    if line[0].startswith("\n"):
                        self._end_run(run)
                    else:
                        place = token.begin
                        run.append(Token(place + line.start(), place + line.end(), is_text=True))
            elif token.is_text:
                run.append(token)
            else:
                raw = self._text[token.begin : token.end]
                run.append(_Placed(Code(raw), token.begin, token.end))
        self._end_run(run)

    def _placed(self, token: Token) -> _Placed:
        raw = self._text[token.begin : token.end]
        role = token.role or Role.SINGLE
        if token.name in VOID or raw.endswith("/>"):
            role = Role.SINGLE
        visible = token.name == "img"
        return _Placed(Code(raw, role, token.name, visible), token.begin, token.end)

    def _add_attributes(self, token: Token) -> None:
        for attribute in token.attributes:
            if not attribute.value.strip() or not _is_read(token, attribute.name):
                continue
            quote = self._text[attribute.begin - 1] if attribute.quoted else " "
            self._add((attribute.value,), attribute.begin, attribute.end, (), quote)

    def _end_run(self, run: list[_Placed | Token]) -> None:
        """Make a segment of a run, without tags and white space at its ends, and begin a new."""
        parts = [*run]
        run.clear()
        text = self._text
        while parts and _is_outside(parts[0], text) and not _opens_within(parts):
            parts.pop(0)
        while parts and _is_outside(parts[-1], text) and not _closes_within(parts):
            parts.pop()
        if not any(isinstance(one, Token) and text[one.begin : one.end].strip() for one in parts):
            return
        content: list[str | Code] = []
        for one in parts:
            raw = text[one.begin : one.end]
            content.append(html.unescape(raw) if isinstance(one, Token) else one.code)
        codes = [one for one in parts if isinstance(one, _Placed)]
        self._add(tuple(content), parts[0].begin, parts[-1].end, codes, "")

    def apply(self, translations: Sequence[Content | None]) -> str:
        """The text with these translations; see `Document.rebuild`."""
        changed = [
            (task, content)
            for task, segment, content in zip(self._tasks, self.segments, translations, strict=True)
            if content is not None and content != segment.content
        ]
        # Attributes first: they may be in the tags that the texts have as codes.
        inner = sorted(
            (
                Patch(task.begin, task.end, _attribute(content, task))
                for task, content in changed
                if task.quote
            ),
            key=lambda patch: patch.begin,
        )
        begins = [patch.begin for patch in inner]
        done: set[int] = set()

        def patched(begin: int, end: int) -> str:
            within = range(bisect.bisect_left(begins, begin), bisect.bisect_left(begins, end))
            done.update(within)
            return apply_patches(self._text[begin:end], [inner[n] for n in within], begin)

        outer: list[Patch] = []
        for task, content in changed:
            if task.quote:
                continue
            codes = {id(one.code): patched(one.begin, one.end) for one in task.codes}
            written = (
                _escape(part, task.references)
                if isinstance(part, str)
                else codes.get(id(part), part.raw)
                for part in content
            )
            outer.append(Patch(task.begin, task.end, "".join(written)))
        outer += [patch for number, patch in enumerate(inner) if number not in done]
        return apply_patches(self._text, outer)


def _is_kept(token: Token) -> bool:
    """Whether an element's content is not to be translated."""
    editable = token.get("translate")
    if editable is not None:
        return editable.strip().lower() == "no"
    classes = (token.get("class") or "").split()
    return token.name in _VERBATIM or "notranslate" in classes


def _is_read(token: Token, name: str) -> bool:
    """Whether people read an attribute's value."""
    if (token.get("translate") or "").lower() == "no":
        return False
    if name in _READ:
        return True
    if token.name == "input" and name == "value":
        return (token.get("type") or "").lower() in ("submit", "button", "reset")
    if token.name == "meta" and name == "content":
        said = token.get("name") or token.get("property") or ""
        return said.lower() in _DESCRIBING
    return False


def _is_outside(part: _Placed | Token, text: str) -> bool:
    """Whether a part at a segment's end need not be in it."""
    if isinstance(part, Token):
        return not text[part.begin : part.end].strip(_SPACES)
    return not part.code.visible


def _partner_within(codes: Iterator[Code], name: str, role: Role) -> bool:
    depth = 0
    for code in codes:
        if code.name == name and code.role is not Role.SINGLE:
            depth += 1 if code.role is role else -1
            if depth == 0:
                return True
    return False


def _opens_within(parts: Sequence[_Placed | Token]) -> bool:
    first = parts[0]
    if not isinstance(first, _Placed) or first.code.role is not Role.OPEN:
        return False
    codes = (one.code for one in parts if isinstance(one, _Placed))
    return _partner_within(codes, first.code.name, Role.OPEN)


def _closes_within(parts: Sequence[_Placed | Token]) -> bool:
    last = parts[-1]
    if not isinstance(last, _Placed) or last.code.role is not Role.CLOSE:
        return False
    codes = (one.code for one in reversed(parts) if isinstance(one, _Placed))
    return _partner_within(codes, last.code.name, Role.CLOSE)


def _escape(text: str, references: dict[str, str]) -> str:
    """Text as HTML; ``>`` need not be escaped, characters that had a reference get it again."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    for character, reference in references.items():
        if character not in "&<;#" and not character.isalnum():
            text = text.replace(character, reference)
    return text


def _attribute(content: Content, task: _Task) -> str:
    """A value as it is written within its quotation marks."""
    text = "".join(part for part in content if isinstance(part, str))
    written = _escape(text, task.references)
    if task.quote == " ":  # it had none
        return f'"{written.replace(chr(34), "&quot;")}"'
    return written.replace(task.quote, "&quot;" if task.quote == '"' else "&#39;")
