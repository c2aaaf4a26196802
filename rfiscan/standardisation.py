"""Standardise backscatter for the networks: the same in training and inference, stored in the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardisation:
    """Power -> dB over the scene's median of that polarization -> units of ``scale_db``, clipped.

    The median takes out the unknown gain of uncalibrated products and quick-looks: a scene in digital numbers, in
    sigma nought or as an 8-bit picture gives the same tiles. Interference is too small a share of a scene to move it.

    Attributes:
        scale_db: One standardised unit, in dB.
        clip: Lowest and highest standardised value.
    """

    scale_db: float = 4.0
    clip: tuple[float, float] = (-4.0, 6.0)

    def apply(
        self,
        power: NDArray[np.float32],
        valid: NDArray[np.bool_],
        centre_db: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Standardise a scene or tile.

        Args:
            power: Linear power, shape (2, H, W), >= 0 where valid.
            valid: True = valid, same shape.
            centre_db: Median to subtract, in dB, shape (2,); measured from ``power`` if None.

        Returns:
            Standardised values, shape (2, H, W), float32, 0 where invalid; and the medians in dB, shape (2,), NaN for a
            polarization without a valid pixel. A polarization of which every valid pixel is 0 is at its median, 0.
        """
        if centre_db is None:
            centre_db = median_db(power, valid)
        with np.errstate(divide="ignore", invalid="ignore"):
            decibel = 10.0 * np.log10(np.maximum(power, np.float32(1e-30)))
            standardised = (decibel - centre_db.astype(np.float32)[:, None, None]) / np.float32(self.scale_db)
        clipped = np.clip(standardised, *self.clip)
        result: NDArray[np.float32] = np.where(
            valid & np.isfinite(centre_db)[:, None, None], clipped, np.float32(0.0)
        ).astype(np.float32)
        return result, centre_db


def median_db(power: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median over valid pixels of each polarization in dB, shape (2,); NaN where none is valid and above 0.

    Noise removal clips power at 0: where that took half of the pixels or more, the median is that of the others.
    """
    medians = np.full(power.shape[0], np.nan)
    for channel, (values, mask) in enumerate(zip(power, valid, strict=True)):
        present = values[mask]
        medians[channel] = level_db(present, present[present > 0.0])
    return medians


def level_db(present: NDArray[np.float32], positive: NDArray[np.float32]) -> float:
    """Median of some powers in dB; where that is 0, of those of them that are positive; NaN where none is.

    Args:
        present: The powers, or those in the middle of them, whose median is the same; shape (N,).
        positive: Likewise of those that are above 0.
    """
    if not positive.size:
        return float("nan")
    return float(10.0 * np.log10(float(np.median(present)) or float(np.median(positive))))
