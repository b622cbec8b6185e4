"""Writing files so that a kill at any moment leaves the old state or the new one, never half."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nmt.errors import UserError


def explain_os_error(error: OSError, path: Path) -> UserError:
    """Turn a full disk, a read-only folder and the like into a sentence for the user."""
    reason = error.strerror or str(error)
    return UserError(
        f"cannot write: {reason}",
        where=str(path),
        mend="free some space, or choose another place with --output",
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
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new empty folder beside ``path``, which takes its place when the block ends well.

    Raises UserError if it cannot be written; ``path`` is then as it was.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
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
        with replacing_folder(folder) as temporary:
            build(temporary)
            write_json(temporary / "inputs.json", {"stage": stage, **inputs})
    return folder
