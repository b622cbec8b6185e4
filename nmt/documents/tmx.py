"""TMX translation memories: variants in the target language for units that have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.documents.content import (
    Content,
    Document,
    LineNumbers,
    Patch,
    Role,
    Segment,
    apply_patches,
    main_language,
)
from nmt.documents.xml_inline import content_of, write
from nmt.documents.xml_scan import Element, Kind, Token, elements, read_xml, text_of
from nmt.errors import UserError

_ELEMENTS = frozenset({"tu", "tuv", "seg"})


@dataclass(frozen=True, slots=True)
class _Task:
    """A unit without target: where its variant goes, and what is written around the text."""

    begin: int
    end: int
    before: str
    after: str


class TmxDocument(Document):
    """A translation memory.

    Units that have a variant in the source language get one in the target language, unless they
    have one that is not empty; languages are compared without their regions (``en`` is ``en-US``).
    New variants say ``creationtool="nmt"``.
    """

    def __init__(
        self, data: bytes, name: str, *, source_language: str, target_language: str
    ) -> None:
        """Read a memory.

        Raises UserError for XML that is not well formed, with the line, and where no unit has the
        source language.
        """
        self._name = name
        self._text, self._encoding = read_xml(data, name)
        numbers = LineNumbers(self._text)
        root = elements(self._text, lambda t: t.local_name in _ELEMENTS, frozenset({"seg"}))
        segments: list[Segment] = []
        self._tasks: list[_Task] = []
        languages: set[str] = set()
        for unit in root.children:
            variants = [(_language(variant), variant) for variant in unit.all("tuv")]
            languages |= {language for language, _ in variants}
            sources = [
                v for lang, v in variants if main_language(lang) == main_language(source_language)
            ]
            targets = [
                v for lang, v in variants if main_language(lang) == main_language(target_language)
            ]
            segment = sources[0].child("seg") if sources else None
            if segment is None or not _says_something(self._text, segment):
                continue
            target = targets[0].child("seg") if targets else None
            if target is not None and _says_something(self._text, target):
                continue
            content = content_of(self._text, segment.content, _inline, keep_lines=False)
            segments.append(Segment(content, numbers.at(segment.start.begin)))
            self._tasks.append(
                self._new_variant(unit, sources[0], segment, target_language)
                if target is None
                else self._filling(target)
            )
        self.segments = segments
        if not any(
            main_language(language) == main_language(source_language) for language in languages
        ):
            raise UserError(
                f"a translation memory without {source_language!r}, which the model translates"
                f" (its languages: {', '.join(sorted(languages)) or 'none'})",
                where=name,
                mend="choose a model for one of its languages",
            )

    def _new_variant(
        self, unit: Element, source: Element, segment: Element, language: str
    ) -> _Task:
        """Like the source's variant, after the unit's last one."""
        text = self._text
        end = unit.all("tuv")[-1].end.end
        indent = _white(text[: source.start.begin])
        opened = text[source.start.end : segment.start.begin]
        closed = text[segment.end.end : source.end.begin]
        # Notes and properties of the source's variant are not the new one's.
        opened, closed = _white(opened), closed if closed.isspace() else ""
        prefix = source.start.name[: -len("tuv")]
        return _Task(
            end,
            end,
            f'{indent}<{prefix}tuv xml:lang="{language}" creationtool="nmt">{opened}<{prefix}seg>',
            f"</{prefix}seg>{closed}</{prefix}tuv>",
        )

    def _filling(self, target: Element) -> _Task:
        """Into a variant that is there and empty."""
        if not target.is_empty_tag:
            return _Task(target.start.end, target.end.begin, "", "")
        tag = self._text[target.start.begin : target.start.end - 2].rstrip()
        return _Task(target.start.begin, target.start.end, f"{tag}>", f"</{target.start.name}>")

    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document.rebuild`; a unit without translation stays as it is."""
        patches = [
            Patch(task.begin, task.end, f"{task.before}{write(content)}{task.after}")
            for task, content in zip(self._tasks, translations, strict=True)
            if content is not None
        ]
        return self._encoding.encode(
            apply_patches(self._text, patches), where=self._name, references=True
        )


def _language(variant: Element) -> str:
    return variant.start.get("xml:lang") or variant.start.get("lang") or ""


def _white(text: str) -> str:
    """The white space at a text's end, if that begins with a line feed."""
    space = text[len(text.rstrip()) :]
    return space if "\n" in space else ""


def _says_something(text: str, segment: Element) -> bool:
    return any(
        token.kind in (Kind.TEXT, Kind.CDATA) and text_of(text, token).strip()
        for token in segment.content
    )


def _inline(token: Token) -> tuple[Role, str] | None:
    match token.local_name:
        case "bpt":
            return Role.OPEN, token.get("i") or ""
        case "ept":
            return Role.CLOSE, token.get("i") or ""
        case "hi":
            return None
        case _:
            return Role.SINGLE, ""
