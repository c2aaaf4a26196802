"""Bursts of a TOPS product laid on one grid: which line of which sub-swath each pixel of it shows.

The bursts of a single-look complex product lie one below the other in the image of their sub-swath, with black lines
between them, and each shows the end of the burst before it once more. On the grid, a burst begins at the row of its
azimuth time. Where the valid lines of two bursts of a sub-swath overlap, they are cut in the middle, and so are the
valid samples of two sub-swaths in each row: "the merge time is determined by the average of the last line of the first
burst and the first line of the next burst", "for the overlapping region in range, merging is done midway between
subswaths" (ESA SNAP help, TOPSAR Deburst and Merge, operator TOPSARDeburstOp). Nothing is interpolated: "images for all
bursts in all sub-swaths are re-sampled to a common pixel spacing grid" before (the same).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Indexes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """One burst in the image of its sub-swath, and on the grid.

    Attributes:
        row: Row of the grid at which its first line lies.
        line: Its first line in the image.
        first_valid: First valid sample of each of its lines, shape (L,); negative where the line has none.
        last_valid: Last valid sample of each line, shape (L,).
    """

    row: int
    line: int
    first_valid: Indexes
    last_valid: Indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstImage:
    """The image of one sub-swath.

    Attributes:
        col: Column of the grid at which its first sample lies.
        bursts: In any order.
    """

    col: int
    bursts: tuple[Burst, ...]


class Piece(NamedTuple):
    """A rectangle of the grid that shows consecutive lines of one image.

    Attributes:
        row_start: First row.
        row_stop: Row after the last one.
        col_start: First column.
        col_stop: Column after the last one.
        line: Line of the image that the first row shows.
    """

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int
    line: int

    def moved(self, rows: int, cols: int) -> Piece:
        """Return the same piece on a grid that begins so many rows and columns earlier."""
        return Piece(
            self.row_start + rows, self.row_stop + rows, self.col_start + cols, self.col_stop + cols, self.line
        )


class _Shown(NamedTuple):
    """What each row of the grid shows of one image, shape (H,) each: its line, and the columns `start` to `stop` - 1.

    Where it shows nothing, the line is -1 and the columns are none.
    """

    line: Indexes
    start: Indexes
    stop: Indexes


def merged_pieces(images: Sequence[BurstImage]) -> tuple[tuple[Piece, ...], ...]:
    """Lay the images of sub-swaths on their common grid; no pixel of it shows two of them.

    Args:
        images: From near to far range; rows and columns of the grid are not negative.

    Returns:
        The pieces of each image, by row.
    """
    height = max((b.row + len(b.first_valid) for image in images for b in image.bursts), default=0)
    shown = [_deburst(image, height) for image in images]
    for near, far in combinations(shown, 2):
        _cut_midway(near, far)
    return tuple(_pieces(one) for one in shown)


def burst_lag_rows(images: Sequence[BurstImage]) -> float:
    """Return how many rows after its own first line a burst is shown from on, the median over all that follow another.

    Zero where none does.
    """
    lags: list[int] = []
    for image in images:
        bursts, starts, _ = _shown_rows(image)
        lags += [start - burst.row for burst, start in zip(bursts[1:], starts[1:], strict=True)]
    return float(np.median(lags)) if lags else 0.0


def _shown_rows(image: BurstImage) -> tuple[list[Burst], list[int], list[int]]:
    """Return the bursts that have valid lines, by row, and the rows from and to which the grid shows each."""
    seen = []
    for burst in image.bursts:
        valid = np.flatnonzero(_is_valid(burst))
        if valid.size:
            seen.append((burst.row + int(valid[0]), burst.row + int(valid[-1]) + 1, burst))
    spans: list[tuple[int, int, Burst]] = []
    for span in sorted(seen, key=lambda span: (span[0], -span[1])):
        if not spans or span[1] > spans[-1][1]:  # else it shows nothing that the one before does not
            spans.append(span)
    starts, stops = [span[0] for span in spans], [span[1] for span in spans]
    for i, (before, after) in enumerate(pairwise(spans)):
        if after[0] < before[1]:
            stops[i] = starts[i + 1] = (after[0] + before[1]) // 2
    return [span[2] for span in spans], starts, stops


def _is_valid(burst: Burst) -> NDArray[np.bool_]:
    return (burst.first_valid >= 0) & (burst.last_valid >= burst.first_valid)


def _deburst(image: BurstImage, height: int) -> _Shown:
    shown = _Shown(np.full(height, -1, np.int64), np.zeros(height, np.int64), np.zeros(height, np.int64))
    for burst, start, stop in zip(*_shown_rows(image), strict=True):
        lines = np.arange(start - burst.row, stop - burst.row)
        lines = lines[_is_valid(burst)[lines]]
        rows = burst.row + lines
        shown.line[rows] = burst.line + lines
        shown.start[rows] = image.col + burst.first_valid[lines]
        shown.stop[rows] = image.col + burst.last_valid[lines] + 1
    return shown


def _cut_midway(near: _Shown, far: _Shown) -> None:
    """Cut two images where both show the same columns of a row, in place; one that lies inside the other is hidden."""
    both = np.flatnonzero((near.line >= 0) & (far.line >= 0) & (far.start < near.stop) & (near.start < far.stop))
    for a, b in ((near, far), (far, near)):
        overlap = both[(a.start[both] < b.start[both]) & (a.stop[both] < b.stop[both])]
        cut = (b.start[overlap] + a.stop[overlap]) // 2
        inside = both[(a.start[both] <= b.start[both]) & (a.stop[both] >= b.stop[both])]
        a.stop[overlap] = b.start[overlap] = cut
        b.stop[inside] = b.start[inside]
        both = np.setdiff1d(both, [*overlap, *inside])


def _pieces(shown: _Shown) -> tuple[Piece, ...]:
    rows = np.flatnonzero((shown.line >= 0) & (shown.start < shown.stop))
    if not rows.size:
        return ()
    line, start, stop = (values[rows] for values in shown)
    ends = (np.diff(rows) != 1) | (np.diff(line) != 1) | (np.diff(start) != 0) | (np.diff(stop) != 0)
    edges = [0, *(np.flatnonzero(ends) + 1).tolist(), rows.size]
    return tuple(
        Piece(int(rows[a]), int(rows[b - 1]) + 1, int(start[a]), int(stop[a]), int(line[a])) for a, b in pairwise(edges)
    )
