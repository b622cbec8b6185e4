"""One-dimensional ``.npy`` files that grow by appending and are read by memory mapping."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import DTypeLike, NDArray


class NpyWriter:
    """Writes a one-dimensional ``.npy`` file whose length is known only at the end.

    NumPy pads the header so that the length can be rewritten in place; until ``close`` the file
    says that it is empty. Use as a context manager.
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.length = 0
        self._file = path.open("wb")
        self._write_header()
        self._header_bytes = self._file.tell()

    def _write_header(self) -> None:
        description = {
            "descr": npy_format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.length,),
        }
        npy_format.write_array_header_1_0(self._file, description)

    def append(self, values: NDArray[Any]) -> None:
        """Append a one-dimensional array of the file's dtype."""
        assert values.dtype == self.dtype, f"{values.dtype} into {self.dtype}"
        self._file.write(values.tobytes())
        self.length += values.size

    def close(self) -> None:
        """Write the final length and close the file."""
        self._file.seek(0)
        self._write_header()
        assert self._file.tell() == self._header_bytes
        self._file.close()

    def __enter__(self) -> NpyWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._file.close()


def map_npy(path: Path) -> NDArray[Any]:
    """Memory-map a ``.npy`` file for reading.

    The result is a plain array on top of the map: slicing a ``numpy.memmap`` itself costs several
    times as much, which counts when millions of rows are cut out of it.
    """
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped.view(np.ndarray)
