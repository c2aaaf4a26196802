"""Trim what lies along the borders of a scene and is no backscatter: border noise and compression ringing."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

DARK_DB = 8.0
"""Border samples lie at least this far under the scene's median, in every polarization. Border noise of GRD products
(Ali et al. 2018, Methods to Remove the Border Noise From Sentinel-1 SAR Data, IEEE JSTARS 11(3)) and the ringing of
JPEG quick-looks beside nodata are small positive values; real backscatter that dark seldom touches a border."""
DEPTH_PX = 10
"""How far from nodata or from the edge of the grid they reach, in working pixels."""


def trim_borders(power: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Take dark samples along nodata and along the edges out of a valid mask.

    Args:
        power: Linear power, shape (2, H, W); any value where invalid.
        valid: True = valid, same shape.

    Returns:
        The valid mask without them, same shape; a copy.
    """
    present = valid.any(axis=0)
    dark = present.copy()
    for channel, mask in zip(power, valid, strict=True):
        if mask.any():
            limit = float(np.median(channel[mask])) * 10.0 ** (-DARK_DB / 10.0)
            with np.errstate(invalid="ignore"):
                dark &= (channel < limit) | ~mask
    outside = np.pad(~present, 1, constant_values=True)
    reach = np.pad(dark, 1, constant_values=False)
    grown = scipy.ndimage.binary_dilation(outside, np.ones((3, 3), bool), DEPTH_PX, mask=reach | outside)
    trimmed = grown[1:-1, 1:-1] & present
    return np.asarray(valid & ~trimmed)
