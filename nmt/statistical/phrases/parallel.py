"""Parts of a job on several threads, their results in order."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Workers:
    """A number of threads; with one, everything happens in the caller's."""

    def __init__(self, number: int, executor: Executor | None) -> None:
        self.number = number
        self._executor = executor

    def in_order(
        self, work: Callable[[_Item], _Result], items: Iterable[_Item]
    ) -> Iterator[_Result]:
        """Like ``map``, only a few items ahead: finished work does not pile up in memory."""
        if self._executor is None:
            yield from map(work, items)
            return
        ahead: deque[Future[_Result]] = deque()
        try:
            for item in items:
                ahead.append(self._executor.submit(work, item))
                if len(ahead) > self.number:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


@contextlib.contextmanager
def start_workers(number: int) -> Iterator[Workers]:
    """Threads for as long as the block lasts."""
    if number <= 1:
        yield Workers(1, None)
        return
    with ThreadPoolExecutor(number) as executor:
        yield Workers(number, executor)
