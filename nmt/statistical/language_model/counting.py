"""Counting n-grams: sorted and counted in blocks, and merged, through files where memory is short.

The n-gram of the greatest length that starts at each place of the text is packed into a key
(``keys.py``); those of shorter lengths begin these. What does not fit the memory given is written
to temporary files, sorted, and merged; the result does not depend on it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nmt.corpus.npy import NpyWriter, map_npy
from nmt.errors import UserError
from nmt.files import explain_os_error
from nmt.statistical.language_model.keys import (
    KEY_BITS,
    count_equal,
    merge_runs,
    pack_windows,
    sort_keys,
)
from nmt.statistical.sentences import Sentences

_BYTES_PER_KEY = 40
"""Of a block: two keys (one for sorting), and a count."""


class Workspace:
    """Makes arrays: in memory as long as its bytes last, then in files that vanish with it."""

    def __init__(self, folder: Path, memory: int) -> None:
        """Hold at most ``memory`` bytes of arrays in memory; put the others into ``folder``."""
        self.folder = folder
        self.memory = memory
        self._left = memory
        self._files = 0

    @classmethod
    @contextmanager
    def open(cls, parent: Path | None, memory: int) -> Iterator[Workspace]:
        """A workspace with a temporary folder of its own in ``parent`` (none: the system's)."""
        try:
            with tempfile.TemporaryDirectory(prefix=".ngrams.", dir=parent) as folder:
                yield cls(Path(folder), memory)
        except OSError as error:
            raise explain_os_error(error, parent or Path(tempfile.gettempdir())) from error

    def empty(self, size: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array without content, or, in a file, of zeros."""
        dtype = np.dtype(dtype)
        if size == 0 or size * dtype.itemsize <= self._left:
            self._left -= size * dtype.itemsize
            return np.empty(size, dtype)
        self._files += 1
        with (self.folder / f"{self._files}.array").open("wb+") as file:
            if hasattr(os, "posix_fallocate"):
                # Without space for all of it, a full disk would be found only by a crash (SIGBUS).
                os.posix_fallocate(file.fileno(), 0, size * dtype.itemsize)
            return np.memmap(file, dtype, "w+", shape=(size,)).view(np.ndarray)

    def zeros(self, size: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros."""
        array = self.empty(size, dtype)
        array[:] = 0
        return array


@dataclass(frozen=True)
class Windows:
    """The different n-grams of the greatest length, sorted, and how often each occurs."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    counts: NDArray[np.int64]
    order: int
    """Words in a key; after END there is nothing but END."""
    bits: int
    """Bits of a word id in a key."""


def count_windows(
    sentences: Sentences, num_words: int, order: int, workspace: Workspace
) -> Windows:
    """Count the n-grams of ``order`` words that start at each place of the text.

    ``num_words`` is the number of word ids. Raises UserError if keys cannot hold so many words.
    """
    bits = max(2, (num_words - 1).bit_length())
    if order * bits > KEY_BITS:
        raise UserError(
            f"{num_words:,} different words are too many for n-grams of {order} words",
            mend=f"take a lower order, or keep at most {1 << KEY_BITS // order:,} words",
        )
    blocks = list(_blocks(sentences, workspace.memory // _BYTES_PER_KEY))
    if len(blocks) == 1:
        high, low, counts = _count_block(sentences, blocks[0], order, bits)
        return Windows(high, low, counts, order, bits)
    starts = [0]
    paths = [workspace.folder / f"runs.{name}.npy" for name in ("high", "low", "counts")]
    with (
        NpyWriter(paths[0], np.uint64) as high_file,
        NpyWriter(paths[1], np.uint64) as low_file,
        NpyWriter(paths[2], np.int64) as counts_file,
    ):
        for block in blocks:
            parts = _count_block(sentences, block, order, bits)
            for file, part in zip((high_file, low_file, counts_file), parts, strict=True):
                file.append(part)
            starts.append(high_file.length)
    high, low = (workspace.empty(starts[-1], np.uint64) for _ in range(2))
    counts = workspace.empty(starts[-1], np.int64)
    runs = [map_npy(path) for path in paths]
    size = merge_runs(runs[0], runs[1], runs[2], np.array(starts, np.int64), high, low, counts)
    for path in paths:
        path.unlink()
    return Windows(high[:size], low[:size], counts[:size], order, bits)


def _blocks(sentences: Sentences, max_keys: int) -> Iterator[tuple[int, int]]:
    """Split the text into runs of sentences of at most so many keys, or one long sentence."""
    # A sentence has a key for BEGIN, for each word, and for END.
    ends = sentences.offsets + 2 * np.arange(len(sentences.offsets))
    first = 0
    while True:
        last = int(np.searchsorted(ends, ends[first] + max_keys, side="right")) - 1
        last = min(max(last, first + 1), len(sentences))
        yield first, last
        if last == len(sentences):
            return
        first = last


def _count_block(
    sentences: Sentences, block: tuple[int, int], order: int, bits: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """The different keys of some sentences, sorted, and their counts."""
    first, last = block
    size = int(sentences.offsets[last] - sentences.offsets[first]) + 2 * (last - first)
    high, low, spare_high, spare_low = (np.empty(size, np.uint64) for _ in range(4))
    # Memory-mapped arrays are read-only, which would have the loop compiled a second time.
    begin, end = int(sentences.offsets[first]), int(sentences.offsets[last])
    words = np.array(sentences.words[begin:end], np.int32)
    offsets = np.array(sentences.offsets[first : last + 1], np.int64) - begin
    pack_windows(words, offsets, order, bits, high, low)
    sort_keys(high, low, spare_high, spare_low, order * bits)
    counts = spare_low.view(np.int64)
    left = count_equal(high, low, counts)
    return high[:left], low[:left], counts[:left]
