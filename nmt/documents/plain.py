"""The text of a segment without its codes, and where the codes were."""

from __future__ import annotations

from dataclasses import dataclass, replace

import regex

from nmt.documents.content import Code, Content, Role

_SPACES = regex.compile(r"[ \t\r\n\f]+")


@dataclass(frozen=True, slots=True)
class Mark:
    """A code, and its place in the text without codes."""

    code: Code
    place: int
    """Characters of the text before it."""
    space_before: bool
    space_after: bool
    joins: bool
    """Whether it parts two words by itself, as a line break may; the text has a space there."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A text without codes: of one line, its white space single spaces, none at the ends."""

    text: str
    marks: tuple[Mark, ...]
    lead: str
    """White space before the text."""
    trail: str
    """White space after the text."""


def plain_text(content: Content) -> Plain:
    """Take the codes out of a content.

    Open and close codes leave nothing in their place. Single ones leave a space where there would
    else be one word instead of two, and take the one before them along where punctuation follows:
    what is left of ``Hello {name}, welcome`` is ``Hello, welcome``.
    """
    parts: list[str] = []
    marks: list[Mark] = []
    length = 0
    before = ""
    beside = ["", *content, ""]
    for number, (part, after) in enumerate(zip(content, _following(content), strict=True), start=1):
        if isinstance(part, str):
            text = _SPACES.sub(" ", part)
            if not parts or parts[-1].endswith(" "):
                text = text.removeprefix(" ")
            if text:
                parts.append(text)
                length += len(text)
                before = text[-1]
            continue
        joins = False
        if part.role is Role.SINGLE and length:
            if before == " " and after in _CLOSING and parts[-1].endswith(" "):
                parts[-1] = parts[-1][:-1]
                length -= 1
            elif after not in _WHITE and before != " ":
                joins = after not in _CLOSING
        left, right = beside[number - 1], beside[number + 1]
        space_before = isinstance(left, str) and left[-1:] in _WHITE and left != ""
        space_after = isinstance(right, str) and right[:1] in _WHITE and right != ""
        marks.append(Mark(part, length, space_before, space_after, joins))
        if joins:
            parts.append(" ")
            length += 1
    text = "".join(parts).rstrip(" ")
    # A space that was taken away, or one at the end, is before codes no longer.
    last = len(text)
    for number in range(len(marks) - 1, -1, -1):
        last = min(last, marks[number].place)
        marks[number] = replace(marks[number], place=last)
    return Plain(text, tuple(marks), *_outer_space(content))


_WHITE = " \t\r\n\f"
_CLOSING = ".,;:!?)]}…、。，！？；："  # and nothing at all: the empty string is in every string


def _following(content: Content) -> list[str]:
    """The first character of the text after each part; empty at the end."""
    following: list[str] = []
    after = ""
    for part in reversed(content):
        following.append(after)
        if isinstance(part, str) and part:
            after = part[0]
    return following[::-1]


def _outer_space(content: Content) -> tuple[str, str]:
    """The white space before and after all."""
    first = content[0] if content else ""
    last = content[-1] if content else ""
    lead = first[: len(first) - len(first.lstrip(_WHITE))] if isinstance(first, str) else ""
    if len(content) == 1 and isinstance(first, str) and len(lead) == len(first):
        return lead, ""
    trail = last[len(last.rstrip(_WHITE)) :] if isinstance(last, str) else ""
    return lead, trail
