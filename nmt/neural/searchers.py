"""Cores that search side by side: threads, and for long work processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from nmt.neural.searcher import Searcher
from nmt.worker_processes import SUPPORTED, NoWorker, WorkerProcesses

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

START_SECONDS = 2.0
"""Processes are started when threads have computed so long, about what starting takes, and more
waits to be done: shorter work is done before they could help."""


class Searchers:
    """A fixed number of threads that search, or have a process each that does it for them.

    Threads take turns at Python's lock: on two cores two of them do 1.5 to 1.8 times as much as
    one, as the model is small or large, and two processes 1.9 and more (docs/deployment.md).
    """

    def __init__(self, searcher: Searcher, number: int, *, processes: bool) -> None:
        """Make so many.

        Args:
            searcher: what they search with.
            number: how many search at a time.
            processes: whether long work may go to processes, which get a copy of the searcher as
                it is then.
        """
        self.searcher = searcher
        self.number = number
        self.processes: WorkerProcesses[Searcher] | None = None
        """Those that were started."""
        self._may_start = processes and number > 1 and SUPPORTED
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="search")
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._unfinished = 0

    def submit(self, search: Callable[..., _Result], *arguments: Any) -> Future[_Result]:
        """Have ``search(searcher, *arguments)`` done by whichever is free first."""
        with self._lock:
            self._unfinished += 1
        future = self._pool.submit(self._run, search, arguments)
        future.add_done_callback(self._count_finished)
        return future

    def map(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """``[work(item) for item in items]`` by the threads, which any function will do for."""
        return list(self._pool.map(work, items))

    def start_processes(self) -> None:
        """Begin to start processes, where there can be any; till they are there, threads go on."""
        with self._lock:
            if self._may_start:
                self._may_start = False
                self.processes = WorkerProcesses(self.searcher, self.number)

    def _run(self, search: Callable[..., _Result], arguments: tuple[Any, ...]) -> _Result:
        with self._lock:
            computed = self._seconds / self.number
            waiting = self._unfinished - self.number
        if computed > START_SECONDS and waiting >= self.number:
            self.start_processes()
        if self.processes is not None:
            try:
                return self.processes.call(search, *arguments)
            except NoWorker:
                pass
        begin = time.monotonic()
        result = search(self.searcher, *arguments)
        with self._lock:
            self._seconds += time.monotonic() - begin
        return result

    def _count_finished(self, _: object) -> None:
        with self._lock:
            self._unfinished -= 1
