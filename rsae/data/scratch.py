"""Rows of numbers that come piece by piece, in a temporary file that is mapped into memory: they need not fit there.

Why not numpy's ``open_memmap``: it has to know beforehand how many rows there are.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np

__all__ = ["Scratch", "scratch"]


class Scratch:
    """A matrix that grows by rows, in a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._dtype: np.dtype | None = None
        self.rows, self.width = 0, 0

    def add(self, rows: np.ndarray) -> None:
        """Append rows [n, width].  Raises ValueError for another width or format than that of the first ones."""
        if self._dtype is None:
            self._dtype, self.width = rows.dtype, rows.shape[1]
        if rows.shape[1] != self.width:
            raise ValueError(f"lists of {sorted([self.width, rows.shape[1]])} numbers")
        if rows.dtype != self._dtype:
            raise ValueError(f"numbers in {self._dtype} and in {rows.dtype}")
        self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def array(self) -> np.ndarray:
        """All rows [n, width], mapped; what is written to it goes to the file alone."""
        self._file.flush()
        if self._dtype is None or not self.rows or not self.width:
            return np.empty((self.rows, self.width), np.float32)
        return np.memmap(self._file, dtype=self._dtype, mode="r+", shape=(self.rows, self.width))


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A matrix in a file without a name, in the folder for temporary files; it goes with the last array of it."""
    with tempfile.TemporaryFile() as file:
        yield Scratch(file)
