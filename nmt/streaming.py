"""Grouping a stream into windows: what has arrived, taken together when the input pauses."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.02
"""An input from which nothing came for so long pauses."""
PATIENCE_SECONDS = 0.2
"""A window is given after so long even if the input trickles on without a pause."""


def chunks(items: Iterable[T], *, size: Callable[[T], int], full: int) -> Iterator[list[T]]:
    """Cut a sequence into lists: each ends with the item that brings its size to ``full``."""
    chunk: list[T] = []
    total = 0
    for item in items:
        chunk.append(item)
        total += size(item)
        if total >= full:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk


class Windows(Generic[T]):
    """A stream cut into lists, in order, none of them empty; an iterator.

    A list ends with the item that brings its size to ``full``, or earlier: when nothing more came
    for `PAUSE_SECONDS`, when `PATIENCE_SECONDS` are over, or at the end of the stream. The stream
    is read by a daemon thread, at most two full windows ahead. What it raises is raised here, after
    all items before have been given.
    """

    def __init__(
        self, items: Iterable[T], *, size: Callable[[T], int], full: int, first: int | None = None
    ) -> None:
        """Begin to read.

        Args:
            items: the stream.
            size: of an item.
            full: size of a window, but for its last item.
            first: size of the first one; each is twice as large as the one before, until they are
                full. Without it, all are full: a small one is answered sooner.
        """
        self._buffer = _Buffer(size, full)
        self._size, self._full = (full if first is None else min(first, full)), full
        threading.Thread(
            target=self._buffer.fill, args=(items,), name="nmt-reader", daemon=True
        ).start()

    def __iter__(self) -> Windows[T]:
        return self

    def __next__(self) -> list[T]:
        window = self._buffer.take(self._size)
        if not window:
            self.close()
            raise StopIteration
        self._size = min(2 * self._size, self._full)
        return window

    def close(self) -> None:
        """Give no more, also to who waits for it in another thread, and let the reader end."""
        self._buffer.close()

    def __del__(self) -> None:
        self.close()


class _Buffer(Generic[T]):
    """A bounded queue between one reading thread and one consumer."""

    def __init__(self, size: Callable[[T], int], full: int) -> None:
        self._size = size
        self._full = full
        self._wanted = full
        """Size of the window that is waited for."""
        self._items: deque[T] = deque()
        self._total = 0
        self._num_arrived = 0
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def fill(self, items: Iterable[T]) -> None:
        """Take in all items, waiting while the queue is full. Runs in the reading thread."""
        try:
            for item in items:
                if not self._put(item):
                    break
        except BaseException as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._total < 2 * self._full)
            self._items.append(item)
            self._total += self._size(item)
            self._num_arrived += 1
            # The consumer sleeps until there is something, and then until there is enough; in
            # between it looks by itself once a pause, so a million lines do not wake it each.
            if len(self._items) == 1 or self._total >= self._wanted:
                self._changed.notify_all()
            return not self._closed

    def take(self, full: int) -> list[T]:
        """The next window, of this size; empty at the end, and when all is closed.

        Raises what the reading thread met, in its place.
        """
        with self._changed:
            self._wanted = full
            self._changed.wait_for(lambda: self._items or self._ended or self._closed)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not self._enough() and time.monotonic() < deadline:
                num_arrived = self._num_arrived
                self._changed.wait_for(self._enough, timeout=PAUSE_SECONDS)
                if self._num_arrived == num_arrived:
                    break
            window: list[T] = []
            taken = 0
            while self._items and taken < full and not self._closed:
                window.append(self._items.popleft())
                taken += self._size(window[-1])
            self._total -= taken
            self._changed.notify_all()
            if not window and self._error is not None and not self._closed:
                raise self._error
            return window

    def _enough(self) -> bool:
        return self._ended or self._closed or self._total >= self._wanted

    def close(self) -> None:
        """Let the reading thread end, and who waits for a window."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
