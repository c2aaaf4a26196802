"""Pictures of training: what went in, what was hidden, what came out, and the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rfiscan.export.png import write_png

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHOWN_RANGE = (-1.5, 3.0)
"""Standardised values shown from black to white."""
ERROR_RANGE = 2.0
"""Absolute standardised error shown as white."""
SEPARATOR_PX = 4


def write_tile_pictures(
    path: Path,
    tiles: NDArray[np.float32],
    hidden: NDArray[np.bool_],
    reconstruction: NDArray[np.float32],
) -> None:
    """Write a PNG with one row a tile and polarization: original, masked input, reconstruction, absolute error.

    Args:
        path: File to write.
        tiles: Standardised tiles, shape (N, 2, h, w).
        hidden: Pixels that the network did not see, shape (N, 1, h, w); drawn dark blue.
        reconstruction: Standardised reconstruction, shape (N, 2, h, w).

    Raises:
        OutputError: If the file cannot be written.
    """
    rows = []
    for tile, mask, mean in zip(tiles, hidden[:, 0], reconstruction, strict=True):
        for original, expected in zip(tile, mean, strict=True):
            masked = _grey(original, *SHOWN_RANGE)
            masked[mask] = (17, 24, 46)
            panels = [
                _grey(original, *SHOWN_RANGE),
                masked,
                _grey(expected, *SHOWN_RANGE),
                _grey(np.abs(original - expected), 0.0, ERROR_RANGE),
            ]
            rows.append(np.concatenate([_framed(panel) for panel in panels], axis=1))
    write_png(path, np.concatenate(rows, axis=0))


def _grey(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    level = (np.clip((values - low) / (high - low), 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.repeat(level[:, :, None], 3, axis=2)


def _framed(panel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.pad(panel, ((0, SEPARATOR_PX), (0, SEPARATOR_PX), (0, 0)), constant_values=236)
