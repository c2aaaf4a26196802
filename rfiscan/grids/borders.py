"""Trim what lies along the borders of a scene and is no backscatter: border noise, ringing, half-filled lines."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from rfiscan.grids.local_means import mean_over_valid

VOID_DB, VOID_DEPTH_PX = 15.0, 10
"""Samples this far under the scene's median in every polarization, up to this many working pixels from nodata or from
the edge, are border noise (Ali et al. 2018, Methods to Remove the Border Noise From Sentinel-1 SAR Data, IEEE JSTARS
11(3)) or the ringing of a JPEG quick-look: calm sea beside land is not as dark in both."""
FADED_DB, FADED_DEPTH_PX = 6.0, 2
"""Beside those, samples this far under their surroundings in any polarization are lines that were filled in part."""
MIXED_PX = 2
"""As near to dark samples, which ringing leaves along a border, JPEG mixes colours, which it stores at half of the
resolution (ITU-T T.81, A.1.1; 4:2:0): beside black one polarization fades and the other brightens, as a narrow stripe
would. Border noise is as wide by choice."""
AROUND_PX = (25, 25)
HALO_PX = VOID_DEPTH_PX + MIXED_PX + AROUND_PX[0] // 2 + FADED_DEPTH_PX
"""How far away a row can be that decides on a sample."""


def trim_borders(
    power: NDArray[np.float32], valid: NDArray[np.bool_], medians_db: NDArray[np.float32] | None = None
) -> NDArray[np.bool_]:
    """Take dark samples along nodata and along the edges out of a valid mask.

    Args:
        power: Linear power, shape (2, H, W); any value where invalid.
        valid: True = valid, same shape.
        medians_db: Median level of the valid pixels of each polarization of the scene, shape (2,), where power is that
            of some of its rows only; measured if None.

    Returns:
        The valid mask without them, same shape; a copy.
    """
    present = np.asarray(valid.any(axis=0))
    void: NDArray[np.bool_] = present.copy()
    levels_db: list[NDArray[np.float32]] = []
    for slot, (channel, mask) in enumerate(zip(power, valid, strict=True)):
        level_db = border_level_db(np.where(mask, channel, np.float32(1.0)))
        levels_db.append(level_db)
        if mask.any():
            median_db = np.median(level_db[mask]) if medians_db is None else medians_db[slot]
            void &= ~mask | (level_db < median_db - VOID_DB)
    outside = _grow(~present, void, VOID_DEPTH_PX)
    outside |= _dilate(outside & present, MIXED_PX)
    faded = np.zeros_like(present)
    for level_db, mask in zip(levels_db, valid, strict=True):
        inside = mask & ~outside
        faded |= inside & (level_db < mean_over_valid(level_db, inside, AROUND_PX) - FADED_DB)
    return np.asarray(valid & ~_grow(outside, faded, FADED_DEPTH_PX))


def border_level_db(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level of linear power in dB as it is compared here; that of what is not positive is very low."""
    return np.asarray(10.0 * np.log10(np.maximum(power, np.float32(1e-30))), np.float32)


def _grow(outside: NDArray[np.bool_], into: NDArray[np.bool_], depth_px: int) -> NDArray[np.bool_]:
    """Grow what is outside, and all beyond the edges, by up to ``depth_px`` pixels into a mask, shape (H, W)."""
    beyond = np.pad(outside, 1, constant_values=True)
    reach = beyond | np.pad(into, 1, constant_values=False)
    return _dilate(beyond, depth_px, reach)[1:-1, 1:-1]


def _dilate(mask: NDArray[np.bool_], depth_px: int, into: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Grow a mask, shape (H, W), by up to ``depth_px`` pixels in all eight directions."""
    return np.asarray(scipy.ndimage.binary_dilation(mask, np.ones((3, 3), bool), depth_px, mask=into))
