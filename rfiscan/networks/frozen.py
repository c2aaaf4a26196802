"""Networks made ready for inference: the same function, in a form that runs faster and that other runtimes can read.

Shapes: N tiles, (h, w) tile.
"""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rfiscan.networks.base import Autoencoder, Reconstruction
from rfiscan.networks.evidence import EvidenceNetwork
from rfiscan.networks.fixed_masks import FixedMasks
from rfiscan.networks.mae import MaskedAutoencoder

Network = TypeVar("Network", bound=nn.Module)


class FrozenModel(nn.Module):
    """An autoencoder and its evidence network as one function of tiles.

    Args:
        network: Trained; it is copied.
        evidence: Trained, or None; it is copied.
    """

    def __init__(self, network: Autoencoder, evidence: EvidenceNetwork | None = None) -> None:
        super().__init__()
        copied = fold_batch_norms(network)
        self.reconstruct = FixedMasks(copied) if isinstance(copied, MaskedAutoencoder) else _OnePass(copied)
        self.evidence = None if evidence is None else fold_batch_norms(evidence)
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


class _OnePass(nn.Module):
    """`Autoencoder.reconstruct` as a module."""

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, tiles: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread, (N, 2, h, w) each."""
        mean, spread = self.network.reconstruct(tiles, valid)
        return mean, spread
