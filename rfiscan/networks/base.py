"""What all autoencoders share: one interface for training, one for inference, one for the codes of tiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

LOG_SPREAD_RANGE = (-4.0, 3.0)
"""Bounds of the predicted log spread, in units of the standardised tile: a smaller spread than e^-4 is below the
quantisation of a quick-look, and the bound keeps the likelihood finite."""


class Prediction(NamedTuple):
    """What a network says of tiles.

    Attributes:
        mean: Reconstruction, standardised dB, shape (N, 2, h, w).
        log_spread: Natural logarithm of the expected absolute deviation from ``mean`` (the Laplace scale), same shape.
        divergence: What the code of each tile costs, in nats, >= 0, shape (N,); None where a network does not say.
    """

    mean: Tensor
    log_spread: Tensor
    divergence: Tensor | None = None


class Reconstruction(NamedTuple):
    """A reconstruction and its expected spread, both standardised, shape (N, 2, h, w); spread > 0."""

    mean: Tensor
    spread: Tensor


class TileShare(NamedTuple):
    """Which tiles of a batch a network is shown, where the batch is split: first, first + step, ...

    Attributes:
        first: Number of the first one.
        step: Distance to the next one.
        total: Tiles of the whole batch.
    """

    first: int
    step: int
    total: int


class Autoencoder(nn.Module, ABC):
    """A network that reconstructs tiles without their interference.

    Attributes:
        share: What `predict` is shown of a batch that is split; None for all of it.
    """

    share: TileShare | None = None

    @abstractmethod
    def predict(self, tiles: Tensor, valid: Tensor) -> Prediction:
        """Predict tiles for training.

        Args:
            tiles: Standardised dB, shape (N, 2, h, w), 0 where invalid.
            valid: True = valid, shape (N, 2, h, w).
        """

    @abstractmethod
    def reconstruct(self, tiles: Tensor, valid: Tensor) -> Reconstruction:
        """Reconstruct tiles for inference; deterministic. Arguments as in `predict`."""

    @abstractmethod
    def latent_codes(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Describe each tile by the numbers that the decoder sees of it; deterministic.

        Args:
            tiles: Standardised dB, shape (N, 2, h, w), 0 where invalid.
            valid: True = valid, same shape.

        Returns:
            Shape (N, D): the bottleneck where it is a vector, else what `summarise` makes of it.
        """

    def hidden_in_first_pass(self, tiles: Tensor) -> Tensor:
        """Pixels that a first pass does not see, bool (N, 1, h, w): none, unless the network masks its input."""
        return torch.zeros_like(tiles[:, :1], dtype=torch.bool)

    def draw_rows(self, draw: Callable[[int], Tensor], count: int) -> Tensor:
        """Draw random numbers for the tiles that the network is shown: the same, however the batch is split.

        Args:
            draw: Gives random numbers for so many tiles, one after the other along the first axis, from torch's CPU
                generator.
            count: Tiles that the network is shown.
        """
        return draw(count) if self.share is None else draw(self.share.total)[self.share.first :: self.share.step]

    def draw_below(self, bound: int) -> int:
        """Draw a number that is 0 or more and below a bound, from torch's CPU generator; once for a whole batch."""
        return int(torch.randint(bound, ()))

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters."""
        return sum(p.numel() for p in self.parameters())


def stack_valid(tiles: Tensor, valid: Tensor) -> Tensor:
    """Join tiles with their valid masks as further channels: (N, 2, h, w) twice -> (N, 4, h, w)."""
    mask = valid.to(tiles.dtype)
    return torch.cat([tiles * mask, mask], dim=1)


def bound_log_spread(raw: Tensor) -> Tensor:
    """Map any number to `LOG_SPREAD_RANGE`, smoothly, so that its gradient never dies."""
    low, high = LOG_SPREAD_RANGE
    return low + (high - low) * torch.sigmoid(raw)


def summarise(features: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation of features over places: (N, C, L), weights (N, L) >= 0 -> (N, 2 C).

    Where an object lies does not matter then, but what there is, and how unlike its surroundings it is.
    """
    share = (weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-6))[:, None]
    mean = (features * share).sum(dim=2)
    variance = ((features - mean[:, :, None]) ** 2 * share).sum(dim=2)
    return torch.cat([mean, variance.sqrt()], dim=1)
