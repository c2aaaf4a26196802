"""The flagged pixels of a scene, given by row and column, and how its regions are measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import rasterio.features

from rfiscan.detections.connectivity import connected_regions
from rfiscan.detections.stripes import rank_stripes

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

Ring = tuple[tuple[int, int], ...]
"""Closed line of pixel corners (col, row); the first one is repeated at the end."""

Polygon = tuple[Ring, ...]
"""Exterior ring first, then the rings of its holes."""

RAGGED = 0.1
"""A stripe fades into single pixels: rows (and columns) at the ends of a region lie outside its box if they hold at
most this share of the pixels that a full one holds, the 0.9 quantile over its rows (columns). Of 0, 0.05, 0.1, 0.15,
0.2 and 0.25 this gave the best boxes over 270 simulated scenes."""


SHEET_PX = 1024
"""Least width, and greatest height where no region is higher, of the sheets that outlines are traced on."""


@dataclass(frozen=True, kw_only=True)
class FlaggedPixels:
    """Pixels of a scene above a threshold, from the top left, row by row.

    Attributes:
        rows: Row of each, shape (P,).
        cols: Column of each, shape (P,).
        evidence: Score of each polarization, shape (2, P); NaN where that is invalid.
        excess_db: Scene minus reconstruction of each polarization in dB, shape (2, P).
    """

    rows: NDArray[np.integer]
    cols: NDArray[np.integer]
    evidence: NDArray[np.floating[Any]]
    excess_db: NDArray[np.floating[Any]]

    @property
    def anomaly(self) -> NDArray[np.floating[Any]]:
        """The larger score of each pixel, shape (P,)."""
        return np.asarray(np.fmax(*self.evidence))

    def only(self, chosen: NDArray[np.bool_]) -> FlaggedPixels:
        """Those that are chosen, shape (P,)."""
        return FlaggedPixels(
            rows=self.rows[chosen],
            cols=self.cols[chosen],
            evidence=self.evidence[:, chosen],
            excess_db=self.excess_db[:, chosen],
        )


def in_large_regions(rows: NDArray[np.integer], cols: NDArray[np.integer], min_area_px: int) -> NDArray[np.bool_]:
    """Tell which flagged pixels lie in regions, 8-connected, of at least so many; see `FlaggedPixels`; shape (P,)."""
    regions = connected_regions(rows, cols, diagonally=True)
    return np.asarray((np.bincount(regions) >= min_area_px)[regions])


class PixelRegions:
    """The pixels of all regions, sorted by region, so that one pass measures thousands of them.

    Args:
        rows: Row of each pixel, shape (P,), ascending.
        cols: Column of each, ascending within a row.
        numbers: Region of each, 1 and up without gaps.

    Attributes:
        of_pixel: Region of each sorted pixel, from 0, ascending, shape (P,).
        area_px: Pixels of each region, shape (R,).
    """

    def __init__(self, rows: NDArray[np.integer], cols: NDArray[np.integer], numbers: NDArray[np.integer]) -> None:
        self._order = np.argsort(numbers, kind="stable")
        self._rows, self._cols = rows[self._order], cols[self._order]
        self.of_pixel = numbers[self._order] - 1
        self.area_px = np.bincount(self.of_pixel)
        self._ends = np.cumsum(self.area_px)
        self._starts = self._ends - self.area_px

    @cached_property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """Box (x, y, width, height) around each region but its ragged ends."""
        return self.boxes_around(np.zeros(self.of_pixel.size, np.bool_))

    def boxes_around(self, chosen: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
        """Box (x, y, width, height) around the chosen pixels (P,) of each region, or all of it, but its ragged ends."""
        found, chosen = [], chosen[self._order]
        for start, stop in zip(self._starts, self._ends, strict=True):
            part = np.flatnonzero(chosen[start:stop]) if chosen[start:stop].any() else slice(None)
            (top, after), (left, beyond) = (_solid_span(at[start:stop][part]) for at in (self._rows, self._cols))
            found.append((left, top, beyond - left, after - top))
        return found

    def maximum(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Largest value (..., P) of each region, shape (..., R); NaN where it has none."""
        maximum: NDArray[np.floating[Any]] = np.fmax.reduceat(values[..., self._order], self._starts, axis=-1)
        return maximum

    def mean(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Mean value (P,) of each region, shape (R,); NaN where it has none."""
        ordered = values[self._order]
        known = ~np.isnan(ordered)
        total = np.bincount(self.of_pixel[known], weights=ordered[known], minlength=self.area_px.size)
        number = np.bincount(self.of_pixel[known], minlength=self.area_px.size)
        mean = np.full(self.area_px.size, np.nan)
        np.divide(total, number, out=mean, where=number > 0)
        return mean

    def ranks(self, anomaly: NDArray[np.floating[Any]], threshold: float, col_spacing_m: float) -> NDArray[np.float64]:
        """Rank of each region by the score (P,) of its pixels, shape (R,): see `rank_stripes`."""
        widths_px = np.array([width for _, _, width, _ in self.boxes], float)
        return rank_stripes(self.mean(anomaly), widths_px * col_spacing_m, threshold)

    def outlines(self) -> list[list[Polygon]]:
        """Polygons of each region, in pixel corners."""
        found: dict[int, list[Polygon]] = defaultdict(list)
        in_rows = np.lexsort((self._cols, self._rows))
        rows, cols, region = self._rows[in_rows], self._cols[in_rows], self.of_pixel[in_rows]
        # 4-connected parts have simple rings; an 8-connected part would touch itself where pixels meet at a corner
        parts = _parts_of_one_region(rows, cols, region)
        order = np.argsort(parts, kind="stable")
        owner = region[order[np.append(True, np.diff(parts[order]) != 0)]]
        for number, outline in zip(owner, _outlines(rows[order], cols[order], parts[order]), strict=True):
            found[int(number)].append(outline)
        return [found[number] for number in range(self.area_px.size)]


def _solid_span(at: NDArray[np.integer]) -> tuple[int, int]:
    """First row (column) of a region that is not ragged, and the one after the last."""
    first = int(at.min())
    filled = np.bincount(at - first)
    kept = np.flatnonzero(filled > RAGGED * np.quantile(filled[filled > 0], 0.9))
    return first + int(kept[0]), first + int(kept[-1]) + 1


def _parts_of_one_region(
    rows: NDArray[np.integer], cols: NDArray[np.integer], region: NDArray[np.integer]
) -> NDArray[np.int32]:
    """Number the 4-connected parts of regions, none of which reaches into another that it touches; shape (P,)."""
    order = np.lexsort((cols, rows, region))
    # regions may touch: each is moved below the ones before
    apart = (rows.astype(np.int64) + region.astype(np.int64) * (int(rows.max()) + 2))[order]
    parts = np.empty(rows.size, np.int32)
    parts[order] = connected_regions(apart, cols[order], diagonally=False)
    return parts


def _outlines(rows: NDArray[np.integer], cols: NDArray[np.integer], parts: NDArray[np.int32]) -> list[Polygon]:
    """Outlines of 4-connected parts, given by their pixels in the order of their numbers, from 0."""
    starts = np.flatnonzero(np.append(True, np.diff(parts) != 0))
    tops, lefts = np.minimum.reduceat(rows, starts), np.minimum.reduceat(cols, starts)
    heights = np.maximum.reduceat(rows, starts) - tops + 1
    widths = np.maximum.reduceat(cols, starts) - lefts + 1
    ends = np.append(starts[1:], rows.size)
    outlines: dict[int, Polygon] = {}
    for sheet in _sheets(heights, widths):
        # parts far from each other are traced on one small sheet: each call of GDAL costs more than many small parts
        image = np.zeros((sheet.height, sheet.width), np.int32)
        for part, top, left in sheet.places:
            pixels = slice(starts[part], ends[part])
            image[rows[pixels] - tops[part] + top, cols[pixels] - lefts[part] + left] = part + 1
        moved = {part: (int(lefts[part]) - left, int(tops[part]) - top) for part, top, left in sheet.places}
        for geometry, label in rasterio.features.shapes(image, mask=image > 0, connectivity=4):
            right, down = moved[int(label) - 1]
            outlines[int(label) - 1] = tuple(
                tuple((int(col) + right, int(row) + down) for col, row in ring) for ring in geometry["coordinates"]
            )
    return [outlines[part] for part in range(starts.size)]


class _Sheet(NamedTuple):
    """A sheet (height, width) that parts are laid on, and where: number, top and left of each."""

    height: int
    width: int
    places: list[tuple[int, int, int]]


def _sheets(heights: NDArray[np.integer], widths: NDArray[np.integer]) -> Iterator[_Sheet]:
    """Lay boxes on sheets, row by row from the highest to the lowest, a pixel apart, so that little stays empty."""
    places: list[tuple[int, int, int]] = []
    width = max(SHEET_PX, int(widths.max()) + 1)
    top, left, shelf = 0, 0, 0
    for part in np.argsort(-heights, kind="stable").tolist():
        if left + widths[part] > width:
            top, left, shelf = top + shelf, 0, 0
        if places and left == 0 and top + heights[part] > SHEET_PX:
            yield _Sheet(top, width, places)
            places, top = [], 0
        places.append((part, top, left))
        left, shelf = left + int(widths[part]) + 1, max(shelf, int(heights[part]) + 1)
    yield _Sheet(top + shelf, width, places)
