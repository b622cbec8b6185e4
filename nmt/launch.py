"""Starting a command once for each GPU of this machine, and ending all when one of them fails.

What torchrun does, for one machine, with one message instead of a report, and with Ctrl-C as users
of a single process know it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Final

from nmt.errors import UserError
from nmt.machine import available_cores
from nmt.ranks import Place

_ORDERLY: Final = (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Exit codes after which the other ranks are left to end by themselves."""
_SECONDS_TO_END: Final = 12.0
"""How long ranks may take to end after one has failed, or after rank 0 is done."""
_PAUSE: Final = 0.05
_SHOW_CURSOR: Final = "\x1b[?25h"


def launch(command: Sequence[str], size: int) -> int:
    """Run ``size`` ranks of a command, each as ``nmt.ranks.read_place`` finds it; the exit code.

    Signals to stop are passed on to all ranks. A rank that fails tells the user why, and the others
    end without a word. Raises UserError if a rank was killed.
    """
    # Here, and not at the top: it takes two seconds, and most commands need no ranks.
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # PyTorch's own stubs lack it

    from nmt.neural.training.noticeboard import Noticeboard

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    places = [Place(rank, size, rank, size) for rank in range(size)]
    threads = str(max(1, available_cores() // size))
    surroundings = {
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads),
        # PyTorch's warnings about ranks that are gone say nothing that we do not say.
        "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
    }
    ranks = _Processes(
        command, [{**surroundings, **place.environment(store.port)} for place in places]
    )
    board = Noticeboard(store, Place(-1, size, -1, size))
    try:
        with ranks.passing_signals_on():
            failed = ranks.wait_for_failure()
            if failed is None:
                return ranks.wait_for_all(_SECONDS_TO_END)
            code = ranks.codes[failed]
            is_first = board.fail(code if code > 0 else 1)
            ranks.wait_for_all(_SECONDS_TO_END)
            if code > 0 or not is_first:
                failure = board.failure()
                return failure.code if failure else code
            raise _explain(failed, signal.Signals(-code))
    finally:
        ranks.kill()


class _Processes:
    """The ranks' processes; each in a session of its own, so that Ctrl-C is ours to pass on."""

    def __init__(self, command: Sequence[str], environments: Sequence[dict[str, str]]) -> None:
        self.codes: dict[int, int] = {}
        """Exit codes of ranks that have ended."""
        self._stopping = False
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for environment in environments:
                self._processes.append(
                    subprocess.Popen(
                        command,
                        env={**os.environ, **environment},
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
        except BaseException:
            self.kill()
            raise

    @contextlib.contextmanager
    def passing_signals_on(self) -> Iterator[None]:
        """Send SIGINT and SIGTERM to all ranks, as often as they come here."""

        def receive(number: int, frame: FrameType | None) -> None:
            self._stopping = True
            for process in self._processes:
                process.send_signal(number)  # does nothing if it has ended

        before = {
            number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait_for_failure(self) -> int | None:
        """The first rank that ends as none should; None once rank 0 has ended in good order."""
        while 0 not in self.codes:
            for rank in self._look():
                if not self._is_orderly(self.codes[rank]):
                    return rank
            time.sleep(_PAUSE)
        return None if self._is_orderly(self.codes[0]) else 0

    def wait_for_all(self, seconds: float) -> int:
        """Give the ranks some time to end, then kill them; the exit code of rank 0."""
        deadline = time.monotonic() + seconds
        while len(self.codes) < len(self._processes) and time.monotonic() < deadline:
            self._look()
            time.sleep(_PAUSE)
        self.kill()
        code = self.codes[0]
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """End what is left."""
        for rank, process in enumerate(self._processes):
            if process.poll() is None:
                process.kill()
                if rank == 0 and sys.stdout.isatty():  # its progress bar hides the cursor
                    sys.stdout.write(_SHOW_CURSOR)
                    sys.stdout.flush()
            self.codes[rank] = process.wait()

    def _look(self) -> list[int]:
        """Ranks that have ended since the last look."""
        ended = []
        for rank, process in enumerate(self._processes):
            if rank not in self.codes and (code := process.poll()) is not None:
                self.codes[rank] = code
                ended.append(rank)
        return ended

    def _is_orderly(self, code: int) -> bool:
        # A signal that is passed on may come before a process is ready for it.
        return code in _ORDERLY or (self._stopping and -code in (signal.SIGINT, signal.SIGTERM))


def _explain(rank: int, number: signal.Signals) -> UserError:
    if number is signal.SIGKILL:
        return UserError(
            f"rank {rank} was killed, which the system does when memory runs out",
            mend="look at dmesg; the same command continues from the last checkpoint",
        )
    return UserError(
        f"rank {rank} was ended by {number.name}",
        mend="the same command continues from the last checkpoint",
    )
