"""Records dealt out by the first bits of a key: what is too much for memory goes through files.

Taken bucket after bucket, records come in the order of those bits; within a bucket, in that of
arrival. Keys are hashes, so the buckets are about equally large, and a result that is sorted by key
within each bucket is sorted as a whole, whatever their number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_BITS: Final = 12
"""More files than that, and each gets only crumbs at a time."""


class Buckets:
    """``2**bits`` buckets of records of one dtype; with no bits, one bucket in memory."""

    def __init__(self, folder: Path, name: str, dtype: np.dtype[np.void], key: str, bits: int):
        self.bits = bits
        self.length = 0
        self._dtype = dtype
        self._key = key
        self._pattern = f"{folder / name}.{{}}"
        self._in_memory: list[NDArray[np.void]] = []

    def __len__(self) -> int:
        """Number of buckets."""
        return 1 << self.bits

    def append(self, records: NDArray[np.void]) -> None:
        """Deal out records."""
        self.length += len(records)
        if self.bits == 0:
            self._in_memory.append(records)
            return
        numbers = (records[self._key] >> np.uint64(64 - self.bits)).astype(np.uint16)
        records = records[np.argsort(numbers, kind="stable")]
        ends = np.cumsum(np.bincount(numbers, minlength=len(self)))
        for number, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if begin < end:
                with self._path(number).open("ab") as file:
                    records[begin:end].tofile(file)

    def take(self, number: int) -> NDArray[np.void]:
        """The records of a bucket, which is emptied."""
        if self.bits == 0:
            parts, self._in_memory = self._in_memory, []
            return np.concatenate(parts) if parts else np.empty(0, self._dtype)
        path = self._path(number)
        if not path.exists():
            return np.empty(0, self._dtype)
        records = np.fromfile(path, self._dtype)
        path.unlink()
        return records

    def _path(self, number: int) -> Path:
        return Path(self._pattern.format(number))


def bits_for(size: int, memory: int) -> int:
    """Bits for buckets of ``memory`` bytes each when all take ``size`` bytes together."""
    return min(MAX_BITS, max(0, -(-size // max(1, memory)) - 1).bit_length())
