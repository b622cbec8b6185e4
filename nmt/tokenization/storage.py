"""A tokenizer's folder: ``tokenizer.json``, which names every other file with its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nmt.errors import UserError
from nmt.files import hash_value, replacing_file, write_json
from nmt.tokenization.text import TEXT_VERSION

DESCRIPTION_FILE: Final = "tokenizer.json"
_FORMAT: Final = 1
_MEND: Final = "copy the whole model folder again from where it was trained"


def describe(kind: str, facts: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """What ``tokenizer.json`` says: kind, further facts, each file's hash."""
    description = {
        "format": _FORMAT,
        "text_version": TEXT_VERSION,
        "kind": kind,
        **facts,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    return {**description, "content_hash": hash_value(description)}


def save_files(folder: Path, description: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write the files, then the description: a folder with a description is complete."""
    for name, content in files.items():
        with replacing_file(folder / name) as temporary:
            temporary.write_bytes(content)
    write_json(folder / DESCRIPTION_FILE, description)


def load_files(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read and check what ``save_files`` wrote: the description and the contents of its files.

    Raises UserError when a file is missing or unreadable, or is not what was saved.
    """
    path = folder / DESCRIPTION_FILE
    try:
        description = json.loads(_read(path))
    except ValueError as error:
        raise _damaged(path, "this is not JSON; the file is truncated or changed") from error
    if not isinstance(description, dict) or "content_hash" not in description:
        raise _damaged(path, "this does not describe a tokenizer")
    if description.get("format") != _FORMAT or description.get("text_version") != TEXT_VERSION:
        raise UserError(
            f"this tokenizer is of format {description.get('format')}, and this version of nmt "
            f"reads format {_FORMAT}",
            where=str(path),
            mend="use the version of nmt that wrote the model, or train it again",
        )
    content_hash = description["content_hash"]
    rest = {key: value for key, value in description.items() if key != "content_hash"}
    if hash_value(rest) != content_hash:
        raise _damaged(path, "the file was changed after it was saved (its hash does not match)")
    files = {}
    for name, expected in description["files"].items():
        content = _read(folder / name)
        if hashlib.sha256(content).hexdigest() != expected:
            raise _damaged(
                folder / name, "the file is truncated or was changed (its hash does not match)"
            )
        files[name] = content
    return description, files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _damaged(path, "the file is missing, and the tokenizer needs it") from error
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", where=str(path)) from error


def _damaged(path: Path, what: str) -> UserError:
    return UserError(what, where=str(path), mend=_MEND)
