"""Area under the per-region overlap: a small region counts as much as a large one.

The measure is that of the MVTec anomaly detection data (Bergmann, Batzner, Fauser, Sattlegger and Steger 2021,
doi:10.1007/s11263-020-01400-4): the overlap with each connected region of the truth, averaged over regions, against the
false-positive rate, integrated up to a limit and normalised.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rfiscan.detections.regions import label_regions
from rfiscan.metrics.histogram import Histograms, ScoreBins

MAX_FALSE_POSITIVE_RATE = 0.3
"""The customary limit; a mask with more false positives than that is of no use."""


def region_histogram(
    scores: NDArray[np.floating], truth: NDArray[np.bool_], bins: ScoreBins
) -> tuple[NDArray[np.float64], int]:
    """Add up the histograms of all regions of a mask, each divided by its area.

    Args:
        scores: Shape (H, W); NaN where invalid, which belongs to no region.
        truth: True = interference, shape (H, W).
        bins: Bins of the scores.

    Returns:
        Shape (bins,), whose sum is the number of regions; and that number.
    """
    labels, count = label_regions(truth & ~np.isnan(scores))
    if not count:
        return np.zeros(bins.count), 0
    inside = labels > 0
    share = 1.0 / np.bincount(labels[inside], minlength=count + 1)[1:]
    index = bins.indices(scores[inside])
    weights = share[labels[inside] - 1]
    return np.asarray(np.bincount(index, weights, bins.count), np.float64), count


def area_under_overlap(
    regions: Histograms, negative: Histograms, limit: float = MAX_FALSE_POSITIVE_RATE
) -> NDArray[np.float64]:
    """Area under the mean overlap of regions up to a false-positive rate, normalised to 0..1.

    Args:
        regions: Weighted sums of `region_histogram`, shape (R, bins).
        negative: Histograms of the pixels outside all regions, same shape.
        limit: Largest false-positive rate, in (0, 1].

    Returns:
        Shape (R,); NaN without regions or without pixels outside them.
    """
    overlap, rate = _shares_from_the_top(regions), _shares_from_the_top(negative)
    x0, x1, y0, y1 = rate[:, :-1], rate[:, 1:], overlap[:, :-1], overlap[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        width = np.minimum(x1, limit) - np.minimum(x0, limit)
        rise = np.where(x1 > x0, (y1 - y0) / (x1 - x0), 0.0)
        area = (width * (y0 + 0.5 * rise * width)).sum(axis=1) / limit
    known = (regions.sum(axis=1) > 0) & (negative.sum(axis=1) > 0)
    return np.asarray(np.where(known, area, np.nan))


def _shares_from_the_top(histograms: Histograms) -> Histograms:
    """Share above each threshold, from 0 to 1, shape (R, bins + 1); 0 throughout where there is nothing."""
    counts = np.cumsum(np.pad(histograms[:, ::-1], ((0, 0), (1, 0))), axis=1)
    return np.asarray(counts / np.where(counts[:, -1:] > 0, counts[:, -1:], 1.0))
