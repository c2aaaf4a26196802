"""Variational autoencoder: its code is a distribution, and what the code costs is part of the loss.

After Kingma and Welling 2014 (Auto-Encoding Variational Bayes, arXiv:1312.6114). Shapes: N tiles, (h, w) tile, K units
of the code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rfiscan.networks.base import Prediction
from rfiscan.networks.cae import DenseAutoencoder


class VariationalAutoencoder(DenseAutoencoder):
    """A `DenseAutoencoder` whose code is drawn from a normal distribution that the encoder gives.

    In training the code is drawn (section 2.4, reparametrisation); at inference it is the mean, so that equal tiles
    have equal reconstructions.

    Args:
        tile: (h, w) in pixels.
        latent: Units K of the code.
        width: Channels at 1/2, as in `DenseAutoencoder`.
    """

    def __init__(self, *, tile: tuple[int, int] = (340, 500), latent: int = 125, width: int = 16) -> None:
        super().__init__(tile=tile, latent=latent, width=width)
        self.to_latent = nn.Linear(self.to_latent.in_features, 2 * latent)  # means and logarithms of variances

    def posterior(self, tiles: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and natural logarithm of the variance of the code of each tile, (N, K) each."""
        return split_code(self.encode(tiles, valid))

    def predict(self, tiles: Tensor, valid: Tensor) -> Prediction:
        """Predict tiles, in training from a drawn code; says what the code costs."""
        mean, log_variance = self.posterior(tiles, valid)
        code = mean
        if self.training:  # noise is of the generator that a resumed run restores, on whatever device it goes on
            noise = self.draw_rows(lambda count: torch.randn(count, mean.shape[1]), len(mean))
            code = mean + (0.5 * log_variance).exp() * noise.to(mean.device)
        predicted = self.decode(code, (tiles.shape[2], tiles.shape[3]))
        return Prediction(predicted.mean, predicted.log_spread, divergence(mean, log_variance))

    def latent_codes(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Mean of the code, (N, K)."""
        return self.posterior(tiles, valid)[0]


def split_code(encoded: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance of what an encoder gives: (N, 2 K) -> (N, K) twice, float32."""
    mean, log_variance = encoded.float().chunk(2, dim=1)
    return mean, log_variance


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of normal distributions (N, K) from the standard one, in nats, shape (N,).

    Source: Kingma and Welling 2014, appendix B: -1/2 sum(1 + ln s^2 - m^2 - s^2).
    """
    return -0.5 * (1.0 + log_variance - mean**2 - log_variance.exp()).sum(dim=1)
