"""Stripes of a mask: what one emission leaves in one sub-swath, however many pieces the mask shows of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

ROW_GAP_PX, COL_GAP_PX = 2, 20
"""Gaps up to these belong to a stripe: dashes of one row are one stripe to who draws boxes. A choice: in the
quick-looks that were looked at, pieces of a stripe lie 1 to 10 pixels apart, dots that were boxed one by one 18 and
more."""

WIDTH_POWER = 0.3
"""How much the width of a stripe counts in its rank: wide ones are seldom false. From 0.15 to 0.5 average precision
hardly changes; without it, it is lower by a tenth."""


def split_stripes(marked: NDArray[np.bool_]) -> Iterator[tuple[slice, slice]]:
    """Split a mask of one sub-swath, (H, W), between gaps wider than `ROW_GAP_PX` and `COL_GAP_PX`.

    Yields:
        Rows and columns of each part.
    """
    for rows in _runs(np.asarray(marked.any(axis=1)), ROW_GAP_PX):
        for cols in _runs(np.asarray(marked[rows].any(axis=0)), COL_GAP_PX):
            yield rows, cols


def label_stripes(
    rfi_mask: NDArray[np.bool_], seams_px: Sequence[int], min_area_px: int = 1
) -> tuple[NDArray[np.int32], int]:
    """Number the stripes of a mask.

    Args:
        rfi_mask: True = RFI, shape (H, W).
        seams_px: First columns of the sub-swaths but the first, ascending: no stripe lies on both sides of one.
        min_area_px: Parts with fewer pixels are no stripe.

    Returns:
        Labels, shape (H, W), 0 = none, 1 and up; and their count.
    """
    labels = np.zeros(rfi_mask.shape, np.int32)
    count = 0
    for first, stop in pairwise([0, *seams_px, rfi_mask.shape[1]]):
        swath, numbers = rfi_mask[:, first:stop], labels[:, first:stop]
        for part in split_stripes(swath):
            pixels = swath[part]
            if pixels.sum() >= min_area_px:
                count += 1
                numbers[part][pixels] = count
    return labels, count


def rank_stripes(
    mean_scores: NDArray[np.float64], widths_px: NDArray[np.float64], threshold: float
) -> NDArray[np.float64]:
    """What stripes are ranked by: their mean score over the threshold, times a power of their width; shape (N,)."""
    return np.asarray((mean_scores - threshold) * widths_px**WIDTH_POWER)


def _runs(occupied: NDArray[np.bool_], gap: int) -> list[slice]:
    """The runs of a row of flags that gaps of more than ``gap`` separate."""
    where = np.flatnonzero(occupied)
    if not where.size:
        return []
    breaks = np.flatnonzero(np.diff(where) > gap + 1)
    starts, ends = np.append(where[0], where[breaks + 1]), np.append(where[breaks], where[-1])
    return [slice(int(a), int(b) + 1) for a, b in zip(starts, ends, strict=True)]
