"""Shares over something: stripes found over their strength, precision over recall, measured over nominal false alarms.

All arrays have the replicates of the bootstrap first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.metrics.histogram import SCORE_BINS, precision_at_recall
from rfiscan.metrics.tally import Tally
from rfiscan.simulation.emitters import KINDS

RATIO_EDGES_DB = (-9.0, -4.5, -1.5, 1.5, 4.5, 8.0, 12.5, 20.0, 30.0)
"""Bins of the peak ratio of interference to background; the lower edge belongs to a bin. A choice."""

CROSS_LEAST_DB, CO_MOST_DB = 8.0, -8.0
"""An emitter is of cross-pol if it is this much stronger there, of co-pol if this much weaker, else mixed. A choice."""

GROUPS = ("all", *KINDS, "cross", "mixed", "co")
RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeOutcome:
    """What became of one visible stripe.

    Attributes:
        kind: Kind of its emitter.
        ibr_db: Peak ratio of interference to background; NaN where unknown.
        cross_over_co_db: How much stronger the emitter is in cross-pol; NaN where unknown.
        found: Whether it was found.
    """

    kind: str
    ibr_db: float
    cross_over_co_db: float
    found: bool


def count_stripes(outcomes: Sequence[StripeOutcome]) -> NDArray[np.float64]:
    """Count stripes found and all stripes by group and strength.

    Stripes of unknown strength, or one outside the bins, are in no bin.

    Returns:
        Shape (groups * bins * 2,): for each of `GROUPS` and each bin the stripes found and all stripes.
    """
    counts = np.zeros((len(GROUPS), len(RATIO_EDGES_DB) - 1, 2))
    for outcome in outcomes:
        strength = int(np.searchsorted(RATIO_EDGES_DB, outcome.ibr_db, side="right")) - 1
        if np.isnan(outcome.ibr_db) or not 0 <= strength < counts.shape[1]:
            continue
        for group in ("all", outcome.kind, _polarization_class(outcome.cross_over_co_db)):
            if group in GROUPS:
                counts[GROUPS.index(group), strength] += (outcome.found, 1)
    return counts.ravel()


def detection_counts(tally: Tally) -> NDArray[np.float64]:
    """Weighted stripes found and all stripes, shape (R, groups, bins, 2)."""
    shape = (len(GROUPS), len(RATIO_EDGES_DB) - 1, 2)
    return tally.total("curves", int(np.prod(shape))).reshape(-1, *shape)


def detection_curves(tally: Tally) -> NDArray[np.float64]:
    """Share of stripes found, shape (R, groups, bins); NaN where there is none."""
    counts = detection_counts(tally)
    found, stripes = counts[..., 0], counts[..., 1]
    return share(found, stripes)


def precision_recall(tally: Tally) -> NDArray[np.float64]:
    """Precision of the anomaly map at `RECALLS`, shape (R, 101); NaN without truth masks."""
    size = SCORE_BINS.count
    return precision_at_recall(tally.total("pixel_pos", size), tally.total("pixel_neg", size), RECALLS)


def far_measured(tally: Tally) -> NDArray[np.float64]:
    """Share of the valid pixels of clean scenes above the threshold of each rate, shape (R, rates); NaN without any."""
    counts = tally.total("far_pixels", 2 + len(tally.rates))
    return share(counts[:, 2:], np.broadcast_to(counts[:, :1], counts[:, 2:].shape))


def share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part over whole, NaN where the whole is 0; arrays of one shape."""
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


def _polarization_class(cross_over_co_db: float) -> str:
    if np.isnan(cross_over_co_db):
        return "unknown"
    if cross_over_co_db > CROSS_LEAST_DB:
        return "cross"
    return "co" if cross_over_co_db < CO_MOST_DB else "mixed"
