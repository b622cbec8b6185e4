"""Tags in texts that are not otherwise of a markup language: messages, subtitles."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from nmt.documents.content import Code, Content, Role

_TAG = regex.compile(
    r"<(?<close>/)?(?<name>[A-Za-z][\w:.-]*+)(?:\s++[^<>]*?)?(?<empty>/)?>|\{\\[^{}]*+\}"
)
VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"}
    | {"source", "track", "wbr"}
)
"""Elements of HTML that have no end tag."""


def tags_as_codes(text: str) -> Content:
    """A text with tags, as of HTML, and overrides, as in some subtitles (``{\\an8}``), as codes."""
    return tuple(_parts(text))


def _parts(text: str) -> Iterator[str | Code]:
    last = 0
    for match in _TAG.finditer(text):
        if match.start() > last:
            yield text[last : match.start()]
        last = match.end()
        name = (match["name"] or "").lower()
        if match["close"]:
            yield Code(match[0], Role.CLOSE, name)
        elif not name or match["empty"] or name in VOID:
            yield Code(match[0], name=name, visible=name in ("img", "input"))
        else:
            yield Code(match[0], Role.OPEN, name)
    if last < len(text):
        yield text[last:]
