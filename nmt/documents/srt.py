"""SubRip subtitles: numbers and times stay, the lines of a subtitle are translated as one text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from nmt.documents.content import Content, Document, LineNumbers, Patch, Segment, apply_patches
from nmt.documents.encoding import decode
from nmt.documents.inline_markup import tags_as_codes
from nmt.documents.lines import break_lines
from nmt.documents.plain import plain_text
from nmt.errors import UserError

_TIME = r"\d{1,3}:\d{1,2}:\d{1,2}[,.]\d{1,3}"
_CUE = regex.compile(
    rf"^(?:[ \t]*\d+[ \t]*\r?\n)?[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}[^\n]*(?:\n|\Z)",
    regex.MULTILINE,
)
_LINE = regex.compile(r"[^\r\n]*[^\s][^\r\n]*")
# A dash begins what another person says.
_SPEAKER = regex.compile(r"(?:<[^<>]*>|\{\\[^{}]*\})*[-–—]\s*")


@dataclass(frozen=True, slots=True)
class _Task:
    """Where the text of a segment is, and how its lines are broken."""

    begin: int
    end: int
    lengths: tuple[int, ...]
    separators: tuple[str, ...]


class SrtDocument(Document):
    """A file of subtitles.

    The lines of a subtitle are joined, and its translation is broken into as many, where it has the
    words, of like lengths. A line that begins with a dash is another person's and translated by
    itself. Tags and positions (``<i>``, ``{\\an8}``) are kept. Blank lines within a subtitle part
    paragraphs; text before the first time is left as it is.
    """

    def __init__(self, data: bytes, name: str) -> None:
        """Read a file.

        Raises UserError where there are no subtitles in it, and for what is not UTF-8 (or UTF-16
        with its mark).
        """
        self._name = name
        self._text, self._encoding = decode(data, name)
        self._numbers = LineNumbers(self._text)
        cues = list(_CUE.finditer(self._text))
        if not cues and self._text.strip():
            raise UserError(
                "no subtitles here: no line like 00:00:01,000 --> 00:00:02,000", where=name
            )
        self._tasks: list[_Task] = []
        self._segments: list[Segment] = []
        ends = [*(cue.start() for cue in cues[1:]), len(self._text)]
        for cue, end in zip(cues, ends, strict=False):  # one more end where there is none
            self._read(cue.end(), end)
        self.segments = self._segments

    def _read(self, begin: int, end: int) -> None:
        """The segments of a subtitle, whose text is in a stretch."""
        lines: list[regex.Match[str]] = []
        for line in _LINE.finditer(self._text, begin, end):
            if lines and (
                self._text.count("\n", lines[-1].end(), line.start()) > 1 or _SPEAKER.match(line[0])
            ):
                self._add(lines)
                lines = []
            lines.append(line)
        if lines:
            self._add(lines)

    def _add(self, lines: Sequence[regex.Match[str]]) -> None:
        # The mark of the speaker stays where it is.
        speaker = _SPEAKER.match(lines[0][0])
        dash = speaker.end() if speaker and "<" not in speaker[0] else 0
        texts = [lines[0][0][dash:], *(line[0] for line in lines[1:])]
        begin, end = lines[0].start() + dash, lines[-1].end()
        content = tags_as_codes(" ".join(text.strip() for text in texts))
        separators = [
            self._text[one.end() - _trailing(one[0]) : other.start() + _leading(other[0])]
            for one, other in itertools.pairwise(lines)
        ]
        self._segments.append(Segment(content, self._numbers.at(begin)))
        lengths = tuple(len(plain_text(tags_as_codes(text)).text) for text in texts)
        self._tasks.append(_Task(begin, end, lengths, tuple(separators)))

    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document.rebuild`; a subtitle without translation stays as it is."""
        patches: list[Patch] = []
        for task, segment, content in zip(self._tasks, self.segments, translations, strict=True):
            if content is None or content == segment.content:
                continue
            broken = break_lines(content, task.lengths, task.separators)
            written = "".join(part if isinstance(part, str) else part.raw for part in broken)
            patches.append(Patch(task.begin, task.end, written))
        return self._encoding.encode(apply_patches(self._text, patches), where=self._name)


def _leading(text: str) -> int:
    return len(text) - len(text.lstrip())


def _trailing(text: str) -> int:
    return len(text) - len(text.rstrip())
