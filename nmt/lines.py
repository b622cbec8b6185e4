"""Lines of text, read by one rule everywhere: UTF-8, and only a line feed ends a line.

``str.splitlines`` and text-mode ``open`` also split at U+2028, U+0085, form feeds or lone carriage
returns, which occur inside the segments of real corpora and would shift a bitext's sides against
each other. Here such characters stay in their line.
"""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from nmt.errors import UserError


def iterate_lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """Yield the lines of a binary stream as they come, without their line ends.

    ``stream`` is anything that iterates over lines ending in LF, such as an open binary file or
    ``sys.stdin.buffer``; ``name`` stands for it in messages. A carriage return before the line feed
    and a byte order mark before the first line are removed. A last line without line feed counts.

    Raises UserError, with the line number, for bytes that are not UTF-8.
    """
    for number, line in enumerate(stream, start=1):
        if number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise UserError(
                    "this is UTF-16, not UTF-8",
                    where=name,
                    mend="convert it with: iconv -f UTF-16 -t UTF-8",
                )
            line = line.removeprefix(codecs.BOM_UTF8)
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"not valid UTF-8: byte 0x{line[error.start]:02x} at byte {error.start + 1} "
                "of the line",
                where=f"{name}:{number}",
                mend="mend the line, or convert the file to UTF-8 (iconv -f ENCODING -t UTF-8)",
            ) from error


def read_lines(path: Path) -> list[str]:
    """Read a whole text file by the rules of `iterate_lines`.

    Raises UserError if the file is missing (naming similar ones that are there), cannot be read, or
    is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            return list(iterate_lines(stream, str(path)))
    except OSError as error:
        raise explain_unreadable(error, path) from error


def explain_unreadable(error: OSError, path: Path) -> UserError:
    """Turn a missing file, a folder in place of a file and the like into a sentence."""
    if not isinstance(error, FileNotFoundError):
        reason = "this is a folder, not a file" if path.is_dir() else error.strerror or str(error)
        return UserError(f"cannot read: {reason}", where=str(path))
    folder = path.parent
    if not folder.is_dir():
        return UserError(f"no such file (and no folder {folder})", where=str(path))
    similar = difflib.get_close_matches(path.name, _names(folder), n=3)
    mend = f"did you mean {' or '.join(str(folder / name) for name in similar)}?"
    return UserError("no such file", where=str(path), mend=mend if similar else None)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []
