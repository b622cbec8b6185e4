"""Finding what must come back verbatim in any text: variables, conversions, addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import regex

from nmt.documents.content import Code, Content, merge

# In prose a per cent sign is mostly just that: "100% sure", "50%".
_PROSE_PRINTF = (
    r"(?:(?<![\d%])|(?<=%\d)|(?<=%\d\d))%(?:\d{1,2}\$)?[#0+-]*+\d*(?:\.\d+)?(?:hh?|ll?|[jztLq])?"
    r"[diouxXeEfFgGcsp@](?![A-Za-z])"
    r"|(?:(?<![\d%])|(?<=%\d)|(?<=%\d\d))%(?:L?\d{1,2}(?!\d)|n\b)"
)
_STRICT_PRINTF = (
    r"%(?:\d+\$)?[-#0+ 'I]*+(?:\*|\d+)?(?:\.(?:\*|\d+)?)?(?:hh?|ll?|[jztLqw])?[A-Za-z@%]"
)
_OTHERS = r"""
    \{\w+\s*,\s*(?:plural|select|selectordinal|number|date|time|choice)\b    # ICU messages
        (?:[^{}]|(?<nested>\{(?:[^{}]|(?&nested))*+\}))*+\}
  | \{\{[^{}\n]{0,80}+\}\}
  | [$%\#]\{[^{}\n]{1,80}+\}
  | \{[^{}\s]{0,80}+\}
  | %\([^()\s]+\)[-#0+]*+\d*(?:\.\d+)?[A-Za-z]
  | [$]\[[\w.]+\] | [$]\([\w.]+\)
  | %[A-Z][A-Z\d_]{2,}+%? | [$][A-Z][A-Z\d_]{2,}+
  | &[A-Za-z]\w*+;
  | (?:(?:https?|ftps?|file|sftp|ssh|git)://|mailto:|www\.(?=\w))
        [^\s<>"'“”«»{}（）、。，]*(?<![.,;:!?)\]])
  | (?<![\w.+-])[\w.+-]++@[A-Za-z\d-]++(?:\.[A-Za-z\d-]++)++
"""
# What is written together with a placeholder, as in "%s/%s", "v{version}" and "%dpx".
_GLUED = r"[A-Za-z\d$\#@=_/:.~+-]"
_AFTER = r"[A-Za-z\d$%\#@=_/:.~+-]"


def _compile(printf: str) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    one = rf"(?:{_OTHERS}|{printf})"
    # Named groups are of the whole pattern, so a second copy of it takes the first one's by name.
    unit = (
        rf"(?(DEFINE)(?<one>{one})){_GLUED}{{0,40}}?(?&one)(?:{_AFTER}{{0,40}}?(?&one))*+"
        rf"(?:{_AFTER}{{0,40}}[A-Za-z\d/=])?"
    )
    return regex.compile(one, regex.VERBOSE), regex.compile(unit, regex.VERBOSE)


# No placeholder is without one of these.
_HINT = regex.compile(r"[%{$&@]|://|www\.|mailto:", regex.IGNORECASE)
_NAME = "placeholder"
_PROSE = _compile(_PROSE_PRINTF)
_PRINTF = _compile(_STRICT_PRINTF)


def find_placeholders(text: str, *, printf: bool = False) -> list[str]:
    """The placeholders of a text, in their order.

    Args:
        text: any text.
        printf: whether every ``%`` begins a conversion, as in a string that printf is given.
    """
    if not _HINT.search(text):
        return []
    pattern = (_PRINTF if printf else _PROSE)[0]
    return [match[0] for match in pattern.finditer(text)]


def count_placeholders(text: str, *, printf: bool = False) -> Counter[str]:
    """How often each placeholder occurs in a text."""
    return Counter(find_placeholders(text, printf=printf))


def drop_placeholders(text: str, *, printf: bool = False) -> str:
    """The text without anything that looks like a placeholder."""
    pattern = (_PRINTF if printf else _PROSE)[0]
    while _HINT.search(text) and pattern.search(text):  # what comes together may be another
        text = pattern.sub(" ", text)
    return text


def placeholders_as_codes(content: Content, *, printf: bool = False) -> Content:
    """The content with its placeholders, and what is written together with them, as codes."""
    pattern = (_PRINTF if printf else _PROSE)[1]

    def parts(text: str) -> Iterator[str | Code]:
        match = pattern.search(text) if _HINT.search(text) else None
        while match is not None:
            # What is a placeholder may hang on what was before it, which is a code now.
            yield from parts(text[: match.start()])
            yield Code(match[0], name=_NAME, visible=True)
            text = text[match.end() :]
            match = pattern.search(text)
        if text:
            yield text

    return tuple(
        one for part in content for one in ([part] if isinstance(part, Code) else parts(part))
    )


def placeholders_as_text(content: Content) -> Content:
    """The reverse of `placeholders_as_codes`."""
    return merge(
        [part.raw if isinstance(part, Code) and part.name == _NAME else part for part in content]
    )
