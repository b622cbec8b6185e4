"""Reading ARPA files: of this package, KenLM, SRILM and others."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.lines import explain_unreadable
from nmt.statistical.language_model.arpa_words import SYMBOLS, unescape
from nmt.statistical.vocabulary import FIRST_WORD

MAX_ORDER: Final = 6

_Stream: TypeAlias = BinaryIO | gzip.GzipFile

_GZIP: Final = b"\x1f\x8b"
_FIELDS: Final = re.compile(rb"[\t\r\n ]+")
_SIZE: Final = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)")
_LN_10: Final = math.log(10)
_CUT_OFF: Final = "copy the file again, or write it again: it was cut off, or changed by hand"


@dataclass
class ArpaNgrams:
    """The n-grams of one length, in the order of the file; K n-grams."""

    words: NDArray[np.int32]
    """[K, length] Word ids."""
    log_p: NDArray[np.float64]
    """[K] ln p."""
    log_back_off: NDArray[np.float64]
    """[K] ln of the back-off weight; 0 where none is given."""
    first_line: int
    """The line number of the first one."""


@dataclass
class ArpaFile:
    """What an ARPA file holds."""

    words: list[str]
    """The vocabulary without control symbols, in the order of the file."""
    ngrams: list[ArpaNgrams]
    """Those of each length, from 1 on."""


def read_arpa_file(path: Path) -> ArpaFile:
    """Read a file, plain or compressed with gzip.

    Raises UserError, with the line number, if it cannot be read or is not a complete ARPA file.
    """
    try:
        with _open(path) as stream:
            return _Reader(path, stream).read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"the compressed file is broken: {error}", where=str(path), mend=_CUT_OFF
        ) from error
    except OSError as error:
        raise explain_unreadable(error, path) from error


@contextmanager
def _open(path: Path) -> Iterator[_Stream]:
    with path.open("rb") as raw:
        compressed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        if compressed:
            with gzip.open(raw) as stream:
                yield stream
        else:
            yield raw


class _Reader:
    """Reads one file from its beginning to its end, counting lines."""

    def __init__(self, path: Path, stream: _Stream) -> None:
        self.path = path
        self.stream = stream
        self.number = 0
        self.ids: dict[bytes, int] = {}
        self.words: list[str] = []

    def read(self) -> ArpaFile:
        """The whole file."""
        sizes = self._header()
        ngrams = []
        for length, size in enumerate(sizes, start=1):
            title = b"\\%d-grams:" % length
            if (line := self._line_with_text()) != title:
                raise self._broken(f"{title.decode()} is missing here", line)
            ngrams.append(self._section(length, size))
            if length == 1:
                self._check_symbols(ngrams[0])
        if (line := self._line_with_text()) != b"\\end\\":
            raise self._broken("\\end\\ is missing here", line)
        return ArpaFile(self.words, ngrams)

    def _header(self) -> list[int]:
        """The number of n-grams of each length."""
        for line in self.stream:
            self.number += 1
            if line.strip() == b"\\data\\":
                break
        else:
            raise UserError(
                "there is no line \\data\\, with which the n-grams of an ARPA file begin",
                where=str(self.path),
                mend="give a language model in ARPA format, plain or compressed with gzip",
            )
        sizes: list[int] = []
        for line in self.stream:
            self.number += 1
            if not (line := line.strip()):
                if sizes:
                    break
                continue
            match = _SIZE.fullmatch(line)
            if match is None or int(match[1]) != len(sizes) + 1:
                raise self._broken(f"ngram {len(sizes) + 1}=... is missing here", line)
            sizes.append(int(match[2]))
        if not 1 <= len(sizes) <= MAX_ORDER:
            raise self._broken(f"the n-grams have up to {len(sizes)} words, not 1 to {MAX_ORDER}")
        return sizes

    def _section(self, length: int, size: int) -> ArpaNgrams:
        """The n-grams of one length."""
        numbers: list[float] = []
        back_offs: list[float] = []
        words: list[int] = []
        for row in range(size):
            line = self.stream.readline()
            self.number += 1
            fields = self._fields(line, length, row, size)
            try:
                numbers.append(float(fields[0]))
                back_offs.append(float(fields[-1]) if len(fields) > length + 1 else 0.0)
            except ValueError:
                raise self._broken("this is not a number where one should be", line) from None
            if length == 1:
                words.append(self._new_word(fields[1], line))
                continue
            try:
                words += [self.ids[word] for word in fields[1 : length + 1]]
            except KeyError as error:
                text = error.args[0].decode("utf-8", "replace")
                raise self._broken(f"{text!r} is not among the unigrams", line) from None
        log10_p, log10_back_off = np.array(numbers), np.array(back_offs)
        wrong = ~np.isfinite(log10_p) | (log10_p > 0) | ~np.isfinite(log10_back_off)
        if wrong.any():
            self.number -= size - 1 - int(np.argmax(wrong))
            raise self._broken("log10 p must be a number up to 0, and log10 of a back-off a number")
        shaped = np.array(words, np.int32).reshape(size, length)
        return ArpaNgrams(shaped, log10_p * _LN_10, log10_back_off * _LN_10, self.number + 1 - size)

    def _fields(self, line: bytes, length: int, row: int, size: int) -> list[bytes]:
        """The number, the words and, if there is one, the back-off of a line."""
        # This splits at form feeds too, which the words of others may hold.
        fields = line.split()
        if len(fields) - length not in (1, 2):
            fields = [part for part in _FIELDS.split(line) if part]
            if len(fields) - length not in (1, 2):
                raise self._broken(
                    f"row {row + 1:,} of {size:,} {length}-grams should be a number, {length} "
                    "words and perhaps a number",
                    line,
                )
        return fields

    def _new_word(self, written: bytes, line: bytes) -> int:
        """The id of a unigram."""
        if written in self.ids:
            raise self._broken("this unigram was there before", line)
        try:
            text = written.decode("utf-8")
        except UnicodeDecodeError:
            raise self._broken("this is not valid UTF-8", line) from None
        if (number := SYMBOLS.get(text)) is None:
            number = FIRST_WORD + len(self.words)
            self.words.append(unescape(text))
        self.ids[written] = number
        return number

    def _check_symbols(self, unigrams: ArpaNgrams) -> None:
        """Refuse a file that does not say how sentences begin and end."""
        for symbol in ("<s>", "</s>"):
            if SYMBOLS[symbol] not in unigrams.words:
                raise UserError(
                    f"{symbol} is not among the unigrams",
                    where=str(self.path),
                    mend="estimate the model with marks of where sentences begin and end",
                )

    def _line_with_text(self) -> bytes:
        """The next line that is not blank, without its white space."""
        for line in self.stream:
            self.number += 1
            if line := line.strip():
                return line
        self.number += 1
        return b""

    def _broken(self, what: str, line: bytes | None = None) -> UserError:
        shown = "" if line is None else line.decode("utf-8", "replace").rstrip("\n")
        if line is not None:
            what += f": {shown[:80]!r}" if shown else ", but the line is blank or the file ends"
        return UserError(what, where=f"{self.path}:{self.number}", mend=_CUT_OFF)
