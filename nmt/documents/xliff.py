"""XLIFF 1.2 and 2.x: targets for units that have none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import regex

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
from nmt.documents.xml_scan import ATTRIBUTE, Element, Kind, Token, elements, read_xml, text_of
from nmt.errors import UserError

_ELEMENTS = frozenset(
    {"xliff", "file", "body", "group", "trans-unit", "unit", "segment", "source", "target"}
    | {"seg-source", "bin-unit", "bin-source", "alt-trans", "matches", "glossary", "originalData"}
)
_LEAVES = frozenset(
    {"source", "target", "seg-source", "alt-trans", "bin-unit", "matches", "glossary"}
    | {"originalData"}
)


_LANGUAGES_12 = ("source-language", "target-language")


class XliffDocument(Document):
    """A file of XLIFF 1.2, 2.0, 2.1 or 2.2.

    Units with ``translate="no"`` and those with a target that is not empty stay as they are. New
    targets of 1.2 are marked ``state="needs-review-translation"``; segments of 2.x get
    ``state="translated"``, which is what comes before ``reviewed``; with ``final`` both are
    ``final``. The target language is added where the file does not name it; languages are compared
    without their regions (``en`` is ``en-US``).
    """

    def __init__(
        self,
        data: bytes,
        name: str,
        *,
        source_language: str,
        target_language: str,
        final: bool = False,
    ) -> None:
        """Read a file.

        Raises UserError for XML that is not well formed, with the line, for other versions, and for
        a file of other languages.
        """
        self._name = name
        self._text, self._encoding = read_xml(data, name)
        self._numbers = LineNumbers(self._text)
        root = elements(self._text, lambda t: t.local_name in _ELEMENTS, _LEAVES)
        top = root.child("xliff")
        version = (top.start.get("version") if top else None) or ""
        if top is None or not regex.fullmatch(r"1\.[012]|2\.\d", version):
            raise UserError(
                f"XLIFF of version {version or '(none)'}" if top else "XML, but not XLIFF",
                where=name,
                mend="1.2 and 2.x can be read",
            )
        self._segments: list[Segment] = []
        self._units: list[tuple[Element, Element, Element | None]] = []
        """Of each segment: what holds it, its source and its empty target."""
        self._languages: list[Patch] = []
        self._second = version.startswith("2")
        self._state = "final" if final else "translated"
        if not self._second and not final:
            self._state = "needs-review-translation"
        attributes = ("srcLang", "trgLang") if self._second else _LANGUAGES_12
        for element in [top] if self._second else top.all("file"):
            self._check_language(element, attributes[0], source_language)
            self._check_language(element, attributes[1], target_language)
            self._add_language(element, attributes[1], target_language)
        for holder, preserve in _holders(top):
            self._read(holder, preserve)
        self.segments = self._segments

    def _check_language(self, element: Element, attribute: str, language: str) -> None:
        said = element.start.get(attribute) or ""
        one, other = main_language(said), main_language(language)
        # "eng" may be "en", and models from elsewhere may name a group of languages ("roa").
        if one != other and len(one) == len(other):
            raise UserError(
                f"{attribute} is {said!r}, and the model's is {language!r}",
                where=f"{self._name}:{self._numbers.at(element.start.begin)}",
                mend=f"choose a model for the file's languages, or mend its {attribute}",
            )

    def _add_language(self, element: Element, attribute: str, language: str) -> None:
        if element.start.get(attribute) is None:
            place = element.start.begin + 1 + len(element.start.name)
            self._languages.append(Patch(place, place, f' {attribute}="{language}"'))

    def _read(self, holder: Element, preserve: bool) -> None:
        """Take up a unit, or a segment of one, if it is to be translated."""
        source, target = holder.child("source"), holder.child("target")
        if source is None or (target is not None and _says_something(self._text, target)):
            return
        space = source.start.get("xml:space")
        keep = preserve if space is None else space == "preserve"
        content = content_of(self._text, source.content, _inline, keep_lines=keep)
        if any(isinstance(part, str) and part.strip() for part in content):
            self._segments.append(Segment(content, self._numbers.at(source.start.begin)))
            self._units.append((holder, source, target))

    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document.rebuild`; a unit without translation stays as it is."""
        patches: list[Patch] = []
        for unit, content in zip(self._units, translations, strict=True):
            if content is not None:
                patches += self._written(*unit, write(content))
        if patches:
            patches += self._languages
        return self._encoding.encode(
            apply_patches(self._text, patches), where=self._name, references=True
        )

    def _written(
        self, holder: Element, source: Element, target: Element | None, written: str
    ) -> Iterator[Patch]:
        text = self._text
        if self._second:
            yield _with_state(text, holder.start, self._state)
        if target is None:
            after = holder.child("seg-source") or source
            before = text[: source.start.begin]
            space = before[len(before.rstrip()) :]
            name = source.start.name.removesuffix("source") + "target"
            state = "" if self._second else f' state="{self._state}"'
            if (kept := source.start.get("xml:space")) is not None:
                state += f' xml:space="{kept}"'
            new = f"{space}<{name}{state}>{written}</{name}>"
            yield Patch(after.end.end, after.end.end, new)
            return
        if not self._second:
            yield _with_state(text, target.start, self._state)
        if target.is_empty_tag:
            end = target.start.end
            tag = text[target.start.begin : end].removesuffix("/>").rstrip()
            begin = target.start.begin + len(tag)
            yield Patch(begin, end, f">{written}</{target.start.name}>")
        else:
            yield Patch(target.start.end, target.end.begin, written)


def _holders(top: Element) -> Iterator[tuple[Element, bool]]:
    """Elements with source and target, and whether their white space matters."""
    waiting = [(top, True, False)]
    while waiting:
        element, translate, preserve = waiting.pop()
        said, space = element.start.get("translate"), element.start.get("xml:space")
        translate = said != "no" if said else translate
        preserve = space == "preserve" if space else preserve
        if element.start.local_name in ("trans-unit", "segment"):
            if translate and element.start.get("approved") != "yes":
                yield element, preserve
            continue
        waiting += [(child, translate, preserve) for child in reversed(element.children)]


def _with_state(text: str, start: Token, state: str) -> Patch:
    """A start tag with another state."""
    for match in ATTRIBUTE.finditer(text, start.begin, start.end):
        if match[1] == "state":
            group = 2 if match[2] is not None else 3
            return Patch(*match.span(group), state)
    place = start.begin + 1 + len(start.name)
    return Patch(place, place, f' state="{state}"')


def _says_something(text: str, target: Element) -> bool:
    return any(
        token.kind in (Kind.START, Kind.EMPTY)
        or (token.kind in (Kind.TEXT, Kind.CDATA) and text_of(text, token).strip())
        for token in target.content
    )


def _inline(token: Token) -> tuple[Role, str] | None:
    """The inline elements of both versions; those not named have text in them."""
    match token.local_name:
        case "bpt" | "bx":  # 1.2
            return Role.OPEN, token.get("rid") or token.get("id") or ""
        case "ept" | "ex":
            return Role.CLOSE, token.get("rid") or token.get("id") or ""
        case "sc" if token.get("isolated") != "yes":  # 2.x
            return Role.OPEN, token.get("id") or ""
        case "ec" if token.get("isolated") != "yes":
            return Role.CLOSE, token.get("startRef") or ""
        case "sm":
            return Role.OPEN, f"marker {token.get('id')}"
        case "em":
            return Role.CLOSE, f"marker {token.get('startRef')}"
        case "mrk" if token.get("mtype") == "protected" or token.get("translate") == "no":
            return Role.SINGLE, ""
        case "g" | "pc" | "mrk":
            return None
        case _:
            return Role.SINGLE, ""
