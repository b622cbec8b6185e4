"""XML as stretches of its own text: checked by expat, then cut at its tags.

Expat vouches that the file is well formed. Then a pattern is enough to cut it into tags, text and
the rest, each with its place, which no parser that builds a tree keeps.

Entities that a file declares itself are refused, so that neither their expansion ("billion laughs")
nor what they refer to (files, addresses) is ever looked at; external document types are not read.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from xml.parsers import expat

import regex

from nmt.documents.encoding import Encoding, byte_order_mark, decode
from nmt.errors import UserError


class Kind(Enum):
    """What a stretch of XML is."""

    START = "start tag"
    END = "end tag"
    EMPTY = "tag of an empty element"
    TEXT = "text"
    CDATA = "text in a CDATA section"
    OTHER = "comment, processing instruction, declaration"


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of XML."""

    kind: Kind
    begin: int
    end: int
    name: str = ""
    """Of a tag: its name with the prefix."""
    attributes: Mapping[str, str] | None = None
    """Of a start tag: values by names with their prefixes."""

    @property
    def local_name(self) -> str:
        """The name without its prefix."""
        return self.name.rpartition(":")[2]

    def get(self, name: str) -> str | None:
        """The value of an attribute."""
        return self.attributes.get(name) if self.attributes else None


XML_ENCODING = regex.compile(rb"""^<\?xml[^>]*?\sencoding\s*=\s*["']([^"']+)["']""")
"""The encoding that the declaration at a file's beginning names."""
_TOKEN = regex.compile(
    r"""(?<other><!--.*?-->|<\?.*?\?>
        |<!DOCTYPE(?:[^"'\[\]<>]|"[^"]*"|'[^']*')*+
          (?:\[(?:<!--.*?-->|<\?.*?\?>|"[^"]*"|'[^']*'|[^"'\]])*+\]\s*)?>)
    |<!\[CDATA\[(?<cdata>.*?)\]\]>
    |</(?<end>[^\s>]+)\s*>
    |<(?<start>[^\s/>]+)(?<attributes>(?:[^"'<>/]|"[^"]*"|'[^']*')*+)(?<empty>/)?>
    |(?<text>[^<]+)""",
    regex.VERBOSE | regex.DOTALL,
)
ATTRIBUTE = regex.compile(r"""([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def read_xml(data: bytes, name: str) -> tuple[str, Encoding]:
    """The text of an XML file, well formed and without entities of its own.

    Raises UserError, with the line, for what is not, and for an encoding that does not hold.
    """
    declared = None
    if byte_order_mark(data) is None and (match := XML_ENCODING.match(data)):
        declared = match[1].decode("latin-1")
    text, encoding = decode(data, name, declared)
    _check(text, name)
    return text, encoding


def _check(text: str, name: str) -> None:
    parser = expat.ParserCreate("utf-8")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def refuse(*_: Any) -> None:
        raise UserError(
            "declares entities of its own, which are not read: they can be used for attacks",
            where=f"{name}:{parser.CurrentLineNumber}",
            mend="write out the entities (xmllint --noent FILE), if you trust the file",
        )

    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise UserError(
            f"not well-formed XML: {expat.ErrorString(error.code)} (column {error.offset + 1})",
            where=f"{name}:{error.lineno}",
            mend="mend the line; nothing was written",
        ) from error


def tokens(text: str) -> Iterator[Token]:
    """The stretches of a well-formed text, all of it, in order."""
    for match in _TOKEN.finditer(text):
        begin, end = match.span()
        if match["text"] is not None:
            yield Token(Kind.TEXT, begin, end)
        elif match["start"] is not None:
            attributes = {
                key: html.unescape(double or single)
                for key, double, single in ATTRIBUTE.findall(match["attributes"])
            }
            kind = Kind.EMPTY if match["empty"] else Kind.START
            yield Token(kind, begin, end, match["start"], attributes)
        elif match["end"] is not None:
            yield Token(Kind.END, begin, end, match["end"])
        elif match["cdata"] is not None:
            yield Token(Kind.CDATA, begin, end)
        else:
            yield Token(Kind.OTHER, begin, end)


@dataclass(slots=True)
class Element:
    """An element of the kinds that a format cares for."""

    start: Token
    end: Token
    """Its end tag; the start tag itself if it is empty."""
    children: list[Element]
    content: list[Token]
    """All tokens between its tags."""

    @property
    def is_empty_tag(self) -> bool:
        return self.start.kind is Kind.EMPTY

    def child(self, name: str) -> Element | None:
        """The first child of this name."""
        return next((one for one in self.children if one.start.local_name == name), None)

    def all(self, name: str) -> list[Element]:
        """All children of this name."""
        return [one for one in self.children if one.start.local_name == name]


def elements(text: str, wanted: Callable[[Token], bool], leaves: frozenset[str]) -> Element:
    """The elements for which ``wanted`` holds, as a tree below a root of the file.

    Those whose local name is in ``leaves`` keep their content as tokens and have no children.
    """
    nowhere = Token(Kind.OTHER, 0, 0)
    root = Element(nowhere, Token(Kind.OTHER, len(text), len(text)), [], [])
    open_elements: list[Element | None] = [root]
    within = [root]
    depth_in_leaf = 0
    for token in tokens(text):
        current = within[-1]
        if depth_in_leaf:
            depth_in_leaf += (token.kind is Kind.START) - (token.kind is Kind.END)
            if depth_in_leaf:
                current.content.append(token)
                continue
            current.end = token
            within.pop()
            open_elements.pop()
        elif token.kind in (Kind.START, Kind.EMPTY):
            element = Element(token, token, [], []) if wanted(token) else None
            if element is not None:
                current.children.append(element)
            if token.kind is Kind.START:
                open_elements.append(element)
                if element is not None:
                    within.append(element)
                    depth_in_leaf = int(token.local_name in leaves)
        elif token.kind is Kind.END:
            element = open_elements.pop()
            if element is not None:
                element.end = token
                within.pop()
    return root


def text_of(text: str, token: Token) -> str:
    """What a stretch of text says, its references resolved."""
    if token.kind is Kind.CDATA:
        return text[token.begin + len("<![CDATA[") : token.end - len("]]>")]
    return unescape(text[token.begin : token.end])


_REFERENCE = regex.compile(r"&(?:#x([0-9A-Fa-f]+)|#(\d+)|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_FORBIDDEN = regex.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def unescape(raw: str) -> str:
    """Text with its character references and the five entities of XML resolved."""

    def value(match: regex.Match[str]) -> str:
        if match[3]:
            return _NAMED[match[3]]
        return chr(int(match[1], 16) if match[1] else int(match[2]))

    return _REFERENCE.sub(value, raw) if "&" in raw else raw


def escape(text: str) -> str:
    """Text as it is written between tags; characters that XML does not allow are left out."""
    text = _FORBIDDEN.sub("", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
