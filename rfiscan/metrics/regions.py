"""Whether stripes of the truth were found, and how many of a mask have nothing to do with any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rfiscan.detections.regions import EIGHT_NEIGHBOURS

FOUND_SHARE = 0.05
"""Share of the pixels of a stripe that must be flagged for it to count as found. A choice: a stripe 400 pixels long
and 6 high needs 120 of its 2400, which noise does not give, and a faint one shows in patches only."""

NEAR_PX = 2
"""Distance up to which a stripe counts as touching the truth: the reach of the smoothing of scores. A choice."""


def flagged_shares(
    rfi_mask: NDArray[np.bool_], labels: NDArray[np.integer], valid: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    """Share of the valid pixels of each stripe that are flagged.

    Args:
        rfi_mask: True = flagged, shape (H, W).
        labels: Number of the stripe of each pixel, 0 = none, same shape.
        valid: True = valid, same shape.
        count: Largest number of a stripe.

    Returns:
        Shape (count,), from number 1 up; NaN where a stripe has no valid pixel.
    """
    area = np.bincount(labels[valid], minlength=count + 1)[1 : count + 1]
    flagged = np.bincount(labels[valid & rfi_mask], minlength=count + 1)[1 : count + 1]
    return np.asarray(np.divide(flagged, area, out=np.full(count, np.nan), where=area > 0))


def count_false_stripes(labels: NDArray[np.int32], truth: NDArray[np.bool_], near_px: int = NEAR_PX) -> int:
    """Count the stripes of a mask that have no pixel of the truth within ``near_px`` rows and columns.

    Args:
        labels: Number of the stripe of each pixel, 0 = none, 1 and up without gaps, shape (H, W).
        truth: True = interference, same shape.
        near_px: Distance in pixels, >= 0.
    """
    count = int(labels.max(initial=0))
    if not count or not truth.any():
        return count
    near = ndimage.binary_dilation(truth, EIGHT_NEIGHBOURS, iterations=near_px) if near_px else truth
    touching = np.unique(labels[near])
    return count - int(np.count_nonzero(touching))


def paint_boxes(boxes: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill boxes (N, 4) of x, y, width, height; a pixel that a box covers in part belongs to it. Shape (H, W)."""
    painted = np.zeros(shape, bool)
    for x, y, width, height in boxes:
        left, top = max(0, int(np.floor(x))), max(0, int(np.floor(y)))
        painted[top : int(np.ceil(y + height)), left : int(np.ceil(x + width))] = True
    return painted
