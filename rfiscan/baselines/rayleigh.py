"""Local Rayleigh quantile with opening and closing: what ESA's processor does to raw lines, done to an image.

The time-domain detector of the Sentinel-1 processor (Level 1 Detailed Algorithm Definition, DI-MPC-IPFDPM 2.5, section
9.24) takes a 1-D median in azimuth, estimates the Rayleigh parameter sigma in a boxcar, flags amplitudes above
sigma sqrt(-2 ln(1 - F)), and opens and closes the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from rfiscan.baselines.detector import azimuth_median, smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class Rayleigh:
    """Amplitude over the local Rayleigh parameter, in dB; its threshold stands for the quantile F.

    Flat grey morphology commutes with thresholds: the mask at any of them is the opened and closed one.

    Attributes:
        median_px: Rows of the azimuth median; 0 for none.
        box_px: Rows and columns over which the Rayleigh parameter is estimated.
        open_px: Rows and columns of the opening.
        close_px: Rows and columns of the closing.
        shared_weight: See `rfiscan.baselines.Detector`; less than that of others, as opening removes most targets.
    """

    median_px: int = 91
    box_px: tuple[int, int] = (5, 41)
    open_px: tuple[int, int] = (1, 61)
    close_px: tuple[int, int] = (5, 41)
    shared_weight: float = 0.35

    def excess(self, level_db: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See `rfiscan.baselines.Detector`; in dB."""
        background_db = azimuth_median(level_db, self.median_px) if self.median_px else level_db
        sigma_squared = smooth(np.power(np.float32(10), background_db / 10), valid, self.box_px) / 2
        ratio_db = level_db - 10 * np.log10(np.maximum(sigma_squared, np.float32(1e-10)))
        opened = scipy.ndimage.grey_opening(ratio_db, (1, *self.open_px), mode="nearest")
        return np.asarray(scipy.ndimage.grey_closing(opened, (1, *self.close_px), mode="nearest"), np.float32)
