"""Where tiles lie in a scene, how they are cut, and how tile results are stitched without seams."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import DTypeLike, NDArray

WEIGHT_FLOOR = 1e-3
"""Smallest weight of a tile pixel along one axis: positive, so that a pixel seen by one tile only keeps its value."""


class Window(NamedTuple):
    """A pixel rectangle of a scene, with rasterio's field names.

    Attributes:
        col_off: First column, in pixels, >= 0.
        row_off: First row, in pixels, >= 0.
        width: Columns, in pixels, >= 1.
        height: Rows, in pixels, >= 1.
    """

    col_off: int
    row_off: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and the columns: ``array[..., *window.slices]`` is what lies in the window."""
        rows = slice(self.row_off, self.row_off + self.height)
        return rows, slice(self.col_off, self.col_off + self.width)


def plan_windows(
    height_px: int, width_px: int, tile_shape: tuple[int, int] = (340, 500), overlap: float = 0.25
) -> list[Window]:
    """Plan the fewest windows that cover every pixel of a scene with at least the wanted overlap.

    All windows lie inside the scene and have the full size of a tile. They are spread evenly, so that what is left over
    at the right and at the bottom widens every overlap a little instead of the last one a lot. Along an axis on which
    the scene is smaller than a tile there is one window, as long as the scene.

    Args:
        height_px: Rows of the scene, >= 1.
        width_px: Columns of the scene, >= 1.
        tile_shape: Rows and columns of a tile, each >= 1.
        overlap: Share of a tile that its neighbour sees too, in [0, 1).

    Returns:
        Windows, row by row from the top left.

    Raises:
        ValueError: If a size is below 1 or the overlap lies outside [0, 1).
    """
    if min(height_px, width_px, *tile_shape) < 1:
        raise ValueError(f"sizes must be at least 1 px: scene {height_px} x {width_px}, tile {tile_shape}")
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must lie in [0, 1), not {overlap}")
    height, width = min(height_px, tile_shape[0]), min(width_px, tile_shape[1])
    row_offsets = _offsets(height_px, height, overlap)
    col_offsets = _offsets(width_px, width, overlap)
    return [Window(col_off, row_off, width, height) for row_off in row_offsets for col_off in col_offsets]


def _offsets(scene_px: int, tile_px: int, overlap: float) -> list[int]:
    """Offsets of the windows along one axis, from 0 to ``scene_px - tile_px``."""
    # the whole-pixel step keeps rounded offsets from lying farther apart than a tile is long
    step = max(1, int(tile_px * (1 - overlap) + 1e-9))
    count = ceil((scene_px - tile_px) / step) + 1
    return [int(offset) for offset in np.linspace(0, scene_px - tile_px, count).round()]


def cut_tile(
    array: NDArray[Any],
    window: Window,
    tile_shape: tuple[int, int] = (340, 500),
    mode: Literal["reflect", "constant"] = "reflect",
    constant: float = 0,
) -> NDArray[Any]:
    """Cut the tile of a window out of a scene, padded at the right and at the bottom where the window is smaller.

    Args:
        array: Scene, shape (..., H, W), any dtype.
        window: Where to cut; not larger than a tile.
        tile_shape: Rows and columns of a tile, (h, w).
        mode: ``reflect`` mirrors the scene about its border, as often as it takes; ``constant`` fills.
        constant: What ``constant`` fills with.

    Returns:
        Tile, shape (..., h, w), dtype of the scene. A view of the scene where nothing is padded.
    """
    tile = array[..., *window.slices]
    missing = (tile_shape[0] - window.height, tile_shape[1] - window.width)
    if missing == (0, 0):
        return tile
    pad_width = [(0, 0)] * (array.ndim - 2) + [(0, missing[0]), (0, missing[1])]
    if mode == "constant":
        return np.pad(tile, pad_width, mode="constant", constant_values=constant)
    # "symmetric" repeats the border pixel and thereby works down to a window of one pixel
    return np.pad(tile, pad_width, mode="symmetric")


class Stitcher:
    """Join overlapping tiles into a scene by a weighted mean that fades every tile out towards its border.

    Example:
        >>> stitcher = Stitcher((2, *scene.shape))
        >>> for window in plan_windows(*scene.shape):
        ...     stitcher.add(window, reconstruct(cut_tile(scene, window)))
        >>> reconstruction = stitcher.result()
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> None:
        """Start an empty scene.

        Args:
            shape: Shape of the scene, (..., H, W).
            dtype: Floating dtype of the sums and of the result.
        """
        self._weighted_sum = np.zeros(shape, dtype)
        self._weight_sum = np.zeros(shape[-2:], dtype)

    def add(self, window: Window, tile: NDArray[Any]) -> None:
        """Add a tile.

        Args:
            window: Where the tile lies in the scene.
            tile: Values, shape (..., h, w) with h and w of at least the window's size; what exceeds the window at the
                bottom and at the right is padding, and is ignored. A NaN makes the pixel NaN in the result.
        """
        weight = fade(window)
        self._weighted_sum[..., *window.slices] += tile[..., : window.height, : window.width] * weight
        self._weight_sum[window.slices] += weight

    def result(self) -> NDArray[Any]:
        """The stitched scene, shape (..., H, W); NaN where no tile was added."""
        stitched = np.full_like(self._weighted_sum, np.nan)
        np.divide(self._weighted_sum, self._weight_sum, out=stitched, where=self._weight_sum > 0)
        return stitched


def fade(window: Window) -> NDArray[np.float32]:
    """Weight of each pixel of a tile in the weighted mean, shape (h, w), > 0."""
    return _fade(window.height)[:, None] * _fade(window.width)


@lru_cache(maxsize=8)
def _fade(length_px: int) -> NDArray[np.float32]:
    """Raised cosine over a tile's side: highest in the middle, ``WEIGHT_FLOOR`` and a little more at both ends."""
    phase = np.pi * (np.arange(length_px) + 0.5) / length_px
    weight = (WEIGHT_FLOOR + (1 - WEIGHT_FLOOR) * np.sin(phase) ** 2).astype(np.float32)
    weight.flags.writeable = False
    return weight
