"""From the sources that a recipe names to readers of sentence pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nmt.corpus.huggingface import HuggingFaceReader
from nmt.corpus.named import Surroundings, find_named, open_named
from nmt.corpus.pocket import PocketReader
from nmt.corpus.readers import DetokenizedReader, FilePairReader, PairReader, TsvReader
from nmt.corpus.settings import (
    CorpusSettings,
    FilesSource,
    HuggingFaceSource,
    NamedSource,
    PocketSource,
    Source,
    TsvSource,
)
from nmt.corpus.textfiles import find_input
from nmt.errors import UserError, UserErrors


@dataclass(frozen=True)
class CorpusReaders:
    """Readers of all sets of a corpus."""

    train: list[PairReader]
    valid: PairReader
    test: dict[str, PairReader]


def open_corpus(settings: CorpusSettings, around: Surroundings) -> CorpusReaders:
    """Find every source of a corpus, fetching named ones that are not on this machine.

    Raises UserErrors with everything that is missing, before anything is fetched.
    """
    problems = find_problems(settings, around)
    if problems:
        raise UserErrors(problems)
    return CorpusReaders(
        [open_source(source, around) for source in settings.train],
        open_source(settings.valid, around),
        {name: open_source(source, around) for name, source in settings.test.items()},
    )


def find_problems(settings: CorpusSettings, around: Surroundings) -> list[UserError]:
    """Files and languages that are missing on this machine; nothing is read or fetched."""
    problems: dict[str, UserError] = {}
    for source in (*settings.train, settings.valid, *settings.test.values()):
        try:
            if isinstance(source, NamedSource):
                find_named(source, around)
            else:
                open_source(source, around)
        except UserErrors as errors:
            problems.update({str(error): error for error in errors.errors})
        except UserError as error:
            problems[str(error)] = error
    return list(problems.values())


def open_source(source: Source, around: Surroundings) -> PairReader:
    """The reader of one source; raises UserError if a file is missing or cannot be fetched."""
    reader = _open_as_it_is(source, around)
    if isinstance(source, PocketSource) or source.tokenized is None:
        return reader
    return DetokenizedReader(reader, around.languages, source.tokenized)


def _open_as_it_is(source: Source, around: Surroundings) -> PairReader:
    match source:
        case FilesSource():
            return FilePairReader(*_find_all([source.source, source.target], around))
        case TsvSource():
            path = find_input(source.path, around.base)
            return TsvReader(path, source.source_column, source.target_column)
        case HuggingFaceSource():
            return _open_huggingface(source, around)
        case NamedSource():
            return open_named(source, around)
        case PocketSource():
            return PocketReader(around.languages, source.split, source.pairs, source.seed)


def _find_all(paths: list[Path], around: Surroundings) -> list[Path]:
    """The absolute paths; raises UserErrors for all that are missing."""
    found, missing = [], []
    for path in paths:
        try:
            found.append(find_input(path, around.base))
        except UserError as error:
            missing.append(error)
    if missing:
        raise UserErrors(missing)
    return found


def _open_huggingface(source: HuggingFaceSource, around: Surroundings) -> HuggingFaceReader:
    path: str | Path = source.path
    try:
        path = find_input(Path(source.path), around.base)
    except UserError:
        # Names on the hub are NAME or OWNER/NAME; everything else can only be a path.
        is_hub_name = source.path.count("/") <= 1 and not source.path.startswith((".", "/", "~"))
        if not is_hub_name or Path(source.path).suffix in (".parquet", ".json", ".jsonl"):
            raise
    languages = dict(zip(("source", "target"), around.languages, strict=True))
    return HuggingFaceReader(
        path,
        source.config,
        source.split,
        source.revision,
        _fill(source.source_column, languages),
        _fill(source.target_column, languages),
    )


def _fill(column: str, languages: dict[str, str]) -> str:
    """The column name with the language codes for the placeholders, braces elsewhere untouched."""
    for side, language in languages.items():
        column = column.replace(f"{{{side}}}", language)
    return column
