"""Evidence of interference in each pixel: what a reconstruction leaves, weighed with its surroundings.

A bright residual alone is no interference: islands, towns and coasts leave residuals, too. Interference lies in rows,
ends at sub-swath edges, and enters each receive channel by the emitter's own polarization, so that it may stand in one
channel alone, while natural targets answer in both. Averages of the residual over stripes, blocks and tall windows in
both channels carry that; a small perceptron, fitted to simulated truth, weighs them into log odds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from rfiscan.local_means import mean_over_valid

CALM_PX = (3, 3)
CORE_PX = (5, 5)
DOT_PX = (3, 7)
BLOCK_PX = (5, 9)
STRIPE_PX = (5, 21)
ROW_PX = (7, 61)
TALL_PX = (31, 21)
AROUND_PX = (31, 31)
PULSE_PX = (5, 4)
DASH_PX = (4, 15)
COLUMN_PX = (25, 1)
"""Windows in working pixels of 500 m: one pulse's trace is 6 to 9 rows high, a median stripe 10 by 140."""

REACH_PX = 40
"""Rows beyond which no window reaches: an opening by 25 rows of a mean over 3 reaches 25."""
BAND_PX, CHUNK = 400_000, 32_768
"""Pixels of a band, and pixels that are weighed at once."""

FEATURES = (
    "own_core", "own_pulse", "own_dash", "own_short", "own_dot", "own_stripe", "own_row", "own_block", "own_tall",
    "own_residual", "own_power", "own_spread", "own_level", "own_pixel", "own_roughness", "other_core", "other_pulse",
    "other_dash", "other_short", "other_dot", "other_stripe", "other_row", "other_tall", "other_residual",
    "other_power", "other_level", "other_spread", "other_roughness", "other_valid", "is_cross",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceHead:
    """A perceptron with one hidden layer: features (K,) -> log odds that a pixel of a polarization holds interference.

    Attributes:
        centre: Subtracted from the features, shape (K,).
        scale: Divides them, shape (K,), > 0.
        hidden_weights: Shape (K, J).
        hidden_bias: Shape (J,).
        weights: Shape (J,).
        bias: Shape (1,).
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    hidden_weights: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weigh features, shape (..., K), into natural log odds, shape (...)."""
        flat = features.reshape(-1, features.shape[-1])
        odds = np.empty(len(flat), np.float32)
        for start in range(0, len(flat), CHUNK):
            part = slice(start, start + CHUNK)
            hidden = ((flat[part] - self.centre) / self.scale) @ self.hidden_weights + self.hidden_bias
            odds[part] = np.maximum(hidden, 0.0) @ self.weights + self.bias[0]
        return odds.reshape(features.shape[:-1])


def evidence_features(
    standardised: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    spread: NDArray[np.float32],
    valid: NDArray[np.bool_],
    scale: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Describe each pixel of each polarization by `FEATURES`.

    Args:
        standardised: Standardised scene, shape (2, H, W).
        reconstruction: Standardised reconstruction, same shape.
        spread: Expected absolute deviation, same shape, > 0.
        valid: True = valid, same shape.
        scale: The scene's `null_scale`; measured from what is given if None.

    Returns:
        Shape (2, H, W, K), float32; meaningful where valid.
    """
    residual = np.where(valid, standardised - reconstruction, np.float32(0.0))
    deviation = (residual / spread).astype(np.float32)
    deviation /= (null_scale(deviation, valid) if scale is None else scale)[:, None, None]
    level, log_spread = np.where(valid, standardised, np.float32(0.0)), np.log(spread)
    means = [
        _channel_means(deviation[c], residual[c], level[c], log_spread[c], valid[c]) for c in range(len(standardised))
    ]
    described = []
    for channel in (0, 1):
        own, other = means[channel], means[1 - channel]
        described.append([own[name.removeprefix("own_")] for name in FEATURES if name.startswith("own_")])
        described[-1] += [
            other[name.removeprefix("other_")]
            for name in FEATURES
            if name.startswith("other_") and name != "other_valid"
        ]
        described[-1] += [valid[1 - channel].astype(np.float32), np.full(valid.shape[1:], channel, np.float32)]
    return np.stack([np.stack(maps, axis=-1) for maps in described]).astype(np.float32, copy=False)


def weigh_evidence(
    head: EvidenceHead,
    standardised: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    spread: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Log odds of each pixel and polarization, shape (2, H, W), band by band so that memory stays small.

    Arguments as in `evidence_features`; the bands overlap by more than its windows reach, so that they leave no trace.
    """
    height, width = valid.shape[1:]
    scale = null_scale(np.where(valid, (standardised - reconstruction) / spread, np.float32(0.0)), valid)
    odds = np.empty(valid.shape, np.float32)
    rows = max(1, BAND_PX // width)
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        first, last = max(0, start - REACH_PX), min(height, stop + REACH_PX)
        band = np.s_[:, first:last]
        features = evidence_features(standardised[band], reconstruction[band], spread[band], valid[band], scale)
        features = features[:, start - first : stop - first]
        odds[:, start:stop] = head.log_odds(features)
    return odds


def _channel_means(
    deviation: NDArray[np.float32],
    residual: NDArray[np.float32],
    level: NDArray[np.float32],
    log_spread: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> dict[str, NDArray[np.float32]]:
    """Averages of one polarization over windows around each pixel, each (H, W)."""
    mild = _compress(deviation)
    calm = mean_over_valid(mild, valid, CALM_PX)
    return {
        "core": _compress(mean_over_valid(deviation, valid, CORE_PX)),
        # openings: what is at least as large as the window; a ship is smaller than a pulse's trace
        "pulse": scipy.ndimage.grey_opening(calm, PULSE_PX),
        "dash": scipy.ndimage.grey_opening(calm, DASH_PX),
        # what is shorter in azimuth than the window: no coast, no mountain range
        "short": calm - scipy.ndimage.grey_opening(calm, COLUMN_PX),
        "dot": _compress(mean_over_valid(deviation, valid, DOT_PX)),
        "stripe": mean_over_valid(mild, valid, STRIPE_PX),
        "row": mean_over_valid(mild, valid, ROW_PX),
        "block": mean_over_valid(mild, valid, BLOCK_PX),
        "tall": mean_over_valid(mild, valid, TALL_PX),
        "residual": mean_over_valid(residual, valid, DOT_PX),
        "power": _compress(mean_over_valid(_excess_power(level, residual), valid, CORE_PX)),
        "spread": mean_over_valid(log_spread, valid, BLOCK_PX),
        "level": mean_over_valid(level, valid, DOT_PX),
        "pixel": mild,
        "roughness": mean_over_valid(np.abs(mild), valid, AROUND_PX),
    }


def _excess_power(level: NDArray[np.float32], residual: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power above the reconstruction's, in units of the scene's median power at 4 dB a standardised unit, (H, W)."""
    rate = np.float32(0.4 * np.log(10.0))
    excess: NDArray[np.float32] = np.exp(rate * level) - np.exp(rate * (level - residual))
    return excess


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


def _compress(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Signed logarithm: keeps small values, so that one very bright pixel does not rule a window."""
    compressed: NDArray[np.float32] = np.sign(values) * np.log1p(np.abs(values))
    return compressed
