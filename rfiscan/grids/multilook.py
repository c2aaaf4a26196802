"""Multilooking: averaging blocks of pixels in power, over valid pixels only, streaming and in constant memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class MultilookedRows(NamedTuple):
    """Completed rows: power, float32 (C, n, w), NaN where invalid; valid_mask, bool (C, n, w)."""

    power: NDArray[np.float32]
    valid_mask: NDArray[np.bool_]


class Multilooker:
    """Averages blocks of `row_factor` x `col_factor` pixels of rows that are pushed in bands of any height.

    Blocks at the right and bottom edges may be partial; they average what they hold. A block is valid where at least
    `min_valid_share` of those of its pixels that lie in the scene are valid. Power is summed in float32 down the rows
    of one block (at most `row_factor` terms) and in float64 from there on.

    Args:
        width_px: Width of the scene in pixels.
        row_factor: Rows per block.
        col_factor: Columns per block.
        channels: Number of channels C.
        min_valid_share: In (0, 1]: share of valid pixels that makes a block valid.
    """

    def __init__(
        self, width_px: int, row_factor: int, col_factor: int, channels: int = 2, min_valid_share: float = 0.25
    ) -> None:
        if min(width_px, row_factor, col_factor, channels) < 1 or not 0 < min_valid_share <= 1:
            msg = "width, factors and channels must be at least 1, min_valid_share in (0, 1]"
            raise ValueError(msg)
        self._row_factor = row_factor
        self._min_share = min_valid_share
        self._starts = np.arange(0, width_px, col_factor)
        self._block_widths = np.diff(np.append(self._starts, width_px))
        self._col_factor = col_factor
        self._sums = np.zeros((channels, len(self._starts)))
        self._counts = np.zeros((channels, len(self._starts)), np.int64)
        self._rows_held = 0

    def push(self, power: NDArray[np.float32], valid: NDArray[np.bool_]) -> MultilookedRows:
        """Add a band of rows.

        Args:
            power: Linear power (C, h, W); whatever it holds where it is invalid does not matter.
            valid: bool (C, h, W).

        Returns:
            The block rows that this band completed, possibly none.
        """
        done: list[MultilookedRows] = []
        height = power.shape[1]
        start = 0
        while start < height:
            stop = min(height, start + self._row_factor - self._rows_held)
            for channel in range(len(self._sums)):
                self._add(channel, power[channel, start:stop], valid[channel, start:stop])
            self._rows_held += stop - start
            start = stop
            if self._rows_held == self._row_factor:
                done.append(self._completed())
        return self._joined(done)

    def finish(self) -> MultilookedRows:
        """Return the last block row if it is partial (else no row), and start anew."""
        return self._joined([self._completed()] if self._rows_held else [])

    def _add(self, channel: int, power: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        col_counts = _count_down(valid)
        if not col_counts.any():
            return
        with np.errstate(over="ignore", invalid="ignore"):  # of pixels that are invalid; replaced below
            col_sums = np.add.reduce(power, axis=0, dtype=np.float32)
        partial = np.flatnonzero(col_counts != len(power))
        if partial.size:
            col_sums[partial] = np.where(valid[:, partial], power[:, partial], np.float32(0)).sum(axis=0)
        self._sums[channel] += np.add.reduceat(col_sums, self._starts, dtype=np.float64)
        self._counts[channel] += np.add.reduceat(col_counts, self._starts)

    def _completed(self) -> MultilookedRows:
        pixels = self._rows_held * self._block_widths
        valid = (self._counts >= self._min_share * pixels) & (self._counts > 0)
        power = np.full(self._sums.shape, np.nan, np.float32)
        np.divide(self._sums, self._counts, out=power, where=valid, casting="same_kind")
        self._sums[:] = 0
        self._counts[:] = 0
        self._rows_held = 0
        return MultilookedRows(power[:, None], valid[:, None])

    def _joined(self, rows: list[MultilookedRows]) -> MultilookedRows:
        if rows:
            return MultilookedRows(*(np.concatenate(parts, axis=1) for parts in zip(*rows, strict=True)))
        empty = (len(self._sums), 0, len(self._starts))
        return MultilookedRows(np.empty(empty, np.float32), np.empty(empty, np.bool_))


def _count_down(valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of valid pixels of each column; bytes are added as bytes, 255 rows at a time."""
    as_bytes = valid.view(np.uint8)
    counts = np.zeros(valid.shape[1], np.int64)
    for start in range(0, len(valid), 255):
        counts += np.add.reduce(as_bytes[start : start + 255], axis=0, dtype=np.uint8)
    return counts
