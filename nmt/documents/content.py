"""What documents of all formats are made of: segments of text with codes, and bytes around them."""

from __future__ import annotations

import bisect
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Role(Enum):
    """What a code does to the text around it."""

    OPEN = "begins a stretch of text"
    CLOSE = "ends the stretch that the last open code of its name began"
    SINGLE = "stands by itself"


@dataclass(frozen=True, slots=True)
class Code:
    """Something within a text that is not translated: a tag, a variable, a piece of code."""

    raw: str
    """As the file has it, and as it comes back."""
    role: Role = Role.SINGLE
    name: str = ""
    """Open and close codes of one name belong together, like brackets."""
    visible: bool = False
    """Whether readers see something in its place, as they do of a variable but not of a tag."""


Content: TypeAlias = tuple[str | Code, ...]
"""Text as people read it, without the format's escapes, and the codes in it."""


def merge(parts: Sequence[str | Code]) -> Content:
    """The same content with neighbouring strings joined and empty ones left out."""
    merged: list[str | Code] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return tuple(merged)


@dataclass(frozen=True, slots=True)
class Segment:
    """What is translated together: a paragraph, a heading, a message, a subtitle."""

    content: Content
    line: int
    """Where it begins in the file, from 1."""
    printf: bool = False
    """Whether every ``%`` in it begins a conversion of printf."""


class Document(ABC):
    """A file, taken apart into segments and whatever is between them."""

    segments: Sequence[Segment]

    @abstractmethod
    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        """The file with these translations of its segments, and byte for byte else.

        None leaves a segment as it is: the source where there is nothing else, a message without
        translation where the format keeps both. A segment's own content as its translation gives
        the very bytes that the file had.

        Raises UserError for text that the encoding of the file cannot hold.
        """


@dataclass(frozen=True, slots=True)
class Patch:
    """New text for a stretch of a document's text."""

    begin: int
    end: int
    text: str


def apply_patches(text: str, patches: Sequence[Patch], begin: int = 0) -> str:
    """Replace stretches that do not overlap; offsets count from ``begin``, as the text does."""
    parts: list[str] = []
    last = begin
    for patch in sorted(patches, key=lambda patch: (patch.begin, patch.end)):
        assert patch.begin >= last
        parts += [text[last - begin : patch.begin - begin], patch.text]
        last = patch.end
    parts.append(text[last - begin :])
    return "".join(parts)


def main_language(code: str) -> str:
    """A language's code without script and region, in small letters: ``en`` of ``en-US``."""
    return re.split("[-_]", code.lower(), maxsplit=1)[0]


_LINE_FEED = re.compile("\n")


class LineNumbers:
    """The line of each place in a text, from 1; only line feeds end lines."""

    def __init__(self, text: str) -> None:
        self._ends = [match.start() for match in _LINE_FEED.finditer(text)]

    def at(self, place: int) -> int:
        """The number of the line that holds the character at ``place``."""
        return bisect.bisect_left(self._ends, place) + 1
