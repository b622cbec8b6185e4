"""Writing files so that a kill at any moment leaves the old state or the new one, never half."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from nmt.errors import UserError

_YOUNG_SECONDS = 600


_FIRST: Final = {
    errno.ENOSPC: "free some space, or ",
    errno.EDQUOT: "free some space, or ",
    errno.ENOENT: "make its folder first, or ",
}


def explain_os_error(error: OSError, path: Path) -> UserError:
    """Turn a full disk, a read-only folder and the like into a sentence for the user."""
    reason = error.strerror or str(error)
    before = _FIRST.get(error.errno or 0, "")
    return UserError(
        f"cannot write: {reason}",
        where=str(path),
        mend=f"{before}choose another place with --output",
    )


@contextlib.contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends well.

    Raises UserError if the file cannot be written; ``path`` is then as it was.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path, *, first_stays: bool = False) -> Iterator[Path]:
    """Yield a new empty folder beside ``path``, which takes its place when the block ends well.

    With ``first_stays`` a folder that is there by then, another process' with the same content,
    stays, and the new one is dropped. What killed processes left of earlier attempts is removed.
    Raises UserError if it cannot be written; ``path`` is then as it was.
    """
    temporary: Path | None = None
    held = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(path)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        held = _hold(temporary)
        yield temporary
        temporary.chmod(0o755)
        if first_stays:
            try:
                temporary.rename(path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        elif path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
            path.replace(old / path.name)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
        if held is not None:
            os.close(held)


def _remove_left_over(path: Path) -> None:
    """Remove temporary folders for ``path`` that no living process holds.

    Young ones stay: between its making and its being held, a folder looks left over.
    """
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError):
            if not folder.is_dir() or time.time() - folder.stat().st_mtime < _YOUNG_SECONDS:
                continue
            handle = _hold(folder)
            if handle is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)


def _hold(folder: Path) -> int | None:
    """Lock a folder as long as this process lives or until the handle is closed.

    None where another process holds it, and where the system or the disk knows no locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    with replacing_file(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def hash_value(value: Any) -> str:
    """SHA-256 (hex) of a JSON-serialisable value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build_once(
    cache: Path, stage: str, inputs: Mapping[str, Any], build: Callable[[Path], None]
) -> Path:
    """Return the folder that holds a stage's result, building it if it is not there yet.

    The folder is ``cache/STAGE-HASH``, with the hash of ``inputs`` (which must name everything that
    the result depends on, a version number of the code included). ``build`` fills a temporary
    folder, which gets its name only when complete, so a killed run leaves nothing half.
    """
    folder = cache / f"{stage}-{hash_value(inputs)[:16]}"
    if not folder.exists():
        with replacing_folder(folder, first_stays=True) as temporary:
            build(temporary)
            write_json(temporary / "inputs.json", {"stage": stage, **inputs})
    return folder
