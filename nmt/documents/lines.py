"""Breaking a translation into as many lines as its source had, at like places."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import regex

from nmt.documents.content import Code, Content, merge

_SPACE = regex.compile(r" +")


def break_lines(
    content: Content,
    lengths: Sequence[int],
    separators: Sequence[str],
    allowed: Callable[[str], bool] = lambda _: True,
) -> Content:
    """Put line ends into a content, at spaces.

    Args:
        content: the translation; codes in it count as nothing.
        lengths: visible characters of each line of the source.
        separators: what ended each line but the last, with what began the next.
        allowed: whether a line may begin with this text.
    """
    separators = list(separators)
    text = "".join(part for part in content if isinstance(part, str))
    spaces = [
        match.span() for match in _SPACE.finditer(text) if match.end() < len(text) and match.start()
    ]
    chosen: dict[int, tuple[int, str]] = {}
    total = sum(lengths) + len(lengths) - 1
    so_far = 0
    for number, separator in enumerate(separators):
        so_far += lengths[number] + 1
        wanted = so_far / max(total, 1) * len(text)
        candidates = [span for span in spaces if span[0] not in chosen and allowed(text[span[1] :])]
        if not candidates:
            break
        begin, end = min(candidates, key=lambda span: abs(span[1] - wanted))
        chosen[begin] = (end, separator)
        spaces = [span for span in spaces if span[0] > begin]  # lines stay in order
    return merge(_with_breaks(content, chosen))


def _with_breaks(content: Content, chosen: dict[int, tuple[int, str]]) -> list[str | Code]:
    parts: list[str | Code] = []
    place = 0
    for part in content:
        if isinstance(part, Code):
            parts.append(part)
            continue
        last = 0
        for begin, (end, separator) in sorted(chosen.items()):
            if place <= begin < place + len(part):
                # A code may part the spaces; the line ends at the first of them.
                parts += [part[last : begin - place], Code(separator)]
                last = min(end - place, len(part))
        parts.append(part[last:])
        place += len(part)
    return parts
