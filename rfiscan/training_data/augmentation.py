"""What happens to a scene on its way to a user: a polarization is missing, a quick-look is quantised and compressed."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLUE_LEVEL = 60.0
"""Level of blue where both polarizations have the same. A choice: it only decides how much leaks between them."""
BRIGHT_EDGE_SHARE = 0.4
"""Share of the edges in azimuth that are brighter than what follows. A choice, as are the next two."""
BRIGHT_EDGE_DB, BRIGHT_EDGE_PX = (0.5, 2.5), (1.0, 6.0)
"""How bright, and over how many rows it fades to a third: a decibel or two over a few rows in the real scenes that were
looked at."""


def drop_polarization(rng: np.random.Generator, valid: NDArray[np.bool_], share: float = 0.12) -> NDArray[np.bool_]:
    """Mark one polarization absent in a share of tiles, so that single-polarization scenes are known."""
    if rng.random() >= share:
        return valid
    dropped = valid.copy()
    dropped[int(rng.integers(2))] = False
    return dropped


def brighten_edges(
    rng: np.random.Generator, power: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Brighten the first and the last valid rows of some scenes, in each column and polarization where they begin.

    Real scenes have such edges, which are as narrow and as long as a stripe.

    Args:
        rng: Source of randomness.
        power: Linear power, shape (2, H, W).
        valid: True = valid, same shape.

    Returns:
        Linear power, same shape; the argument itself where no edge was drawn.
    """
    rows = np.arange(power.shape[1], dtype=np.float32)[:, None]
    gain_db = np.zeros_like(power)
    drawn = False
    for from_end in (False, True):
        if rng.random() >= BRIGHT_EDGE_SHARE:
            continue
        drawn = True
        steps = rows[::-1] if from_end else rows
        first = np.argmax(valid[:, ::-1] if from_end else valid, axis=1)[:, None, :]  # of each column, (2, 1, W)
        fade = np.exp(-np.clip(steps - first, 0.0, None) / np.float32(rng.uniform(*BRIGHT_EDGE_PX)))
        gain_db += rng.uniform(*BRIGHT_EDGE_DB, size=(2, 1, 1)).astype(np.float32) * fade
    return power * np.float32(10.0) ** (gain_db / np.float32(10.0)) if drawn else power


def draw_gains(rng: np.random.Generator, centre_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitude gains, shape (2,), that put the medians of a scene between levels 25 and 130 of 255."""
    levels = 10.0 ** rng.uniform(np.log10(25.0), np.log10(130.0), 2)
    return np.where(np.isfinite(centre_db), levels / 10.0 ** (centre_db / 20.0), 1.0)


def quantise(power: NDArray[np.float32], gains: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round amplitudes, times ``gains`` (2,), to the 8 bits of a quick-look, with saturation at 255; as power."""
    levels = np.clip(np.round(np.sqrt(power) * gains.astype(np.float32)[:, None, None]), 1, 255)
    squared: NDArray[np.float32] = levels.astype(np.float32) ** 2
    return squared


def compress(power: NDArray[np.float32], quality: int, present: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Pass a quick-look through JPEG: it smooths dots, rings, and lends each polarization some of the other's stripes.

    Args:
        power: Squares of 8-bit levels, shape (2, H, W); the picture's blue is the ratio of the two.
        quality: Of the compression, 1 to 95.
        present: True where the picture shows the scene, (H, W); it is black elsewhere, and rings on either side. None
            for everywhere.

    Returns:
        Squares of the levels that come out, 1 and up, same shape.
    """
    co, cross = np.clip(np.sqrt(power), 1.0, 255.0)
    picture = np.stack([co, cross, np.clip(BLUE_LEVEL * co / cross, 0.0, 255.0)], axis=-1)
    if present is not None:
        picture[~present] = 0.0
    packed = io.BytesIO()
    Image.fromarray(np.round(picture).astype(np.uint8)).save(packed, "JPEG", quality=quality)
    with Image.open(packed) as image:
        levels = np.maximum(np.asarray(image, np.float32)[..., :2], 1.0)
    return np.ascontiguousarray(np.moveaxis(levels**2, -1, 0))
