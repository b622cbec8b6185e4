"""How often words are linked with words: the ground of lexical weights (Koehn et al. 2003)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.phrases.extraction import AlignedText
from nmt.statistical.vocabulary import BEGIN

NULL: Final = BEGIN
"""Stands for no word: what unaligned words are linked to. It is in no sentence."""


class Lexicon(NamedTuple):
    """Counts of linked words; the maximum-likelihood w(t|s) is count / source total."""

    keys: NDArray[np.uint64]
    """``source << 32 | target`` of the pair in each slot; 0 where there is none."""
    counts: NDArray[np.int64]
    """How often the pair is linked."""
    source_totals: NDArray[np.int64]
    """Links of each source word, NULL included."""
    target_totals: NDArray[np.int64]
    """Links of each target word, NULL included."""


@njit(inline="always")
def _slot(keys: Any, source: int, target: int) -> Any:
    """Where a pair is, or would be."""
    key = (np.uint64(source) << np.uint64(32)) | np.uint64(target)
    mask = np.uint64(len(keys) - 1)
    slot = key * np.uint64(0x9E3779B97F4A7C15)
    slot = (slot ^ (slot >> np.uint64(32))) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(inline="always")
def linked(lexicon: Any, source: int, target: int) -> Any:
    """How often two words are linked."""
    slot = _slot(lexicon.keys, source, target)
    return lexicon.counts[slot] if lexicon.keys[slot] != 0 else 0


@njit(cache=True, nogil=True)
def _count_links(
    text: Any,
    first: int,
    keys: Any,
    counts: Any,
    source_totals: Any,
    target_totals: Any,
    used: int,
) -> Any:
    """Count from sentence ``first`` until the table is half full; return the next, and the slots
    used."""
    num_sentences = len(text.source_offsets) - 1
    for sentence in range(first, num_sentences):
        source_begin = text.source_offsets[sentence]
        target_begin = text.target_offsets[sentence]
        num_source = text.source_offsets[sentence + 1] - source_begin
        num_target = text.target_offsets[sentence + 1] - target_begin
        link_begin = text.link_offsets[sentence]
        num_links = text.link_offsets[sentence + 1] - link_begin
        if 2 * (used + num_source + num_target + num_links) > len(keys):
            return sentence, used
        source_linked = np.zeros(num_source, np.bool_)
        target_linked = np.zeros(num_target, np.bool_)
        for n in range(num_links + num_source + num_target):
            source, target = NULL, NULL
            if n < num_links:
                s, t = text.link_sources[link_begin + n], text.link_targets[link_begin + n]
                source_linked[s] = target_linked[t] = True
                source = text.source_words[source_begin + s]
                target = text.target_words[target_begin + t]
            elif n < num_links + num_source:
                if source_linked[n - num_links]:
                    continue
                source = text.source_words[source_begin + n - num_links]
            else:
                if target_linked[n - num_links - num_source]:
                    continue
                target = text.target_words[target_begin + n - num_links - num_source]
            slot = _slot(keys, source, target)
            if keys[slot] == 0:
                keys[slot] = (np.uint64(source) << np.uint64(32)) | np.uint64(target)
                used += 1
            counts[slot] += 1
            source_totals[source] += 1
            target_totals[target] += 1
    return num_sentences, used


def count_links(text: AlignedText, num_source_ids: int, num_target_ids: int) -> Lexicon:
    """Count the links of a bitext; an unaligned word, of either side, is linked to NULL."""
    source_totals = np.zeros(num_source_ids, np.int64)
    target_totals = np.zeros(num_target_ids, np.int64)
    keys, counts = np.zeros(1 << 16, np.uint64), np.zeros(1 << 16, np.int64)
    next_sentence, used = 0, 0
    while True:
        next_sentence, used = _count_links(
            text, next_sentence, keys, counts, source_totals, target_totals, used
        )
        if next_sentence == len(text.source_offsets) - 1:
            return Lexicon(keys, counts, source_totals, target_totals)
        keys, counts = _enlarged(keys, counts)


@njit(cache=True, nogil=True)
def _enlarged(keys: Any, counts: Any) -> Any:
    new_keys = np.zeros(2 * len(keys), np.uint64)
    new_counts = np.zeros(2 * len(keys), np.int64)
    for n in range(len(keys)):
        if keys[n] != 0:
            slot = _slot(
                new_keys,
                int(keys[n] >> np.uint64(32)),
                int(keys[n] & np.uint64(0xFFFFFFFF)),
            )
            new_keys[slot] = keys[n]
            new_counts[slot] = counts[n]
    return new_keys, new_counts
