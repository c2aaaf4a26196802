"""From a reconstruction to an anomaly map, a mask and a severity.

Interference only adds power, so only excess counts. Natural targets answer in both polarizations; interference enters
each receive channel by the emitter's own polarization, so excess in one channel counts less where the other has it too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray


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
    min_area_px: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneScore:
    """What scoring says of a scene; NaN where invalid.

    Attributes:
        error_map: Absolute reconstruction error of each polarization in standardised units, shape (2, H, W), >= 0.
        evidence: Smoothed excess of each polarization in expected deviations, less what both share, shape (2, H, W).
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
) -> SceneScore:
    """Score a scene against its reconstruction.

    Args:
        standardised: Standardised scene, shape (2, H, W).
        reconstruction: What the network expects, same shape.
        spread: Expected absolute deviation (Laplace scale), same shape, > 0.
        valid: True = valid, same shape.
        settings: How to smooth and combine.
    """
    deviation = np.where(valid, (standardised - reconstruction) / spread, np.float32(0.0))
    deviation /= null_scale(deviation, valid)[:, None, None]
    smooth = np.stack([_mean_over_valid(d, v, settings.smooth_px) for d, v in zip(deviation, valid, strict=True)])
    shared = np.maximum(smooth[::-1], 0.0) * np.float32(settings.shared_weight)
    evidence = np.where(valid, smooth - shared, np.float32(np.nan)).astype(np.float32)
    error = np.where(valid, np.abs(standardised - reconstruction), np.float32(np.nan)).astype(np.float32)
    anomaly = np.fmax(evidence[0], evidence[1])
    return SceneScore(error_map=error, evidence=evidence, anomaly_map=anomaly)


def null_scale(deviation: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much wider a scene's own negative deviations are than the network expects, shape (2,), >= 1.

    Interference only brightens, so the negative side is free of it: where a scene is rougher than the training data,
    its negative deviations say so. Their mean magnitude is 1 if the spread is right (Laplace distribution of scale 1).
    """
    scale = np.ones(deviation.shape[0], np.float32)
    for channel, (values, mask) in enumerate(zip(deviation, valid, strict=True)):
        negative = values[mask & (values < 0.0)]
        if negative.size:
            scale[channel] = max(1.0, -float(negative.mean()))
    return scale


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
    share = float((rfi_mask & present).sum() / present.sum())
    return float(1.0 - np.exp(-share / SEVERITY_SHARE))


def _mean_over_valid(
    values: NDArray[np.float32], valid: NDArray[np.bool_], size_px: tuple[int, int]
) -> NDArray[np.float32]:
    """Box mean over valid pixels, shape (H, W); 0 where none is near."""
    weight = scipy.ndimage.uniform_filter(valid.astype(np.float32), size_px, mode="constant")
    total = scipy.ndimage.uniform_filter(np.where(valid, values, np.float32(0.0)), size_px, mode="constant")
    mean: NDArray[np.float32] = np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-6)
    return mean
