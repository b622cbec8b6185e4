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

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.npy import NpyWriter, map_npy
from nmt.statistical.phrases.arrays import frozen, make_slots
from nmt.statistical.phrases.buckets import Buckets, bits_for
from nmt.statistical.phrases.counting import (
    ENTRY,
    TARGET,
    TARGET_REFERENCE,
    HashCollision,
    count_pairs,
    count_targets,
)
from nmt.statistical.phrases.extraction import OCCURRENCE, AlignedText, extract
from nmt.statistical.phrases.lexicon import Lexicon, count_links
from nmt.statistical.phrases.scoring import choose_entries, gather_entries, score_entries
from nmt.statistical.phrases.settings import PhraseSettings
from nmt.statistical.phrases.smoothing import MAX_COUNT, Smoothing, smoothing_of

Report = Callable[[str], None]
_In = TypeVar("_In")
_Out = TypeVar("_Out")

_SENTENCES_AT_ONCE: Final = 2048
_ENTRIES_AT_ONCE: Final = 1 << 19
_SAMPLE: Final = 4096
_BYTES_PER_OCCURRENCE: Final = 3 * OCCURRENCE.itemsize + ENTRY.itemsize
"""What counting takes: the records twice while they are joined, hash table, order, and result."""


@dataclass(frozen=True)
class Plan:
    """How the work is divided; it does not change the result."""

    scratch: Path
    """A folder for what is needed only meanwhile."""
    workers: int
    """Threads."""
    memory: int
    """Bytes that occurrences and counts may take at one time."""


@dataclass(frozen=True)
class Counts:
    """What was counted of all phrase pairs."""

    entries: NDArray[np.void]
    """ENTRY records, sorted by source and target key."""
    targets: NDArray[np.void]
    """TARGET records, sorted by key."""
    target_numbers: NDArray[np.int32]
    """Which of ``targets`` is that of each entry."""


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

    num_sentences = len(text.source_offsets) - 1
    size = estimate_occurrences(text, settings) * _BYTES_PER_OCCURRENCE
    bits = bits_for(size * (plan.workers if plan.workers > 1 else 1), plan.memory)
    bits = max(bits, (plan.workers - 1).bit_length())
    with _threads(plan.workers) as executor:
        pairs = Buckets(plan.scratch, f"occurrences-{seed}", OCCURRENCE, "source_key", bits)
        firsts = range(0, num_sentences, _SENTENCES_AT_ONCE)
        for blocks in _in_order(executor, plan.workers, occurrences, firsts):
            for block in blocks:
                pairs.append(block)
        report(f"{pairs.length:,} phrase pairs extracted")

        entries_path = plan.scratch / f"entries-{seed}.npy"
        references = Buckets(
            plan.scratch, f"references-{seed}", TARGET_REFERENCE, "target_key", bits
        )
        with NpyWriter(entries_path, ENTRY) as writer:
            counting = _in_order(
                executor,
                plan.workers,
                lambda n: count_pairs(text, pairs.take(n)),
                range(len(pairs)),
            )
            for part in counting:
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
    return Counts(entries, targets, frozen(numbers[: len(entries)]))


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


def write_table(
    text: AlignedText,
    counts: Counts,
    lexicon: Lexicon,
    settings: PhraseSettings,
    keep: NDArray[np.bool_],
    plan: Plan,
    folder: Path,
) -> None:
    """Score, choose and write the entries: the arrays of PhraseArrays, each in its file.

    ``keep`` says of each entry whether it may stay.
    """
    entries = counts.entries
    smoothing = smoothing_of(settings.smoothing, _counts_of_counts(entries), len(entries))

    def part(bounds: tuple[int, int]) -> dict[str, NDArray[Any]]:
        return _table_part(text, counts, lexicon, smoothing, settings, keep, *bounds)

    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(_threads(plan.workers))
        writers = {
            name: stack.enter_context(NpyWriter(folder / f"{name}.npy", dtype))
            for name, dtype in TABLE_FILES.items()
        }
        ends = dict.fromkeys(_OFFSETS, 0)
        for name in _OFFSETS:
            writers[name].append(np.zeros(1, np.int64))
        bounds = _source_bounds(entries, _ENTRIES_AT_ONCE)
        for arrays in _in_order(executor, plan.workers, part, bounds):
            for name, lengths in _OFFSETS.items():
                offsets = ends[name] + np.cumsum(arrays.pop(lengths), dtype=np.int64)
                writers[name].append(offsets)
                if len(offsets):
                    ends[name] = int(offsets[-1])
            for name, values in arrays.items():
                writers[name].append(np.ravel(values))
    slots = make_slots(map_npy(folder / "source_words.npy"), map_npy(folder / "source_offsets.npy"))
    np.save(folder / "slots.npy", slots, allow_pickle=False)


TABLE_FILES: Final = {
    "source_words": np.int32,
    "source_offsets": np.int64,
    "entry_offsets": np.int64,
    "target_words": np.int32,
    "target_offsets": np.int64,
    "scores": np.float32,
    "reordering": np.float32,
    "links": np.uint8,
    "link_offsets": np.int64,
    "counts": np.uint32,
}
_OFFSETS: Final = {
    "source_offsets": "source_lengths",
    "entry_offsets": "num_entries",
    "target_offsets": "target_lengths",
    "link_offsets": "num_links",
}
"""What the offsets of each name add up."""


def _table_part(
    text: AlignedText,
    counts: Counts,
    lexicon: Lexicon,
    smoothing: Smoothing,
    settings: PhraseSettings,
    keep: NDArray[np.bool_],
    begin: int,
    end: int,
) -> dict[str, NDArray[Any]]:
    entries = counts.entries[begin:end]
    scores = np.empty((len(entries), 4), np.float32)
    numbers = counts.target_numbers[begin:end]
    score_entries(text, entries, counts.targets, numbers, lexicon, smoothing, scores)
    kept = keep[begin:end] & (entries["count"] >= settings.min_count)
    chosen = np.empty(len(entries), np.int64)
    chosen = chosen[: choose_entries(text, entries, scores, kept, settings.max_entries, chosen)]
    size, longest = len(chosen), settings.max_words
    source_words = np.empty(size * longest, np.int32)
    source_lengths = np.empty(size, np.uint8)
    num_entries = np.empty(size, np.int64)
    target_words = np.empty(size * longest, np.int32)
    target_lengths = np.empty(size, np.uint8)
    reordering = np.empty((size, 6), np.float32)
    links = np.empty((size * longest * longest, 2), np.uint8)
    num_links = np.empty(size, np.uint8)
    num_sources, num_source_words, num_target_words, all_links = gather_entries(
        text, entries, chosen, source_words, source_lengths, num_entries,
        target_words, target_lengths, reordering, links, num_links,
    )  # fmt: skip
    return {
        "source_words": source_words[:num_source_words],
        "source_lengths": source_lengths[:num_sources],
        "num_entries": num_entries[:num_sources],
        "target_words": target_words[:num_target_words],
        "target_lengths": target_lengths,
        "scores": scores[chosen],
        "reordering": reordering,
        "links": links[:all_links],
        "num_links": num_links,
        "counts": np.ascontiguousarray(entries["count"][chosen]),
    }


def _counts_of_counts(entries: NDArray[np.void]) -> NDArray[np.int64]:
    totals = np.zeros(MAX_COUNT + 2, np.int64)
    for begin in range(0, len(entries), _ENTRIES_AT_ONCE):
        some = np.minimum(entries["count"][begin : begin + _ENTRIES_AT_ONCE], MAX_COUNT + 1)
        totals += np.bincount(some, minlength=MAX_COUNT + 2)
    return totals[: MAX_COUNT + 1]


def _source_bounds(entries: NDArray[np.void], size: int) -> Iterator[tuple[int, int]]:
    """Ranges of about ``size`` entries that do not cut a source phrase's in two."""
    keys = entries["source_key"]
    begin = 0
    while begin < len(keys):
        end = min(begin + size, len(keys))
        if end < len(keys):
            end = begin + int(np.searchsorted(keys[begin:], keys[end], side="left"))
            if end == begin:
                end += int(np.searchsorted(keys[begin:], keys[begin], side="right"))
        yield begin, end
        begin = end


@contextlib.contextmanager
def _threads(workers: int) -> Iterator[Executor | None]:
    if workers <= 1:
        yield None
        return
    with ThreadPoolExecutor(workers) as executor:
        yield executor


def _in_order(
    executor: Executor | None, workers: int, work: Callable[[_In], _Out], items: Iterable[_In]
) -> Iterator[_Out]:
    """Like ``map``, a few items ahead, so that finished work does not pile up in memory."""
    if executor is None:
        yield from map(work, items)
        return
    ahead: deque[Any] = deque()
    for item in items:
        ahead.append(executor.submit(work, item))
        if len(ahead) > workers:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()
