"""Writing a target text with codes between its words, and white space where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import regex

from nmt.documents.content import Code, Content, Role, merge
from nmt.documents.plain import Mark

_NO_SPACE_BEFORE = regex.compile(r"[.,;:!?…、。，！？；：\p{Pe}\p{Pf}]")
_NO_SPACE_AFTER = regex.compile(r"[\p{Ps}\p{Pi}]")
_SPACED_WORD = regex.compile(
    r"(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])[\p{L}\p{N}]"
)


@dataclass(frozen=True, slots=True)
class Event:
    """A code on its way into a text."""

    gap: int
    """Units of the target before it."""
    mark: Mark
    role: Role
    """Single also for open and close codes with nothing in between or without partner."""


def write_events(target: str, units: Sequence[tuple[int, int]], events: Sequence[Event]) -> Content:
    """The text with the codes in it.

    Args:
        target: the text.
        units: its words, begin and end of each; white space between them, or nothing.
        events: the codes, in order.
    """
    parts: list[str | Code] = []
    last = 0
    for gap, group in groupby(events, key=lambda event: event.gap):
        before = units[gap - 1][1] if gap else 0
        after = units[gap][0] if gap < len(units) else len(target)
        parts.append(target[last:before])
        parts += _write_gap(target, before, after, list(group))
        last = after
    parts.append(target[last:])
    return merge(parts)


def _write_gap(target: str, before: int, after: int, events: Sequence[Event]) -> list[str | Code]:
    """The codes of one gap between two words, and the white space that was there."""
    left, right = target[max(before - 1, 0) : before], target[after : after + 1]
    closes = [number for number, event in enumerate(events) if event.role is Role.CLOSE]
    opens = [number for number, event in enumerate(events) if event.role is Role.OPEN]
    begin = closes[-1] + 1 if closes else 0
    end = opens[0] if opens else len(events)
    parts: list[str | Code] = []
    for event in events[:begin]:  # within what closes here
        if event.role is Role.SINGLE and _wants_space_before(
            event.mark, left, event.mark.code.visible
        ):
            parts.append(" ")
        parts.append(event.mark.code)
        left = "" if event.role is Role.SINGLE else left
    parts += _between(target[before:after], left, right, [e.mark for e in events[begin:end]])
    singles = [number for number, event in enumerate(events) if event.role is Role.SINGLE]
    for number, event in enumerate(events[end:], start=end):  # within what opens here
        parts.append(event.mark.code)
        if [number] == singles[-1:]:
            visible = event.mark.code.visible
            parts += [" "] if _wants_space_after(event.mark, right, visible) else []
    return parts


def _between(space: str, left: str, right: str, marks: Sequence[Mark]) -> list[str | Code]:
    """Codes by themselves between two words, or at an end of the text, where one is empty."""
    if not marks:
        return [space]
    parts: list[str | Code] = []
    spaced = False
    visible = any(mark.code.visible for mark in marks)
    for number, mark in enumerate(marks):
        if number == 0:
            spaces = _wants_space_before(mark, left, visible)
        else:
            spaces = mark.space_before or marks[number - 1].space_after
        if spaces:
            parts.append(space if space and not spaced else " ")
            spaced = True
        parts.append(mark.code)
    if _wants_space_after(marks[-1], right, visible):
        parts.append(space if space and not spaced else " ")
    elif space and not spaced and not any(mark.joins for mark in marks):
        parts.append(space)  # two words are not to become one
    return parts


def _wants_space_before(mark: Mark, left: str, visible: bool) -> bool:
    if not left:
        return False
    if mark.space_before:
        return not _NO_SPACE_AFTER.match(left)
    return visible and _SPACED_WORD.match(left) is not None


def _wants_space_after(mark: Mark, right: str, visible: bool) -> bool:
    if not right:
        return False
    if mark.space_after:
        return not _NO_SPACE_BEFORE.match(right)
    return visible and _SPACED_WORD.match(right) is not None
