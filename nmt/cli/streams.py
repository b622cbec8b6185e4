"""Files and standard streams as a command's input and output."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import typer

from nmt.errors import UserError
from nmt.files import explain_os_error
from nmt.lines import explain_unreadable, iterate_lines

STANDARD_INPUT = "standard input"


def check_input(path: Path | None) -> None:
    """Raise UserError if there is no such file or it cannot be read, before any work is done."""
    if path is None:
        if sys.stdin is None:
            raise UserError("standard input is closed", mend="name a file with --input")
        return
    try:
        if not path.is_fifo():  # opened twice, it would lose its writer
            with path.open("rb") as stream:
                stream.peek(1)
    except OSError as error:
        raise explain_unreadable(error, path) from error


def read_input(path: Path | None) -> Iterator[str]:
    """The lines of a file, or of standard input, as they come.

    Raises UserError for what cannot be read, and with the line number for what is not UTF-8.
    """
    if path is None:
        yield from iterate_lines(_standard_input(), STANDARD_INPUT)
        return
    try:
        with path.open("rb") as stream:
            yield from iterate_lines(stream, str(path))
    except OSError as error:
        raise explain_unreadable(error, path) from error


def read_bytes(path: Path | None) -> bytes:
    """All of a file, or of standard input.

    Raises UserError for what cannot be read.
    """
    if path is None:
        return _standard_input().read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise explain_unreadable(error, path) from error


def _standard_input() -> BinaryIO:
    """Standard input by a buffer of its own.

    Lines are read in a thread. If the command ends while that waits for input, it holds the lock of
    its buffer for ever, and were it ``sys.stdin``'s, the interpreter could not shut down.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:  # replaced by something without a file, as tests do
        return sys.stdin.buffer


def count_lines(path: Path | None) -> int | None:
    """The number of lines of a regular file; None for what can only be read once."""
    if path is None or not path.is_file():
        return None
    count, last = 0, b"\n"
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """A stream to write to: standard output, or a file that gets its name when complete.

    Until then the file is called ``NAME.partial``. It stays when the block ends in an error or the
    process is killed, for what it holds may have taken hours. Pipes and devices are written to
    directly.

    Raises UserError if the file cannot be written.
    """
    if path is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    regular = not path.exists() or path.is_file()
    if regular:
        path = path.resolve()  # what a link names is replaced, but /dev/stdout may name no place
    if path.is_dir():
        raise UserError("this is a folder, not a file", where=str(path))
    partial = path.with_name(f"{path.name}.partial") if regular else path
    try:
        with partial.open("wb") as stream:
            try:
                yield stream
            except BaseException:
                if regular:
                    stream.flush()
                    _keep_or_remove(partial)
                raise
            if regular:
                stream.flush()
                os.fsync(stream.fileno())
        if regular:
            partial.replace(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise explain_os_error(error, path) from error


def _keep_or_remove(partial: Path) -> None:
    if partial.stat().st_size:
        typer.echo(f"what was written before is kept in {partial}", err=True)
    else:
        partial.unlink()
