"""From the n-grams of an ARPA file, which may be pruned, to a trie."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.statistical.language_model.arpa_reading import ArpaFile, ArpaNgrams
from nmt.statistical.language_model.trie import Trie

Level: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The n-grams of one length, sorted: ``context << 32 | word``, where the context is the place of
the words before among the sorted n-grams that are shorter by one; and their rows in the file."""


def sort_ngrams(
    file: ArpaFile, path: Path
) -> tuple[Trie, NDArray[np.float64], NDArray[np.float64]]:
    """The trie of all n-grams, and ln p and ln of the back-off weight of each.

    Where an n-gram is there but not the one without its last word (SRILM may prune so), that is
    added, with a ln p of NaN, for contexts are found word by word. Raises UserError if an n-gram is
    there twice.
    """
    while True:
        levels, missing = _link(file.ngrams, path)
        if not missing:
            break
        file.ngrams = [
            _extend(ngrams, missing.get(length)) for length, ngrams in enumerate(file.ngrams, 1)
        ]
    offsets = np.cumsum([0, *(len(keys) for keys, _ in levels)])
    children = np.empty(offsets[-1] + 1, np.int64)
    children[-1] = offsets[-1]
    for level, (first, last) in enumerate(pairwise(offsets)):
        children[first:last] = last
        if level + 1 < len(levels):
            parents = levels[level + 1][0] >> 32
            children[first:last] += np.searchsorted(parents, np.arange(last - first))
    words = np.concatenate([keys & 0xFFFFFFFF for keys, _ in levels]).astype(np.int32)
    log_p, log_back_off = (
        np.concatenate(
            [getattr(n, name)[rows] for n, (_, rows) in zip(file.ngrams, levels, strict=True)]
        )
        for name in ("log_p", "log_back_off")
    )
    return Trie(offsets, words, children), log_p, log_back_off


def _link(ngrams: list[ArpaNgrams], path: Path) -> tuple[list[Level], dict[int, NDArray[np.int32]]]:
    """Sort the n-grams; or say which are missing, by length.

    Raises UserError if an n-gram is there twice.
    """
    levels: list[Level] = []
    missing: dict[int, list[NDArray[np.int32]]] = {}
    for length, of_length in enumerate(ngrams, start=1):
        words = of_length.words.astype(np.int64)
        contexts = np.zeros(len(words), np.int64)
        for position in range(length - 1):
            keys = levels[position][0]
            wanted = contexts << 32 | words[:, position]
            places = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
            present = keys[places] == wanted if len(keys) else np.zeros(len(words), np.bool_)
            # What was lacking before is looked for again when it has been added.
            if (lacks := ~present & (contexts >= 0)).any():
                prefixes = of_length.words[lacks, : position + 1]
                missing.setdefault(position + 1, []).append(prefixes)
            contexts = np.where(present, places, -1)
        found = contexts >= 0
        rows = np.flatnonzero(found)
        keys = contexts[found] << 32 | words[found, -1]
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], rows[order]
        if (same := np.flatnonzero(keys[1:] == keys[:-1])).size:
            line = of_length.first_line + int(rows[1:][same].min())
            raise UserError(
                f"this {length}-gram was there before",
                where=f"{path}:{line}",
                mend="delete one of the two, and lower the count at the head of the file",
            )
        levels.append((keys, rows))
    return levels, {n: np.unique(np.concatenate(rows), axis=0) for n, rows in missing.items()}


def _extend(ngrams: ArpaNgrams, missing: NDArray[np.int32] | None) -> ArpaNgrams:
    """The n-grams of one length and those that are missing."""
    if missing is None:
        return ngrams
    return ArpaNgrams(
        np.concatenate([ngrams.words, missing]),
        np.concatenate([ngrams.log_p, np.full(len(missing), np.nan)]),
        np.concatenate([ngrams.log_back_off, np.zeros(len(missing))]),
        ngrams.first_line,
    )
