"""Average precision of boxes by the rules of the COCO detection benchmark, with every scene weighted.

Source: pycocotools/cocoeval.py, with which the tests compare. Detections take the free truth box of largest overlap,
best score first; ten thresholds of overlap; precision at 101 recalls; at most 100 detections a scene; any size of box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rfiscan.metrics.bootstrap import scene_weights

OVERLAP_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 100
_REPLICATE_BLOCK = 64


def overlaps(boxes: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each pair of boxes.

    Args:
        boxes: x, y, width, height, shape (N, 4).
        truth: The same, shape (M, 4).

    Returns:
        Shape (N, M), 0..1.
    """
    start = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    stop = np.minimum(boxes[:, None, :2] + boxes[:, None, 2:], truth[None, :, :2] + truth[None, :, 2:])
    shared = np.clip(stop - start, 0.0, None).prod(axis=2)
    union = boxes[:, 2:].prod(axis=1)[:, None] + truth[:, 2:].prod(axis=1)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def match_boxes(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Match the detections of one scene to its truth boxes.

    Args:
        boxes: x, y, width, height of the detections, shape (N, 4).
        scores: Their scores, shape (N,).
        truth: Boxes of the truth, shape (M, 4).

    Returns:
        Scores of the kept detections, highest first, shape (K,) with K <= `MAX_DETECTIONS`; and whether each has a
        match at each threshold of overlap, shape (10, K).
    """
    order = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
    shared = overlaps(boxes[order], truth)
    matched = np.zeros((len(OVERLAP_THRESHOLDS), order.size), bool)
    for level, threshold in enumerate(OVERLAP_THRESHOLDS):
        free = np.ones(len(truth), bool)
        for detection in range(order.size):
            candidates = np.where(free & (shared[detection] >= threshold), shared[detection], -1.0)
            if candidates.size and candidates.max() >= 0:
                best = candidates.size - 1 - int(candidates[::-1].argmax())  # of equal ones COCO takes the last
                free[best] = False
                matched[level, detection] = True
    return scores[order], matched


@dataclass(slots=True)
class BoxRecords:
    """Matches of all scenes, as little of each detection as average precision needs.

    Attributes:
        scene_ids: What decides the weights of each scene with detections; see `scene_weights`.
        scores: Scores of the detections, one array a scene.
        matches: Bit i tells whether a detection has a match at the i-th threshold of overlap, uint16, likewise.
    """

    scene_ids: list[str] = field(default_factory=list)
    scores: list[NDArray[np.float32]] = field(default_factory=list)
    matches: list[NDArray[np.uint16]] = field(default_factory=list)

    def add(self, scene_id: str, scores: NDArray[np.float64], matched: NDArray[np.bool_]) -> None:
        """Add the result of `match_boxes` for one scene; ``scene_id`` as in `scene_weights`."""
        if scores.size:
            self.scene_ids.append(scene_id)
            self.scores.append(scores.astype(np.float32))
            bits = np.left_shift(1, np.arange(len(OVERLAP_THRESHOLDS)))
            self.matches.append((matched * bits[:, None]).sum(axis=0).astype(np.uint16))

    def extend(self, other: BoxRecords) -> None:
        """Add the records of other scenes."""
        self.scene_ids.extend(other.scene_ids)
        self.scores.extend(other.scores)
        self.matches.extend(other.matches)


def box_precision(
    records: BoxRecords, truth_count: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean average precision over all thresholds of overlap, and average precision at an overlap of 0.5.

    Args:
        records: Matches of all scenes.
        truth_count: Weighted number of truth boxes, shape (R,).
        seed: Seed of the weights of scenes.

    Returns:
        Two arrays of shape (R,), NaN where there is no truth box.
    """
    scenes = _in_fixed_order(records)
    if not scenes:
        none = np.where(truth_count > 0, 0.0, np.nan)
        return none, none.copy()
    scores = np.concatenate([records.scores[i] for i in scenes])
    matches = np.concatenate([records.matches[i] for i in scenes])
    scene_of = np.repeat(np.arange(len(scenes)), [records.scores[i].size for i in scenes])
    order = np.argsort(-scores, kind="stable")
    matches, scene_of = matches[order], scene_of[order]
    weights = np.stack([scene_weights(records.scene_ids[i], seed, truth_count.size - 1) for i in scenes], axis=1)
    by_level = np.empty((len(OVERLAP_THRESHOLDS), truth_count.size))
    for start in range(0, truth_count.size, _REPLICATE_BLOCK):
        rows = slice(start, start + _REPLICATE_BLOCK)
        of_detection = weights[rows][:, scene_of]
        for level in range(len(OVERLAP_THRESHOLDS)):
            matched = (matches >> level & 1).astype(bool)
            by_level[level, rows] = _weighted_precision(of_detection, matched, truth_count[rows])
    return by_level.mean(axis=0), by_level[0]


def boxes_array(boxes: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Boxes as an array of shape (N, 4), also where there is none."""
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def _in_fixed_order(records: BoxRecords) -> list[int]:
    """Places of the scenes, so sorted that the order in which they were added does not decide between equal scores."""
    keys = [
        (scene_id, scores.tobytes(), matches.tobytes())  # several scenes may share what decides their weights
        for scene_id, scores, matches in zip(records.scene_ids, records.scores, records.matches, strict=True)
    ]
    return sorted(range(len(keys)), key=keys.__getitem__)


def _weighted_precision(
    weights: NDArray[np.float64], matched: NDArray[np.bool_], truth_count: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean precision at the 101 recalls; weights (R, D) of detections, highest score first; shape (R,)."""
    hits = np.cumsum(weights * matched, axis=1)
    alarms = np.cumsum(weights * ~matched, axis=1)
    precision = hits / (hits + alarms + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    means = np.full(truth_count.size, np.nan)
    for row in np.flatnonzero(truth_count > 0):
        at = np.searchsorted(hits[row] / truth_count[row], RECALLS, side="left")
        means[row] = np.where(at < hits.shape[1], envelope[row, np.minimum(at, hits.shape[1] - 1)], 0.0).mean()
    return means
