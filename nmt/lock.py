"""One process at a time in a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from nmt.errors import UserError
from nmt.files import explain_os_error


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Make ``folder`` if it is not there, and keep other processes out of this block for it.

    Nothing is written, and a killed process leaves no lock behind. Where the system or the disk
    knows no locks, everybody is let in. Raises UserError if another process is in, or if the folder
    cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                "another process is training here",
                where=str(folder),
                mend="wait for its end, or choose another --output",
            ) from error
        except OSError:  # a network disk without locks
            pass
        yield
    finally:
        os.close(handle)
