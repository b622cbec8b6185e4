"""Lines of plain text with tags and placeholders in them, translated as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from nmt.documents.content import Code, Content, Document, Segment
from nmt.documents.inline_markup import tags_as_codes
from nmt.documents.translation import Untranslated, translate_document
from nmt.search_options import SearchKeywords
from nmt.streaming import Windows
from nmt.text import one_line
from nmt.translator import Translation, Translator

_WINDOW_CHARACTERS: Final = 65_536
"""Lines are translated together up to so many characters."""


class TaggedLines(Document):
    """Lines, each a segment; tags as of XML and HTML are codes."""

    def __init__(self, lines: Sequence[str], *, first: int = 1) -> None:
        """Take the lines, of which the first has this number in its file."""
        self.segments = [
            Segment(tags_as_codes(one_line(line)), number)
            for number, line in enumerate(lines, start=first)
        ]

    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        """A line for each; the source's where there is no translation."""
        lines = (
            "".join(part.raw if isinstance(part, Code) else part for part in content)
            for content in (
                segment.content if translation is None else translation
                for segment, translation in zip(self.segments, translations, strict=True)
            )
        )
        return "".join(f"{one_line(line)}\n" for line in lines).encode("utf-8")


def translate_tagged_lines(
    lines: Iterable[str],
    translator: Translator,
    options: SearchKeywords,
    add: Callable[[list[Translation]], object] = lambda _: None,
) -> Iterator[tuple[bytes, tuple[Untranslated, ...]]]:
    """Translate lines as they come: as many out as in, and every tag and placeholder of each.

    Tags are put around the words that are the translations of those that they were around. A tag
    that is not closed, or was not opened, is kept as well: it goes where the words before it, and
    those after it, went. A line whose placeholders would not come back is left as it is, and told.

    Raises what `translate_document` raises, and whatever ``lines`` raises.
    """
    first = 1
    for window in Windows(lines, size=lambda line: len(line) + 1, full=_WINDOW_CHARACTERS):
        document = TaggedLines(window, first=first)
        first += len(window)
        done = translate_document(document, translator, options, add)
        yield done.data, done.untranslated
