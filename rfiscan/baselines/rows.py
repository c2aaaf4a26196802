"""Row statistics of each third of the width: rows that are brighter than the rows around them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from rfiscan.baselines.detector import SHARED_WEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStatistics:
    """Mean level of a part's row over the median of neighbouring rows, as a robust z-score of the part.

    Attributes:
        parts: Equal parts of the width. They come near the sub-swaths of IW, which are three of nearly equal width,
            but not those of other modes: a picture does not tell where sub-swaths end.
        median_px: Rows of the median.
        floor_db: Added to the spread of the rows.
        shared_weight: See `rfiscan.baselines.Detector`.
    """

    parts: int = 3
    median_px: int = 91
    floor_db: float = 0.5
    shared_weight: float = SHARED_WEIGHT

    def excess(self, level_db: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See `rfiscan.baselines.Detector`; in standard deviations, one value in all of a row of a part."""
        excess = np.zeros_like(level_db)
        edges = np.linspace(0, level_db.shape[2], self.parts + 1).round().astype(int)
        for first, stop in pairwise(edges):
            part = np.s_[:, :, first:stop]
            count = valid[part].sum(axis=2)
            total = np.where(valid[part], level_db[part], np.float32(0.0)).sum(axis=2)
            rows_db = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
            rows_db -= scipy.ndimage.median_filter(rows_db, (1, self.median_px), mode="nearest")
            spread = 1.4826 * np.median(np.abs(rows_db), axis=1, keepdims=True) + self.floor_db
            excess[part] = (rows_db / spread)[:, :, None]
        return excess
