"""A mask of many rows in little memory: packed to bits and compressed, band by band."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray


class PackedMask:
    """A mask (H, W) that is written from the top and read in bands. Real masks of scenes take next to nothing.

    Args:
        width_px: Its columns.
    """

    def __init__(self, width_px: int) -> None:
        self._width = width_px
        self._starts, self._bands = [0], list[bytes]()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows so far, and columns."""
        return self._starts[-1], self._width

    def append(self, rows: NDArray[np.bool_]) -> None:
        """Add rows (h, W) at the bottom."""
        self._bands.append(zlib.compress(np.packbits(rows, axis=1).tobytes(), 1))
        self._starts.append(self._starts[-1] + len(rows))

    def rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """The rows start..stop-1, shape (h, W)."""
        found = np.zeros((stop - start, self._width), np.bool_)
        at = int(np.searchsorted(self._starts, start, side="right")) - 1
        while at < len(self._bands) and self._starts[at] < stop:
            first, after = self._starts[at], self._starts[at + 1]
            packed = np.frombuffer(zlib.decompress(self._bands[at]), np.uint8).reshape(after - first, -1)
            low, high = max(first, start), min(after, stop)
            found[low - start : high - start] = np.unpackbits(
                packed[low - first : high - first], axis=1, count=self._width
            ).view(np.bool_)
            at += 1
        return found
