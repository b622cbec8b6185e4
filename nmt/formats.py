"""Formats of the lines that ``nmt-translate`` reads and writes: plain text, TSV, JSON lines."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import regex

from nmt.confidence import quality_estimate, word_confidences
from nmt.errors import UserError
from nmt.search_options import SearchKeywords
from nmt.translator import Hypothesis, Line, Translation, Translator


@dataclass(frozen=True, slots=True)
class Item:
    """One line of input: what is to be translated, and how the answer is written."""

    source: str | Line
    """The text to translate."""
    render: Callable[[Translation], str]
    """What to write for its translation, without the last line feed."""

    @property
    def text(self) -> str:
        """The text to translate, without what is asked of its translation."""
        return self.source.text if isinstance(self.source, Line) else self.source


class Format(ABC):
    """How the lines of a stream are read and answered."""

    @abstractmethod
    def read(self, line: str, name: str, number: int) -> Item:
        """Read line ``number`` (from 1) of the stream called ``name``.

        Raises UserError, with the line number, if the line is not in the format.
        """


@dataclass(frozen=True)
class TextFormat(Format):
    """One line of text in, one line of text out.

    With ``scores``, a line is the score, a tab and the translation. With ``nbest`` above 1 each
    input line gives up to so many lines in Moses' form, ``INDEX ||| TRANSLATION ||| SCORE``, the
    best first; INDEX counts input lines from 0. With ``explain``, each translation is followed by
    how it came about, and a blank line.
    """

    nbest: int = 1
    scores: bool = False
    explain: bool = False

    def read(self, line: str, name: str, number: int) -> Item:
        """Any line will do."""

        def render(translation: Translation) -> str:
            if self.explain:
                return "\n".join(_explained(one) for one in translation.alternatives)
            if self.nbest > 1:
                return "\n".join(
                    f"{number - 1} ||| {one.text} ||| {one.score:.6f}"
                    for one in translation.alternatives
                )
            if self.scores:
                return f"{translation.score:.6f}\t{translation.text}"
            return translation.text

        return Item(line, render)


@dataclass(frozen=True)
class TsvFormat(Format):
    """Columns parted by tabs, without quoting; the translations are appended as more columns.

    There are ``nbest`` of them, each followed by its score with ``scores``; those that the search
    did not find are empty. Tabs within a translation become spaces.
    """

    column: int = 1
    """Number of the column with the text to translate, from 1."""
    nbest: int = 1
    scores: bool = False
    prefix_column: int | None = None
    """Number of the column with the beginning of the translation, where it is given."""

    def read(self, line: str, name: str, number: int) -> Item:
        """Take the columns out of a line."""
        columns = line.split("\t")
        for option, wanted in (("column", self.column), ("prefix-column", self.prefix_column)):
            if wanted is not None and len(columns) < wanted:
                raise UserError(
                    f"has {len(columns)} columns, so no column {wanted}",
                    where=f"{name}:{number}",
                    mend=f"mend the line, or name another column with --{option}",
                )

        def render(translation: Translation) -> str:
            width = 1 + self.scores
            added: list[str] = []
            for one in translation.alternatives[: self.nbest]:
                added += [one.text.replace("\t", " "), f"{one.score:.6f}"][:width]
            added += [""] * (self.nbest * width - len(added))
            return "\t".join([line, *added])

        text = columns[self.column - 1]
        if self.prefix_column is None:
            return Item(text, render)
        return Item(Line(text, columns[self.prefix_column - 1]), render)


_DEFAULT_KEYS = ("source", "text")
# Legal within JSON strings, but many readers of lines end a line at them.
_LINE_ENDS = regex.compile("[\x85\u2028\u2029]")


@dataclass(frozen=True)
class JsonLinesFormat(Format):
    """A JSON object a line; it comes back as it was written, with the translation added.

    With ``scores`` also ``score``, and with ``nbest`` above 1 also ``alternatives``: a list of
    objects with ``translation`` and ``score``, the best first. With ``explain`` also
    ``explanation``: how the best came about, a list with an object for each segment that was
    translated on its own. With ``confidence`` also ``quality``, from 0 to 1, and ``confidence``:
    the best translation's words, each with its probability. Blank lines stay blank.
    """

    key: str | None = None
    """Key of the text, dots enter nested objects; unless given ``source``, or else ``text``."""
    translation_key: str = "translation"
    """Key under which the translation is added; must not be there yet."""
    nbest: int = 1
    scores: bool = False
    explain: bool = False
    confidence: bool = False
    prefix_key: str | None = None
    """Key of the beginning of the translation, where it is given; objects may be without."""

    def read(self, line: str, name: str, number: int) -> Item:
        """Take the text out of an object."""
        where = f"{name}:{number}"
        if not line.strip():
            return Item("", lambda _: "")
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"not a line of JSON ({error})", where=where) from error
        if not isinstance(record, dict):
            raise UserError(f"a JSON {type(record).__name__}, not an object", where=where)
        source = self._source(record, where)
        for key in self._added_keys():
            if key in record:
                raise UserError(
                    f"the object has a key {key!r} already",
                    where=where,
                    mend="rename it, or choose another for the translation with --translation-key",
                )

        def render(translation: Translation) -> str:
            added = {self.translation_key: translation.text, **self._details(translation)}
            # Written anew, the object would lose digits of its numbers, and keys given twice.
            begin = line.rstrip().removesuffix("}").rstrip()
            return _without_line_ends(f"{begin}, {_dump(added)[1:]}")

        if self.prefix_key is None:
            return Item(source, render)
        return Item(Line(source, self._text(record, self.prefix_key, where) or ""), render)

    def _source(self, record: dict[str, Any], where: str) -> str:
        keys = (self.key,) if self.key is not None else _DEFAULT_KEYS
        for key in keys:
            if (text := self._text(record, key, where)) is not None:
                return text
        raise UserError(
            f"no key {' or '.join(map(repr, keys))} (there are: {', '.join(map(repr, record))})",
            where=where,
            mend="name the key of the text with --key",
        )

    def _text(self, record: dict[str, Any], key: str, where: str) -> str | None:
        """The text at a key; None if there is nothing."""
        value = record[key] if key in record else _nested(record, key)
        if value is not None and not isinstance(value, str):
            raise UserError(f"the value of {key!r} is not a string", where=where)
        return value

    def _added_keys(self) -> list[str]:
        details = ["score"] * self.scores + ["alternatives"] * (self.nbest > 1)
        details += ["explanation"] * self.explain
        details += ["quality", "confidence"] * self.confidence
        return [self.translation_key, *details]

    def _details(self, translation: Translation) -> dict[str, Any]:
        details: dict[str, Any] = {}
        if self.scores:
            details["score"] = round(translation.score, 6)
        if self.nbest > 1:
            details["alternatives"] = [
                {"translation": one.text, "score": round(one.score, 6)}
                for one in translation.alternatives
            ]
        if self.explain:
            explanations = translation.alternatives[0].explanations
            details["explanation"] = [one.to_json() for one in explanations]
        if self.confidence:
            best = translation.alternatives[0]
            details["quality"] = round(quality_estimate(best), 6)
            details["confidence"] = [[word, round(p, 6)] for word, p in word_confidences(best)]
        return details


def _explained(hypothesis: Hypothesis) -> str:
    tables = (f"{explanation}\n" for explanation in hypothesis.explanations)
    return "\n".join([hypothesis.text, "", *tables])


def _nested(record: Any, key: str) -> Any:
    for part in key.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _dump(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate can only go out escaped
        text = json.dumps(record)
    return text


def _without_line_ends(text: str) -> str:
    return _LINE_ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def answer(
    translator: Translator,
    lines: Iterable[str],
    name: str,
    line_format: Format,
    options: SearchKeywords,
    watch: Callable[[str, Translation], object] = lambda _source, _translation: None,
) -> Iterator[tuple[list[str], list[Translation]]]:
    """Translate the lines of a stream called ``name`` and render the answers, window by window.

    ``watch`` is given the text and the translation of each line, in order.

    Raises what `Translator.translate_windows` raises, and UserError for a line that is not in the
    format, after giving the answers to all lines before it.
    """
    waiting: deque[Item] = deque()  # read ahead in another thread, answered here in order

    def sources() -> Iterator[str | Line]:
        for number, line in enumerate(lines, start=1):
            item = line_format.read(line, name, number)
            waiting.append(item)
            yield item.source

    for translations in translator.translate_windows(sources(), **options):
        items = [waiting.popleft() for _ in translations]
        for item, translation in zip(items, translations, strict=True):
            watch(item.text, translation)
        rendered = [item.render(one) for item, one in zip(items, translations, strict=True)]
        yield rendered, translations
