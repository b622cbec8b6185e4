"""Stopping a long job in good order when a signal asks for it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType


class Stopped(Exception):
    """The job was stopped on request, its state is saved; the same command continues it."""


class StopRequest:
    """Asked by a job, again and again, whether it should stop; this one never says so."""

    @property
    def reason(self) -> str | None:
        """Why to stop, in words; None to go on."""
        return None

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        """While in here, the job looks at ``reason`` by itself and must not be interrupted."""
        yield


class StopOnSignal(StopRequest):
    """Ctrl-C and SIGTERM.

    They raise KeyboardInterrupt, as Ctrl-C does in any Python program. Only in a ``deferring``
    block the first one becomes the reason to stop, and the second one interrupts.
    """

    def __init__(self, *, announces: bool = True) -> None:
        """Take over the handling of both signals; for the main thread only.

        Args:
            announces: whether to tell the user that the first one was noted.
        """
        self._announces = announces
        self.received: signal.Signals | None = None
        self._deferring = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    @property
    def reason(self) -> str | None:
        """The name of the signal that came."""
        return f"{self.received.name} received" if self.received else None

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        """Note the first signal instead of interrupting."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = signal.Signals(number)
        if not (first and self._deferring):
            raise KeyboardInterrupt
        if not self._announces:
            return
        # Not by print: the signal may have come in the middle of one.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.write(sys.stderr.fileno(), b"\nstopping, state will be saved (again: at once)\n")
