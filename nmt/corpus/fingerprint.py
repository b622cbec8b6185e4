"""Content hashes of input files, remembered so that gigabytes are not read again at every start."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from nmt.errors import UserError
from nmt.files import hash_file, hash_value, write_json
from nmt.lines import explain_unreadable

_SETTLED_NANOSECONDS = 2_000_000_000


class FileHashes:
    """SHA-256 of files, kept in a small JSON file beside each file's size and times.

    A file counts as unchanged if path, size, modification and status change time are the same. A
    hash is remembered only if the file had not changed for two seconds before: within the
    resolution of a file system's clock, a later change of equal size would not show.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, list[int | str]] = {}
        try:
            stored = json.loads(store.read_text(encoding="utf-8"))
            self._known = stored if isinstance(stored, dict) else {}
        except (OSError, ValueError):
            pass  # Nothing remembered (yet): everything is read.

    def of_file(self, path: Path) -> str:
        """SHA-256 (hex) of a file; raises UserError if it cannot be read."""
        try:
            status = path.stat()
            facts: list[int | str] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            known = self._known.get(str(path))
            if known is not None and known[:-1] == facts:
                return str(known[-1])
            digest = hash_file(path)
        except OSError as error:
            raise explain_unreadable(error, path) from error
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NANOSECONDS:
            self._known[str(path)] = [*facts, digest]
            # Only a memory: where it cannot be written, the file is read again the next time.
            with contextlib.suppress(UserError):
                write_json(self._store, self._known)
        return digest

    def of_folder(self, folder: Path) -> str:
        """A hash over the names and contents of all files below a folder, hidden ones left out."""
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
        )
        if not files:
            raise UserError("the folder is empty", where=str(folder))
        return hash_value({str(path.relative_to(folder)): self.of_file(path) for path in files})
