"""Training losses over valid pixels, per polarization."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rfiscan.networks.base import Prediction

SSIM_WINDOW_PX = 11
SSIM_SIGMA_PX = 1.5
"""Gaussian window of Wang et al. 2004 (Image Quality Assessment, IEEE TIP 13(4), section III-C)."""
SSIM_RANGE = 6.0
"""Dynamic range L of standardised tiles: their 1st to 99th percentile spans about 6 units."""

SPREAD_WEIGHT = 0.1
"""Weight of the likelihood that fits the spread beside losses that know none."""


def laplace_loss(prediction: Prediction, target: Tensor, valid: Tensor) -> Tensor:
    """Mean negative log likelihood of a Laplace distribution, |x - m| / b + ln b, over valid pixels.

    Args:
        prediction: Mean m and log spread ln b.
        target: Standardised tiles x, shape (N, 2, h, w).
        valid: True = valid, same shape.
    """
    error = (target - prediction.mean).abs()
    return _mean(error * (-prediction.log_spread).exp() + prediction.log_spread, valid)


def l1_loss(prediction: Prediction, target: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error over valid pixels; the spread is fitted beside it and takes no part in the mean."""
    detached = Prediction(prediction.mean.detach(), prediction.log_spread)
    absolute = _mean((target - prediction.mean).abs(), valid)
    return absolute + SPREAD_WEIGHT * laplace_loss(detached, target, valid)


def mse_loss(prediction: Prediction, target: Tensor, valid: Tensor) -> Tensor:
    """Mean squared error over valid pixels; the spread is fitted beside it and takes no part in the mean."""
    detached = Prediction(prediction.mean.detach(), prediction.log_spread)
    squared = _mean((target - prediction.mean) ** 2, valid)
    return squared + SPREAD_WEIGHT * laplace_loss(detached, target, valid)


def ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity of each pixel, shape (N, C, h, w), -1..1.

    Source: Wang et al. 2004, equation 13, with K1 = 0.01, K2 = 0.03 and data range `SSIM_RANGE`.
    """
    c1, c2 = (0.01 * SSIM_RANGE) ** 2, (0.03 * SSIM_RANGE) ** 2
    mean_x, mean_y = _smooth(x), _smooth(y)
    var_x = _smooth(x * x) - mean_x**2
    var_y = _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1) * structure


def ssim(x: Tensor, y: Tensor, valid: Tensor) -> Tensor:
    """Mean structural similarity over valid pixels of each polarization, shape (2,); NaN where none is valid."""
    weight = valid.to(x.dtype)
    similarity = ssim_map(x * weight, y * weight)
    count = weight.sum(dim=(0, 2, 3))
    mean = (similarity * weight).sum(dim=(0, 2, 3)) / count.clamp(min=1.0)  # 0 / 0 would poison the gradient
    return torch.where(count > 0, mean, torch.nan)


def evidence_loss(log_odds: Tensor, truth: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of log odds against the truth of each polarization, over valid pixels.

    Args:
        log_odds: Natural log odds of interference, shape (N, 2, h, w).
        truth: True = interference, same shape.
        valid: True = valid, same shape.
        weights: Of each pixel and polarization, same shape, > 0; None for equal ones.
    """
    entropy = functional.binary_cross_entropy_with_logits(log_odds, truth.to(log_odds.dtype), reduction="none")
    return _mean(entropy, valid if weights is None else valid * weights)


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    weight = valid.to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def _smooth(x: Tensor) -> Tensor:
    """Gaussian mean around each pixel, with repeated borders."""
    reach = SSIM_WINDOW_PX // 2
    offsets = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offsets / SSIM_SIGMA_PX) ** 2)
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    padded = functional.pad(x, (reach, reach, reach, reach), mode="replicate")
    rows = functional.conv2d(padded, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return functional.conv2d(rows, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
