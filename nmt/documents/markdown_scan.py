"""Markdown's blocks and inline markup with their places, as markdown-it (CommonMark) sees them.

The library's own rules decide what is what; they are only watched while they do. So a file is read
as CommonMark says, with GitHub's tables and strikethrough, and every place is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nmt.errors import UserError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_RECORD: Final = "nmt-record"


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of lines with text in it: a paragraph, a heading, a cell."""

    content: str
    """Its text, its lines without what quotations and lists put before them."""
    first_line: int
    """From 0."""
    is_cell: bool
    kind: str
    """Type of the token before it, such as ``heading_open``."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Inline markup."""

    kind: str
    """A rule's name; for pairs the name and ``_open`` or ``_close``."""
    begin: int
    end: int


class Markdown:
    """Reads Markdown.

    Raises UserError where markdown-it is not installed.
    """

    def __init__(self) -> None:
        try:
            from markdown_it import MarkdownIt
        except ImportError as error:
            raise UserError(
                "reading Markdown needs markdown-it-py",
                mend="pip install 'bitext-nmt[formats]'",
            ) from error
        self._blocks = MarkdownIt("commonmark").enable("table").disable("inline")
        self._inline = MarkdownIt("commonmark").enable("strikethrough")
        self._references: dict[str, Any] = {}
        _watch(self._inline)

    def blocks(self, text: str) -> list[Block]:
        """The blocks of a file that have text; what it refers to is known to `marks` from then."""
        env: dict[str, Any] = {}
        tokens = self._blocks.parse(text, env)
        # To CommonMark the definition of a footnote, if it is a single word, is one of a link.
        self._references = {
            label: target
            for label, target in env.get("references", {}).items()
            if not label.startswith("^")
        }
        return [
            Block(token.content, token.map[0], before.type in ("th_open", "td_open"), before.type)
            for before, token in itertools.pairwise(tokens)
            if token.type == "inline" and token.map is not None and token.content.strip()
        ]

    def is_paragraph(self, text: str) -> bool:
        """Whether a text by itself is one paragraph."""
        types = [token.type for token in self._blocks.parse(text)]
        return types == ["paragraph_open", "inline", "paragraph_close"]

    def marks(self, content: str) -> list[Mark]:
        """The inline markup of a block, in order and without overlap."""
        record = _Record(content)
        env = {_RECORD: record, "references": self._references}
        self._inline.inline.parse(content, self._inline, env, [])
        return record.finish()


class _Record:
    """What the rules of a parse found."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.marks: list[Mark] = []
        self.delimiters: list[tuple[int, int, Token]] = []
        """Begin, length and token of each, whose type is settled when all is read."""

    def finish(self) -> list[Mark]:
        """All marks, of those delimiters that became markup too."""
        for begin, length, token in self.delimiters:
            kind, _, side = token.type.rpartition("_")
            if side not in ("open", "close"):
                continue
            # Of two stars, the inner one's token is the pair's.
            first = begin - 1 if token.type == "strong_open" else begin
            width = 2 if kind == "strong" else length
            self.marks.append(Mark(f"{kind}_{side}", first, first + width))
        return sorted(self.marks, key=lambda mark: (mark.begin, mark.end))


_Rule = Callable[["StateInline", bool], bool]


def _watch(markdown: MarkdownIt) -> None:
    """Let rules tell what they find."""
    from markdown_it import rules_inline as rules

    plain: dict[str, _Rule] = {
        "newline": rules.newline,
        "escape": rules.escape,
        "backticks": rules.backtick,
        "image": rules.image,
        "autolink": rules.autolink,
        "html_inline": rules.html_inline,
        "entity": rules.entity,
    }
    for name, rule in plain.items():
        markdown.inline.ruler.at(name, _watched(name, rule))
    markdown.inline.ruler.at("link", _watched_link(rules.link))
    markdown.inline.ruler.at("emphasis", _watched_delimiters(rules.emphasis.tokenize, 1))
    markdown.inline.ruler.at("strikethrough", _watched_delimiters(rules.strikethrough.tokenize, 2))


def _record_of(state: StateInline) -> _Record | None:
    """None within the text of an image, which is parsed by itself."""
    record = state.env.get(_RECORD)
    return record if isinstance(record, _Record) and state.src is record.source else None


def _watched(name: str, rule: _Rule) -> _Rule:
    def watched(state: StateInline, silent: bool) -> bool:
        begin = state.pos
        found = rule(state, silent)
        if found and not silent and (record := _record_of(state)) is not None:
            record.marks.append(Mark(name, begin, state.pos))
        return found

    return watched


def _watched_link(rule: _Rule) -> _Rule:
    def watched(state: StateInline, silent: bool) -> bool:
        begin = state.pos
        label_end = -1
        record = _record_of(state)
        if not silent and record is not None and state.src[begin] == "[":
            label_end = state.md.helpers.parseLinkLabel(state, begin, True)
        found = rule(state, silent)
        if found and not silent and record is not None:
            record.marks.append(Mark("link_open", begin, begin + 1))
            record.marks.append(Mark("link_close", label_end, state.pos))
        return found

    return watched


def _watched_delimiters(rule: _Rule, width: int) -> _Rule:
    def watched(state: StateInline, silent: bool) -> bool:
        begin, before = state.pos, len(state.tokens) + bool(state.pending)
        found = rule(state, silent)
        if found and not silent and (record := _record_of(state)) is not None:
            place = begin
            for token in state.tokens[before:]:
                length = min(width, len(token.content))
                record.delimiters.append((place, length, token))
                place += length
        return found

    return watched
