"""Making batches ahead, in a thread, while the model trains."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress

from nmt.neural.training.batches import Update


def prefetch(updates: Iterator[Update], depth: int = 4) -> Generator[Update, None, None]:
    """The same updates, made ahead in a thread; closing the iterator ends the thread."""
    ready: queue.Queue[Update | BaseException | None] = queue.Queue(depth)
    closed = threading.Event()

    def put(item: Update | BaseException | None) -> None:
        while not closed.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def produce() -> None:
        try:
            for update in updates:
                put(update)
                if closed.is_set():
                    return
            put(None)
        except BaseException as error:  # handed to the consumer, who raises it
            put(error)

    thread = threading.Thread(target=produce, name="batches", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        closed.set()
        thread.join()
