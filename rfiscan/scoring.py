"""From a reconstruction to an anomaly map, a mask and a severity.

Interference only adds power, so only excess counts. Natural targets answer in both polarizations; interference enters
each receive channel by the emitter's own polarization, so excess in one channel counts less where the other has it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from rfiscan.errors import UsageError
from rfiscan.grids.local_means import mean_over_valid


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringSettings:
    """How an anomaly map is made.

    Attributes:
        smooth_px: Rows and columns over which excess is averaged.
        shared_weight: Share of the other polarization's excess that is subtracted, 0..1.
        min_area_px: Regions of a mask smaller than this are dropped, in working pixels.
    """

    smooth_px: tuple[int, int] = (3, 7)
    shared_weight: float = 0.7
    min_area_px: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneScore:
    """What scoring says of a scene; NaN where invalid.

    Attributes:
        error_map: Absolute reconstruction error of each polarization in standardised units, shape (2, H, W), >= 0.
        evidence: Log odds that a polarization holds interference, or its excess (see `score_scene`), shape (2, H, W).
        anomaly_map: The larger evidence, shape (H, W).
    """

    error_map: NDArray[np.float32]
    evidence: NDArray[np.float32]
    anomaly_map: NDArray[np.float32]


def score_scene(
    standardised: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    spread: NDArray[np.float32],
    valid: NDArray[np.bool_],
    settings: ScoringSettings,
    log_odds: NDArray[np.float32] | None = None,
) -> SceneScore:
    """Score a scene against its reconstruction.

    Args:
        standardised: Standardised scene, shape (2, H, W).
        reconstruction: What the network expects, same shape.
        spread: Expected absolute deviation (Laplace scale), same shape, > 0.
        valid: True = valid, same shape.
        settings: How to smooth and combine without log odds.
        log_odds: What an evidence network says, same shape; None takes the smoothed excess in expected deviations, less
            what both polarizations share.
    """
    weighed = log_odds
    if weighed is None:
        weighed = _shared_excess(standardised, reconstruction, spread, valid, settings)
    evidence = np.where(valid, weighed, np.float32(np.nan)).astype(np.float32)
    error = np.where(valid, np.abs(standardised - reconstruction), np.float32(np.nan)).astype(np.float32)
    anomaly = np.fmax(evidence[0], evidence[1])
    return SceneScore(error_map=error, evidence=evidence, anomaly_map=anomaly)


def _shared_excess(
    standardised: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    spread: NDArray[np.float32],
    valid: NDArray[np.bool_],
    settings: ScoringSettings,
) -> NDArray[np.float32]:
    """Smoothed excess of each polarization in expected deviations, less what both share, shape (2, H, W)."""
    deviation = deviations(standardised, reconstruction, spread, valid)
    deviation /= null_scale(deviation, valid)[:, None, None]
    return less_shared(smoothed(deviation, valid, settings), settings)


def deviations(
    standardised: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    spread: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Deviation from the reconstruction in expected deviations, shape (2, H, W); 0 where invalid."""
    return np.where(valid, (standardised - reconstruction) / spread, 0.0).astype(np.float32)


def smoothed(
    deviation: NDArray[np.float32], valid: NDArray[np.bool_], settings: ScoringSettings
) -> NDArray[np.float32]:
    """Mean deviation around each pixel, over valid ones, shape (2, H, W)."""
    return np.stack([mean_over_valid(d, v, settings.smooth_px) for d, v in zip(deviation, valid, strict=True)])


def less_shared(smooth: NDArray[np.float32], settings: ScoringSettings) -> NDArray[np.float32]:
    """Smoothed deviation of each polarization, less what both share, shape (2, H, W)."""
    shared = np.float32(settings.shared_weight) * np.maximum(smooth[::-1], np.float32(0.0))
    return np.asarray(smooth - shared, np.float32)


def null_scale(deviation: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much wider a scene's own negative deviations are than the network expects, shape (2,), >= 1.

    Interference only brightens, so the negative side is free of it: where a scene is rougher than the training data,
    its negative deviations say so. Their mean magnitude is 1 if the spread is right (Laplace distribution of scale 1).
    """
    null = NullScale()
    null.add(deviation, valid)
    return null.scale()


class NullScale:
    """`null_scale` of a scene whose deviations come in parts."""

    def __init__(self) -> None:
        """Begin with no pixel."""
        self._sums, self._counts = np.zeros(2), np.zeros(2, np.int64)

    def add(self, deviation: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        """Take a part, shape (2, h, W) both."""
        negative = valid & (deviation < 0.0)
        self._sums += np.where(negative, deviation, np.float32(0.0)).sum(axis=(1, 2), dtype=np.float64)
        self._counts += np.count_nonzero(negative, axis=(1, 2))

    def scale(self) -> NDArray[np.float32]:
        """The scale of each polarization, shape (2,), >= 1."""
        return np.maximum(1.0, -self._sums / np.maximum(self._counts, 1)).astype(np.float32)


def apply_threshold(anomaly_map: NDArray[np.float32], threshold: float, settings: ScoringSettings) -> NDArray[np.bool_]:
    """Pixels strictly above the threshold, in regions of at least ``min_area_px``, shape (H, W)."""
    with np.errstate(invalid="ignore"):
        above = anomaly_map > threshold
    labels, count = scipy.ndimage.label(above, structure=np.ones((3, 3), bool))
    if not count:
        return np.asarray(above)
    keep = np.bincount(labels.ravel()) >= settings.min_area_px
    keep[0] = False
    return np.asarray(keep[labels])


def threshold_at(thresholds: Mapping[float, float], far: float, owner: str) -> float:
    """Threshold for a false-alarm rate, interpolated over the logarithm of the rate.

    Args:
        thresholds: Calibration: false-alarm rate -> threshold.
        far: The rate, in (0, 1).
        owner: Whose calibration it is, for the message.

    Raises:
        UsageError: If the rate lies outside the calibrated range.
    """
    rates = sorted(thresholds)
    if not rates or not rates[0] <= far <= rates[-1]:
        span = f"{rates[0]:g} to {rates[-1]:g}" if rates else "no rate at all"
        raise UsageError(f"{owner} is calibrated for false-alarm rates of {span}, not for {far:g}")
    return float(np.interp(np.log10(far), np.log10(rates), [thresholds[rate] for rate in rates]))


BOX_FAR_SHARE = 1 / 10
"""Boxes of stripes hold the pixels that a scene without interference shows so much more seldom than what is flagged,
their cores: around all of a stripe they take in its halo. Stripes that only their halo joins are told apart by them.
Of 1/3, 1/5, 1/10 and 1/20 this gave the best AP50 over 108 simulated scenes, as the mean of both bundled models
(docs/accuracy.md, section 35)."""


def box_threshold_at(thresholds: Mapping[float, float], far: float, owner: str) -> float:
    """Threshold for boxes at a false-alarm rate of pixels, or of the least calibrated rate: see `BOX_FAR_SHARE`.

    Arguments and errors are those of `threshold_at`.
    """
    return threshold_at(thresholds, max(BOX_FAR_SHARE * far, min(thresholds, default=far)), owner)


SCENE_SHARE = 1e-4
"""Share of the valid pixels of a scene that exceed its scene score: at 500 m 4 km2 of an IW scene. Of 24 statistics of
the map this one told 270 simulated scenes with interference from clean ones best."""


def scene_score(anomaly_map: NDArray[np.float32]) -> float:
    """What scenes are ranked by: the anomaly score that a share of `SCENE_SHARE` of their valid pixels exceed.

    Args:
        anomaly_map: Shape (H, W), NaN where invalid.

    Returns:
        A score in units of the map; NaN where no pixel is valid.
    """
    scores = anomaly_map[~np.isnan(anomaly_map)]
    return float(np.quantile(scores, 1.0 - SCENE_SHARE)) if scores.size else float("nan")


class SceneScorer:
    """`scene_score` of an anomaly map that comes in pieces; keeps as many pixels as may lie above it.

    Args:
        most_px: Pixels of the whole map, or more.
    """

    def __init__(self, most_px: int) -> None:
        self._kept = int(most_px * SCENE_SHARE) + 2
        self._top = np.empty(0, np.float32)
        self._count = 0

    def add(self, anomaly_map: NDArray[np.float32]) -> None:
        """Take a piece of any shape, NaN where invalid."""
        scores = anomaly_map[~np.isnan(anomaly_map)]
        self._count += scores.size
        if self._top.size == self._kept:
            scores = scores[scores > self._top.min()]
        top = np.concatenate([self._top, scores])
        self._top = top if top.size <= self._kept else np.partition(top, -self._kept)[-self._kept :]

    def score(self) -> float:
        """The scene score of all pieces, as `scene_score` interpolates it; NaN where no pixel is valid."""
        if not self._count:
            return float("nan")
        descending = np.sort(self._top)[::-1].astype(np.float64)
        position = (self._count - 1) * SCENE_SHARE
        return float(np.interp(position, np.arange(descending.size), descending))


def clean_share_above(scene_scores: Mapping[float, float], score: float) -> float | None:
    """Share of scenes without interference that have a higher scene score.

    Args:
        scene_scores: Calibration: share of such scenes -> scene score that so many exceed; may be empty.
        score: A scene score; may be NaN.

    Returns:
        Interpolated over the score, between the least and the largest share that is calibrated; None where there is no
        calibration or no score.
    """
    if not scene_scores or np.isnan(score):
        return None
    shares = sorted(scene_scores, reverse=True)  # scores ascend
    found = np.interp(score, [scene_scores[share] for share in shares], shares)
    return float(np.clip(found, shares[-1], shares[0]))  # rounding may leave the span


SEVERITY_SHARE = 0.02
"""Flagged share of a scene at which its severity reaches 1 - 1/e."""


def severity(rfi_mask: NDArray[np.bool_], valid: NDArray[np.bool_]) -> float:
    """Severity of a scene, 0 (nothing flagged) to 1, from the flagged share of its valid pixels.

    Args:
        rfi_mask: Flagged pixels, shape (H, W).
        valid: True = valid, shape (2, H, W).

    Returns:
        1 - exp(-share / `SEVERITY_SHARE`); NaN where no pixel is valid.
    """
    present = valid.any(axis=0)
    if not present.any():
        return float("nan")
    return severity_of_share(float((rfi_mask & present).sum() / present.sum()))


def severity_of_share(share: float) -> float:
    """Severity of a scene of whose valid pixels that share is flagged, 0..1; see `severity`."""
    return float(1.0 - np.exp(-share / SEVERITY_SHARE))
