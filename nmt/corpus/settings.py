"""Settings of a corpus: where sentence pairs come from and which of them are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from nmt.settings import Name, Settings


class _SourceSettings(Settings):
    weight: float = Field(default=1.0, gt=0)
    """How often a pair of this source is drawn in an epoch, relative to its number of pairs."""


class _TextSourceSettings(_SourceSettings):
    tokenized: Literal["moses", "apart"] | None = None
    """Words are cut, to be joined again: as Moses cuts, or hyphens and apostrophes apart too."""


class FilesSource(_TextSourceSettings):
    """Two text files of equal length; line n of one is the translation of line n of the other."""

    kind: Literal["files"] = "files"
    """Pairs of text files."""
    source: Path
    """File in the source language: plain text, or .gz, .xz, .zst."""
    target: Path
    """File in the target language, with as many lines."""


class TsvSource(_TextSourceSettings):
    """One tab-separated file."""

    kind: Literal["tsv"] = "tsv"
    """A tab-separated file."""
    path: Path
    """The file: plain, or .gz, .xz, .zst."""
    source_column: int = Field(default=1, ge=1)
    """Number of the column that holds the source text, counted from 1."""
    target_column: int = Field(default=2, ge=1)
    """Number of the column that holds the target text, counted from 1."""


class HuggingFaceSource(_TextSourceSettings):
    """A data set read through the ``datasets`` library."""

    kind: Literal["huggingface"] = "huggingface"
    """A Hugging Face data set: a hub name, or a local folder or file (Parquet or JSON lines)."""
    path: str
    """Hub name such as ``wmt14``, or a local folder or file."""
    config: str | None = None
    """Configuration of the data set, such as ``de-en``."""
    split: str = "train"
    """Split of the data set."""
    revision: str | None = None
    """Git revision of a hub data set; without one, what was fetched first is kept in the cache."""
    source_column: str = "translation.{source}"
    """Column with the source text; dots enter nested columns, ``{source}`` is the language code."""
    target_column: str = "translation.{target}"
    """Column with the target text; dots enter nested columns, ``{target}`` is the language code."""


class NamedSource(_TextSourceSettings):
    """A well-known corpus that knows how to get itself."""

    kind: Literal["multi30k", "tatoeba", "libreoffice-help", "europarl", "small-parallel-enja"]
    """Name of the corpus."""
    split: Literal["train", "valid", "test"] = "train"
    """Split of the corpus."""
    root: Path | None = None
    """Folder with the files ``SPLIT.LANGUAGE``, or the one above it; ``--data`` sets it for all."""


class PocketSource(_SourceSettings):
    """Sentence pairs made by a grammar, English and German; generated at once, no download."""

    kind: Literal["pocket"]
    """The pocket corpus: random sentences from a small lexicon, good for trying things out."""
    split: Literal["train", "valid", "test", "test-deeper"] = "train"
    """Set; the tests have combinations of words and depths of clauses that training has not."""
    pairs: int = Field(default=30_000, ge=1, le=1_000_000)
    """Number of training pairs; the other sets have 500."""
    seed: int = Field(default=1, ge=0)
    """Another seed gives another corpus; all sets of a recipe need the same one."""


Source = Annotated[
    FilesSource | TsvSource | HuggingFaceSource | NamedSource | PocketSource,
    Field(discriminator="kind"),
]


class CleaningSettings(Settings):
    """Which training pairs are dropped; each drop is counted by its reason."""

    normalization: Literal["NFC", "NFKC", "none"] = "NFC"
    """Unicode normalisation of both sides."""
    max_words: int = Field(default=250, ge=1)
    """Longest side in words (characters for scripts written without spaces)."""
    max_length_ratio: float = Field(default=9.0, ge=1)
    """Largest ratio between the lengths of the two sides, in words."""
    drop_identical: bool = True
    """Drop pairs whose two sides are the same text."""
    drop_duplicates: bool = True
    """Drop exact repeats of a pair."""
    check_script: bool = True
    """Drop pairs in which most letters of a side are of a script that its language does not use."""


class CorpusSettings(Settings):
    """The bitext: languages, training, validation and test sets, cleaning."""

    source_language: str = Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]+)?$")
    """Language code of the source text, such as ``en``."""
    target_language: str = Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]+)?$")
    """Language code of the target text, such as ``de``."""
    train: list[Source] = Field(min_length=1, max_length=255)
    """Sources of training pairs; mixed by weight."""
    valid: Source
    """Pairs on which settings and checkpoints are chosen."""
    test: dict[Name, Source] = Field(default_factory=dict)
    """Named test sets; used only to report scores."""
    cleaning: CleaningSettings = CleaningSettings()
    """Which training pairs are dropped."""
    test_overlap: Literal["warn", "drop"] = "warn"
    """What to do with training pairs whose source or target is in the test or validation sets."""
    max_pairs: int | None = Field(default=None, ge=1)
    """Use only so many pairs of the cleaned training data, drawn by their hash; for trials."""
