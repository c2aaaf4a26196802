"""Stripes that only their halo joins, told apart by their cores."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from rfiscan.detections.pixel_regions import PixelRegions
from rfiscan.detections.stripes import COL_GAP_M, ROW_GAP_M, number_stripes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

WEAK_CORE = 1.5
"""A core whose mean score exceeds the threshold by less than this many times what a core must is weak: it may be a
piece of a faint stripe, which chance has broken, and is one with all cores in its rows. From 1 to 1.75 the AP50 of
boxes over 108 simulated scenes is the same (docs/accuracy.md, section 35); above, stripes that are two become one."""


class StripePixels(NamedTuple):
    """Flagged pixels of a scene, from the top left, row by row.

    Attributes:
        rows: Row of each, shape (P,).
        cols: Column of each, shape (P,).
        anomaly: Score of each, shape (P,), a number.
    """

    rows: NDArray[np.integer]
    cols: NDArray[np.integer]
    anomaly: NDArray[np.floating[Any]]

    def at(self, part: NDArray[np.intp]) -> StripePixels:
        """Some of them."""
        return StripePixels(self.rows[part], self.cols[part], self.anomaly[part])


def split_by_cores(
    numbers: NDArray[np.int32],
    pixels: StripePixels,
    threshold: float,
    core_threshold: float,
    seams_px: Sequence[int],
    spacing_m: tuple[float, float],
    least_rank: float = 0.0,
) -> NDArray[np.int32]:
    """Split stripes whose surer pixels are several stripes: each of the others goes with the nearest surer one.

    Bright stripes flag their surroundings, too, and so run into one another, and along a whole row. A part that would
    not rank above the least as a stripe of its own is none: no stripe is lost, and one that barely outranks it stays
    one.

    Args:
        numbers: Stripe of each pixel, shape (P,), 1 and up without gaps.
        pixels: All pixels of the stripes.
        threshold: Score that all of them exceed.
        core_threshold: Score that a surer pixel exceeds (strictly); at least the threshold.
        seams_px: First columns of the sub-swaths but the first, ascending: see `label_stripes`.
        spacing_m: Metres between rows and between columns.
        least_rank: Rank that the parts of a stripe exceed: see `rank_stripes`.

    Returns:
        Stripe of each pixel, shape (P,), 1 and up without gaps.
    """
    split, count = np.zeros_like(numbers), 0
    order = np.argsort(numbers, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        own = pixels.at(part)
        cores = _number_cores(own, threshold, core_threshold, seams_px, spacing_m)
        if cores.max(initial=0) > 1:
            cores = _grow(own, cores, threshold, spacing_m, least_rank)
        split[part] = count + np.maximum(cores, 1)
        count = int(split[part].max(initial=count))
    return split


def _number_cores(
    pixels: StripePixels,
    threshold: float,
    core_threshold: float,
    seams_px: Sequence[int],
    spacing_m: tuple[float, float],
) -> NDArray[np.int32]:
    """Stripes of the surer pixels of one stripe, shape (P,), 1 and up; 0 for the others."""
    cores = np.zeros(pixels.rows.size, np.int32)
    surer = np.flatnonzero(pixels.anomaly > core_threshold)
    if surer.size:
        core = pixels.at(surer)
        numbers = number_stripes(core.rows, core.cols, int(core.cols.max()) + 1, seams_px, spacing_m)
        cores[surer] = _join_weak(numbers, core, threshold + WEAK_CORE * (core_threshold - threshold))
    return cores


def _join_weak(numbers: NDArray[np.int32], pixels: StripePixels, weak_below: float) -> NDArray[np.int32]:
    """Give cores with a mean score below this, and all that have rows in common with them, one number; shape (P,)."""
    regions = PixelRegions(pixels.rows, pixels.cols, numbers)
    rows = pixels.rows.astype(float)
    first, last = -regions.maximum(-rows), regions.maximum(rows)
    joined = np.arange(first.size, dtype=np.int32)
    for weak in np.flatnonzero(regions.mean(pixels.anomaly) < weak_below):
        met = joined[(first <= last[weak]) & (first[weak] <= last)]
        joined[np.isin(joined, met)] = met.min()
    return np.asarray(joined[numbers - 1] + 1)


def _grow(
    pixels: StripePixels,
    cores: NDArray[np.int32],
    threshold: float,
    spacing_m: tuple[float, float],
    least_rank: float,
) -> NDArray[np.int32]:
    """Give each pixel of a stripe the core that is nearest, but none to cores whose part ranks too low.

    Distances are in units of the widest gaps within a stripe, the larger one of rows and columns.
    """
    place = np.column_stack([pixels.rows * (spacing_m[0] / ROW_GAP_M), pixels.cols * (spacing_m[1] / COL_GAP_M)])
    parts = cores.copy()
    while True:
        lost, kept = np.flatnonzero(parts == 0), np.flatnonzero(cores)
        if lost.size:
            parts[lost] = cores[kept][KDTree(place[kept]).query(place[lost], p=np.inf)[1]]
        names, part_of = np.unique(parts, return_inverse=True)
        numbers = np.asarray(part_of + 1, np.int32)
        if names.size == 1:
            return numbers
        regions = PixelRegions(pixels.rows, pixels.cols, numbers)
        ranks = regions.ranks(pixels.anomaly, threshold, spacing_m[1])
        if ranks.min() > least_rank:
            return numbers
        weak = np.flatnonzero(ranks <= least_rank)
        few = 1 + weak.size // 8  # what they leave may lift the others
        weakest = names[weak[np.argsort(ranks[weak])][:few]]
        cores = np.where(np.isin(cores, weakest), 0, cores)
        parts[np.isin(parts, weakest)] = 0
