"""Tokenised text on disk: memory-mapped rows of piece ids, made by parallel worker processes."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nmt.corpus.npy import NpyWriter, map_npy
from nmt.corpus.text import TextLines, TextPairs
from nmt.errors import UserError
from nmt.files import build_once

if TYPE_CHECKING:
    from nmt.tokenization.protocol import Tokenizer

_VERSION = 1
_SMALL_LINES = 200_000
"""Up to so many lines, starting processes takes longer than encoding."""
_TASK_LINES = 65_536
_BLOCK_LINES = 8_192


@dataclass(frozen=True)
class PieceRows:
    """Rows of piece ids, one for each line, memory-mapped."""

    flat: NDArray[Any]
    """All ids, row after row: uint16 if the vocabulary fits, else int32."""
    offsets: NDArray[np.int64]
    """Where each row begins in ``flat``, and, last, the length of ``flat``."""

    @classmethod
    def open(cls, folder: Path, side: str) -> PieceRows:
        """Open one side of what ``tokenize_pairs`` wrote."""
        return cls(map_npy(folder / f"{side}.ids.npy"), map_npy(folder / f"{side}.offsets.npy"))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[Any]:
        """The ids of a row, without begin and end of sentence; a view, not to be written to."""
        position = row + len(self) if row < 0 else row
        if not 0 <= position < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return self.flat[self.offsets[position] : self.offsets[position + 1]]

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Number of pieces of each row."""
        return np.diff(self.offsets).astype(np.int32)


@dataclass(frozen=True)
class TokenizedBitext:
    """Tokenised sentence pairs: row n of ``target`` is the translation of row n of ``source``."""

    source: PieceRows
    target: PieceRows
    origins: NDArray[np.uint8]
    """Which source of the recipe each pair came from."""
    weights: tuple[float, ...]
    """Weight of each source of the recipe."""

    def __len__(self) -> int:
        return len(self.source)


def tokenize_pairs(
    pairs: TextPairs,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    *,
    cache: Path,
    workers: int,
) -> TokenizedBitext:
    """Tokenise both sides; a second call with the same text and tokenizers opens what is stored.

    Args:
        pairs: prepared pairs, on disk.
        source_tokenizer: for the source side.
        target_tokenizer: for the target side; may be the same.
        cache: folder in which the result is kept.
        workers: processes to use; small corpora are done in this one. The result is the same.

    Raises UserError if a worker process dies (most often for lack of memory).
    """
    sides = {"source": source_tokenizer, "target": target_tokenizer}
    inputs = {
        "version": _VERSION,
        "text": pairs.content_hash,
        **{side: tokenizer.content_hash for side, tokenizer in sides.items()},
    }

    def build(folder: Path) -> None:
        if workers > 1 and len(pairs) > _SMALL_LINES:
            _encode_in_workers(pairs, sides, folder, workers)
        else:
            for side, tokenizer in sides.items():
                lines: TextLines = getattr(pairs, side)
                _write_rows(folder, side, _encode(lines, tokenizer, 0, len(lines)))

    folder = build_once(cache, "tokenized", inputs, build)
    return TokenizedBitext(
        PieceRows.open(folder, "source"),
        PieceRows.open(folder, "target"),
        pairs.origins,
        pairs.weights,
    )


Block = tuple[NDArray[Any], NDArray[np.int64]]
"""The ids of some consecutive lines, flat, and the length of each."""


def id_dtype(vocabulary_size: int) -> np.dtype[Any]:
    """The smallest type for piece ids that PyTorch can take over: uint16, else int32."""
    return np.dtype(np.uint16 if vocabulary_size <= 1 << 16 else np.int32)


def _write_rows(folder: Path, side: str, blocks: Iterator[Block]) -> None:
    first = next(blocks)
    with (
        NpyWriter(folder / f"{side}.ids.npy", first[0].dtype) as flat,
        NpyWriter(folder / f"{side}.offsets.npy", np.int64) as offsets,
    ):
        offsets.append(np.zeros(1, np.int64))
        for ids, lengths in chain((first,), blocks):
            offsets.append(np.cumsum(lengths) + flat.length)
            flat.append(ids)


def _encode(lines: TextLines, tokenizer: Tokenizer, start: int, stop: int) -> Iterator[Block]:
    """Encode lines ``start`` to ``stop``, at least one block."""
    dtype = id_dtype(tokenizer.vocabulary_size)
    for begin in range(start, max(stop, start + 1), _BLOCK_LINES):
        rows = tokenizer.encode(lines[begin : min(begin + _BLOCK_LINES, stop)])
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        flat = np.fromiter(
            (piece for row in rows for piece in row), dtype, count=int(lengths.sum())
        )
        yield flat, lengths


def _encode_in_workers(
    pairs: TextPairs, sides: dict[str, Tokenizer], folder: Path, workers: int
) -> None:
    """Encode and write both sides with worker processes."""
    # Spawned, not forked: forking a process that has threads (PyTorch's, tokenizers') can deadlock.
    context = multiprocessing.get_context("spawn")
    try:
        with (
            tempfile.TemporaryDirectory(dir=folder) as scratch,
            # Ctrl-C goes to the whole group of processes; it is for this one to stop the others.
            ProcessPoolExecutor(
                workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)
            ) as pool,
        ):
            for side, tokenizer in sides.items():
                saved = Path(scratch) / side
                tokenizer.save(saved)
                task = partial(_encode_task, pairs.folder, side, saved)
                with closing(_map_in_order(pool, task, len(pairs), 2 * workers)) as blocks:
                    _write_rows(folder, side, blocks)
    except BrokenProcessPool as error:
        raise UserError(
            "a process that tokenises the corpus was killed",
            mend="most often memory was short: use fewer workers",
        ) from error


def _map_in_order(
    pool: ProcessPoolExecutor, task: Callable[[int, int], Block], num_lines: int, ahead: int
) -> Generator[Block, None, None]:
    """Yield the blocks of consecutive lines in order, at most ``ahead`` of them in the making.

    Unlike ``Executor.map``, which would pile up results that have not been written yet.
    """
    tasks = (
        pool.submit(task, start, min(start + _TASK_LINES, num_lines))
        for start in range(0, num_lines, _TASK_LINES)
    )
    running = deque(islice(tasks, ahead))
    try:
        while running:
            yield running.popleft().result()
            running.extend(islice(tasks, 1))
    finally:
        for future in running:
            future.cancel()


def _encode_task(text: Path, side: str, tokenizer: Path, start: int, stop: int) -> Block:
    """Encode some lines; runs in a worker process, which reads text and tokenizer from disk."""
    from nmt.tokenization import load_tokenizer

    blocks = list(_encode(TextLines.open(text, side), load_tokenizer(tokenizer), start, stop))
    return np.concatenate([ids for ids, _ in blocks]), np.concatenate([n for _, n in blocks])
