"""Markdown: the text of paragraphs, headings, list items and cells."""

from __future__ import annotations

import html
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import regex

from nmt.documents.content import (
    Code,
    Content,
    Document,
    Patch,
    Role,
    Segment,
    apply_patches,
)
from nmt.documents.encoding import decode
from nmt.documents.inline_markup import tags_as_codes
from nmt.documents.lines import break_lines
from nmt.documents.markdown_scan import Block, Mark, Markdown

_FRONT_MATTER = regex.compile(
    r"\A(?:---[ \t]*\r?\n(?:.*?\n)?(?:---|\.\.\.)|\+\+\+[ \t]*\r?\n(?:.*?\n)?\+\+\+)"
    r"[ \t]*(?:\r?\n|\Z)",
    regex.DOTALL,
)
_BLOCK_BEGIN = regex.compile(r"(?:[-+*>#=~|:]|\d+[.)](?:\s|\Z))")
_SPECIAL = regex.compile(r"[\\`*_{}\[\]<>&|~!]")
# What begins a task, a footnote or an admonition, and references to footnotes: no text.
_MARKER = regex.compile(r"\A\[[ xX]\](?=\s)|\A\[\^[^\]\s]+\]:|\[\^[^\]\s]+\]")

_NO_TEXT = regex.compile(
    r"\[(?!\^)[^\]]+\]:[ \t]*\S+|\[![A-Za-z]+\][-+]?\s*\Z|:::|!!!|\{%.*%\}\s*\Z"
)


@dataclass(frozen=True, slots=True)
class _Task:
    """A block that is a segment: where it is and how its lines were broken."""

    begin: int
    end: int
    block: Block
    lengths: tuple[int, ...]
    separators: tuple[str, ...]


class MarkdownDocument(Document):
    """A file of Markdown: CommonMark with GitHub's tables and strikethrough.

    Code, HTML blocks, link targets, reference definitions and front matter (YAML, TOML) stay as
    they are. The lines of a paragraph are joined, and its translation is broken into as many. What
    would be markup in a translation and is none is escaped.
    """

    def __init__(self, data: bytes, name: str) -> None:
        """Read a file.

        Raises UserError for what is not UTF-8, and where markdown-it is not installed.
        """
        self._name = name
        self._text, self._encoding = decode(data, name)
        self._markdown = Markdown()
        lines = self._text.split("\n")
        self._lines = [line.removesuffix("\r") for line in lines]
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        front = _FRONT_MATTER.match(self._text)
        self._num_front = front[0].count("\n") if front else 0
        self._tasks: list[_Task] = []
        segments: list[Segment] = []
        cursor = (0, 0)
        blocks = self._markdown.blocks(self._parsed(self._lines))
        for block in [part for whole in blocks for part in _parted(whole)]:
            spans = self._locate(block, cursor)
            if spans is None:
                continue
            cursor = (block.first_line, spans[-1][1])
            task = self._task(block, spans)
            segments.append(Segment(self._content(task), block.first_line + 1))
            self._tasks.append(task)
        self.segments = segments

    def _parsed(self, lines: Sequence[str]) -> str:
        """The file as its blocks are read: without its front matter."""
        return "\n".join(["" for _ in lines[: self._num_front]] + list(lines[self._num_front :]))

    def _locate(self, block: Block, cursor: tuple[int, int]) -> list[tuple[int, int]] | None:
        """Where each line of a block is in the file; None if it was not taken from it as it is."""
        spans: list[tuple[int, int]] = []
        for number, line in enumerate(block.content.split("\n"), start=block.first_line):
            whole, start = self._lines[number], self._starts[number]
            if block.is_cell or block.kind == "heading_open":
                begin = max(cursor[1] - start, 0) if cursor[0] == number else 0
                place = whole.find(line, begin)
                if place < 0 and block.is_cell:
                    line = _escape_bars(line, True)  # as they are written within a cell
                    place = whole.find(line, begin)
            else:
                place = len(whole.rstrip()) - len(line.rstrip())
                if not whole.startswith(line.rstrip(), max(place, 0)):
                    place = -1
            if place < 0:
                return None
            spans.append((start + place, start + place + len(line.rstrip())))
        return spans

    def _task(self, block: Block, spans: Sequence[tuple[int, int]]) -> _Task:
        separators = [self._text[end:begin] for (_, end), (begin, _) in itertools.pairwise(spans)]
        lengths = [len(line.strip()) for line in block.content.split("\n")]
        return _Task(spans[0][0], spans[-1][1], block, tuple(lengths), tuple(separators))

    def _content(self, task: _Task) -> Content:
        """A block's text with its markup as codes; a line's end is a space, or a code if hard."""
        content = task.block.content
        parts: list[str | Code] = []
        line = last = label_begin = 0
        for mark in self._markdown.marks(content):
            if mark.begin < last:
                continue  # within a code
            _add_text(parts, content[last : mark.begin])
            raw = content[mark.begin : mark.end]
            if "\n" in raw and mark.kind in ("newline", "escape"):
                before = content[: mark.begin].rsplit("\n", 1)[-1]
                hard = mark.kind == "escape" or before.endswith("  ")
                backslash = "\\" if mark.kind == "escape" else ""
                parts.append(
                    Code(backslash + task.separators[line].removeprefix("\\")) if hard else " "
                )
            elif mark.kind == "link_close":
                label = content[label_begin : mark.begin]
                parts.append(Code(_with_label(raw, label), Role.CLOSE, "link"))
            else:
                parts += _coded(mark, raw)
                label_begin = mark.end if mark.kind == "link_open" else label_begin
            line += raw.count("\n")
            last = mark.end
        _add_text(parts, content[last:])
        return tuple(_without_double_spaces(parts))

    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document.rebuild`; a block that would become another kind of block stays."""
        patches: list[Patch] = []
        for task, segment, content in zip(self._tasks, self.segments, translations, strict=True):
            if content is not None and content != segment.content:
                patches.append(Patch(task.begin, task.end, self._written(task, segment, content)))
        return self._encoding.encode(apply_patches(self._text, patches), where=self._name)

    def _written(self, task: _Task, segment: Segment, content: Content) -> str:
        """A translation as Markdown: escaped only where it would else be read as markup."""
        hard = sum(isinstance(part, Code) and "\n" in part.raw for part in segment.content)
        soft = len(task.separators) - hard
        if soft > 0 and not hard:
            content = break_lines(
                content, task.lengths, task.separators, lambda text: not _BLOCK_BEGIN.match(text)
            )
        written, is_cell = "", task.block.is_cell
        for escape in (_escape_little, _escape_all):
            written = "".join(
                escape(part, is_cell) if isinstance(part, str) else _escape_bars(part.raw, is_cell)
                for part in content
            )
            if _BLOCK_BEGIN.match(written) and isinstance(content[0], str):
                written = regex.sub(r"\A(\d*)", r"\1\\", written, count=1)
            if self._reads_as(written, task, segment.content):
                return written
        return self._text[task.begin : task.end]

    def _reads_as(self, written: str, task: _Task, content: Content) -> bool:
        """Whether markup is found where codes are, and nowhere else, and the block is the same."""
        for separator in task.separators:
            written = written.replace(separator, "\n")
        if task.block.kind == "paragraph_open":
            if not self._markdown.is_paragraph(written):
                return False
        elif "\n" in written:
            return False
        return self._kinds(written) == self._kinds("".join(_raw(part) for part in content))

    def _kinds(self, text: str) -> list[str]:
        kinds = [mark.kind for mark in self._markdown.marks(text)]
        return sorted(kind for kind in kinds if kind not in ("newline", "escape"))


def _parted(block: Block) -> list[Block]:
    """A block without lines that other dialects than CommonMark do not count as text.

    These are definitions of references after a footnote's, marks of notes and directives. What is
    before and after such a line are blocks of their own, as is a footnote.
    """
    if block.is_cell or ("\n" not in block.content and not _NO_TEXT.match(block.content)):
        return [block]
    parts: list[Block] = []
    lines: list[str] = []
    first = block.first_line

    def end() -> None:
        if lines:
            parts.append(replace(block, content="\n".join(lines), first_line=first))
        lines.clear()

    for number, line in enumerate(block.content.split("\n"), start=block.first_line):
        if _NO_TEXT.match(line) or line.startswith("[^"):
            end()
        if not _NO_TEXT.match(line):
            if not lines:
                first = number
            lines.append(line)
    end()
    return parts


def _raw(part: str | Code) -> str:
    return _escape_all(part, False) if isinstance(part, str) else part.raw


def _add_text(parts: list[str | Code], text: str) -> None:
    """Add text; what begins a task or refers to a footnote is a code."""
    last = 0
    for match in _MARKER.finditer(text):
        if match.start() == 0 and parts and match[0][1] != "^":
            continue
        if match.start() > last:
            parts.append(text[last : match.start()])
        parts.append(Code(match[0]))
        last = match.end()
    if last < len(text):
        parts.append(text[last:])


def _with_label(end: str, label: str) -> str:
    """The end of a link or image, which still finds its definition when its text has changed.

    Of ``[text]`` and ``[text][]`` the text is the label of the definition: it becomes ``][text]``.
    """
    return f"][{' '.join(label.split())}]" if end in ("]", "][]") else end


def _coded(mark: Mark, raw: str) -> list[str | Code]:
    match mark.kind:
        case "escape":
            return [raw[1:]]
        case "entity":
            return [html.unescape(raw)]
        case "html_inline":
            return list(tags_as_codes(raw)) if not raw.startswith("<!") else [Code(raw)]
        case "image":
            alt = regex.match(r"!\[([^\[\]\\*_`<&]*)(\].*)\Z", raw, flags=regex.DOTALL)
            if alt is None or not alt[1].strip():
                return [Code(raw, visible=True)]
            end = _with_label(alt[2], alt[1])
            return [Code("![", Role.OPEN, "image"), alt[1], Code(end, Role.CLOSE, "image")]
        case "backticks" | "autolink":
            return [Code(raw, visible=True)]
        case kind if kind.endswith("_open"):
            return [Code(raw, Role.OPEN, kind.removesuffix("_open"))]
        case kind if kind.endswith("_close"):
            return [Code(raw, Role.CLOSE, kind.removesuffix("_close"))]
        case _:
            return [Code(raw)]


def _without_double_spaces(parts: Sequence[str | Code]) -> list[str | Code]:
    """Neighbouring strings joined; the spaces before a line's end are part of it."""
    joined: list[str | Code] = []
    for part in parts:
        if isinstance(part, Code) and part.raw.lstrip(" \\").startswith(("\n", "\r\n")):
            if joined and isinstance(joined[-1], str):
                joined[-1] = joined[-1].rstrip(" ")
            joined.append(part)
        elif isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] = joined[-1].rstrip(" ") + part if part == " " else joined[-1] + part
        else:
            joined.append(part)
    return [part for part in joined if part != ""]


def _escape_bars(text: str, is_cell: bool) -> str:
    return text.replace("|", "\\|") if is_cell else text


def _escape_little(text: str, is_cell: bool) -> str:
    text = text.replace("\\", "\\\\")
    return _escape_bars(text, is_cell)


def _escape_all(text: str, is_cell: bool) -> str:
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", text)
