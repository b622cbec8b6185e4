"""The pocket corpus as a source of sentence pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nmt.corpus.fingerprint import FileHashes
from nmt.corpus.pocket.splits import held_out_pairs, training_pairs
from nmt.corpus.pocket.tables import data_folder
from nmt.corpus.readers import BATCH_PAIRS, Batch, PairReader
from nmt.errors import UserError

_VERSION = 1
"""Raised when the generator gives other pairs for the same data files."""


@dataclass(frozen=True)
class PocketReader(PairReader):
    """Generated pairs; nothing is read but the lexicon and the grammar.

    Raises UserError for languages other than English and German.
    """

    languages: tuple[str, str]
    """Source and target language."""
    split: str
    """train, valid, test or test-deeper."""
    pairs: int
    """Number of training pairs."""
    seed: int

    def __post_init__(self) -> None:
        if set(self.languages) != {"en", "de"}:
            raise UserError(
                f"the pocket corpus is English and German, not {' and '.join(self.languages)}",
                mend="set source_language and target_language to en and de, or take other data",
            )

    @property
    def name(self) -> str:
        return f"pocket {self.split} (generated)"

    def fingerprint(self, hashes: FileHashes) -> dict[str, Any]:
        # The training set is the only one whose size can be chosen.
        size = {"pairs": self.pairs} if self.split == "train" else {}
        return {
            "pocket": hashes.of_folder(data_folder()), "version": _VERSION, "split": self.split,
            "seed": self.seed, "languages": list(self.languages), **size,
        }  # fmt: skip

    def batches(self) -> Iterator[Batch]:
        if self.split == "train":
            pairs = training_pairs(self.seed, self.pairs)
        else:
            pairs = iter(held_out_pairs(self.seed)[self.split])
        texts = ((pair.english, pair.german) for pair in pairs)
        while block := list(islice(texts, BATCH_PAIRS)):
            english, german = [pair[0] for pair in block], [pair[1] for pair in block]
            yield (english, german) if self.languages[0] == "en" else (german, english)
