"""Values of a grid of pixels at fractional positions. (0.5, 0.5) is the centre of the first pixel."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Code = TypeVar("Code", bound=np.generic)


def nearest_values(values: NDArray[Code], rows: Floats, cols: Floats, outside: int) -> NDArray[Code]:
    """The value of the pixel that each position lies in.

    Args:
        values: Shape (H, W).
        rows: Rows of the positions, any shape; NaN for what lies nowhere.
        cols: Their columns, same shape.
        outside: Value of positions that lie in no pixel.
    """
    row, col, inside = _pixel_of(rows, cols, values.shape)
    return np.where(inside, values[row, col], values.dtype.type(outside))


def bilinear_values(values: NDArray[np.floating[Any]], rows: Floats, cols: Floats) -> NDArray[np.float32]:
    """The bilinear mean of the pixels around each position, over those that hold a number.

    Args:
        values: Shape (H, W); NaN where invalid.
        rows: Rows of the positions, any shape; NaN for what lies nowhere.
        cols: Their columns, same shape.

    Returns:
        Values in the shape of the positions; NaN where a position lies in an invalid pixel or in none, so that it holds
        a number where a mask holds a code.
    """
    height, width = values.shape
    row, col, inside = _pixel_of(rows, cols, values.shape)
    inside &= np.isfinite(values[row, col])
    top = np.clip(np.nan_to_num(rows) - 0.5, 0.0, height - 1.0)
    left = np.clip(np.nan_to_num(cols) - 0.5, 0.0, width - 1.0)
    row, col = top.astype(np.intp), left.astype(np.intp)
    down, right = (top - row).astype(np.float32), (left - col).astype(np.float32)
    total, weights = np.zeros(rows.shape, np.float32), np.zeros(rows.shape, np.float32)
    for row_step, by_row in ((0, 1 - down), (1, down)):
        for col_step, by_col in ((0, 1 - right), (1, right)):
            value = values[np.minimum(row + row_step, height - 1), np.minimum(col + col_step, width - 1)]
            weight = np.where(np.isfinite(value), by_row * by_col, np.float32(0.0))
            total += weight * np.nan_to_num(value)
            weights += weight
    mean = np.full(rows.shape, np.nan, np.float32)
    np.divide(total, weights, out=mean, where=inside & (weights > 0))
    return mean


def _pixel_of(
    rows: Floats, cols: Floats, shape: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Row and column of the pixel that each position lies in, 0 where it lies in none; and whether it lies in one."""
    height, width = shape
    with np.errstate(invalid="ignore"):
        inside = np.asarray((rows >= 0) & (rows < height) & (cols >= 0) & (cols < width))
    row = np.where(inside, rows, 0.0).astype(np.intp)
    return row, np.where(inside, cols, 0.0).astype(np.intp), inside
