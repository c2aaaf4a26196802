"""Exact figures of anomaly maps that fit into memory, by sorting all scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_precision(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Average precision: the sum over thresholds of precision times the step in recall; ties count as one threshold.

    Args:
        scores: Any shape; higher means more anomalous.
        truth: True = anomalous, same shape.

    Returns:
        0..1; NaN if nothing is anomalous.
    """
    hits, alarms = _cumulative(scores, truth)
    positives = int(hits[-1]) if hits.size else 0
    if not positives:
        return float("nan")
    precision = hits / (hits + alarms)
    return float(np.sum(np.diff(hits, prepend=0) / positives * precision))


def detection_at_far(scores: NDArray[np.floating], truth: NDArray[np.bool_], far: float) -> float:
    """Largest probability of detection at a false-alarm rate of at most ``far``, 0..1; NaN without both classes."""
    hits, alarms = _cumulative(scores, truth)
    if not hits.size or not hits[-1] or not alarms[-1]:
        return float("nan")
    allowed = alarms <= far * alarms[-1]
    return float(hits[allowed].max(initial=0) / hits[-1])


def _cumulative(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hits and false alarms at each distinct threshold, from the highest down."""
    values, labels = np.ravel(scores), np.ravel(truth)
    order = np.argsort(values)[::-1]
    values, labels = values[order], labels[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if values.size else np.zeros(0, int)
    hits = np.cumsum(labels)[last]
    return hits, last + 1 - hits
