"""From aligned bitext to the files of a phrase table, in parts that fit into memory.

::

    sentences ──extract──► occurrences, dealt out by source phrase
              ──count────► entries, in the order of their source hashes; their target phrases, dealt
                           out by target phrase
              ──count────► target phrases
              ──score────► the arrays of the table, written part by part

The result depends neither on the number of parts nor on that of threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.npy import NpyWriter, map_npy
from nmt.statistical.phrases.arrays import frozen
from nmt.statistical.phrases.buckets import Buckets, bits_for
from nmt.statistical.phrases.counting import (
    ENTRY,
    TARGET,
    TARGET_REFERENCE,
    Counts,
    HashCollision,
    count_pairs,
    count_targets,
)
from nmt.statistical.phrases.extraction import OCCURRENCE, AlignedText, extract
from nmt.statistical.phrases.parallel import Workers
from nmt.statistical.phrases.settings import PhraseSettings

Report = Callable[[str], None]

_SENTENCES_AT_ONCE: Final = 2048
_SAMPLE: Final = 4096
_BYTES_PER_OCCURRENCE: Final = 3 * OCCURRENCE.itemsize + ENTRY.itemsize
"""What counting takes: the records twice while they are joined, hash table, order, and result."""


@dataclass(frozen=True)
class Plan:
    """How the work is divided; it does not change the result."""

    scratch: Path
    """A folder for what is needed only meanwhile."""
    workers: Workers
    """The threads."""
    memory: int
    """Bytes that occurrences and counts may take at one time."""


def count_phrases(
    text: AlignedText, settings: PhraseSettings, plan: Plan, report: Report
) -> Counts:
    """Extract and count the phrase pairs of a bitext."""
    for seed in itertools.count():
        try:
            return _count(text, settings, plan, report, seed)
        except HashCollision:
            report("two phrases have the same hash: counting again with another")
    raise AssertionError


def _count(
    text: AlignedText, settings: PhraseSettings, plan: Plan, report: Report, seed: int
) -> Counts:
    def occurrences(first: int) -> list[NDArray[np.void]]:
        last = min(first + _SENTENCES_AT_ONCE, num_sentences)
        word_based = settings.orientation == "word"
        return list(
            extract(
                text, first, last, max_words=settings.max_words, word_based=word_based, seed=seed
            )
        )

    def counted(bucket: int) -> NDArray[np.void]:
        return count_pairs(text, pairs.take(bucket))

    num_sentences = len(text.source_offsets) - 1
    workers = plan.workers
    size = estimate_occurrences(text, settings) * _BYTES_PER_OCCURRENCE
    bits = bits_for(size * workers.number, plan.memory)
    bits = max(bits, (workers.number - 1).bit_length())
    pairs = Buckets(plan.scratch, f"occurrences-{seed}", OCCURRENCE, "source_key", bits)
    for blocks in workers.in_order(occurrences, range(0, num_sentences, _SENTENCES_AT_ONCE)):
        for block in blocks:
            pairs.append(block)
    report(f"{pairs.length:,} phrase pairs extracted")

    entries_path = plan.scratch / f"entries-{seed}.npy"
    references = Buckets(plan.scratch, f"references-{seed}", TARGET_REFERENCE, "target_key", bits)
    with NpyWriter(entries_path, ENTRY) as writer:
        numbers_of_buckets = range(len(pairs))
        for part in workers.in_order(
            lambda n: count_pairs(text, pairs.take(n)), numbers_of_buckets
        ):
            reference = np.empty(len(part), TARGET_REFERENCE)
            reference["target_key"] = part["target_key"]
            reference["entry"] = np.arange(writer.length, writer.length + len(part))
            references.append(reference)
            writer.append(part)
    entries = frozen(map_npy(entries_path))

    targets_path = plan.scratch / f"targets-{seed}.npy"
    numbers_path = plan.scratch / f"target-numbers-{seed}.npy"
    numbers = np.lib.format.open_memmap(
        numbers_path, mode="w+", dtype=np.int32, shape=(max(1, len(entries)),)
    ).view(np.ndarray)
    with NpyWriter(targets_path, TARGET) as writer:
        for number in range(len(references)):
            taken = references.take(number)
            writer.append(count_targets(text, entries, taken, writer.length, numbers))
    targets = frozen(map_npy(targets_path))
    report(f"{len(entries):,} differ, with {len(targets):,} target phrases")
    return Counts(entries, targets, frozen(numbers[: len(entries)]), seed)


def estimate_occurrences(text: AlignedText, settings: PhraseSettings) -> int:
    """About how many phrase pairs will be extracted, from sentences spread over the bitext."""
    num_sentences = len(text.source_offsets) - 1
    parts = min(64, num_sentences)
    length = max(1, min(_SAMPLE, num_sentences) // max(1, parts))
    found, looked_at = 0, 0
    for number in range(parts):
        first = number * (num_sentences - length) // max(1, parts - 1)
        last = min(first + length, num_sentences)
        found += sum(map(len, extract(text, first, last, max_words=settings.max_words)))
        looked_at += last - first
    return -(-found * num_sentences // max(1, looked_at))
