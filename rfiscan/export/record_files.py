"""Temporary files of records: what is too much for memory, and only needed again at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.errors import OutputError


class RecordFile:
    """Records of one dtype, written from the first to the last and read again.

    Args:
        file: Open for writing and reading, empty.
        dtype: Of the records.
    """

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any]) -> None:
        self._file, self._dtype = file, dtype
        self.count = 0

    def append(self, records: NDArray[Any]) -> None:
        """Add records, shape (N,)."""
        self._file.write(records.tobytes())
        self.count += len(records)

    def chunks(self, size: int) -> Iterator[NDArray[Any]]:
        """Read the records again, so many at a time."""
        self._file.seek(0)
        for first in range(0, self.count, size):
            wanted = min(size, self.count - first) * self._dtype.itemsize
            content = self._file.read(wanted)
            if len(content) < wanted:
                raise OutputError("a temporary file of the output folder was cut short: no space left on device?")
            yield np.frombuffer(content, self._dtype)


@contextmanager
def record_file(path: Path, dtype: np.dtype[Any]) -> Iterator[RecordFile]:
    """Open a file of records that is removed at the end.

    Args:
        path: Where it goes.
        dtype: Of the records.

    Yields:
        The file.

    Raises:
        OutputError: If it cannot be created.
    """
    try:
        file = path.open("w+b")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", hint="Name another folder with --out.") from error
    try:
        with file:
            yield RecordFile(file, dtype)
    finally:
        path.unlink(missing_ok=True)
