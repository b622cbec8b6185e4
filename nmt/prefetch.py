"""Making items ahead, in a thread, while the items before them are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def prefetch(
    items: Iterable[T],
    depth: int = 4,
    *,
    name: str,
    interrupt: Callable[[], object] = lambda: None,
) -> Generator[T, None, None]:
    """The same items, made ahead in a thread; closing the iterator ends the thread.

    Args:
        items: what is made ahead; asked for one at a time, by that thread only.
        depth: made items that wait at most.
        name: the thread's.
        interrupt: ends the making of an item that may never come; called before the thread is
            waited for.

    Raises what making an item raises, after all items before it.
    """
    ready: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(depth)
    closed = threading.Event()

    def put(item: tuple[T] | BaseException | None) -> None:
        while not closed.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def produce() -> None:
        try:
            for item in items:
                put((item,))
                if closed.is_set():
                    return
            put(None)
        except BaseException as error:  # handed to the consumer, who raises it
            put(error)

    thread = threading.Thread(target=produce, name=name, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        closed.set()
        interrupt()
        thread.join()
