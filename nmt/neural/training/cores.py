"""Work shared out among the processor's cores, a thread each.

PyTorch runs each operation on one thread here, so whole pieces of work go to the threads instead:
micro-batches, and slices of the flat buffers. PyTorch gives up Python's lock while it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cores:
    """A fixed number of worker threads; with one, the calling thread does the work."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="core") if number > 1 else None

    def run(self, work: Callable[[int], Result]) -> list[Result]:
        """``work`` of each core's number, all at the same time; the results in their order.

        Raises what ``work`` raises, after all have ended.
        """
        if self._pool is None:
            return [work(0)]
        futures = [self._pool.submit(work, number) for number in range(self.number)]
        for future in futures:
            future.exception()
        return [future.result() for future in futures]

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """``work`` of each item, in turns over the cores; the results in the items' order."""
        shares = self.run(lambda number: [work(item) for item in items[number :: self.number]])
        return [shares[i % self.number][i // self.number] for i in range(len(items))]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
