"""Prepared text on disk: memory-mapped lines and sentence pairs, never a list of all strings.

The lines of one side are one flat array of UTF-8 bytes in which every line ends in LF (so it is the
text file itself behind a ``.npy`` header) and an array of the positions where lines begin.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.npy import NpyWriter, map_npy

_LF = 10
_BLOCK_LINES = 8192


class TextLines(Sequence[str]):
    """The lines of one side of a corpus, memory-mapped and decoded as they are asked for."""

    def __init__(self, flat: NDArray[np.uint8], offsets: NDArray[np.int64], content_hash: str):
        self.flat = flat
        """UTF-8 bytes of all lines, each followed by LF."""
        self.offsets = offsets
        """Where each line begins in ``flat``, and, last, the length of ``flat``."""
        self.content_hash = content_hash
        """SHA-256 (hex) of ``flat``: that of the plain text file with these lines."""

    @classmethod
    def open(cls, folder: Path, side: str) -> TextLines:
        """Open the lines that a ``TextWriter`` of the same folder and side wrote."""
        facts = json.loads((folder / f"{side}.json").read_text(encoding="utf-8"))
        flat = map_npy(folder / f"{side}.text.npy")
        return cls(flat, map_npy(folder / f"{side}.offsets.npy"), facts["sha256"])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self._block(start, stop)
            return self.take(np.array(range(start, stop, step), np.int64))
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"line {index} of {len(self)}")
        return self._decode(self.offsets[position], self.offsets[position + 1] - 1)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK_LINES):
            yield from self._block(start, min(start + _BLOCK_LINES, len(self)))

    def take(self, indices: NDArray[np.integer[Any]]) -> list[str]:
        """The lines of these indices, in their order."""
        starts, ends = self.offsets[indices], self.offsets[np.asarray(indices) + 1] - 1
        return [
            self._decode(start, end)
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

    def _block(self, start: int, stop: int) -> list[str]:
        if stop <= start:
            return []
        return self._decode(self.offsets[start], self.offsets[stop] - 1).split("\n")

    def _decode(self, start: int, end: int) -> str:
        return self.flat[start:end].tobytes().decode("utf-8")


class TextWriter:
    """Writes lines, block by block, in the form that ``TextLines.open`` reads."""

    def __init__(self, folder: Path, side: str) -> None:
        self._facts = folder / f"{side}.json"
        self._hash = hashlib.sha256()
        self._files = ExitStack()
        self._flat = self._files.enter_context(NpyWriter(folder / f"{side}.text.npy", np.uint8))
        self._offsets = self._files.enter_context(
            NpyWriter(folder / f"{side}.offsets.npy", np.int64)
        )
        self._offsets.append(np.zeros(1, np.int64))

    def append(self, lines: Sequence[str]) -> None:
        """Append lines; none may hold a LF."""
        if lines:
            text = ("\n".join(lines) + "\n").encode("utf-8")
            count = self.append_flat(np.frombuffer(text, np.uint8))
            assert count == len(lines), "a line holds a line feed"

    def append_flat(self, flat: NDArray[np.uint8]) -> int:
        """Append UTF-8 text in which every line ends in LF; return the number of lines."""
        ends = np.flatnonzero(flat == _LF) + 1
        self._offsets.append(ends.astype(np.int64) + self._flat.length)
        self._flat.append(flat)
        self._hash.update(flat.data)
        return len(ends)

    def __enter__(self) -> TextWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        facts = {"lines": self._offsets.length - 1, "sha256": self._hash.hexdigest()}
        self._files.__exit__(kind, error, trace)
        if error is None:
            self._facts.write_text(json.dumps(facts) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class TextPairs:
    """Sentence pairs: line n of ``target`` is the translation of line n of ``source``."""

    source: TextLines
    target: TextLines
    origins: NDArray[np.uint8]
    """Which source of the recipe each pair came from."""
    weights: tuple[float, ...]
    """Weight of each source of the recipe."""
    folder: Path
    """Where the arrays lie."""

    @classmethod
    def open(cls, folder: Path, weights: tuple[float, ...] = (1.0,)) -> TextPairs:
        """Open the pairs that a ``PairsWriter`` wrote into this folder."""
        return cls(
            TextLines.open(folder, "source"),
            TextLines.open(folder, "target"),
            map_npy(folder / "origins.npy"),
            weights,
            folder,
        )

    def __len__(self) -> int:
        return len(self.source)

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the text of both sides (not of origins and weights)."""
        both = f"{self.source.content_hash} {self.target.content_hash}"
        return hashlib.sha256(both.encode("ascii")).hexdigest()


class PairsWriter:
    """Writes sentence pairs, block by block, in the form that ``TextPairs.open`` reads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = ExitStack()
        self._source = self._files.enter_context(TextWriter(folder, "source"))
        self._target = self._files.enter_context(TextWriter(folder, "target"))
        self._origins = self._files.enter_context(NpyWriter(folder / "origins.npy", np.uint8))

    def append(self, source: Sequence[str], target: Sequence[str], origin: int = 0) -> None:
        """Append pairs that all come from source number ``origin``."""
        assert len(source) == len(target)
        self._source.append(source)
        self._target.append(target)
        self._origins.append(np.full(len(source), origin, np.uint8))

    def append_rows(self, pairs: TextPairs, keep: NDArray[np.bool_]) -> None:
        """Append the pairs for which ``keep`` is true, copying bytes without decoding them."""
        for lines, writer in ((pairs.source, self._source), (pairs.target, self._target)):
            for start in range(0, len(lines), _BLOCK_LINES):
                offsets = lines.offsets[start : start + _BLOCK_LINES + 1]
                kept = keep[start : start + _BLOCK_LINES]
                flat = lines.flat[offsets[0] : offsets[-1]]
                writer.append_flat(flat[np.repeat(kept, np.diff(offsets))])
        self._origins.append(pairs.origins[keep])

    def __enter__(self) -> PairsWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)


def hash_lines(lines: Iterable[str]) -> NDArray[np.uint64]:
    """A 64-bit BLAKE2b hash of each line.

    Two of ten million different sentence pairs get the same key with a probability of 3e-6.
    """
    digests = b"".join(
        hashlib.blake2b(line.encode("utf-8"), digest_size=8).digest() for line in lines
    )
    return np.frombuffer(digests, np.uint64)
