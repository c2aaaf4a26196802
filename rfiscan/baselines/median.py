"""Azimuth median filter: what stands out of its column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.baselines.detector import SHARED_WEIGHT, azimuth_median, over_spread, smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class AzimuthMedian:
    """Level over the running median of its column, averaged along the row, as a robust z-score of the scene.

    Attributes:
        median_px: Rows of the median; more than twice the height of a stripe.
        smooth_px: Rows and columns over which what is left is averaged.
        floor_db: Added to the scene's spread.
        shared_weight: See `rfiscan.baselines.Detector`.
    """

    median_px: int = 61
    smooth_px: tuple[int, int] = (3, 151)
    floor_db: float = 0.5
    shared_weight: float = SHARED_WEIGHT

    def excess(self, level_db: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See `rfiscan.baselines.Detector`; in standard deviations."""
        above_db = smooth(level_db - azimuth_median(level_db, self.median_px), valid, self.smooth_px)
        return over_spread(above_db, valid, self.floor_db)
