"""Inline elements of TMX and XLIFF as codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import regex

from nmt.documents.content import Code, Content, Role
from nmt.documents.inline_markup import tags_as_codes
from nmt.documents.xml_scan import Kind, Token, escape, text_of

Inline: TypeAlias = Callable[[Token], tuple[Role, str] | None]
"""Which code an element is as a whole, and what pairs it; None if its content is text."""

_LINE_FEED = regex.compile(r"([ \t]*\r?\n[ \t\r\n]*)")


def content_of(text: str, content: Sequence[Token], inline: Inline, *, keep_lines: bool) -> Content:
    """The content of an element whose text is to be translated.

    Args:
        text: the file's.
        content: the element's tokens.
        inline: tells which code an element within is.
        keep_lines: whether white space matters; then line feeds are codes.
    """
    return tuple(_parts(text, content, inline, keep_lines))


def _parts(
    text: str, content: Sequence[Token], inline: Inline, keep_lines: bool
) -> Iterator[str | Code]:
    number = 0
    pairs: list[str] = []
    while number < len(content):
        token = content[number]
        raw = text[token.begin : token.end]
        match token.kind:
            case Kind.TEXT | Kind.CDATA:
                for one in _with_tags(text_of(text, token)):
                    if isinstance(one, Code) or not keep_lines:
                        yield one
                        continue
                    for place, part in enumerate(_LINE_FEED.split(one)):
                        if place % 2:
                            yield Code(escape(part))
                        elif part:
                            yield part
            case Kind.START | Kind.EMPTY:
                found = inline(token)
                if found is not None:
                    end = _end_of(content, number)
                    role, name = found
                    yield Code(text[token.begin : content[end].end], role, name)
                    number = end
                elif token.kind is Kind.EMPTY:
                    yield Code(raw)
                else:
                    pairs.append(f"{token.name} {len(pairs)}")
                    yield Code(raw, Role.OPEN, pairs[-1])
            case Kind.END:
                yield Code(raw, Role.CLOSE, pairs.pop())
            case Kind.OTHER:
                yield Code(raw)
        number += 1


def _with_tags(text: str) -> Iterator[str | Code]:
    """Text with the tags that it has as text (``&lt;b&gt;``, as HTML is kept in XML) as codes.

    They are pairs only where they nest, so that elements around them are nested still.
    """
    parts = tags_as_codes(text)
    waiting: list[str] = []
    nested = True
    for part in parts:
        if isinstance(part, Code) and part.role is Role.OPEN:
            waiting.append(part.name)
        elif isinstance(part, Code) and part.role is Role.CLOSE:
            nested = nested and bool(waiting) and waiting.pop() == part.name
    nested = nested and not waiting
    for part in parts:
        if isinstance(part, Code):
            role = part.role if nested else Role.SINGLE
            yield Code(escape(part.raw), role, f"text {part.name}", part.visible)
        else:
            yield part


def _end_of(content: Sequence[Token], number: int) -> int:
    """The number of the token that ends the element that begins at ``number``."""
    depth = 0
    while True:
        depth += (content[number].kind is Kind.START) - (content[number].kind is Kind.END)
        if depth == 0:
            return number
        number += 1


def write(content: Content) -> str:
    """A content as XML."""
    return "".join(escape(part) if isinstance(part, str) else part.raw for part in content)
