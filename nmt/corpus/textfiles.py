"""Text files of a corpus: found, decompressed and read line by line."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.errors import UserError
from nmt.lines import explain_unreadable, iterate_lines

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

COMPRESSED_SUFFIXES = (".gz", ".xz", ".zst")
_BUFFER_BYTES = 1 << 18


def find_input(path: Path, base: Path | None = None) -> Path:
    """The absolute path of an input file or folder, which may be relative.

    A relative path is looked for in the current folder, then in ``base``. Raises UserError, naming
    what comes close, if it is in neither.
    """
    path = path.expanduser()
    here = path.absolute()
    there = (base / path).absolute() if base is not None else here
    for place in (here, there):
        if place.exists():
            return place
    errors = [
        explain_unreadable(FileNotFoundError(), place) for place in dict.fromkeys((here, there))
    ]
    helpful = next((error for error in errors if error.mend), errors[-1])
    if len(errors) > 1 and helpful.mend is None:
        helpful.mend = f"looked in {here.parent} and in {there.parent}"
    raise helpful


def iterate_file(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, plain or .gz, .xz, .zst, by `nmt.lines.iterate_lines`.

    NUL characters are kept: valid and test text stays as it is, and cleaning takes them out of
    training text. Raises UserError, with file and line number, for text that is not UTF-8, and for
    a file that is missing, damaged or cannot be read.
    """
    try:
        with _open(path) as stream:
            yield from iterate_lines(stream, str(path))
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise explain_unreadable(error, path) from error


def _open(path: Path) -> AbstractContextManager[io.BufferedReader]:
    # Buffered readers of the standard library iterate over lines at the speed of C; the
    # decompressing files themselves do not.
    match path.suffix:
        case ".gz":
            return io.BufferedReader(gzip.GzipFile(path), _BUFFER_BYTES)
        case ".xz":
            return io.BufferedReader(lzma.LZMAFile(path), _BUFFER_BYTES)
        case ".zst":
            return io.BufferedReader(_ZstandardFile(path), _BUFFER_BYTES)
        case _:
            return path.open("rb")


class _ZstandardFile(io.RawIOBase):
    """The decompressed bytes of a .zst file of one or more frames.

    The library's own reader takes a truncated file for a complete one; this one does not.
    """

    def __init__(self, path: Path) -> None:
        try:
            import zstandard
        except ImportError:
            raise UserError(
                "reading .zst files needs the zstandard library",
                where=str(path),
                mend='install it with: pip install "bitext-nmt[zstd]"',
            ) from None
        self._path = path
        self._error = zstandard.ZstdError
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
        self._frame: Any = None
        self._compressed = b""
        self._plain = memoryview(b"")
        self._file = path.open("rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._plain and self._fill():
            pass
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._plain))
        target[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _fill(self) -> bool:
        """Decompress some more; False at the end of the file."""
        self._compressed = self._compressed or self._file.read(_BUFFER_BYTES)
        if not self._compressed:
            if self._frame is not None:
                raise _damaged(self._path, "it ends in the middle")
            return False
        frame = self._frame or self._decompressor.decompressobj()
        try:
            self._plain = memoryview(frame.decompress(self._compressed))
        except self._error as error:
            raise _damaged(self._path, str(error)) from error
        self._compressed = frame.unused_data if frame.eof else b""
        self._frame = None if frame.eof else frame
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"damaged compressed file: {reason}", where=str(path), mend="fetch it or make it again"
    )
