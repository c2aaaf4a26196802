"""A network that weighs what a reconstruction leaves, with its surroundings, into log odds of interference.

A bright residual alone is no interference: islands, towns and coasts leave residuals, too. Interference lies in rows,
ends at sub-swath edges, comes back at intervals, and enters each receive channel by the emitter's own polarization, so
that it may stand in one channel alone, while natural targets answer in both.

Shapes: N tiles, (h, w) tile; /s means at 1/s of its resolution.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from rfiscan.networks.base import Reconstruction
from rfiscan.networks.blocks import Residual, conv, pad_to_stride, upsample

INPUTS = 5
"""Maps of each polarization that go in: level, reconstruction, deviation, log spread, valid mask."""

RARE = -3.0
"""Log odds that training starts from: about the share of pixels with interference in it."""


class Evidence(nn.Module, ABC):
    """What weighs tiles and their reconstructions into an anomaly map of each polarization."""

    @abstractmethod
    def forward(self, tiles: Tensor, valid: Tensor, reconstruction: Reconstruction) -> Tensor:
        """Weigh tiles.

        Args:
            tiles: Standardised dB, shape (N, 2, h, w).
            valid: True = valid, same shape.
            reconstruction: What an autoencoder made of them.

        Returns:
            Higher means more anomalous, shape (N, 2, h, w), float32; meaningful where valid.
        """

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters of its own."""
        return sum(p.numel() for p in self.parameters())


class EvidenceNetwork(Evidence):
    """Log odds that each pixel of each polarization holds interference.

    A residual network that halves the resolution three times, looks far along and across the rows there, and comes back
    with the details of each resolution: unlike in an autoencoder, nothing is lost by handing them over.

    Args:
        width: Channels at /2; twice as many at /4, three times at /8.
        context: Residual blocks at /8, with dilation 1, 2, 4, 8, 1, ...
    """

    def __init__(self, *, width: int = 24, context: int = 4) -> None:
        super().__init__()
        w1, w2, w3 = width, 2 * width, 3 * width
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), conv(8 * INPUTS, w1), Residual(w1))  # /2
        self.to_quarter = nn.Sequential(conv(w1, w2, stride=2), Residual(w2))
        self.to_eighth = nn.Sequential(
            conv(w2, w3, stride=2), *[Residual(w3, dilation=2 ** (i % 4)) for i in range(context)]
        )
        self.along_rows = nn.Conv2d(2 * w3, w3, 1)
        self.merge = Residual(w3)
        self.up_quarter, self.at_quarter = upsample(w3, w2), Residual(w2)
        self.up_half, self.at_half = upsample(w2, w1), Residual(w1)
        self.head = nn.Sequential(nn.Conv2d(w1, 8, 3, padding=1), nn.PixelShuffle(2))  # 2 maps at full resolution
        nn.init.constant_(self.head[0].bias, RARE)  # type: ignore[arg-type] # it has a bias

    def forward(self, tiles: Tensor, valid: Tensor, reconstruction: Reconstruction) -> Tensor:
        """Weigh tiles into natural log odds; see `Evidence.forward`."""
        height, width = tiles.shape[2:]
        half = self.stem(pad_to_stride(describe(tiles, valid, reconstruction)))
        quarter = self.to_quarter(half)
        eighth = self.to_eighth(quarter)
        merged = self.merge(eighth + self.along_rows(self._row_summary(eighth)))
        quarter = self.at_quarter(quarter + self.up_quarter(merged))
        half = self.at_half(half + self.up_half(quarter))
        odds: Tensor = self.head(half)[:, :, :height, :width].float()
        return odds

    def _row_summary(self, eighth: Tensor) -> Tensor:
        """Mean and largest value along each row, (N, C, h, w) -> (N, 2 C, h, 1): a stripe may end and come back."""
        return torch.cat([eighth.mean(dim=3, keepdim=True), eighth.amax(dim=3, keepdim=True)], dim=1)


def describe(tiles: Tensor, valid: Tensor, reconstruction: Reconstruction) -> Tensor:
    """Maps that the evidence is weighed from, shape (N, 2 * `INPUTS`, h, w), 0 where invalid."""
    mask = valid.to(tiles.dtype)
    deviation = (tiles - reconstruction.mean) / reconstruction.spread
    mild = deviation.sign() * torch.log1p(deviation.abs())  # one very bright pixel must not rule its neighbourhood
    maps = [tiles, reconstruction.mean, mild, reconstruction.spread.log()]
    return torch.cat([m * mask for m in maps] + [mask], dim=1)
