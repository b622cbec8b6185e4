"""The phrase table."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.npy import map_npy
from nmt.errors import UserError
from nmt.files import write_json
from nmt.statistical.features import NUM_REORDERING, NUM_TRANSLATION
from nmt.statistical.phrases.arrays import PhraseArrays, find_phrase, frozen
from nmt.statistical.phrases.extraction import AlignedText
from nmt.statistical.phrases.lexicon import count_links
from nmt.statistical.phrases.parallel import start_workers
from nmt.statistical.phrases.settings import PhraseSettings
from nmt.statistical.phrases.significance import log_p_values, significant
from nmt.statistical.phrases.training import Plan, count_phrases
from nmt.statistical.phrases.writing import write_table
from nmt.statistical.sentences import Alignments, Bitext
from nmt.statistical.vocabulary import UNKNOWN, Vocabulary

_DESCRIPTION_FILE: Final = "phrases.json"
_FORMAT: Final = 1
_WIDTHS: Final = {"scores": NUM_TRANSLATION, "reordering": NUM_REORDERING, "links": 2}
"""Columns of the arrays that have any."""
DEFAULT_MEMORY: Final = 1 << 30


@dataclass(frozen=True)
class Entry:
    """A phrase pair, for people."""

    target: tuple[str, ...]
    """The words of the target phrase."""
    scores: tuple[float, ...]
    """ln p(s|t), ln lex(s|t), ln p(t|s), ln lex(t|s)."""
    reordering: tuple[float, ...]
    """ln p(monotone, swap, discontinuous) relative to the phrase before, then of that after."""
    links: tuple[tuple[int, int], ...]
    """Which source word goes with which target word, from 0."""
    count: int
    """How often it was seen in training; 0 where that is not known."""


class PhraseTable:
    """Phrase pairs with their scores, found by source phrase."""

    def __init__(
        self,
        arrays: PhraseArrays,
        counts: NDArray[np.uint32],
        source_vocabulary: Vocabulary,
        target_vocabulary: Vocabulary,
    ) -> None:
        """Take the arrays, and how often each entry was seen."""
        self.arrays = PhraseArrays(*(frozen(array) for array in arrays))
        self.counts = frozen(counts)
        self.source_vocabulary = source_vocabulary
        self.target_vocabulary = target_vocabulary

    @property
    def num_sources(self) -> int:
        """Number of source phrases."""
        return len(self.arrays.entry_offsets) - 1

    def __len__(self) -> int:
        """Number of entries."""
        return len(self.arrays.scores)

    @classmethod
    def train(
        cls,
        bitext: Bitext,
        alignments: Alignments,
        source_vocabulary: Vocabulary,
        target_vocabulary: Vocabulary,
        settings: PhraseSettings,
        *,
        scratch: Path,
        workers: int = 1,
        report: Callable[[str], None] = lambda _: None,
        memory: int = DEFAULT_MEMORY,
    ) -> PhraseTable:
        """Extract, count and score the phrase pairs of an aligned bitext.

        ``scratch`` is a folder for files that may become much larger than memory; the table itself
        is mapped from there until it is saved. ``memory`` bounds, in bytes, what is counted at one
        time. Neither it nor the number of threads changes the result.
        """
        text = AlignedText.of(bitext, alignments)
        folder = Path(tempfile.mkdtemp(dir=scratch, prefix="phrase-table-"))
        with (
            tempfile.TemporaryDirectory(dir=scratch, prefix="phrases-") as temporary,
            start_workers(workers) as threads,
        ):
            plan = Plan(Path(temporary), threads, memory)
            counts = count_phrases(text, settings, plan, report)
            keep = np.ones(len(counts.entries), np.bool_)
            if settings.significance != "none":
                log_p = log_p_values(text, counts, threads, plan.scratch)
                keep = significant(settings.significance, log_p, len(bitext))
                report(f"{keep.sum():,} of them are significant")
            lexicon = count_links(text, len(source_vocabulary), len(target_vocabulary))
            write_table(text, counts, lexicon, settings, keep, threads, folder)
        table = cls._mapped(folder, source_vocabulary, target_vocabulary)
        report(f"{len(table):,} entries for {table.num_sources:,} source phrases are kept")
        return table

    def save(self, folder: Path) -> None:
        """Write the table into a folder, which must exist."""
        arrays = self.arrays._asdict()
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", np.ravel(array), allow_pickle=False)
        np.save(folder / "counts.npy", self.counts, allow_pickle=False)
        self.source_vocabulary.save(folder / "source.words")
        self.target_vocabulary.save(folder / "target.words")
        description = {"format": _FORMAT, "sources": self.num_sources, "entries": len(self)}
        write_json(folder / _DESCRIPTION_FILE, description)

    @classmethod
    def open(cls, folder: Path) -> PhraseTable:
        """Map what ``save`` wrote into memory; takes the same time whatever its size.

        Raises UserError if there is no table, or one of another version, or an incomplete one.
        """
        path = folder / _DESCRIPTION_FILE
        mend = "train or copy it again"
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
            known = description["format"] == _FORMAT
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError("there is no phrase table", where=str(folder), mend=mend) from error
        if not known:
            raise UserError(
                f"phrase table of format {description['format']!r}; this version reads {_FORMAT}",
                where=str(path),
                mend="train it again, or use the version of nmt that made it",
            )
        try:
            source = Vocabulary.load(folder / "source.words")
            table = cls._mapped(folder, source, Vocabulary.load(folder / "target.words"))
        except (OSError, ValueError, EOFError) as error:
            raise UserError(
                f"the phrase table is incomplete: {error}", where=str(folder), mend=mend
            ) from error
        if [table.num_sources, len(table)] != [description["sources"], description["entries"]]:
            raise UserError("the phrase table is cut short", where=str(folder), mend=mend)
        return table

    @classmethod
    def _mapped(
        cls, folder: Path, source_vocabulary: Vocabulary, target_vocabulary: Vocabulary
    ) -> PhraseTable:
        arrays = {name: map_npy(folder / f"{name}.npy") for name in PhraseArrays._fields}
        for name, width in _WIDTHS.items():
            arrays[name] = arrays[name].reshape(-1, width)
        counts = map_npy(folder / "counts.npy")
        return cls(PhraseArrays(**arrays), counts, source_vocabulary, target_vocabulary)

    def lookup(self, words: Sequence[str]) -> list[Entry]:
        """The entries of a source phrase, the most probable first; none if it is not there."""
        ids = np.array([self.source_vocabulary.id(word) for word in words], np.int32)
        if len(ids) == 0 or (ids == UNKNOWN).any():
            return []
        phrase = find_phrase(self.arrays, frozen(ids), 0, len(ids))
        if phrase < 0:
            return []
        offsets = self.arrays.entry_offsets
        return [self.entry(n) for n in range(offsets[phrase], offsets[phrase + 1])]

    def source(self, phrase: int) -> tuple[str, ...]:
        """The words of a source phrase, by its index."""
        begin, end = self.arrays.source_offsets[phrase : phrase + 2]
        return tuple(map(self.source_vocabulary.word, self.arrays.source_words[begin:end].tolist()))

    def entry(self, number: int) -> Entry:
        """An entry, by its index."""
        arrays = self.arrays
        begin, end = arrays.target_offsets[number : number + 2]
        links = arrays.links[arrays.link_offsets[number] : arrays.link_offsets[number + 1]]
        return Entry(
            tuple(map(self.target_vocabulary.word, arrays.target_words[begin:end].tolist())),
            tuple(arrays.scores[number].tolist()),
            tuple(arrays.reordering[number].tolist()),
            tuple((s, t) for s, t in links.tolist()),
            int(self.counts[number]),
        )
