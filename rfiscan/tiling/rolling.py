"""Run a model over a scene whose rows come in bands: no more of it is in memory than one row of tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rfiscan.tiling.reconstruction import TileRuntime, run_tiles
from rfiscan.tiling.tiles import Window, cut_tile, fade, plan_windows

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

CHUNK_ROWS = 32
"""Rows that are given at a time: enough for NumPy to be quick, few enough for what is made of them to be small."""


class ReconstructedRows(NamedTuple):
    """Some rows of a scene and what networks make of them, shape (2, h, W) each; see `SceneReconstruction`.

    Attributes:
        standardised: The scene, 0 where invalid.
        valid: True = valid.
        mean: Reconstruction, standardised.
        scale: Log odds of interference if the model weighs, else the expected absolute deviation, > 0.
    """

    standardised: NDArray[np.float32]
    valid: NDArray[np.bool_]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]


def reconstruct_rows(
    runtime: TileRuntime,
    bands: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]],
    shape: tuple[int, int],
    *,
    tile_shape: tuple[int, int] = (340, 500),
    overlap: float = 0.25,
    batch: int = 4,
    on_tile: Callable[[int, int], None] | None = None,
) -> Iterator[ReconstructedRows]:
    """Reconstruct a scene as `reconstruct_scene` does, to rounding, in little memory.

    Args:
        runtime: Computes the networks.
        bands: Standardised values, 0 where invalid, and valid mask, shape (2, h, W), of rows from the top.
        shape: (H, W) of the scene.
        tile_shape: (h, w) of a tile in pixels.
        overlap: Share of a tile that it shares with its neighbour, 0 <= overlap < 1.
        batch: Tiles in one pass; those of one row of tiles go together.
        on_tile: Called with the numbers of tiles done and in all.

    Yields:
        Rows from the top to the bottom. They are views, and hold till the next ones are asked for.
    """
    windows = plan_windows(*shape, tile_shape, overlap)
    tile_rows = [(row_off, list(row)) for row_off, row in groupby(windows, key=lambda window: window.row_off)]
    stops = [row_off for row_off, _ in tile_rows[1:]] + [shape[0]]
    height = windows[0].height
    source = _RowWindow(bands, height, shape[1])
    sums = np.zeros((2, 2, height, shape[1]), np.float32)
    weights = np.zeros((height, shape[1]), np.float32)
    done = 0
    for (row_off, row), stop in zip(tile_rows, stops, strict=True):
        source.move(row_off)
        for start in range(0, len(row), batch):
            chosen = [Window(w.col_off, 0, w.width, w.height) for w in row[start : start + batch]]
            tiles, masks = (
                np.stack([cut_tile(a, w, tile_shape) for w in chosen]) for a in (source.values, source.valid)
            )
            mean, *others = run_tiles(runtime, tiles, masks)
            for window, *found in zip(chosen, mean, others[-1], strict=True):
                _add(sums, weights, window, found)
            done += len(chosen)
            if on_tile is not None:
                on_tile(done, len(windows))
        complete = stop - row_off
        for first in range(0, complete, CHUNK_ROWS):
            rows = np.s_[..., first : min(first + CHUNK_ROWS, complete), :]
            mean, scale = sums[rows] / weights[rows]  # every pixel lies in a tile
            yield ReconstructedRows(source.values[rows], source.valid[rows], mean, scale)
        for array in (*sums.reshape(-1, *sums.shape[-2:]), weights):
            _shift(array, complete)


def _add(
    sums: NDArray[np.float32], weights: NDArray[np.float32], window: Window, tiles: list[NDArray[np.float32]]
) -> None:
    """Add maps of a tile, shape (2, h, w) each, as `rfiscan.tiling.tiles.Stitcher` does."""
    weight = fade(window)
    for total, tile in zip(sums, tiles, strict=True):
        total[:, *window.slices] += tile[:, : window.height, : window.width] * weight
    weights[window.slices] += weight


def _shift(array: NDArray[Any], rows: int) -> None:
    """Move the rows of an array (h, W) up, and fill what gets free with zeros; in place and with little memory."""
    kept = len(array) - rows
    for first in range(0, kept, rows):
        stop = min(first + rows, kept)
        array[first:stop] = array[first + rows : stop + rows]
    array[kept:] = 0


class _RowWindow:
    """The rows of a scene that one row of tiles needs.

    Attributes:
        values: Shape (2, h, W).
        valid: Same shape.
    """

    def __init__(
        self, bands: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]], height_px: int, width_px: int
    ) -> None:
        self._bands = iter(bands)
        self._left: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None
        self.values = np.zeros((2, height_px, width_px), np.float32)
        self.valid = np.zeros((2, height_px, width_px), np.bool_)
        self._first, self._filled = 0, 0

    def move(self, first_row: int) -> None:
        """Begin at another row, not above the last one, and read what that brings into view."""
        step, height = first_row - self._first, self.values.shape[1]
        if step:
            for array in (*self.values, *self.valid):
                _shift(array, step)
        self._first, self._filled = first_row, self._filled - step
        while self._filled < height:
            values, valid = self._left or next(self._bands)
            taken = min(height - self._filled, values.shape[1])
            rows = slice(self._filled, self._filled + taken)
            self.values[:, rows], self.valid[:, rows] = values[:, :taken], valid[:, :taken]
            self._left = (values[:, taken:], valid[:, taken:]) if taken < values.shape[1] else None
            self._filled += taken
