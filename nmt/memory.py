"""The largest resident memory of a piece of work, as the system counts it for this process."""

from __future__ import annotations

import contextlib
import gc
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nmt.errors import UserError
from nmt.files import write_json

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")
_RESET_PEAK: Final = "5"  # proc(5): sets the peak to what is resident now


def restart_peak() -> None:
    """Begin anew to look for the largest resident memory, where the system can (Linux).

    What the process holds already counts all the same: it cannot be told from what the work needs.
    """
    gc.collect()
    with contextlib.suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK)


def peak_memory() -> int | None:
    """Largest resident memory of this process in bytes, file pages that are mapped included.

    It is that since `restart_peak`, or since the process began where that has no effect; None where
    the system does not tell.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class PeakMemory:
    """The largest resident memory of a job that may take several runs; kept in a file.

    A run that is killed outright leaves no word; the one that continues it needs about as much.
    """

    def __init__(self, record: Path) -> None:
        """Begin to look; ``record`` is where earlier runs of the job, if any, left theirs."""
        self._record = record
        self._before: int | None = None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self._before = int(json.loads(record.read_text(encoding="utf-8"))["peak_bytes"])
        restart_peak()

    @property
    def largest(self) -> int | None:
        """Bytes, over all runs so far; None where the system does not tell."""
        return max(filter(None, (self._before, peak_memory())), default=None)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Write the largest down when the block ends, in whichever way."""
        try:
            yield
        finally:
            with contextlib.suppress(UserError):  # a full disk: what ended the block says so
                write_json(self._record, {"peak_bytes": self.largest})
