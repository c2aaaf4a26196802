"""Means around each pixel that leave invalid pixels out."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray


def mean_over_valid(
    values: NDArray[np.float32], valid: NDArray[np.bool_], size_px: tuple[int, int]
) -> NDArray[np.float32]:
    """Box mean over valid pixels, shape (H, W); 0 where none is near."""
    weight = scipy.ndimage.uniform_filter(valid.astype(np.float32), size_px, mode="constant")
    total = scipy.ndimage.uniform_filter(np.where(valid, values, np.float32(0.0)), size_px, mode="constant")
    mean: NDArray[np.float32] = np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-6)
    return mean
