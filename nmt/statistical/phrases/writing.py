"""From counts to the files of a phrase table, part by part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.npy import NpyWriter, map_npy
from nmt.statistical.phrases.arrays import make_slots
from nmt.statistical.phrases.counting import Counts
from nmt.statistical.phrases.extraction import AlignedText
from nmt.statistical.phrases.lexicon import Lexicon
from nmt.statistical.phrases.parallel import Workers
from nmt.statistical.phrases.scoring import choose_entries, gather_entries, score_entries
from nmt.statistical.phrases.settings import PhraseSettings
from nmt.statistical.phrases.smoothing import MAX_COUNT, Smoothing, smoothing_of

_ENTRIES_AT_ONCE: Final = 1 << 19

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


def write_table(
    text: AlignedText,
    counts: Counts,
    lexicon: Lexicon,
    settings: PhraseSettings,
    keep: NDArray[np.bool_],
    workers: Workers,
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
        writers = {
            name: stack.enter_context(NpyWriter(folder / f"{name}.npy", dtype))
            for name, dtype in TABLE_FILES.items()
        }
        ends = dict.fromkeys(_OFFSETS, 0)
        for name in _OFFSETS:
            writers[name].append(np.zeros(1, np.int64))
        bounds = _source_bounds(entries, _ENTRIES_AT_ONCE)
        for arrays in workers.in_order(part, bounds):
            for name, lengths in _OFFSETS.items():
                offsets = ends[name] + np.cumsum(arrays.pop(lengths), dtype=np.int64)
                writers[name].append(offsets)
                if len(offsets):
                    ends[name] = int(offsets[-1])
            for name, values in arrays.items():
                writers[name].append(np.ravel(values))
    slots = make_slots(map_npy(folder / "source_words.npy"), map_npy(folder / "source_offsets.npy"))
    np.save(folder / "slots.npy", slots, allow_pickle=False)


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
