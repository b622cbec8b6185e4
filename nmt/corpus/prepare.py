"""From the sources that a recipe names to clean, memory-mapped training, valid and test pairs."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.cleaning import Cleaner, Drop, first_of_duplicates, is_among, pair_keys
from nmt.corpus.fingerprint import FileHashes
from nmt.corpus.named import Surroundings
from nmt.corpus.readers import PairReader
from nmt.corpus.report import CleaningReport, SourceReport
from nmt.corpus.settings import CorpusSettings
from nmt.corpus.sources import CorpusReaders, open_corpus
from nmt.corpus.text import PairsWriter, TextPairs, hash_lines
from nmt.errors import UserError
from nmt.files import build_once, write_json

_VERSION = 2
"""Raised when this package gives another result for the same input."""

_REPORT = "report.json"
_REPORT_EVERY = 1_000_000

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class PreparedCorpus:
    """Everything that training and evaluation read of a corpus."""

    train: TextPairs
    """Cleaned training pairs."""
    valid: TextPairs
    """Validation pairs, as they are in their source."""
    test: dict[str, TextPairs]
    """Test sets by name, as they are in their sources."""
    report: CleaningReport
    """What cleaning did to the training pairs."""


def prepare_corpus(
    settings: CorpusSettings,
    *,
    cache: Path,
    data_root: Path | None = None,
    base: Path | None = None,
    report: Callable[[str], None] = print,
) -> PreparedCorpus:
    """Read, clean and store a corpus; a second call with the same input opens what is stored.

    Args:
        settings: what to read and how to clean it.
        cache: folder in which fetched and prepared corpora are kept.
        data_root: folder in which named corpora are looked for before they are fetched.
        base: folder that relative paths are relative to if they are not found in the current one.
        report: takes messages for the user: progress, what was dropped, warnings.

    Raises UserError (UserErrors for several) for input that is missing, of unequal length, not
    UTF-8 or otherwise broken, for an empty set, and if nothing is left after cleaning.
    """
    languages = (settings.source_language, settings.target_language)
    around = Surroundings(languages, cache, data_root, base, report)
    readers = open_corpus(settings, around)
    hashes = FileHashes(cache / "file-hashes.json")
    inputs = {
        "version": _VERSION,
        "languages": languages,
        "train": [reader.fingerprint(hashes) for reader in readers.train],
        "valid": readers.valid.fingerprint(hashes),
        "test": [(name, reader.fingerprint(hashes)) for name, reader in readers.test.items()],
        "cleaning": settings.cleaning.model_dump(),
        "test_overlap": settings.test_overlap,
        "max_pairs": settings.max_pairs,
    }

    def build(folder: Path) -> None:
        report(f"preparing the corpus {languages[0]}-{languages[1]}")
        _Preparation(settings, readers, folder, report).run()

    folder = build_once(cache, "corpus", inputs, build)
    corpus = _open(folder, settings, readers)
    report(str(corpus.report))
    return corpus


def _open(folder: Path, settings: CorpusSettings, readers: CorpusReaders) -> PreparedCorpus:
    stored = CleaningReport.from_json(
        json.loads((folder / _REPORT).read_text(encoding="utf-8")),
    )
    # The same content may have been prepared from files of other names.
    sources = tuple(
        replace(source, name=reader.name)
        for source, reader in zip(stored.sources, readers.train, strict=True)
    )
    return PreparedCorpus(
        TextPairs.open(folder / "train", tuple(source.weight for source in settings.train)),
        TextPairs.open(folder / "valid"),
        {name: TextPairs.open(_test_folder(folder, i)) for i, name in enumerate(settings.test)},
        replace(stored, sources=sources),
    )


def _test_folder(folder: Path, number: int) -> Path:
    # The names of test sets are the user's and need not be file names.
    return folder / f"test-{number}"


class _Preparation:
    """One building of a prepared corpus in an empty folder."""

    def __init__(
        self,
        settings: CorpusSettings,
        readers: CorpusReaders,
        folder: Path,
        report: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._readers = readers
        self._folder = folder
        self._report = report
        self._cleaner = Cleaner(
            settings.cleaning, settings.source_language, settings.target_language
        )

    def run(self) -> None:
        held_out = {"validation": self._store(self._readers.valid, self._folder / "valid")}
        for number, (name, reader) in enumerate(self._readers.test.items()):
            held_out[name] = self._store(reader, _test_folder(self._folder, number))
        filtered, sources, keys = self._filter(self._folder / "filtered")
        pairs = TextPairs.open(filtered)
        keep, dropped, overlap = self._select(keys, held_out)
        for origin, source in enumerate(sources):
            for reason, rows in dropped.items():
                count = int(np.count_nonzero(pairs.origins[rows] == origin))
                if count:
                    source.dropped[reason.value] = count
        report = CleaningReport(
            tuple(sources), overlap, overlap_dropped=self._settings.test_overlap == "drop"
        )
        if report.kept == 0:
            raise _nothing_left(report)
        with PairsWriter(self._folder / "train") as writer:
            writer.append_rows(pairs, keep)
        shutil.rmtree(filtered)
        write_json(self._folder / _REPORT, report.as_json())

    def _store(self, reader: PairReader, folder: Path) -> tuple[Keys, Keys]:
        """Store a held-out set as it is; return the hashes of its normalised sides."""
        keys: tuple[list[Keys], list[Keys]] = ([], [])
        with PairsWriter(folder) as writer:
            for batch in reader.batches():
                writer.append(*batch)
                for side, lines in enumerate(batch):
                    keys[side].append(hash_lines(self._cleaner.normalize(lines)))
        if not keys[0]:
            raise _empty(reader)
        return np.concatenate(keys[0]), np.concatenate(keys[1])

    def _filter(self, folder: Path) -> tuple[Path, list[SourceReport], tuple[Keys, Keys]]:
        """Clean all sources, batch by batch; return the folder, counts, and hashes of the sides."""
        keys: tuple[list[Keys], list[Keys]] = ([_NO_KEYS], [_NO_KEYS])
        reports = []
        with PairsWriter(folder) as writer:
            for origin, reader in enumerate(self._readers.train):
                num_read = 0
                dropped: Counter[Drop] = Counter()
                for batch in reader.batches():
                    (source, target), reasons = self._cleaner.clean(batch)
                    writer.append(source, target, origin)
                    keys[0].append(hash_lines(source))
                    keys[1].append(hash_lines(target))
                    dropped.update(reasons)
                    before, num_read = num_read, num_read + len(batch[0])
                    if num_read // _REPORT_EVERY > before // _REPORT_EVERY:
                        self._report(f"{num_read:,} pairs read from {reader.name}")
                if not num_read:
                    raise _empty(reader)
                counts = {reason.value: count for reason, count in dropped.items()}
                reports.append(SourceReport(reader.name, num_read, counts))
        return folder, reports, (np.concatenate(keys[0]), np.concatenate(keys[1]))

    def _select(
        self, keys: tuple[Keys, Keys], held_out: dict[str, tuple[Keys, Keys]]
    ) -> tuple[NDArray[np.bool_], dict[Drop, NDArray[np.bool_]], dict[str, int]]:
        """Decide over whole arrays: pairs to keep, pairs dropped by reason, and overlaps."""
        num_pairs = len(keys[0])
        keep = np.ones(num_pairs, np.bool_)
        dropped: dict[Drop, NDArray[np.bool_]] = {}

        def drop(reason: Drop, rows: NDArray[np.bool_]) -> None:
            dropped[reason] = keep & rows
            keep[rows] = False

        if self._settings.cleaning.drop_duplicates:
            drop(Drop.DUPLICATE, ~first_of_duplicates(pair_keys(*keys)))
        known = {
            name: keep & (is_among(keys[0], source) | is_among(keys[1], target))
            for name, (source, target) in held_out.items()
        }
        overlap = {name: int(np.count_nonzero(rows)) for name, rows in known.items()}
        if self._settings.test_overlap == "drop":
            drop(Drop.HELD_OUT, np.logical_or.reduce(list(known.values())))
        if self._settings.max_pairs is not None:
            drop(Drop.LIMIT, ~_draw(pair_keys(*keys), keep, self._settings.max_pairs))
        return keep, dropped, overlap


def _draw(keys: Keys, among: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """At most ``size`` of the rows of ``among``: those of the smallest keys.

    Not the first ones, for many corpora are sorted, by length or by subject. The keys are hashes of
    the text, so the same corpus gives the same pairs, and a smaller size gives some of a larger
    one's: fit for a learning curve.
    """
    rows = np.flatnonzero(among)
    drawn = np.zeros(len(keys), np.bool_)
    drawn[rows[np.argsort(keys[rows], kind="stable")[:size]]] = True
    return drawn


_NO_KEYS: Keys = np.zeros(0, np.uint64)


def _empty(reader: PairReader) -> UserError:
    return UserError("there is not a single pair in it", where=reader.name)


def _nothing_left(report: CleaningReport) -> UserError:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in report.dropped.items())
    names: Sequence[str] = [source.name for source in report.sources]
    return UserError(
        f"nothing is left of {report.read:,} training pairs after cleaning: {reasons}",
        where="; ".join(names),
        mend="check that source and target are not swapped, or loosen corpus.cleaning",
    )
