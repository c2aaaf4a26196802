"""What happens to a scene on its way to a user: a polarization is missing, a quick-look is quantised and compressed."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

GHOST_REACH_PX, GHOST_SHARE = 9, 0.12
"""Ghosts reach about one 8x8 block of JPEG; the colour planes keep about an eighth of a stripe's contrast."""


def drop_polarization(rng: np.random.Generator, valid: NDArray[np.bool_], share: float = 0.12) -> NDArray[np.bool_]:
    """Mark one polarization absent in a share of tiles, so that single-polarization scenes are known."""
    if rng.random() >= share:
        return valid
    dropped = valid.copy()
    dropped[int(rng.integers(2))] = False
    return dropped


def draw_gains(rng: np.random.Generator, centre_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitude gains, shape (2,), that put the medians of a scene between levels 25 and 130 of 255."""
    levels = 10.0 ** rng.uniform(np.log10(25.0), np.log10(130.0), 2)
    return np.where(np.isfinite(centre_db), levels / 10.0 ** (centre_db / 20.0), 1.0)


def quantise(power: NDArray[np.float32], gains: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round amplitudes, times ``gains`` (2,), to the 8 bits of a quick-look, with saturation at 255; as power."""
    levels = np.clip(np.round(np.sqrt(power) * gains.astype(np.float32)[:, None, None]), 1, 255)
    squared: NDArray[np.float32] = levels.astype(np.float32) ** 2
    return squared


def add_ghosts(
    rng: np.random.Generator, power: NDArray[np.float32], excess_db: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Add what JPEG makes of strong interference in a quick-look: its pattern, up and down, in both polarizations.

    Args:
        rng: Source of randomness.
        power: Linear power, shape (2, H, W).
        excess_db: Brightening by interference, same shape, >= 0.
    """
    near_db = scipy.ndimage.uniform_filter(excess_db.max(axis=0), GHOST_REACH_PX)
    pattern = scipy.ndimage.uniform_filter(rng.standard_normal(power.shape, dtype=np.float32), (0, 3, 3)) * 3.0
    ghosted: NDArray[np.float32] = power * 10.0 ** (GHOST_SHARE * near_db * pattern / 10.0).astype(np.float32)
    return ghosted
