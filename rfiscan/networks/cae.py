"""Convolutional autoencoder with a real bottleneck: no path leads around the code.

Shapes: N tiles, (h, w) tile; /s means at 1/s of its resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rfiscan.networks.base import (
    Autoencoder,
    Prediction,
    Reconstruction,
    bound_log_spread,
    stack_valid,
    summarise,
)
from rfiscan.networks.blocks import STRIDE, Residual, conv, pad_to_stride, upsample


class ConvAutoencoder(Autoencoder):
    """Encodes a tile into a narrow map of codes and decodes it.

    The encoder halves the tile three times, looks at a fourth halving for context, and squeezes what it saw into
    ``code`` channels at 1/8 of the resolution; the decoder has nothing else to go by (skip connections would hand the
    stripes through).

    Args:
        width: Channels at 1/2; twice as many at 1/4, three times at 1/8 and 1/16.
        code: Channels of the bottleneck at 1/8 of the resolution: 64 * 2 / code is the compression.
        context: Residual blocks at 1/16, with dilation 1, 2, 4, 8, 1, ...
    """

    def __init__(self, *, width: int = 32, code: int = 16, context: int = 4) -> None:
        super().__init__()
        w1, w2, w3 = width, 2 * width, 3 * width
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), conv(16, w1))  # /2
        self.to_quarter = nn.Sequential(conv(w1, w2, stride=2), Residual(w2))
        self.to_eighth = nn.Sequential(conv(w2, w3, stride=2), Residual(w3))
        self.context = nn.Sequential(
            conv(w3, w3, stride=2), *[Residual(w3, dilation=2 ** (i % 4)) for i in range(context)]
        )
        self.squeeze = nn.Conv2d(2 * w3, code, 1)
        self.expand = nn.Sequential(conv(code, w3), Residual(w3, dilation=2), Residual(w3))
        self.up_quarter = nn.Sequential(upsample(w3, w2), Residual(w2))
        self.up_half = nn.Sequential(upsample(w2, w1), conv(w1, w1))
        self.head = nn.Sequential(nn.Conv2d(w1, 16, 3, padding=1), nn.PixelShuffle(2))  # 4 channels at full resolution

    def encode(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Encode tiles: (N, 2, h, w) -> (N, code, h / 8, w / 8); h and w multiples of `STRIDE`."""
        eighth = self.to_eighth(self.to_quarter(self.stem(stack_valid(tiles, valid))))
        around = functional.interpolate(self.context(eighth), scale_factor=2.0, mode="nearest")
        codes: Tensor = self.squeeze(torch.cat([eighth, around], dim=1))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Decode to mean and raw log spread: (N, code, h / 8, w / 8) -> (N, 4, h, w)."""
        decoded: Tensor = self.head(self.up_half(self.up_quarter(self.expand(codes))))
        return decoded

    def predict(self, tiles: Tensor, valid: Tensor) -> Prediction:
        """Predict tiles."""
        height, width = tiles.shape[2:]
        tiles_padded, valid_padded = pad_to_stride(tiles), pad_to_stride(valid.to(tiles.dtype))
        decoded = self.decode(self.encode(tiles_padded, valid_padded))[:, :, :height, :width].float()
        return Prediction(decoded[:, :2], bound_log_spread(decoded[:, 2:]))

    def reconstruct(self, tiles: Tensor, valid: Tensor) -> Reconstruction:
        """Reconstruct tiles in one pass."""
        prediction = self.predict(tiles, valid)
        return Reconstruction(prediction.mean, prediction.log_spread.exp())

    def latent_codes(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Mean and deviation of each channel of the code over the tile, (N, 2 code)."""
        mask = pad_to_stride(valid.to(tiles.dtype))
        codes = self.encode(pad_to_stride(tiles), mask)
        weights = functional.avg_pool2d(mask.amax(dim=1, keepdim=True), 8)
        return summarise(codes.flatten(2), weights.flatten(1))


class DenseAutoencoder(Autoencoder):
    """Convolutional autoencoder whose bottleneck is a vector, as in the original work (mae_rfi).

    Args:
        tile: (h, w) in pixels.
        latent: Units of the bottleneck; the original work tried 25 to 500.
        width: Channels at 1/2; doubled at each of the four halvings up to four times.
    """

    def __init__(self, *, tile: tuple[int, int] = (340, 500), latent: int = 125, width: int = 16) -> None:
        super().__init__()
        rows, cols = (-(-int(n) // STRIDE) for n in tile)
        widths = [width, 2 * width, 4 * width, 4 * width]
        self.encoder = nn.Sequential(
            *[conv(i, o, stride=2) for i, o in zip([4, *widths], widths, strict=False)], nn.Flatten()
        )
        self.to_latent = nn.Linear(widths[3] * rows * cols, latent)
        self.from_latent = nn.Sequential(
            nn.Linear(latent, widths[3] * rows * cols), nn.ReLU(), nn.Unflatten(1, (widths[3], rows, cols))
        )
        outwards = [widths[2], widths[1], widths[0], width]
        self.decoder = nn.Sequential(
            *[upsample(i, o) for i, o in zip([widths[3], *outwards], outwards, strict=False)],
            nn.Conv2d(width, 4, 3, padding=1),
        )

    def encode(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """Encode tiles: (N, 2, h, w) -> (N, units of `to_latent`)."""
        padded = stack_valid(pad_to_stride(tiles), pad_to_stride(valid.to(tiles.dtype)))
        codes: Tensor = self.to_latent(self.encoder(padded))
        return codes

    def decode(self, codes: Tensor, shape: tuple[int, int]) -> Prediction:
        """Decode to tiles of ``shape`` (h, w): (N, latent) -> (N, 2, h, w) twice."""
        decoded = self.decoder(self.from_latent(codes))[:, :, : shape[0], : shape[1]].float()
        return Prediction(decoded[:, :2], bound_log_spread(decoded[:, 2:]))

    def predict(self, tiles: Tensor, valid: Tensor) -> Prediction:
        """Predict tiles."""
        return self.decode(self.encode(tiles, valid), (tiles.shape[2], tiles.shape[3]))

    def latent_codes(self, tiles: Tensor, valid: Tensor) -> Tensor:
        """The bottleneck itself, (N, latent)."""
        return self.encode(tiles, valid)

    def reconstruct(self, tiles: Tensor, valid: Tensor) -> Reconstruction:
        """Reconstruct tiles in one pass."""
        prediction = self.predict(tiles, valid)
        return Reconstruction(prediction.mean, prediction.log_spread.exp())
