"""Networks made ready for inference: the same function, in a form that runs faster and that other runtimes can read.

Shapes: N tiles, (h, w) tile.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rfiscan.networks.base import Autoencoder, Reconstruction
from rfiscan.networks.evidence import Evidence
from rfiscan.networks.fixed_masks import FixedMasks
from rfiscan.networks.mae import MaskedAutoencoder

Network = TypeVar("Network", bound=nn.Module)


class FrozenModel(nn.Module):
    """An autoencoder and its evidence network as one function of tiles.

    Args:
        network: Trained; it is copied.
        evidence: Trained, or None; it is copied.
    """

    def __init__(self, network: Autoencoder, evidence: Evidence | None = None) -> None:
        super().__init__()
        copied = ready(network)
        self.reconstruct = FixedMasks(copied) if isinstance(copied, MaskedAutoencoder) else _OnePass(copied)
        self.evidence = None if evidence is None else ready(evidence)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, tiles: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """Run tiles.

        Args:
            tiles: Standardised dB, shape (N, 2, h, w), 0 where invalid.
            valid: True = valid, same shape.

        Returns:
            Mean and spread (see `Reconstruction`), and with an evidence network its log odds; each (N, 2, h, w).
        """
        mask = valid.to(tiles.dtype)
        mean, spread = self.reconstruct(tiles, mask)
        if self.evidence is None:
            return mean, spread
        return mean, spread, self.evidence(tiles, mask, Reconstruction(mean, spread))


def ready(network: Network) -> Network:
    """Copy a network, without batch norms and without moving pixels into channels."""
    return absorb_unshuffles(fold_batch_norms(network))


def fold_batch_norms(network: Network) -> Network:
    """Copy a network and put each batch norm into the convolution before it.

    In evaluation mode a batch norm is an affine map of each channel, with running mean m, variance v, gain g and offset
    b: y = g (W x - m) / sqrt(v + eps) + b, which a convolution of weights W g / sqrt(v + eps) and of offset
    b - m g / sqrt(v + eps) does alone (Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 2).
    """
    folded = copy.deepcopy(network).eval()
    for parent in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for index in range(1, len(parent)):
            before, norm = parent[index - 1], parent[index]
            if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                parent[index - 1], parent[index] = fuse_conv_bn_eval(before, norm), nn.Identity()
    return folded


def absorb_unshuffles(network: Network) -> Network:
    """Copy a network and put each `PixelUnshuffle` into the convolution after it.

    Unshuffling by r makes r^2 channels of each channel c: row i and column j of every r x r block go to the channel
    c r^2 + i r + j. So a k x k convolution of these is a kr x kr convolution of the pixels with stride r, whose weight
    at row a r + i and column b r + j is that of block (a, b) and channel c r^2 + i r + j.
    """
    absorbed = copy.deepcopy(network)
    for parent in [module for module in absorbed.modules() if isinstance(module, nn.Sequential)]:
        for index in range(1, len(parent)):
            before, block = parent[index - 1], parent[index]
            if isinstance(before, nn.PixelUnshuffle) and isinstance(block, nn.Sequential):
                first = block[0]
                if isinstance(first, nn.Conv2d):
                    parent[index - 1], block[0] = nn.Identity(), _on_pixels(first, before.downscale_factor)
    return absorbed


def _on_pixels(of_blocks: nn.Conv2d, factor: int) -> nn.Conv2d:
    outputs, inputs, rows, cols = of_blocks.weight.shape
    pixels = inputs // factor**2
    top, left = (factor * int(pad) for pad in of_blocks.padding)
    convolution = nn.Conv2d(
        pixels, outputs, (rows * factor, cols * factor), stride=factor, padding=(top, left), bias=True
    )
    weight = of_blocks.weight.reshape(outputs, pixels, factor, factor, rows, cols).permute(0, 1, 4, 2, 5, 3)
    offset = torch.zeros(outputs) if of_blocks.bias is None else of_blocks.bias
    with torch.no_grad():
        convolution.weight.copy_(weight.reshape(convolution.weight.shape))
        convolution.get_parameter("bias").copy_(offset)
    return convolution.eval()


class _OnePass(nn.Module):
    """`Autoencoder.reconstruct` as a module."""

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, tiles: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread, (N, 2, h, w) each."""
        mean, spread = self.network.reconstruct(tiles, valid)
        return mean, spread
