"""Stripes of a mask: what one emission leaves in one sub-swath, however many pieces the mask shows of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.errors import UsageError

ROW_GAP_M, COL_GAP_M = 1000.0, 10_000.0
"""Gaps up to these belong to a stripe: dashes of one row are one stripe to who draws boxes. A choice: in the
quick-looks that were looked at, pieces of a stripe lie 0.5 to 5 km apart, dots that were boxed one by one 9 km and
more."""

SLIVER_M = 5000.0
"""What reaches less far over a seam belongs to the stripe on the other side: seams are not found to the pixel, and the
evidence is not sharp to it either. A choice."""
TOUCH_PX = 1
"""Columns between a seam and what touches it. A choice."""

FALSE_STRIPES = 0.1
"""Stripes that a scene without interference may show on average, where no other number is asked for. A choice: 0.3
would find 2 to 6 % more of the true ones, and show twice to four times as many false (docs/accuracy.md, section 33)."""

WIDTH_POWER = 0.3
"""How much the width of a stripe counts in its rank: wide ones are seldom false. From 0.15 to 0.5 average precision
hardly changes; without it, it is lower by a tenth."""
WIDTH_UNIT_M = 500.0
"""A stripe of this width ranks by its mean score alone: a pixel of the bundled models, whatever the working grid."""


def gaps_px(spacing_m: tuple[float, float]) -> tuple[int, int]:
    """Rows and columns of the largest gaps within a stripe, for metres between rows and between columns."""
    return round(ROW_GAP_M / spacing_m[0]), round(COL_GAP_M / spacing_m[1])


def split_stripes(marked: NDArray[np.bool_], gaps: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Split a mask of one sub-swath, (H, W), between wider gaps than these: by rows, and each part by columns.

    Yields:
        Rows and columns of each part.
    """
    for rows in _runs(np.asarray(marked.any(axis=1)), gaps[0]):
        for cols in _runs(np.asarray(marked[rows].any(axis=0)), gaps[1]):
            yield rows, cols


def label_stripes(
    rfi_mask: NDArray[np.bool_], seams_px: Sequence[int], spacing_m: tuple[float, float]
) -> NDArray[np.int32]:
    """Number the stripes of a mask.

    Args:
        rfi_mask: True = RFI, shape (H, W).
        seams_px: First columns of the sub-swaths but the first, ascending: no stripe lies on both sides of one, but for
            a sliver of less than `SLIVER_M`.
        spacing_m: Metres between rows and between columns.

    Returns:
        Labels, shape (H, W), 0 = none, 1 and up without gaps.
    """
    labels = np.zeros(rfi_mask.shape, np.int32)
    rows, cols = np.nonzero(rfi_mask)
    labels[rows, cols] = number_stripes(rows, cols, rfi_mask.shape[1], seams_px, spacing_m)
    return labels


def number_stripes(
    rows: NDArray[np.integer],
    cols: NDArray[np.integer],
    width_px: int,
    seams_px: Sequence[int],
    spacing_m: tuple[float, float],
) -> NDArray[np.int32]:
    """Number the stripes of a mask whose pixels are given by row and column, however large the grid is.

    Args:
        rows: Row of each flagged pixel, shape (P,), ascending.
        cols: Column of each, ascending within a row.
        width_px: Columns of the grid.
        seams_px: As in `label_stripes`.
        spacing_m: Metres between rows and between columns.

    Returns:
        Stripe of each pixel, shape (P,), 1 and up without gaps.
    """
    numbers = np.zeros(rows.size, np.int32)
    gaps, count = gaps_px(spacing_m), 0
    for first, stop in pairwise([0, *seams_px, width_px]):
        for part in _parts(np.flatnonzero((cols >= first) & (cols < stop)), rows, cols, gaps):
            count += 1
            numbers[part] = count
    return _join_slivers(numbers, rows, cols, seams_px, SLIVER_M / spacing_m[1])


def rank_stripes(
    mean_scores: NDArray[np.floating[Any]], widths_m: NDArray[np.float64], threshold: float
) -> NDArray[np.float64]:
    """What stripes are ranked by: their mean score over the threshold, times a power of their width; shape (N,)."""
    return np.asarray((mean_scores - threshold) * (widths_m / WIDTH_UNIT_M) ** WIDTH_POWER)


def least_rank_at(
    ranks: Mapping[float, Mapping[float, float]], far: float, false_stripes: float | None, owner: str
) -> float:
    """What stripes must outrank so that clean scenes show no more than so many on average.

    Args:
        ranks: Calibration: false-alarm rate of pixels -> false stripes a scene -> least rank.
        far: The false-alarm rate of pixels, one that thresholds are calibrated for.
        false_stripes: Stripes that a clean scene may show on average, > 0; None for `FALSE_STRIPES`, or the nearest
            number that is calibrated.
        owner: Whose calibration it is, for the message.

    Returns:
        Least rank, interpolated over the logarithms of both rates; 0, which every stripe outranks, where there is no
        calibration.

    Raises:
        UsageError: If a number of false stripes is asked for that lies outside the calibrated range.
    """
    if not ranks:
        if false_stripes is not None:
            raise UsageError(f"{owner} is not calibrated for false stripes", hint="Leave out --false-stripes.")
        return 0.0
    fars = sorted(ranks)
    at_each = []
    for each in fars:
        rates = sorted(ranks[each])
        if false_stripes is not None and not rates[0] <= false_stripes <= rates[-1]:
            span = f"{rates[0]:g} to {rates[-1]:g}"
            raise UsageError(f"{owner} is calibrated for {span} false stripes a scene, not for {false_stripes:g}")
        at_each.append(
            np.interp(np.log10(false_stripes or FALSE_STRIPES), np.log10(rates), [ranks[each][rate] for rate in rates])
        )
    return float(np.interp(np.log10(far), np.log10(fars), at_each))


def _join_slivers(
    numbers: NDArray[np.int32],
    rows: NDArray[np.integer],
    cols: NDArray[np.integer],
    seams_px: Sequence[int],
    narrow_px: float,
) -> NDArray[np.int32]:
    """Give what touches a seam and is narrower than this the number of the widest stripe that touches it beyond."""
    boxes, areas = _boxes(numbers, rows, cols), np.bincount(numbers)[1:]
    beyond: dict[int, set[int]] = defaultdict(set)  # of each sliver
    for seam in seams_px:
        left = [i for i, (_, cols) in enumerate(boxes) if seam - TOUCH_PX <= cols.stop <= seam]
        right = [i for i, (_, cols) in enumerate(boxes) if seam <= cols.start <= seam + TOUCH_PX]
        for i, j in [*product(left, right), *product(right, left)]:
            if _length(boxes[i][1]) < narrow_px <= _length(boxes[j][1]) and _meet(boxes[i][0], boxes[j][0]):
                beyond[i].add(j)
    number = np.arange(len(boxes) + 1, dtype=np.int32)
    for sliver, wide in beyond.items():
        number[sliver + 1] = max(wide, key=lambda j: (_length(boxes[j][1]), areas[j])) + 1
    _, consecutive = np.unique(number, return_inverse=True)
    return np.asarray(consecutive.astype(np.int32)[numbers])


def _boxes(
    numbers: NDArray[np.int32], rows: NDArray[np.integer], cols: NDArray[np.integer]
) -> list[tuple[slice, slice]]:
    """Rows and columns of each stripe."""
    if not numbers.size:
        return []
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(numbers[order]) != 0))
    ends = [(np.minimum.reduceat(at[order], starts), np.maximum.reduceat(at[order], starts)) for at in (rows, cols)]
    spans = [[slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True)] for low, high in ends]
    return list(zip(*spans, strict=True))


def _length(span: slice) -> int:
    return int(span.stop - span.start)


def _meet(a: slice, b: slice) -> bool:
    return bool(a.start < b.stop and b.start < a.stop)


def _parts(
    part: NDArray[np.intp], rows: NDArray[np.integer], cols: NDArray[np.integer], gaps: tuple[int, int]
) -> Iterator[NDArray[np.intp]]:
    """Split pixels, and their parts again, until no part has a wider gap: what lies beside one no longer fills it.

    Args:
        part: Which of the pixels, ascending.
        rows: Rows of all pixels.
        cols: Columns of all pixels.
        gaps: Rows and columns of the largest gap within a part.

    Yields:
        Which of the pixels are in each part.
    """
    if not part.size:
        return
    split = [piece for band in _split(part, rows, gaps[0]) for piece in _split(band, cols, gaps[1])]
    if len(split) == 1:
        yield part
        return
    for piece in split:
        yield from _parts(piece, rows, cols, gaps)


def _split(part: NDArray[np.intp], position: NDArray[np.integer], gap: int) -> list[NDArray[np.intp]]:
    """Split pixels where their rows, or columns, leave a gap of more than ``gap``."""
    occupied = np.unique(position[part])
    ends = occupied[np.flatnonzero(np.diff(occupied) > gap + 1)]
    if not ends.size:
        return [part]
    run = np.searchsorted(ends, position[part], side="left")
    order = np.argsort(run, kind="stable")
    return np.split(part[order], np.flatnonzero(np.diff(run[order])) + 1)


def _runs(occupied: NDArray[np.bool_], gap: int) -> list[slice]:
    """The runs of a row of flags that gaps of more than ``gap`` separate."""
    where = np.flatnonzero(occupied)
    if not where.size:
        return []
    breaks = np.flatnonzero(np.diff(where) > gap + 1)
    starts, ends = np.append(where[0], where[breaks + 1]), np.append(where[breaks], where[-1])
    return [slice(int(a), int(b) + 1) for a, b in zip(starts, ends, strict=True)]
