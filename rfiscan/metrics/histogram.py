"""Figures of rankings from histograms of scores: constant memory whatever the number of pixels.

Histograms have shape (R, bins): replicates first, bins from the lowest score to the highest. Scores that share a bin
are ties, which count as one threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Histograms = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBins:
    """Bins that are fine near 0 and grow with the distance from it, on both sides, so that any unit of score fits.

    The bin of a score is linear in its inverse hyperbolic sine: equal steps below ``scale``, equal ratios above it.
    Scores beyond ``limit``, infinite ones too, fall into the first and the last bin.

    Attributes:
        count: Number of bins.
        scale: Score below which bins have equal width, > 0.
        limit: Score at which the last bin begins, > scale.
    """

    count: int
    scale: float
    limit: float

    def indices(self, scores: NDArray[np.floating]) -> NDArray[np.intp]:
        """Bin of each score, same shape; scores must not be NaN."""
        position = np.arcsinh(np.asarray(scores, np.float64) / self.scale) / np.arcsinh(self.limit / self.scale)
        return np.asarray((np.clip(position, -1.0, 1.0) + 1.0) * 0.5 * (self.count - 1), np.intp)

    def histogram(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Number of scores in each bin, shape (bins,); scores of any shape, not NaN."""
        return self.count_indices(self.indices(scores))

    def count_indices(self, indices: NDArray[np.intp]) -> NDArray[np.float64]:
        """The same of scores whose bins are known."""
        return np.bincount(indices.ravel(), minlength=self.count).astype(np.float64)

    def edges(self) -> NDArray[np.float64]:
        """Lower edge of each bin, shape (bins,); everything below the second falls into the first bin."""
        position = np.arange(self.count) / (self.count - 1) * 2.0 - 1.0
        edges: NDArray[np.float64] = np.sinh(position * np.arcsinh(self.limit / self.scale)) * self.scale
        edges[0] = -np.inf
        return edges


SCORE_BINS = ScoreBins(count=4096, scale=1e-3, limit=1e5)
"""Of pixel scores: steps of 1 % of the score; log odds lie within +-20, deviations within some 1e4. A choice."""


COARSER = 4
"""Neighbouring bins that `coarsen` joins."""


def coarsen(histogram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Join neighbouring bins, (bins,) -> (bins / `COARSER`,): a quarter of the memory, average precision to 0.01."""
    return np.asarray(histogram.reshape(-1, COARSER).sum(axis=1))


def average_precision(positive: Histograms, negative: Histograms) -> NDArray[np.float64]:
    """Average precision, as `ranking.average_precision`, shape (R,); NaN without positives."""
    hits, alarms = _from_the_top(positive), _from_the_top(negative)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = hits / (hits + alarms)
        steps = positive[:, ::-1] / hits[:, -1:]
        return np.asarray(np.where(hits[:, -1] > 0, np.nansum(precision * steps, axis=1), np.nan))


def auroc(positive: Histograms, negative: Histograms) -> NDArray[np.float64]:
    """Share of pairs of a positive and a negative in which the positive scores higher, ties half, shape (R,)."""
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positive * below).sum(axis=1) / np.where(pairs > 0, pairs, np.nan))


def best_f1(positive: Histograms, negative: Histograms, bins: ScoreBins) -> tuple[NDArray[np.float64], float]:
    """Largest F1 over all thresholds, shape (R,), and the threshold of it on the data; NaN without positives."""
    hits, alarms = _from_the_top(positive), _from_the_top(negative)
    total = hits[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(total > 0, 2 * hits / (hits + alarms + total), np.nan)
    if not total[0, 0] > 0:
        return np.asarray(f1.max(axis=1)), float("nan")
    return np.asarray(f1.max(axis=1)), float(bins.edges()[::-1][int(f1[0].argmax())])


def detection_at_far(positive: Histograms, negative: Histograms, far: float) -> NDArray[np.float64]:
    """Largest share of positives above a threshold that at most ``far`` of the negatives exceed, shape (R,).

    NaN without both classes.
    """
    hits, alarms = _from_the_top(positive), _from_the_top(negative)
    allowed = alarms <= far * alarms[:, -1:]
    best = np.where(allowed, hits, 0.0).max(axis=1)
    known = (hits[:, -1] > 0) & (alarms[:, -1] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, best / hits[:, -1], np.nan))


def precision_at_recall(
    positive: Histograms, negative: Histograms, recalls: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Largest precision at each recall or a higher one, shape (R, len(recalls)); NaN without positives."""
    hits, alarms = _from_the_top(positive), _from_the_top(negative)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / (hits + alarms), hits / hits[:, -1:]
    precision = np.where(np.isnan(precision), 0.0, precision)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    found = np.full((len(positive), recalls.size), np.nan)
    for row in np.flatnonzero(hits[:, -1] > 0):
        at = np.searchsorted(recall[row], recalls - 1e-12)
        found[row] = envelope[row, np.minimum(at, recall.shape[1] - 1)]
    return found


def _from_the_top(histograms: Histograms) -> Histograms:
    """How many scores lie in a bin or above it, highest bin first."""
    return np.cumsum(histograms[:, ::-1], axis=1)
