"""Denoising autoencoder: a convolutional one whose input is spoilt in training in ways that know of no interference.

After Vincent et al. 2008 (Extracting and Composing Robust Features with Denoising Autoencoders, ICML, section 2.3,
masking noise) and 2010 (Stacked Denoising Autoencoders, JMLR 11, section 3.3, Gaussian noise): the input is corrupted,
the target is not. Shapes: N tiles, (h, w) tile.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rfiscan.networks.base import Prediction
from rfiscan.networks.cae import ConvAutoencoder


class DenoisingAutoencoder(ConvAutoencoder):
    """A `ConvAutoencoder` that learns from noisy tiles with blocks blanked out; at inference it sees tiles as they are.

    Blocks rather than single pixels are blanked, for neighbouring pixels tell each other; both polarizations together,
    for these do so, too.

    Args:
        width: As in `ConvAutoencoder`.
        code: Likewise.
        context: Likewise.
        noise: Standard deviation of the Gaussian noise, in units of the standardised tile, >= 0.
        blank_share: Share of the blocks that are set to 0, the median of the scene, 0..1.
        block: (h, w) of a block in pixels.

    Raises:
        ValueError: If a setting lies outside its range.
    """

    def __init__(
        self,
        *,
        width: int = 32,
        code: int = 16,
        context: int = 4,
        noise: float = 0.5,
        blank_share: float = 0.25,
        block: tuple[int, int] = (10, 20),
    ) -> None:
        super().__init__(width=width, code=code, context=context)
        self.noise, self.blank_share, self.block = float(noise), float(blank_share), (int(block[0]), int(block[1]))
        if not (self.noise >= 0.0 and 0.0 <= self.blank_share < 1.0 and min(self.block) >= 1):
            raise ValueError(f"noise {noise}, blank_share {blank_share} or block {block} is out of range")

    def predict(self, tiles: Tensor, valid: Tensor) -> Prediction:
        """Predict tiles, in training from spoilt ones."""
        return super().predict(self.corrupt(tiles) if self.training else tiles, valid)

    def corrupt(self, tiles: Tensor) -> Tensor:
        """Add noise to tiles (N, 2, h, w), and blank blocks of them out."""
        # of the generator that a resumed run restores, on whatever device it goes on
        noise = self.draw_rows(lambda count: torch.randn(count, *tiles.shape[1:]), len(tiles))
        noisy = tiles + self.noise * noise.to(tiles.device)
        return noisy.masked_fill(self._draw_blank(tiles).to(tiles.device), 0.0)

    def _draw_blank(self, tiles: Tensor) -> Tensor:
        """Draw the pixels to blank out, bool (N, 1, h, w)."""
        height, width = tiles.shape[2:]
        rows, cols = -(-height // self.block[0]), -(-width // self.block[1])
        blank = self.draw_rows(lambda count: torch.rand(count, 1, rows, cols), len(tiles)) < self.blank_share
        whole = blank.repeat_interleave(self.block[0], dim=2).repeat_interleave(self.block[1], dim=3)
        return whole[:, :, :height, :width]
