"""Anomaly maps from the bound on the likelihood that a variational autoencoder gives.

The bound on the log likelihood of a tile is the expected log likelihood of its pixels less what its code costs (Kingma
and Welling 2014, arXiv:1312.6114, equation 3). The expectation is taken at the mean of the code: one pass, nothing
drawn. Shapes: N tiles, (h, w) tile.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from rfiscan.networks.base import Reconstruction, stack_valid
from rfiscan.networks.blocks import pad_to_stride
from rfiscan.networks.evidence import Evidence
from rfiscan.networks.vae import VariationalAutoencoder, divergence, split_code

KIND = "bound"
"""Says in a model card that its evidence is a `BoundEvidence`."""


class BoundEvidence(Evidence):
    """Negative log likelihood of each pixel by the bound, in nats; of what is darker than expected, as if it were not.

    Interference only adds power, so that only excess makes a pixel unlikely. The cost of the code is shared evenly by
    all valid pixels of a tile. It learns nothing: it has the encoder of the network.

    Args:
        network: Trained; shares its weights.
        smooth_px: Rows and columns over which the map is averaged.
    """

    def __init__(self, network: VariationalAutoencoder, smooth_px: tuple[int, int]) -> None:
        super().__init__()
        self.encoder, self.to_latent = network.encoder, network.to_latent
        self.smooth_px = (int(smooth_px[0]), int(smooth_px[1]))

    def forward(self, tiles: Tensor, valid: Tensor, reconstruction: Reconstruction) -> Tensor:
        """Weigh tiles; see `Evidence.forward`."""
        mask = valid.to(tiles.dtype)
        excess = (tiles - reconstruction.mean).clamp(min=0.0)
        nats = (excess / reconstruction.spread + (2.0 * reconstruction.spread).log()) * mask
        weight = self._box_mean(mask)
        smooth = self._box_mean(nats) / weight.clamp(min=1e-6)
        cost = self._code_cost(tiles, mask) / mask.sum(dim=(1, 2, 3)).clamp(min=1.0)
        return smooth + cost[:, None, None, None]

    def _code_cost(self, tiles: Tensor, mask: Tensor) -> Tensor:
        encoded = self.to_latent(self.encoder(stack_valid(pad_to_stride(tiles), pad_to_stride(mask))))
        return divergence(*split_code(encoded))

    def _box_mean(self, maps: Tensor) -> Tensor:
        """Mean over a box around each pixel, 0 beyond the tile; a box of even size has more before than after."""
        rows, cols = ((size // 2, size - 1 - size // 2) for size in self.smooth_px)
        return functional.avg_pool2d(functional.pad(maps, (*cols, *rows)), self.smooth_px, stride=1)

    @property
    def parameter_count(self) -> int:
        """None of its own: they are the autoencoder's."""
        return 0


def negative_bound(network: VariationalAutoencoder, tiles: Tensor, valid: Tensor) -> Tensor:
    """The negative bound of tiles, in nats, shape (N,): of brighter and of darker pixels.

    Args:
        network: In evaluation mode.
        tiles: Standardised dB, shape (N, 2, h, w), 0 where invalid.
        valid: True = valid, same shape.
    """
    mean, log_variance = network.posterior(tiles, valid)
    expected, log_spread, _ = network.decode(mean, (tiles.shape[2], tiles.shape[3]))
    nats = (tiles - expected).abs() * (-log_spread).exp() + log_spread + math.log(2.0)
    return torch.where(valid, nats, torch.zeros_like(nats)).sum(dim=(1, 2, 3)) + divergence(mean, log_variance)
