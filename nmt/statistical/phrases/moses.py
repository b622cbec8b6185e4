"""Phrase tables in the text format of Moses, for other programs and from them.

::

    source ||| target ||| p(s|t) lex(s|t) p(t|s) lex(t|s) ||| 0-0 1-1 ||| c(t) c(s) c(s,t)

and, in a file of its own, ``source ||| target |||`` and the six probabilities of the orientations
(msd-bidirectional-fe). Probabilities are not logarithms. Words are escaped like Moses' tokenizer
does it, which is also how they are told apart from ``|||``. A name that ends in .gz is compressed.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmt.errors import UserError, UserErrors
from nmt.files import replacing_file
from nmt.statistical.features import NUM_REORDERING, NUM_TRANSLATION
from nmt.statistical.phrases.arrays import PhraseArrays, make_slots
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.vocabulary import Vocabulary

_Number = TypeVar("_Number", np.int32, np.float32, np.uint8)

_BAR: Final = " ||| "
_ESCAPES: Final = {
    "&": "&amp;", "|": "&#124;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;",
    "[": "&#91;", "]": "&#93;",
}  # fmt: skip
_TO_ESCAPED: Final = str.maketrans(_ESCAPES)
_CHARACTERS: Final = {escape: character for character, escape in _ESCAPES.items()}
_ESCAPED: Final = re.compile("|".join(_CHARACTERS))
_MAX_ERRORS: Final = 10
_LARGEST_POSITION: Final = 255


def write_moses(table: PhraseTable, phrase_table: Path, reordering: Path) -> None:
    """Write a phrase table and its reordering table, sorted by source phrase.

    The counts of phrases are summed over the entries that the table has kept. Raises UserError if a
    file cannot be written.
    """
    sources = [_escape(table.source(phrase)) for phrase in range(table.num_sources)]
    target_counts: dict[bytes, int] = {}
    arrays = table.arrays
    for (begin, end), count in zip(
        pairwise(arrays.target_offsets.tolist()), table.counts.tolist(), strict=True
    ):
        words = arrays.target_words[begin:end].tobytes()
        target_counts[words] = target_counts.get(words, 0) + count
    with (
        _writing(phrase_table) as phrase_file,
        _writing(reordering) as reordering_file,
    ):
        for phrase in sorted(range(len(sources)), key=lambda n: f"{sources[n]}{_BAR}"):
            first, last = arrays.entry_offsets[phrase : phrase + 2]
            source_count = table.counts[first:last].sum()
            for number in range(first, last):
                entry = table.entry(number)
                begin, end = arrays.target_offsets[number : number + 2]
                target_count = target_counts[arrays.target_words[begin:end].tobytes()]
                pair = f"{sources[phrase]}{_BAR}{_escape(entry.target)}{_BAR}"
                links = " ".join(f"{s}-{t}" for s, t in entry.links)
                phrase_file.write(
                    f"{pair}{_probabilities(entry.scores)}{_BAR}{links}{_BAR}"
                    f"{target_count} {source_count} {entry.count}\n"
                )
                reordering_file.write(f"{pair}{_probabilities(entry.reordering)}\n")


def read_moses(
    phrase_table: Path,
    reordering: Path | None = None,
    *,
    source_vocabulary: Vocabulary | None = None,
    target_vocabulary: Vocabulary | None = None,
) -> PhraseTable:
    """Read a phrase table and its reordering table (none: all orientations are equally likely).

    Vocabularies are those of the table's words if not given. Reads all into memory. Raises
    UserError with the line numbers of what cannot be read (the first ten), of a phrase pair that
    comes twice, that is not in the reordering table, or that has words outside a vocabulary.
    """
    problems = _Problems()
    orientations = None if reordering is None else _read_reordering(reordering, problems)
    rows: list[_Row] = []
    seen: set[tuple[str, str]] = set()
    for where, parts in _lines(phrase_table, problems):
        row = _parse(parts, where, problems)
        if row is None:
            continue
        pair = (parts[0], parts[1])
        if pair in seen:
            problems.add("this phrase pair was there before", where, "leave one of them out")
            continue
        seen.add(pair)
        if orientations is not None:
            found = orientations.get(pair)
            if found is None:
                problems.add(
                    f"the reordering table {reordering} does not have this phrase pair", where,
                    "give the two files that were made together",
                )  # fmt: skip
                continue
            row = row._replace(reordering=found)
        rows.append(row)
    problems.raise_any()
    if source_vocabulary is None:
        source_vocabulary = Vocabulary.learn(row.source for row in rows)
    if target_vocabulary is None:
        target_vocabulary = Vocabulary.learn(row.target for row in rows)
    for row in rows:
        unknown = [word for word in row.source if not source_vocabulary.id(word)]
        unknown += [word for word in row.target if not target_vocabulary.id(word)]
        if unknown:
            problems.add(
                f"the word {unknown[0]!r} is not in the vocabulary", row.where,
                "take the vocabulary of the text that the table was made from",
            )  # fmt: skip
    problems.raise_any()
    return _build(rows, source_vocabulary, target_vocabulary)


class _Row(NamedTuple):
    where: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    scores: tuple[float, ...]
    links: tuple[tuple[int, int], ...]
    times_seen: int
    reordering: tuple[float, ...]


class _Problems:
    """What is wrong with the files; raised together, or as soon as there are too many."""

    def __init__(self) -> None:
        self._errors: list[UserError] = []

    def add(self, what: str, where: str, mend: str) -> None:
        self._errors.append(UserError(what, where=where, mend=mend))
        if len(self._errors) == _MAX_ERRORS:
            self.raise_any()

    def raise_any(self) -> None:
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise UserErrors(self._errors)


def _parse(parts: list[str], where: str, problems: _Problems) -> _Row | None:
    """A line of a phrase table."""
    source, target = _words(parts[0]), _words(parts[1])
    if not (3 <= len(parts) <= 7 and source and target):
        problems.add(
            "not a phrase pair", where, "a line is: source ||| target ||| scores ||| links"
        )
        return None
    numbers = parts[2].split()
    # Older tables end with a constant, the phrase penalty.
    if len(numbers) == NUM_TRANSLATION + 1 and numbers[-1] == "2.718":
        numbers.pop()
    scores = _logarithms(numbers, NUM_TRANSLATION, where, problems)
    if scores is None:
        return None
    links = []
    for link in parts[3].split() if len(parts) > 3 else []:
        s, dash, t = link.partition("-")
        if not (dash and s.isdecimal() and t.isdecimal()):
            problems.add(f"not a link: {link!r}", where, "links are positions such as 0-1")
            return None
        links.append((int(s), int(t)))
    if any(s >= len(source) or t >= len(target) for s, t in links):
        problems.add("a link leads outside the phrases", where, "positions count from 0")
        return None
    if max(len(source), len(target)) > _LARGEST_POSITION:
        problems.add("too long a phrase", where, f"{_LARGEST_POSITION} words are the most")
        return None
    counts = parts[4].split() if len(parts) > 4 else []
    try:
        count = round(float(counts[2])) if len(counts) > 2 else 0
        if not 0 <= count < 1 << 32:
            raise ValueError
    except (ValueError, OverflowError):
        problems.add(f"not a count: {counts[2]!r}", where, "counts are numbers from 0 on")
        return None
    uniform = (-math.log(3),) * NUM_REORDERING
    return _Row(where, source, target, scores, tuple(sorted(set(links))), count, uniform)


def _read_reordering(path: Path, problems: _Problems) -> dict[tuple[str, str], tuple[float, ...]]:
    found: dict[tuple[str, str], tuple[float, ...]] = {}
    for where, parts in _lines(path, problems):
        if len(parts) != 3:
            problems.add("not a phrase pair", where, "a line is: source ||| target ||| scores")
            continue
        scores = _logarithms(parts[2].split(), NUM_REORDERING, where, problems)
        if scores is not None:
            found[parts[0], parts[1]] = scores
    return found


def _logarithms(
    numbers: list[str], expected: int, where: str, problems: _Problems
) -> tuple[float, ...] | None:
    """Natural logarithms of probabilities; that of 0 is -100, as in Moses."""
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = []
    if len(values) != expected or not all(0 <= value <= 1.0001 for value in values):
        problems.add(
            f"{expected} probabilities are expected, not {' '.join(numbers)!r}", where,
            "only tables of the default features can be read",
        )  # fmt: skip
        return None
    return tuple(min(0.0, math.log(value)) if value > 0 else -100.0 for value in values)


def _build(rows: list[_Row], source: Vocabulary, target: Vocabulary) -> PhraseTable:
    def ids(vocabulary: Vocabulary, words: tuple[str, ...]) -> list[int]:
        return [vocabulary.id(word) for word in words]

    by_source: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    ordered: list[_Row] = []
    for group in by_source.values():
        group.sort(key=lambda row: (-np.float32(row.scores[2]), ids(target, row.target)))
        ordered += group
    source_words = _flat([ids(source, words) for words in by_source], np.int32)
    source_offsets = _offsets(map(len, by_source))
    arrays = PhraseArrays(
        slots=make_slots(source_words, source_offsets),
        source_words=source_words,
        source_offsets=source_offsets,
        entry_offsets=_offsets(map(len, by_source.values())),
        target_words=_flat([ids(target, row.target) for row in ordered], np.int32),
        target_offsets=_offsets(len(row.target) for row in ordered),
        scores=_flat([row.scores for row in ordered], np.float32).reshape(-1, NUM_TRANSLATION),
        reordering=_flat([row.reordering for row in ordered], np.float32).reshape(
            -1, NUM_REORDERING
        ),
        links=_flat([n for row in ordered for n in row.links], np.uint8).reshape(-1, 2),
        link_offsets=_offsets(len(row.links) for row in ordered),
    )
    counts = np.array([row.times_seen for row in ordered], np.uint32)
    return PhraseTable(arrays, counts, source, target)


def _flat(rows: Iterable[Iterable[float]], dtype: type[_Number]) -> NDArray[_Number]:
    return np.array([value for row in rows for value in row], dtype)


def _offsets(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)


def _lines(path: Path, problems: _Problems) -> Iterator[tuple[str, list[str]]]:
    """Where each line is, and its fields, two at least."""
    try:
        with path.open("rb") as raw, _decompressed(raw, path) as file:
            for number, line in enumerate(file, 1):
                where = f"{path}:{number}"
                try:
                    # Empty fields at the end leave no blank after the last bar.
                    text = line.decode("utf-8").rstrip("\r\n") + " "
                except UnicodeDecodeError:
                    problems.add("not UTF-8", where, "convert the file")
                    continue
                parts = [part.strip(" ") for part in text.split(" |||")]
                if len(parts) < 2:
                    problems.add("not a phrase pair", where, "fields are separated by |||")
                    continue
                yield where, parts
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read: {error}", where=str(path)) from error


def _decompressed(raw: IO[bytes], path: Path) -> IO[bytes]:
    return gzip.open(raw) if path.suffix == ".gz" else raw  # type: ignore[return-value]  # read as one is


def _words(field: str) -> tuple[str, ...]:
    words = [word for word in field.split(" ") if word]
    if "&" in field:
        words = [_ESCAPED.sub(lambda match: _CHARACTERS[match[0]], word) for word in words]
    return tuple(words)


def _escape(words: Iterable[str]) -> str:
    return " ".join(word.translate(_TO_ESCAPED) for word in words)


def _probabilities(logarithms: Iterable[float]) -> str:
    return " ".join(f"{math.exp(value):.9g}" for value in logarithms)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[IO[str]]:
    """A text file, compressed by its name, that appears when it is complete."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(stack.enter_context(replacing_file(path)).open("wb"))
        # Without a name and a time, equal tables give equal files.
        compressed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else raw
        stack.enter_context(compressed)
        yield stack.enter_context(io.TextIOWrapper(compressed, encoding="utf-8", newline="\n"))
