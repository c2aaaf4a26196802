"""Ground control points of a merged SLC: those of its sub-swaths, filled up to one complete grid.

The geolocation grid of a sub-swath has points at the first line of each burst, and bursts of the sub-swaths begin at
different times. So each grid is interpolated at the rows of all of them: the union has every row and every column, and
at the points of an annotation, within the columns that show its sub-swath, it is that annotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rfiscan.scenes.georeferencing import Georeferencing, control_points

_LEAST_STEP = 1e-4
"""Rows and columns of points nearer to each other than this share of the grid are one: they would not be told apart."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedImage:
    """One sub-swath on the merged grid.

    Attributes:
        georeferencing: Of its image; GCPs at lines and samples.
        lines: First line of each burst in the image.
        rows: Row of the merged grid at which that line lies.
        col: Column of the merged grid at which the image's first sample lies.
        shown_cols: First column that the merged grid shows of it, and the one after the last.
    """

    georeferencing: Georeferencing
    lines: tuple[int, ...]
    rows: tuple[int, ...]
    col: int
    shown_cols: tuple[int, int]

    def on_grid(self) -> Georeferencing:
        """Return its GCPs in rows and columns of the merged grid.

        A point is of the burst that its line is in. Its line, not its azimuth time, tells the row: in real products the
        two differ by 0.1 lines.
        """
        order = np.argsort(self.lines)
        lines, rows = np.array(self.lines)[order], np.array(self.rows)[order]
        moved = []
        for point in self.georeferencing.gcps:
            burst = max(int(np.searchsorted(lines, point.row, side="right")) - 1, 0)
            moved.append((point.row + float(rows[burst] - lines[burst]), point.col + self.col))
        gcps = self.georeferencing.gcps
        return replace(
            self.georeferencing,
            gcps=tuple(
                type(p)(row=row, col=col, x=p.x, y=p.y, z=p.z, id=p.id)
                for p, (row, col) in zip(gcps, moved, strict=True)
            ),
        )


def merged_control_points(images: Sequence[PlacedImage], shape: tuple[int, int]) -> Georeferencing:
    """Return GCPs of the merged grid, at the rows of all sub-swaths and the columns of each where it is shown.

    Where a sub-swath has no bursts at a row, at the first and last rows, its points are extrapolated.

    Args:
        images: From near to far range.
        shape: (rows, columns) of the merged grid.
    """
    known = [(image, image.on_grid()) for image in images if image.georeferencing.kind == "gcps"]
    if not known:
        return Georeferencing()
    rows = _thinned([point.row for _, georeferencing in known for point in georeferencing.gcps], shape[0])
    edges = _meeting_columns([image for image, _ in known])
    parts: list[tuple[Floats, Floats, Floats]] = []
    for (_, georeferencing), left, right in zip(known, edges[:-1], edges[1:], strict=True):
        own = _thinned([*(point.col for point in georeferencing.gcps), left], shape[1])
        cols = own[(own >= left) & (own < right)]
        lonlat = georeferencing.to_lonlat(*np.meshgrid(cols, rows))
        if lonlat is None or not cols.size:
            continue
        parts.append((cols, *lonlat))
    if not parts:
        return Georeferencing()
    cols, lon, lat = (np.concatenate([part[i] for part in parts], axis=-1) for i in range(3))
    kept = np.isin(cols, _thinned(cols.tolist(), shape[1]))
    cols, lon, lat = cols[kept], lon[:, kept], lat[:, kept]
    return control_points(*np.meshgrid(rows, cols, indexing="ij"), lon, lat)


def _meeting_columns(images: Sequence[PlacedImage]) -> list[float]:
    """Columns where sub-swaths begin, and no limit beyond the first and the last."""
    between = [0.5 * (near.shown_cols[1] + far.shown_cols[0]) for near, far in pairwise(images)]
    return [-np.inf, *between, np.inf]


def _thinned(values: Sequence[float], extent: int) -> Floats:
    """Return distinct values, ascending, without those that lie too near to the one before."""
    finite = np.unique([value for value in values if np.isfinite(value)])
    kept = [finite[0]]
    for value in finite[1:]:
        if value - kept[-1] > max(_LEAST_STEP * extent, 0.5):
            kept.append(value)
    return np.array(kept)
