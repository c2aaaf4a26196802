"""The exact median of more numbers than fit into memory: they are counted twice, by their leading and trailing bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_HALF_BITS = 16
_BINS = 1 << _HALF_BITS


class StreamedMedian:
    """Medians of all float32 numbers of a set, and of the positive ones, that come in parts, all of them twice.

    The bits of a float32 number, its sign turned round, sort as the number does: counting the leading 16 bits says
    which of these the median has, counting the others of the few numbers that have them says which number it is.
    """

    def __init__(self) -> None:
        """Begin with no number."""
        self._leading = np.zeros(_BINS, np.int64)
        self._not_positive = 0
        self._trailing: dict[int, NDArray[np.int64]] | None = None

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return int(self._leading.sum())

    def count_leading(self, values: NDArray[np.float32]) -> None:
        """Take a part of the numbers for the first time, (N,), none of them NaN."""
        self._leading += np.bincount(_keys(values) >> _HALF_BITS, minlength=_BINS)
        self._not_positive += int(np.count_nonzero(values <= 0))

    def count_trailing(self, values: NDArray[np.float32]) -> None:
        """Take a part for the second time, after all of them were taken once; parts may be cut otherwise."""
        if self._trailing is None:
            bins = {self._bin_of(rank)[0] for rank in (*self._middle(0), *self._middle(self._not_positive))}
            self._trailing = {each: np.zeros(_BINS, np.int64) for each in sorted(bins)}
        keys = _keys(values)
        leading = keys >> _HALF_BITS
        for wanted in self._trailing:
            self._trailing[wanted] += np.bincount(keys[leading == wanted] & (_BINS - 1), minlength=_BINS)

    def middle(self) -> NDArray[np.float32]:
        """The one or two numbers in the middle, whose mean is the median; empty without any number."""
        return np.array([self._number(rank) for rank in self._middle(0)], np.float32)

    def middle_of_positive(self) -> NDArray[np.float32]:
        """The same of the positive numbers."""
        return np.array([self._number(rank) for rank in self._middle(self._not_positive)], np.float32)

    def _middle(self, first: int) -> list[int]:
        """Ranks of the middle of what is left without the `first` smallest numbers."""
        size = self.count - first
        return sorted({first + (size - 1) // 2, first + size // 2}) if size else []

    def _bin_of(self, rank: int) -> tuple[int, int]:
        """The leading bits of the number of that rank, and its rank among those that have them."""
        ends = np.cumsum(self._leading)
        leading = int(np.searchsorted(ends, rank, side="right"))
        return leading, rank - int(ends[leading] - self._leading[leading])

    def _number(self, rank: int) -> np.float32:
        leading, within = self._bin_of(rank)
        counts = (self._trailing or {})[leading]
        trailing = int(np.searchsorted(np.cumsum(counts), within, side="right"))
        key = np.uint32(leading << _HALF_BITS | trailing)
        bits = key ^ np.uint32(0x80000000) if key & np.uint32(0x80000000) else ~key
        number: np.float32 = np.array([bits], np.uint32).view(np.float32)[0]
        return number


def _keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Whole numbers that sort as the values do."""
    bits = np.ascontiguousarray(values + np.float32(0)).view(np.uint32)  # adding 0 makes -0 to 0
    below: NDArray[np.uint32] = bits >> np.uint32(31)
    if below.any():
        return np.where(below, ~bits, bits | np.uint32(0x80000000))
    return bits | np.uint32(0x80000000)
