"""The one interface of the classical detectors, and what each of them needs."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from rfiscan.grids.local_means import mean_over_valid
from rfiscan.radiometry import power_to_db
from rfiscan.standardisation import median_db

SHARED_WEIGHT = 0.7
"""As in `rfiscan.scoring.ScoringSettings`: the baselines are given what the networks' score knows of polarizations."""


class Detector(Protocol):
    """A detector that looks at levels in dB."""

    @property
    def shared_weight(self) -> float:
        """Share of the other polarization's excess that is subtracted, 0..1."""

    def excess(self, level_db: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Tell how much each pixel looks like interference.

        Args:
            level_db: Power over the scene's median, shape (2, H, W); as `fill_levels` gives it, without gaps.
            valid: True = valid, same shape.

        Returns:
            Higher means more likely; same shape, finite.
        """


def weigh_scene(detector: Detector, power: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Score a scene: the detector's excess of each polarization, less what both share.

    Args:
        detector: The detector.
        power: Linear power, shape (2, H, W); any value where invalid. Its scale does not matter.
        valid: True = valid, same shape.

    Returns:
        Evidence, shape (2, H, W), NaN where invalid; the anomaly map is the larger of the two.
    """
    excess = detector.excess(fill_levels(power, valid), valid)
    # as in a scene's score: an absent polarization shares nothing
    other = np.where(valid[::-1], np.maximum(excess[::-1], np.float32(0.0)), np.float32(0.0))
    return np.where(valid, excess - np.float32(detector.shared_weight) * other, np.float32(np.nan)).astype(np.float32)


def fill_levels(power: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give power in dB over the scene's median, with gaps filled by the nearest valid pixel.

    A filter then meets no edge where the data ends. Shape (2, H, W); 0 in a polarization without a valid pixel.
    """
    levels = np.zeros(power.shape, np.float32)
    for channel, centre_db in enumerate(median_db(power, valid)):
        if np.isfinite(centre_db):
            nearest = scipy.ndimage.distance_transform_edt(~valid[channel], return_distances=False, return_indices=True)
            levels[channel] = power_to_db(power[channel][tuple(nearest)]) - np.float32(centre_db)
    return levels


def smooth(values: NDArray[np.float32], valid: NDArray[np.bool_], size_px: tuple[int, int]) -> NDArray[np.float32]:
    """Average the valid pixels of each polarization in a box around each pixel, shape (2, H, W)."""
    return np.stack([mean_over_valid(v, m, size_px) for v, m in zip(values, valid, strict=True)])


def over_spread(values: NDArray[np.float32], valid: NDArray[np.bool_], floor: float) -> NDArray[np.float32]:
    """Divide each polarization, (2, H, W), by 1.4826 times its median absolute deviation (a Gaussian's sigma).

    Args:
        values: What to divide.
        valid: True = valid; others do not count.
        floor: Added to the spread, so that a smooth scene is not all outliers; in the unit of the values.
    """
    scaled = np.empty_like(values)
    for channel, mask in enumerate(valid):
        known = values[channel][mask]
        spread = 1.4826 * np.median(np.abs(known - np.median(known))) if known.size else 0.0
        scaled[channel] = values[channel] / np.float32(spread + floor)
    return scaled


def azimuth_median(level_db: NDArray[np.float32], height_px: int, step_px: int = 4) -> NDArray[np.float32]:
    """Give the running median down the columns, taken every ``step_px`` rows and interpolated between.

    Args:
        level_db: Shape (2, H, W).
        height_px: Rows of the window, odd; the first and last rows are repeated beyond the edges.
        step_px: Rows between medians; a choice: a window of some dozen rows changes little in four.
    """
    half, last = height_px // 2, level_db.shape[1] - 1
    padded = np.pad(level_db, ((0, 0), (half, half), (0, 0)), mode="edge")
    at = np.unique(np.append(np.arange(0, last, step_px), last))
    windows = np.lib.stride_tricks.sliding_window_view(padded, height_px, axis=1)
    medians = np.stack([np.median(windows[:, row], axis=-1) for row in at], axis=1)
    rows = np.arange(last + 1)
    above = np.clip(np.searchsorted(at, rows, side="right") - 1, 0, max(0, at.size - 2))
    below = np.minimum(above + 1, at.size - 1)
    share = ((rows - at[above]) / np.maximum(at[below] - at[above], 1)).astype(np.float32)[None, :, None]
    return np.asarray(medians[:, above] * (1 - share) + medians[:, below] * share, np.float32)
