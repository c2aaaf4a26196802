"""Keep what looks like interference in training targets out of the loss: scenes of an archive always hold some.

An autoencoder that is shown interference as truth learns to reproduce it. Early in training it does not yet, so that
pixels brighter than expected are the suspects: they are left out, and it never learns them (trimmed losses: Shen and
Sanghavi 2019, Learning with Bad Training Data via Iterative Trimmed Loss Minimization, arXiv:1810.11874, algorithm 1;
here over pixels, not samples, for a stripe fills a small part of a tile). Shapes: N tiles, (h, w) tile.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rfiscan.networks.base import Prediction

BOX_PX = (3, 7)
"""Rows and columns over which excess is averaged, that of `rfiscan.scoring.ScoringSettings`: speckle is no suspect."""
GAIN = 0.02
"""How far the level moves in a step, in expected deviations, for each time that the share of a batch above it misses
what is wanted. A choice: it follows within some fifty steps."""
LARGEST_MISS = 10.0
"""A batch moves the level by no more than so many times `GAIN`."""


class Trimming:
    """Leaves the share of pixels that exceed their expectation the most out of scenes that may be contaminated.

    The level of excess beyond which a pixel is left out follows the quantile of all batches (Robbins and Monro 1951, A
    Stochastic Approximation Method, Annals of Mathematical Statistics 22(3)), so that contaminated tiles lose more
    than clean ones.

    Args:
        share: Share of the pixels to leave out, 0 <= share < 1; 0 leaves none out.

    Attributes:
        level: Excess beyond which pixels are left out, in expected deviations; None before the first suspect batch.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.level: float | None = None

    def keep(self, prediction: Prediction, targets: Tensor, valid: Tensor, suspect: Tensor) -> Tensor:
        """Tell which pixels to learn from, and move the level towards its quantile.

        Args:
            prediction: Of the tiles.
            targets: Standardised tiles to learn, shape (N, 2, h, w).
            valid: True = valid, same shape.
            suspect: True = the tile may hold interference that nobody knows of, shape (N,).

        Returns:
            True = valid and kept, shape (N, 2, h, w).
        """
        if not self.share or not suspect.any():
            return valid
        with torch.no_grad():
            excess = smooth_excess(prediction, targets, valid)[suspect]
            counted = excess[valid[suspect]]
            if not counted.numel():
                return valid
            if self.level is None:
                self.level = _quantile(counted, 1.0 - self.share)
            kept = valid.clone()
            kept[suspect] &= excess <= self.level
            above = float((counted > self.level).float().mean())
            self.level += GAIN * min((above - self.share) / self.share, LARGEST_MISS)
        return kept


def smooth_excess(prediction: Prediction, targets: Tensor, valid: Tensor) -> Tensor:
    """Excess over what is expected, in expected deviations, averaged over `BOX_PX` of valid pixels, (N, 2, h, w)."""
    weight = valid.float()
    deviation = (targets - prediction.mean).float() * (-prediction.log_spread.float()).exp() * weight
    pads = [size // 2 for size in BOX_PX]
    total, count = (functional.avg_pool2d(x, BOX_PX, stride=1, padding=pads) for x in (deviation, weight))
    return total / count.clamp(min=1e-6)


def _quantile(values: Tensor, share: float) -> float:
    """Value that a share of the values does not exceed; `torch.quantile` takes 16 million values at most."""
    return float(values.flatten().kthvalue(max(1, min(values.numel(), round(share * values.numel())))).values)
