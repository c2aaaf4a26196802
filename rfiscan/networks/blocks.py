"""Convolutional building blocks.

Shapes: N tiles, C channels, (h, w) tile.
"""

from __future__ import annotations

from itertools import zip_longest

import torch
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


class NormedConvolutions(nn.Sequential):
    """Layers one after the other; a batch norm that keeps its statistics is done by the convolution before it.

    With running mean m, variance v, gain g and offset b that is a convolution of weights W g / sqrt(v + eps) and of
    offset b - m g / sqrt(v + eps) (Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 2). Gradients go through it to
    W, g and b alike, and the maps are read and written once less.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """(N, C, h, w) -> (N, C', h', w')."""
        x, done = input, False
        for layer, after in zip_longest(self, list(self)[1:]):
            if done:  # by the convolution before it
                done = False
            elif isinstance(layer, nn.Conv2d) and isinstance(after, nn.BatchNorm2d) and not after.training:
                x, done = _normed(x, layer, after), True
            else:
                x = layer(x)
        return x


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity, same shape."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = NormedConvolutions(
            conv(channels, channels, dilation=dilation),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        return functional.relu(x + self.body(x))


def conv(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> NormedConvolutions:
    """3x3 convolution, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
    return NormedConvolutions(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def upsample(inputs: int, outputs: int) -> nn.Sequential:
    """Double the resolution: 1x1 convolution, PixelShuffle (Shi et al. 2016, arXiv:1609.05158), 3x3 convolution."""
    return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 1), nn.PixelShuffle(2), conv(outputs, outputs))


def _normed(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    """A convolution without offset and the batch norm after it, which keeps its statistics."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    weight, offset = conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
    return functional.conv2d(x, weight, offset, conv.stride, conv.padding, conv.dilation, conv.groups)
