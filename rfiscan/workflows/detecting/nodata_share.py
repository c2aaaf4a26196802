"""The share of a scene that holds no data, counted in some of its rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from rfiscan.scenes.scene import Scene

WHOLE_PX = 4_000_000
"""A choice: a scene of at most so many pixels, as any quick-look is, is read whole."""
SAMPLED_ROWS = 64
"""A choice: of a larger one, so many rows are read, each in the middle of a strip of equal height; what is narrower
than such a strip may be missed."""


def nodata_share(scene: Scene) -> dict[str, Any]:
    """Count the pixels that no polarization has data of.

    Args:
        scene: The scene; it is left open.

    Returns:
        `share` (0..1), `rows_read`, and whether it is an `estimate` because not all rows were read.

    Raises:
        SceneError: The scene cannot be read.
    """
    height, width = scene.shape
    count = min(SAMPLED_ROWS, height)
    middles = ((np.arange(count) + 0.5) * height / count).astype(int).tolist()
    spans = [(0, height)] if height * width <= WHOLE_PX else [(row, row + 1) for row in middles]
    valid_px = 0
    for start, stop in spans:
        _, valid = scene.read_rows(start, stop)
        valid_px += int(valid.any(axis=0).sum())
    rows_read = sum(stop - start for start, stop in spans)
    return {
        "share": 1 - valid_px / (rows_read * width),
        "rows_read": rows_read,
        "estimate": rows_read < height,
    }
