"""Cleaning of training pairs: normalisation, and dropping of pairs that would teach nonsense.

Lengths follow the conventions of Moses' ``clean-corpus-n`` (Koehn et al. 2007): words at white
space, and a largest ratio between the two sides.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.languages import is_unspaced, letter_classes, scripts_of
from nmt.corpus.readers import Batch
from nmt.corpus.settings import CleaningSettings
from nmt.text import is_blank

# Control characters (NUL, tabs and vertical tabs, escape sequences, what Windows-1252 taken for
# ISO-8859-1 leaves), Unicode's line separators, and byte order marks inside concatenated files:
# none of them means anything within a segment. The line feed stays; it is between the lines.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_LF = ord("\n")


class Drop(StrEnum):
    """Why a training pair is dropped; the first reason that holds, in this order, is counted."""

    EMPTY = "empty side"
    IDENTICAL = "identical sides"
    TOO_LONG = "too long"
    LENGTH_RATIO = "length ratio"
    SCRIPT = "wrong script"
    DUPLICATE = "duplicate"
    HELD_OUT = "in a test or validation set"
    LIMIT = "beyond max_pairs"


@dataclass(frozen=True)
class Cleaner:
    """Normalises and filters batches of pairs, all but duplicates and test sentences."""

    settings: CleaningSettings
    source_language: str
    target_language: str

    def normalize(self, lines: Sequence[str]) -> list[str]:
        """The lines in the Unicode normal form, without control characters and outer blanks."""
        # A line feed composes with nothing, so the whole block is normalised in one call.
        text = "\n".join(lines)
        if self.settings.normalization != "none":
            text = unicodedata.normalize(self.settings.normalization, text)
        text = _CONTROLS.sub(" ", text)
        return [line.strip() for line in text.split("\n")] if lines else []

    def clean(self, batch: Batch) -> tuple[Batch, Counter[Drop]]:
        """The pairs worth training on, normalised, and how many were dropped for which reason."""
        source, target = self.normalize(batch[0]), self.normalize(batch[1])
        foreign = self._mostly_foreign(source, self.source_language)
        foreign |= self._mostly_foreign(target, self.target_language)
        pairs = zip(
            source,
            target,
            _lengths(source, self.source_language),
            _lengths(target, self.target_language),
            foreign.tolist(),
            strict=True,
        )
        reasons = [self._reason(*pair) for pair in pairs]
        kept = [reason is None for reason in reasons]
        dropped = Counter(reason for reason in reasons if reason is not None)
        return (list(compress(source, kept)), list(compress(target, kept))), dropped

    def _reason(
        self, source: str, target: str, source_length: int, target_length: int, is_foreign: bool
    ) -> Drop | None:
        if _is_empty(source) or _is_empty(target):
            return Drop.EMPTY
        if source == target and self.settings.drop_identical:
            return Drop.IDENTICAL
        if source_length < target_length:
            shorter, longer = source_length, target_length
        else:
            shorter, longer = target_length, source_length
        if longer > self.settings.max_words:
            return Drop.TOO_LONG
        if longer > self.settings.max_length_ratio * shorter:
            return Drop.LENGTH_RATIO
        return Drop.SCRIPT if is_foreign else None

    def _mostly_foreign(self, lines: Sequence[str], language: str) -> NDArray[np.bool_]:
        """Whether more than half of a line's letters are of scripts that the language lacks."""
        scripts = scripts_of(language)
        if not (lines and self.settings.check_script and scripts):
            return np.zeros(len(lines), np.bool_)
        text = "\n".join(lines) + "\n"
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        ends = np.flatnonzero(codes == _LF)
        # Own letters count 1 and others -1, so a negative sum is a foreign majority.
        sums = np.cumsum(letter_classes(scripts)[codes], dtype=np.int64)[ends]
        return np.diff(sums, prepend=0) < 0


def _lengths(lines: Sequence[str], language: str) -> list[int]:
    """Words, or characters in languages written without blanks between words."""
    if is_unspaced(language):
        return [len("".join(line.split())) for line in lines]
    return [len(line.split()) for line in lines]


def _is_empty(line: str) -> bool:
    """Whether nothing in a normalised line is visible."""
    # Stripped ASCII without control characters is visible; asking that first is much quicker.
    return not line or (not line.isascii() and is_blank(line))


def first_of_duplicates(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """True for the first occurrence of each key."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[order[1:]] = ordered[1:] != ordered[:-1]
    return first


def is_among(keys: NDArray[np.uint64], few: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each of many keys is one of a few; ``numpy.isin`` would sort the many."""
    few = np.unique(few)
    found: NDArray[np.bool_] = few[np.searchsorted(few[:-1], keys)] == keys
    return found


def pair_keys(source: NDArray[np.uint64], target: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One 64-bit key for each pair from the hashes of its sides; depends on their order."""
    odd = np.uint64(0x9E3779B97F4A7C15)
    return (source * odd) ^ target
