"""Translating the segments of a document, codes and placeholders kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nmt.documents.content import Content, Document, Segment, merge
from nmt.documents.links import character_links
from nmt.documents.placeholders import (
    count_placeholders,
    drop_placeholders,
    find_placeholders,
    placeholders_as_codes,
    placeholders_as_text,
)
from nmt.documents.placing import CharacterLink, place_codes, units
from nmt.documents.plain import plain_text
from nmt.errors import UserError
from nmt.glossary import Glossary
from nmt.search_options import SearchKeywords
from nmt.segmentation import Cut, join_segments, split_sentences
from nmt.translator import Translation, Translator


@dataclass(frozen=True, slots=True)
class Untranslated:
    """A segment that was left as it was, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class TranslatedDocument:
    """What came of a document."""

    data: bytes
    """The file."""
    num_segments: int
    """Segments that it has."""
    untranslated: tuple[Untranslated, ...]
    """Segments that were left as they were, though there was something to translate."""


def translate_document(
    document: Document,
    translator: Translator,
    options: SearchKeywords,
    add: Callable[[list[Translation]], object] = lambda _: None,
) -> TranslatedDocument:
    """Translate a document's segments, sentence by sentence, and put them into their places.

    Codes (tags and the like) are taken out and put back by the word alignment, where the system
    explains itself, else at the same place in proportion (`nmt.documents.placing`). Placeholders
    (``{name}``, ``%s``, addresses) are left in, for a system that copies them knows best where they
    belong; where one does not come back exactly as often as it was there, the segment is translated
    once more without its placeholders, and these are put back like codes. So it is at once where a
    placeholder has a term of the glossary in it (``{file}``), for that is no word of the text.

    What the system gives back unchanged, and what has no letters to translate, comes back byte for
    byte.

    Args:
        document: what to translate.
        translator: the system.
        options: of its search.
        add: is given the translations of sentences as they come.

    Raises UserError for options that the system does not take, and what `Document.rebuild` raises.
    """
    work = _Work(translator, options, add)
    results: list[Content | None] = [segment.content for segment in document.segments]
    jobs = [_Job(number, s, s.content) for number, s in enumerate(document.segments)]
    first: list[_Job] = []
    again: list[_Job] = []
    for job in jobs:
        if job.has_words:
            found = _has_terms_in_placeholders(job, options.get("glossary"))
            (again if found else first).append(job)
    for job, content in work.translate(first):
        if _keeps_placeholders(job, content):
            results[job.number] = content
        else:
            again.append(job)
    untranslated: list[Untranslated] = []
    for job, content in work.translate([job.with_codes() for job in again]):
        content = placeholders_as_text(content)
        if _keeps_placeholders(job, content):
            results[job.number] = content
        else:
            results[job.number] = None
            reason = "its placeholders would not come back as they were"
            untranslated.append(Untranslated(job.segment.line, reason))
    return TranslatedDocument(document.rebuild(results), len(results), tuple(untranslated))


class _Job:
    """A segment to be translated, as its plain sentences."""

    def __init__(
        self, number: int, segment: Segment, content: Content, *, without_placeholders: bool = False
    ) -> None:
        self.number = number
        self.segment = segment
        self.content = content
        self.plain = plain_text(content)
        self.without_placeholders = without_placeholders

    def with_codes(self) -> _Job:
        """The same with its placeholders as codes."""
        coded = placeholders_as_codes(self.content, printf=self.segment.printf)
        return _Job(self.number, self.segment, coded, without_placeholders=True)

    @property
    def has_words(self) -> bool:
        """Whether there is a letter outside of placeholders."""
        text = drop_placeholders(self.plain.text, printf=self.segment.printf)
        return any(character.isalpha() for character in text)


class _Work:
    """Translates jobs by one translator."""

    def __init__(
        self,
        translator: Translator,
        options: SearchKeywords,
        add: Callable[[list[Translation]], object],
    ) -> None:
        self._translator = translator
        self._options = options
        self._add = add

    def translate(self, jobs: Sequence[_Job]) -> Iterator[tuple[_Job, Content]]:
        """The jobs with their translations, all of them, in any order."""
        for explain in (False, True):
            # Only where there are codes to be placed is it worth asking for alignments.
            chosen = [job for job in jobs if bool(job.plain.marks) is explain]
            sentences = [
                split_sentences(job.plain.text, self._translator.source_language) for job in chosen
            ]
            lines = [sentence for job in sentences for sentence in job]
            translations = self._translations(lines, explain=explain)
            for job, given in zip(chosen, sentences, strict=True):
                yield job, self._assemble(job, given, [next(translations) for _ in given])

    def _translations(self, lines: list[str], *, explain: bool) -> Iterator[Translation]:
        if not lines:
            return
        given = self._translator.translate_windows(lines, **self._options)
        if explain:
            explained = SearchKeywords(**{**self._options, "explain": True})
            try:
                windows = self._translator.translate_windows(lines, **explained)
                given = itertools.chain([next(windows)], windows)
            except UserError:
                pass  # a system that does not explain; any other mistake is found again
        for window in given:
            self._add(window)
            yield from window

    def _assemble(
        self, job: _Job, sentences: Sequence[str], translations: Sequence[Translation]
    ) -> Content:
        """The content of a translation from those of its sentences."""
        plain = job.plain
        target = ""
        links: list[CharacterLink] = []
        source_begin = 0
        for sentence, translation in zip(sentences, translations, strict=True):
            text = translation.text
            if job.without_placeholders:
                text = drop_placeholders(text, printf=job.segment.printf)
            text = text.strip()
            joined = self._join(target, text)
            source_begin = plain.text.index(sentence, source_begin)
            if plain.marks:
                found = character_links(translation.alternatives[0].explanations, sentence, text)
                links += _shifted(
                    found or _in_proportion(sentence, text), source_begin, len(joined) - len(text)
                )
            source_begin += len(sentence)
            target = joined
        left_alone = all(
            one.text.split() == sentence.split()
            for sentence, one in zip(sentences, translations, strict=True)
        )
        if left_alone and not job.without_placeholders:
            return job.content
        return merge([plain.lead, *place_codes(plain, target, links), plain.trail])

    def _join(self, before: str, text: str) -> str:
        if not before or not text:
            return before + text
        # What is between two sentences depends on the characters around it only.
        joined = join_segments([before[-1], text], [Cut.SENTENCE], self._translator.target_language)
        return before[:-1] + joined


def _in_proportion(source: str, target: str) -> list[CharacterLink]:
    """Each word of a sentence linked with the one at the same place of its translation."""
    pairs: list[CharacterLink] = []
    for swapped, (one, other) in enumerate([(source, target), (target, source)]):
        spans = units(other)
        if not spans:
            continue
        number = 0
        for begin, end in units(one):
            wanted = (begin + end) / 2 / len(one) * len(other)
            while number + 1 < len(spans) and spans[number][1] <= wanted:
                number += 1
            pair = ((begin, end), spans[number])
            pairs.append(pair if not swapped else pair[::-1])
    return pairs


def _shifted(links: Sequence[CharacterLink], source: int, target: int) -> list[CharacterLink]:
    return [((a + source, b + source), (c + target, d + target)) for (a, b), (c, d) in links]


def _has_terms_in_placeholders(job: _Job, glossary: Glossary | None) -> bool:
    """Whether a glossary asks something of the text that it does not without its placeholders."""
    text, printf = job.plain.text, job.segment.printf
    if not glossary or not find_placeholders(text, printf=printf):
        return False
    try:
        return glossary.guide(text) != glossary.guide(drop_placeholders(text, printf=printf))
    except UserError:  # terms that contradict each other: told where the text is translated
        return True


def _keeps_placeholders(job: _Job, content: Content) -> bool:
    """Whether the text around the codes has the placeholders that it had."""
    before, after = (
        count_placeholders(_visible_text(one), printf=job.segment.printf)
        for one in (job.segment.content, content)
    )
    return before == after


def _visible_text(content: Content) -> str:
    # A code is no character that a placeholder may hold.
    return "".join(part if isinstance(part, str) else "\n" for part in content)
