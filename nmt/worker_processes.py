"""Worker processes: copies of one object, each in a process of its own.

Threads of one process take turns at Python's lock, processes do not. To start one costs the time to
import what it needs, and the memory for what it is to hold, say a model. So both are paid once: a
fresh interpreter, the template, is sent the object and forks all workers, which share its memory.
As the template has never had a second thread, it can fork safely whatever threads this process has;
and as it is started by a command line, it does not run the caller's script once more.

Workers end when this process does, however it ends: they find their connections closed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

_START: Final = (
    "import sys; sys.path[:] = {path!r}; "
    "from nmt.worker_processes import run_template; run_template({state}, {workers})"
)
_ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
}
"""Surroundings in which libraries start no threads."""

_SECONDS_TO_END: Final = 0.5

SUPPORTED: Final = sys.platform == "linux"
"""Whether processes can be forked here without harm; on macOS its libraries forbid it."""


class Waking(Protocol):
    """What workers hold: it can be pickled."""

    def wake(self) -> None:
        """Called once in the template: do what the first use would do. No thread may be left."""


Held = TypeVar("Held", bound=Waking)
_Result = TypeVar("_Result")


class NoWorker(Exception):
    """No worker is free: they are still starting, or have ended, or could not be started."""


class WorkerFailure(Exception):
    """Where in a worker an exception was raised: the cause of that exception here."""


class WorkerProcesses(Generic[Held]):
    """Processes with a copy of an object, which do calls for this one.

    Starting takes a second or more and goes on in the background; it never raises. Until workers
    are there, and if they never come or are killed, calls raise `NoWorker`.
    """

    def __init__(self, held: Held, number: int) -> None:
        """Begin to start so many workers."""
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._starting: threading.Thread | None = None
        try:
            template, state, connections = _start_template(number)
        except OSError:
            self._end: Callable[[], object] = lambda: None
            return
        self._end = weakref.finalize(self, _end, template, connections)
        self._starting = threading.Thread(
            target=_send, args=(held, state, connections, self._idle), name="workers", daemon=True
        )
        self._starting.start()

    def wait(self) -> int:
        """Wait until they are there, or will never be; how many are free then."""
        if self._starting is not None:
            self._starting.join()
        return self._idle.qsize()

    def call(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """``function(copy, *arguments)``, by one of the workers; waits for it.

        Args:
            function: one that can be imported by its name.
            arguments: can be pickled, as what it returns and raises.

        Raises NoWorker if none is free, also if one was killed meanwhile; and what the call raises.
        """
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            raise NoWorker from None
        try:
            connection.send((function, arguments))
            answer: tuple[_Result, Exception | None, str] = connection.recv()
        except (OSError, EOFError):
            raise NoWorker from None
        self._idle.put(connection)
        result, error, where = answer
        if error is not None:
            raise error from WorkerFailure(where)
        return result

    def close(self) -> None:
        """End the workers, also in the middle of a call."""
        self._end()


def _start_template(
    number: int,
) -> tuple[subprocess.Popen[bytes], socket.socket, list[Connection]]:
    """Start the process that workers come from, with connections to it and to each of them."""
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as if_it_fails:
        pairs = []
        for _ in range(number + 1):
            ours, other = socket.socketpair()
            if_it_fails.enter_context(ours)
            pairs.append((ours, theirs.enter_context(other).fileno()))
        (state, state_there), *workers = pairs
        there = [descriptor for _, descriptor in workers]
        path = [entry for entry in sys.path if isinstance(entry, str)]  # Python ignores others, too
        template = subprocess.Popen(
            [
                sys.executable, "-c",
                _START.format(path=path, state=state_there, workers=there),
            ],
            pass_fds=[state_there, *there],
            env={**os.environ, **_ONE_THREAD},
            # It may outlive us by a moment: nobody who waits for the end of our output is to wait
            # for it. And in a session of its own, Ctrl-C is ours alone.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        if_it_fails.pop_all()
        return template, state, [Connection(ours.detach()) for ours, _ in workers]


def _send(
    held: Waking,
    state: socket.socket,
    connections: Sequence[Connection],
    idle: queue.SimpleQueue[Connection],
) -> None:
    """Send the object to the template, and make known the workers that have come."""
    # Whatever goes wrong, there will be no workers, and the caller does the work: the template has
    # ended, or another thread closed the connections.
    with contextlib.suppress(OSError, EOFError):
        with state, state.makefile("wb") as file:
            pickle.dump(held, file, protocol=pickle.HIGHEST_PROTOCOL)
        for connection in connections:
            connection.recv()
            idle.put(connection)


def _end(template: subprocess.Popen[bytes], connections: Sequence[Connection]) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.close()
    # Who is idle ends by itself, and is counted in what our children have used; who is at work
    # would not look up before it is done.
    try:
        template.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(template.pid, signal.SIGKILL)
        template.wait()


def run_template(state: int, workers: Sequence[int]) -> None:
    """Be the template: take an object, fork workers, wait for their ends.

    Args:
        state: file descriptor that the object comes from.
        workers: of each worker's connection.
    """
    try:
        with socket.socket(fileno=state) as stream, stream.makefile("rb") as file:
            held: Waking = pickle.load(file)
    except (EOFError, OSError, pickle.UnpicklingError):
        return  # who started us has ended
    held.wake()
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == 1, f"{threads} threads: no process to fork"
    gc.collect()
    gc.freeze()  # a collection would write to the memory that all share
    connections = [Connection(descriptor) for descriptor in workers]
    for own in connections:
        if os.fork() == 0:
            for connection in connections:
                if connection is not own:
                    connection.close()
            _serve(held, own)
            os._exit(0)
    for connection in connections:
        connection.close()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _serve(held: Waking, connection: Connection) -> None:
    """Be a worker: do what is asked for, until nobody asks any more."""
    with contextlib.suppress(OSError, EOFError):
        connection.send("here")
        while True:
            function, arguments = connection.recv()
            answer: tuple[Any, Exception | None, str]
            try:
                answer = (function(held, *arguments), None, "")
            except Exception as error:
                answer = (None, error, traceback.format_exc())
            connection.send(answer)
