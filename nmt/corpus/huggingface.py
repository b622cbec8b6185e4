"""Reading sentence pairs through the Hugging Face ``datasets`` library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from nmt.corpus.fingerprint import FileHashes
from nmt.corpus.readers import BATCH_PAIRS, Batch, PairReader
from nmt.corpus.textfiles import iterate_file
from nmt.errors import UserError

_HUB_SECONDS = 10.0
_FORMATS = {".parquet": "parquet", ".json": "json"}
_JSON_LINES = (".jsonl", ".ndjson")

Columns = dict[str, list[Any]]
"""Some consecutive rows, column by column."""


@dataclass(frozen=True)
class HuggingFaceReader(PairReader):
    """A data set of the hub, or a local folder, Parquet or JSON lines file.

    Column names are complete here (no placeholders); dots enter nested columns, unless there is a
    column of just that name.
    """

    path: str | Path
    """Name on the hub, or the absolute path of a file or folder."""
    config: str | None
    split: str
    revision: str | None
    source_column: str
    target_column: str
    otherwise: str = "check the name and the network, or give a local folder or file instead"
    """Advice for when the hub does not answer."""

    @property
    def name(self) -> str:
        parts = [str(self.path), self.config, self.split]
        return " ".join(part for part in parts if part is not None)

    def fingerprint(self, hashes: FileHashes) -> dict[str, Any]:
        content: str | None = self.revision
        if isinstance(self.path, Path):
            content = (hashes.of_folder if self.path.is_dir() else hashes.of_file)(self.path)
        return {
            "huggingface": str(self.path) if isinstance(self.path, str) else "local",
            "content": content,
            "config": self.config,
            "split": self.split,
            "columns": [self.source_column, self.target_column],
        }

    def batches(self) -> Iterator[Batch]:
        rows_before = 0
        for columns in self._columns():
            source = self._column(columns, self.source_column, rows_before)
            target = self._column(columns, self.target_column, rows_before)
            rows_before += len(source)
            yield source, target

    def _columns(self) -> Iterator[Columns]:
        if isinstance(self.path, Path) and set(_JSON_LINES) & set(self.path.suffixes):
            yield from _read_json_lines(self.path)
            return
        import datasets

        try:
            yield from self._load(datasets).iter(batch_size=BATCH_PAIRS)
        except UserError:
            raise
        except Exception as error:  # The library and those below it raise dozens of unlike classes.
            reason = str(error.__cause__ or error) or type(error).__name__
            raise UserError(f"cannot be read: {reason}", where=self.name) from error

    def _load(self, datasets: Any) -> Any:
        """The split as an iterable data set, or a memory-mapped one; local files are streamed."""
        path = self.path
        if isinstance(path, str):
            self._ask_hub(path)
            return datasets.load_dataset(
                path, self.config, split=self.split, revision=self.revision
            )
        if path.is_file():
            suffix = next((s for s in reversed(path.suffixes) if s in _FORMATS), None)
            if suffix is None:
                raise UserError(
                    f"a data set file must end in {', '.join((*_FORMATS, *_JSON_LINES))}",
                    where=self.name,
                    mend="use kind: files or kind: tsv for text",
                )
            files = {self.split: str(path)}
            return datasets.load_dataset(
                _FORMATS[suffix], data_files=files, split=self.split, streaming=True
            )
        if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
            saved = datasets.load_from_disk(str(path))
            if not isinstance(saved, dict):
                return saved
            if self.split not in saved:
                raise UserError(
                    f"there is no split {self.split!r}",
                    where=str(path),
                    mend=f"splits there: {', '.join(saved)}",
                )
            return saved[self.split]
        return datasets.load_dataset(str(path), self.config, split=self.split, streaming=True)

    def _ask_hub(self, path: str) -> None:
        """Fail at once, with a sentence, where ``load_dataset`` would try for half a minute."""
        from huggingface_hub import HfApi

        try:
            HfApi().dataset_info(path, revision=self.revision, timeout=_HUB_SECONDS)
        except Exception as error:  # Network libraries' own classes, which differ by version.
            raise UserError(
                f"the Hugging Face hub did not give this data set: {error}",
                where=path,
                mend=self.otherwise,
            ) from error

    def _column(self, columns: Columns, wanted: str, rows_before: int) -> list[str]:
        """The texts of one column of a batch, each on a single line."""
        first, *keys = [wanted] if wanted in columns else wanted.split(".")
        if first not in columns:
            raise self._no_column(wanted, list(columns))
        values = columns[first]
        for key in keys:
            for value in values:
                if not (isinstance(value, dict) and key in value):
                    names = [f"{first}.{name}" for name in value] if isinstance(value, dict) else []
                    raise self._no_column(wanted, names or list(columns))
            values = [value[key] for value in values]
        texts = ["" if value is None else value for value in values]
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise UserError(
                    f"column {wanted!r} holds {type(text).__name__}, not text",
                    where=f"{self.name}, row {rows_before + position + 1}",
                    mend="check source_column and target_column",
                )
            if "\n" in text:
                texts[position] = " ".join(text.replace("\r\n", "\n").split("\n"))
        return _without_surrogates(texts)

    def _no_column(self, wanted: str, there: list[str]) -> UserError:
        return UserError(
            f"there is no column {wanted!r}",
            where=self.name,
            mend=f"columns there: {', '.join(sorted(there))}; set source_column and target_column",
        )


def _read_json_lines(path: Path) -> Iterator[Columns]:
    """The rows of a JSON lines file, plain or compressed; blank lines are passed over.

    Read here and not by the library, whose messages do not say in which line an error is.
    """
    numbered = enumerate(iterate_file(path), start=1)
    while block := list(islice(numbered, BATCH_PAIRS)):
        rows = [_parse_row(line, path, number) for number, line in block if line.strip()]
        names = dict.fromkeys(name for row in rows for name in row)
        if names:
            yield {name: [row.get(name) for row in rows] for name in names}


def _parse_row(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"this is not JSON: {error}", where=f"{path}:{number}") from error
    if not isinstance(row, dict):
        raise UserError(
            f"a row must be an object with named columns, not {type(row).__name__}",
            where=f"{path}:{number}",
        )
    return row


def _without_surrogates(texts: Iterable[str]) -> list[str]:
    """Lone surrogates, which JSON can write and UTF-8 cannot, become U+FFFD."""
    joined = "\n".join(texts)
    try:
        joined.encode("utf-8")
    except UnicodeEncodeError:
        joined = joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return joined.split("\n")
