"""Convolutional building blocks.

Shapes: N tiles, C channels, (h, w) tile.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

STRIDE = 16
"""Tiles are padded to a multiple of this: four halvings."""


def pad_to_stride(tiles: Tensor) -> Tensor:
    """Repeat the last rows and columns of (N, C, h, w) up to multiples of `STRIDE`."""
    bottom, right = (-n % STRIDE for n in tiles.shape[2:])
    if not bottom and not right:  # else it is copied all the same
        return tiles
    return functional.pad(tiles, (0, right, 0, bottom), mode="replicate")


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity, same shape."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(channels, channels, dilation=dilation),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        return functional.relu(x + self.body(x))


def conv(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def upsample(inputs: int, outputs: int) -> nn.Sequential:
    """Double the resolution: 1x1 convolution, PixelShuffle (Shi et al. 2016, arXiv:1609.05158), 3x3 convolution."""
    return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 1), nn.PixelShuffle(2), conv(outputs, outputs))
