"""Oriented Gabor filter: bright horizontal stripes of one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from rfiscan.baselines.detector import SHARED_WEIGHT, over_spread, smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class Gabor:
    """Magnitude of a quadrature pair of Gabor filters whose wave runs in azimuth, positive on crests.

    Attributes:
        size_px: Rows and columns of the kernel, odd.
        sigma_px: Standard deviation of its envelope in azimuth.
        wavelength_px: Wavelength in azimuth.
        gamma: Ratio of the envelope's deviation in azimuth to the one in range.
        smooth_px: Rows and columns over which the response is averaged.
        floor_db: Added to the spread of the response.
        shared_weight: See `rfiscan.baselines.Detector`.
    """

    size_px: int = 31
    sigma_px: float = 6.0
    wavelength_px: float = 16.0
    gamma: float = 0.5
    smooth_px: tuple[int, int] = (1, 61)
    floor_db: float = 1.5
    shared_weight: float = SHARED_WEIGHT

    def excess(self, level_db: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See `rfiscan.baselines.Detector`; in standard deviations."""
        half = self.size_px // 2
        padded = np.pad(level_db, ((0, 0), (half, half), (half, half)), mode="edge")
        even, odd = (
            scipy.signal.oaconvolve(padded, self._kernel(phase)[None], mode="valid", axes=(1, 2))
            for phase in (0.0, np.pi / 2)
        )
        response = (np.sign(even) * np.hypot(even, odd)).astype(np.float32)  # energy alone likes dark stripes as well
        return over_spread(smooth(response, valid, self.smooth_px), valid, self.floor_db)

    def _kernel(self, phase: float) -> NDArray[np.float64]:
        """One filter of the pair, without response to a constant level; absolute sum 1."""
        row, col = np.mgrid[: self.size_px, : self.size_px] - self.size_px // 2
        envelope = np.exp(-(row**2 + (self.gamma * col) ** 2) / (2 * self.sigma_px**2))
        kernel = envelope * np.cos(2 * np.pi * row / self.wavelength_px + phase)
        kernel -= envelope * (kernel.sum() / envelope.sum())
        return np.asarray(kernel / np.abs(kernel).sum(), np.float64)
