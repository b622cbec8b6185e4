"""Reading sentence pairs from files and data sets, in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from nmt.corpus.fingerprint import FileHashes
from nmt.corpus.textfiles import iterate_file
from nmt.errors import UserError
from nmt.tokenization.detokenizing import Cut, Detokenizer

Batch = tuple[list[str], list[str]]
"""Source and target side of some consecutive pairs."""

_DETOKENIZING_VERSION = 1
"""Raised when the same words give another text."""

BATCH_PAIRS = 8192
"""Pairs read, cleaned and written at once."""


class PairReader(ABC):
    """Where sentence pairs are read from, after names and relative paths have been resolved."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What to call it in messages."""

    @abstractmethod
    def fingerprint(self, hashes: FileHashes) -> dict[str, Any]:
        """A JSON value that changes whenever the pairs do."""

    @abstractmethod
    def batches(self) -> Iterator[Batch]:
        """Yield all pairs in order; no text holds a line feed.

        Raises UserError if the input is broken.
        """


@dataclass(frozen=True)
class FilePairReader(PairReader):
    """Two text files with as many lines."""

    source: Path
    target: Path

    @property
    def name(self) -> str:
        return f"{self.source} and {self.target}"

    def fingerprint(self, hashes: FileHashes) -> dict[str, Any]:
        return {"source": hashes.of_file(self.source), "target": hashes.of_file(self.target)}

    def batches(self) -> Iterator[Batch]:
        sources, targets = iterate_file(self.source), iterate_file(self.target)
        count = 0
        while True:
            source, target = list(islice(sources, BATCH_PAIRS)), list(islice(targets, BATCH_PAIRS))
            if len(source) != len(target):
                source_lines = count + len(source) + sum(1 for _ in sources)
                target_lines = count + len(target) + sum(1 for _ in targets)
                raise UserError(
                    "the two sides have different numbers of lines: "
                    f"{source_lines:,} in {self.source}, {target_lines:,} in {self.target}",
                    mend="line n of one file must be the translation of line n of the other",
                )
            if not source:
                return
            count += len(source)
            yield source, target


@dataclass(frozen=True)
class TsvReader(PairReader):
    """One tab-separated file; columns are counted from 1."""

    path: Path
    source_column: int
    target_column: int

    @property
    def name(self) -> str:
        return str(self.path)

    def fingerprint(self, hashes: FileHashes) -> dict[str, Any]:
        columns = [self.source_column, self.target_column]
        return {"tsv": hashes.of_file(self.path), "columns": columns}

    def batches(self) -> Iterator[Batch]:
        first, second = self.source_column - 1, self.target_column - 1
        lines = iterate_file(self.path)
        count = 0
        while block := list(islice(lines, BATCH_PAIRS)):
            rows = [line.split("\t") for line in block]
            try:
                yield [row[first] for row in rows], [row[second] for row in rows]
            except IndexError:
                raise self._too_few_columns(rows, count) from None
            count += len(block)

    def _too_few_columns(self, rows: list[list[str]], count: int) -> UserError:
        needed = max(self.source_column, self.target_column)
        position = next(i for i, row in enumerate(rows) if len(row) < needed)
        return UserError(
            f"{len(rows[position])} tab-separated columns, but column {needed} is asked for",
            where=f"{self.path}:{count + position + 1}",
            mend="check source_column and target_column (counted from 1), or mend the line",
        )


@dataclass(frozen=True)
class DetokenizedReader(PairReader):
    """Another reader's pairs, whose words were cut, as people write them."""

    reader: PairReader
    languages: tuple[str, str]
    """Source and target language."""
    cut: Cut
    """How the words were cut."""

    @property
    def name(self) -> str:
        return self.reader.name

    def fingerprint(self, hashes: FileHashes) -> dict[str, Any]:
        return {
            "tokenized": self.reader.fingerprint(hashes),
            "cut": self.cut,
            "languages": self.languages,
            "version": _DETOKENIZING_VERSION,
        }

    def batches(self) -> Iterator[Batch]:
        source_text, target_text = (Detokenizer(language, self.cut) for language in self.languages)
        for source, target in self.reader.batches():
            yield list(map(source_text, source)), list(map(target_text, target))
