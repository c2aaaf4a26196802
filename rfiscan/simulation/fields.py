"""Random fields: the texture of sea, land and wind."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Field = NDArray[np.float32]


def fractal_field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    slope: float,
    *,
    outer_px: float = 400.0,
    stretch: float = 1.0,
    angle_rad: float = 0.0,
) -> Field:
    """Draw a Gaussian random field with a power-law spectrum.

    Args:
        rng: Source of randomness.
        shape: (H, W) in pixels.
        slope: Exponent of the two-dimensional power spectrum k^-slope; 2 is rough, 4 is smooth.
        outer_px: Scale above which the spectrum is flat, in pixels.
        stretch: Elongation of the features along ``angle_rad``; 1 is isotropic.
        angle_rad: Direction of elongation, from the column axis, in radians.

    Returns:
        Shape (H, W), zero mean, unit standard deviation over the field.
    """
    rows, cols = (scipy.fft.next_fast_len(n + n // 8, real=True) for n in shape)  # margin: the FFT is periodic
    ky = scipy.fft.fftfreq(rows)[:, None].astype(np.float32)
    kx = scipy.fft.rfftfreq(cols)[None, :].astype(np.float32)
    along = kx * np.cos(angle_rad) + ky * np.sin(angle_rad)
    across = ky * np.cos(angle_rad) - kx * np.sin(angle_rad)
    wavenumber_sq = (along * stretch) ** 2 + across**2 + outer_px**-2
    amplitude = wavenumber_sq ** np.float32(-slope / 4)
    amplitude[0, 0] = 0.0
    white = rng.standard_normal((rows, cols), dtype=np.float32)
    field = scipy.fft.irfft2(scipy.fft.rfft2(white) * amplitude, s=(rows, cols))[: shape[0], : shape[1]]
    field -= field.mean()
    scaled: Field = (field / max(float(field.std()), 1e-12)).astype(np.float32)
    return scaled


def quantile_mask(field: Field, share: float) -> NDArray[np.bool_]:
    """Mask the highest ``share`` (0..1) of a field, shape (H, W)."""
    if share <= 0.0:
        return np.zeros(field.shape, bool)
    if share >= 1.0:
        return np.ones(field.shape, bool)
    return np.asarray(field > np.quantile(field, 1.0 - share))
