"""Workers: calls done elsewhere as if done here, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nmt.errors import UserError, UserErrors
from nmt.worker_processes import SUPPORTED, NoWorker, WorkerFailure, WorkerProcesses

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="processes are forked on Linux only")

ENDS_WITHIN = 20.0


@dataclass
class Table:
    """Something to hold."""

    numbers: NDArray[np.float64]
    woken_in: int = 0
    breaks: str = ""

    def wake(self) -> None:
        """Note where."""
        assert not self.breaks, self.breaks
        self.woken_in = os.getpid()

    def times(self, x: float) -> tuple[int, NDArray[np.float64]]:
        """Where it was computed, and what."""
        return os.getpid(), self.numbers * x

    def parent(self) -> tuple[int, int]:
        """Where it was woken, and whose child this process is."""
        return self.woken_in, os.getppid()

    def fail(self, error: Exception) -> None:
        """Raise that."""
        raise error

    def end(self) -> None:
        """As if killed for its memory."""
        os.kill(os.getpid(), signal.SIGKILL)

    def sleep(self, seconds: float) -> int:
        """Take some time."""
        time.sleep(seconds)
        return os.getpid()


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true in good time."""
    deadline = time.monotonic() + ENDS_WITHIN
    while not (true := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return true


def when_there(workers: WorkerProcesses[Table]) -> int:
    """Wait for the workers; the number of one's process."""
    assert workers.wait() > 0
    return workers.call(Table.sleep, 0)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerProcesses[Table]]:
    started: WorkerProcesses[Table] = WorkerProcesses(Table(np.arange(3.0)), 2)
    when_there(started)
    yield started
    started.close()


def test_a_call_is_done_elsewhere(workers: WorkerProcesses[Table]) -> None:
    pid, product = workers.call(Table.times, 2.5)
    assert pid != os.getpid()
    assert product.tolist() == [0.0, 2.5, 5.0]


def test_all_come_from_one_template_that_was_woken(workers: WorkerProcesses[Table]) -> None:
    woken_in, parent = workers.call(Table.parent)
    assert woken_in == parent
    assert woken_in not in (0, os.getpid())


def test_calls_go_on_at_the_same_time(workers: WorkerProcesses[Table]) -> None:
    def call(_: int) -> int:
        return workers.call(Table.sleep, 0.3)

    with ThreadPoolExecutor(2) as pool:
        assert eventually(lambda: len(set(pool.map(call, range(2)))) == 2)


@pytest.mark.parametrize(
    "error",
    [
        UserError("what", where="there", mend="so"),
        UserErrors([UserError("one"), UserError("two", where="here")]),
        KeyError("key"),
    ],
)
def test_errors_come_back_as_they_are(error: Exception, workers: WorkerProcesses[Table]) -> None:
    with pytest.raises(type(error)) as caught:
        workers.call(Table.fail, error)
    assert str(caught.value) == str(error)
    assert isinstance(caught.value.__cause__, WorkerFailure)
    assert "in fail" in str(caught.value.__cause__)
    workers.call(Table.times, 1)  # which goes on


def test_a_killed_worker_is_missed_and_nothing_else() -> None:
    workers: WorkerProcesses[Table] = WorkerProcesses(Table(np.zeros(1)), 1)
    when_there(workers)
    for _ in range(2):
        with pytest.raises(NoWorker):
            workers.call(Table.end)
    workers.close()


@pytest.mark.filterwarnings("ignore:subprocess")
def test_what_cannot_start_is_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    workers: WorkerProcesses[Table] = WorkerProcesses(Table(np.zeros(1)), 2)
    assert workers.wait() == 0
    with pytest.raises(NoWorker):
        workers.call(Table.times, 1)
    workers.close()


def test_a_path_of_imports_may_hold_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, Path("somewhere"), b"else", None])
    workers: WorkerProcesses[Table] = WorkerProcesses(Table(np.ones(2)), 1)
    assert workers.wait() == 1
    workers.close()


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_nothing_is_said_when_its_owner_ends_early(seconds: float) -> None:
    script = f"""
        import os, time
        import numpy as np
        from nmt.worker_processes import WorkerProcesses
        from tests.test_worker_processes import Table
        workers = WorkerProcesses(Table(np.zeros(10_000_000)), 2)
        time.sleep({seconds})
        os._exit(0)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, check=True)  # which waits for all of them
    assert done.stderr == b""


def test_what_breaks_while_it_starts_is_no_worker(capfd: pytest.CaptureFixture[str]) -> None:
    workers: WorkerProcesses[Table] = WorkerProcesses(Table(np.zeros(1), breaks="so there"), 2)
    assert workers.wait() == 0
    assert eventually(lambda: "so there" in capfd.readouterr().err)
    with pytest.raises(NoWorker):
        workers.call(Table.times, 1)
    workers.close()


@pytest.mark.parametrize("how", ["close", "forget"])
def test_no_process_is_left(how: str) -> None:
    workers: WorkerProcesses[Table] | None = WorkerProcesses(Table(np.zeros(1)), 2)
    assert workers is not None
    pid = when_there(workers)
    template = workers.call(Table.parent)[0]
    assert is_alive(pid)
    if how == "close":
        workers.close()
        with pytest.raises(NoWorker):
            workers.call(Table.times, 1)
    workers = None
    assert eventually(lambda: not is_alive(pid) and not is_alive(template))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_who_started_them(number: int) -> None:
    """Also a script without a main guard, which other ways of starting would run again."""
    script = """
        import time
        import numpy as np
        from nmt.worker_processes import NoWorker, WorkerProcesses
        from tests.test_worker_processes import Table, when_there
        workers = WorkerProcesses(Table(np.zeros(1)), 2)
        print(when_there(workers), workers.call(Table.parent)[0], flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(is_alive(pid) for pid in pids)
        process.send_signal(number)
        assert process.stdout.read() == ""  # which nobody holds open
    assert eventually(lambda: not any(is_alive(pid) for pid in pids))
