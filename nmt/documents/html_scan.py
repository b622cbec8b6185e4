"""HTML as stretches of its own text, cut as the standard's tokenizer does it.

The rules are those of the HTML standard (13.2.5, "Tokenization") that decide where a tag, a comment
and the text of ``script`` and the like end; nothing is an error, as in browsers.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import regex

from nmt.documents.content import Role

RAW_TEXT: Final = frozenset(
    {"script", "style", "xmp", "iframe", "noembed", "noframes", "textarea", "title", "plaintext"}
)
"""Elements whose content has no tags; of `title` and `textarea` it has character references."""

_TOKEN = regex.compile(
    r"""(?<comment><!--(?:-?>|.*?(?:--!?>|\Z))|<[!?][^>]*+(?:>|\Z)|</(?![A-Za-z>])[^>]*+(?:>|\Z)|</>)
    |(?<tag><(?<end>/)?(?<name>[A-Za-z][^\s/>]*+)
        (?<attributes>(?:[\s/]++|[^\s/>=][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+))?
            |=[^\s/>=]*+)*+)>)
    |(?<text>[^<]++|<)""",
    regex.VERBOSE | regex.DOTALL,
)
_ATTRIBUTE = regex.compile(
    r"""[^\s/>=][^\s/>=]*+(?=\s*+=)\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+)|[^\s/>=]++""",
    regex.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a tag."""

    name: str
    value: str
    """Its references resolved."""
    begin: int
    end: int
    """Where the value is, within its quotation marks if it has any."""
    quoted: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of HTML: a tag where it has a role, text where it is text, else a comment."""

    begin: int
    end: int
    name: str = ""
    """Of a tag, in small letters."""
    role: Role | None = None
    """What a tag is; an empty element's in the way of XML (``<br/>``) is OPEN, as in browsers,
    unless the text is XHTML."""
    is_text: bool = False
    attributes: tuple[Attribute, ...] = ()

    def get(self, name: str) -> str | None:
        """The value of an attribute."""
        return next((one.value for one in self.attributes if one.name == name), None)


def tokens(text: str, *, xhtml: bool = False) -> Iterator[Token]:
    """The stretches of an HTML text, all of it, in order.

    In XHTML, which is XML, a tag like ``<title/>`` is an element without content: its role is
    SINGLE.
    """
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        assert match is not None  # a "<" by itself is text
        begin, place = match.span()
        if match["tag"] is None:
            yield Token(begin, place, is_text=match["comment"] is None)
            continue
        name = match["name"].lower()
        if match["end"]:
            yield Token(begin, place, name, Role.CLOSE)
            continue
        attributes = tuple(_attributes(text, *match.span("attributes")))
        is_empty = xhtml and text.endswith("/>", begin, place)
        role = Role.SINGLE if is_empty else Role.OPEN
        yield Token(begin, place, name, role, attributes=attributes)
        if name in RAW_TEXT and not is_empty:
            end = regex.compile(rf"</{name}(?=[\s/>])", regex.IGNORECASE).search(text, place)
            until = end.start() if end and name != "plaintext" else len(text)
            if until > place:
                yield Token(place, until, name, is_text=True)
            place = until


def _attributes(text: str, begin: int, end: int) -> Iterator[Attribute]:
    seen: set[str] = set()
    for match in _ATTRIBUTE.finditer(text, begin, end):
        name, equals, value = match[0].partition("=")
        name = name.strip().lower()
        if name in seen:
            continue  # the first one holds
        seen.add(name)
        if not equals:
            yield Attribute(name, "", match.end(), match.end(), False)
            continue
        value = value.lstrip()
        quoted = value[:1] in "\"'" and len(value) > 1
        first = match.end() - len(value) + quoted
        last = match.end() - quoted
        yield Attribute(name, html.unescape(text[first:last]), first, last, quoted)
