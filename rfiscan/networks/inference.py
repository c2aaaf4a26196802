"""Run a network over a whole scene: cut, reconstruct, stitch."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rfiscan.networks.base import Autoencoder
from rfiscan.networks.evidence import EvidenceNetwork
from rfiscan.tiling import Stitcher, cut_tile, plan_windows


class SceneReconstruction(NamedTuple):
    """What networks make of a scene, shape (2, H, W) each.

    Attributes:
        mean: Reconstruction, standardised.
        spread: Expected absolute deviation from it, standardised, > 0.
        log_odds: Natural log odds that a pixel of a polarization holds interference; None without evidence network.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    log_odds: NDArray[np.float32] | None


def reconstruct_scene(
    network: Autoencoder,
    standardised: NDArray[np.float32],
    valid: NDArray[np.bool_],
    *,
    evidence: EvidenceNetwork | None = None,
    tile_shape: tuple[int, int] = (340, 500),
    overlap: float = 0.25,
    batch: int = 4,
    on_tile: Callable[[int, int], None] | None = None,
) -> SceneReconstruction:
    """Reconstruct a scene tile by tile, and weigh what is left of it.

    Args:
        network: In evaluation mode.
        standardised: Shape (2, H, W), 0 where invalid.
        valid: True = valid, same shape.
        evidence: Weighs what the reconstruction leaves, in evaluation mode; None leaves that out.
        tile_shape: (h, w) of a tile in pixels.
        overlap: Share of a tile that it shares with its neighbour, 0 <= overlap < 1.
        batch: Tiles in one pass.
        on_tile: Called with the numbers of tiles done and in all.

    Returns:
        The scene's reconstruction. Tiles without a valid pixel are not run: there the mean is 0 and the spread 1.
    """
    windows = plan_windows(standardised.shape[1], standardised.shape[2], tile_shape, overlap)
    stitchers = [Stitcher(standardised.shape) for _ in range(2 if evidence is None else 3)]
    device = next(network.parameters()).device
    for start in range(0, len(windows), batch):
        chosen = windows[start : start + batch]
        tiles = np.stack([cut_tile(standardised, w, tile_shape) for w in chosen])
        masks = np.stack([cut_tile(valid, w, tile_shape) for w in chosen])
        maps = [np.zeros_like(tiles), np.ones_like(tiles), np.zeros_like(tiles)][: len(stitchers)]
        filled = masks.any(axis=(1, 2, 3))
        if filled.any():
            run = _run(network, evidence, *(torch.from_numpy(x[filled]).to(device) for x in (tiles, masks)))
            for made, tensor in zip(maps, run, strict=True):
                made[filled] = tensor.cpu().numpy()
        for stitcher, made in zip(stitchers, maps, strict=True):
            for window, tile in zip(chosen, made, strict=True):
                stitcher.add(window, tile)
        if on_tile is not None:
            on_tile(min(start + batch, len(windows)), len(windows))
    mean, spread, *log_odds = (stitcher.result() for stitcher in stitchers)
    return SceneReconstruction(mean, spread, log_odds[0] if log_odds else None)


def _run(network: Autoencoder, evidence: EvidenceNetwork | None, tiles: Tensor, valid: Tensor) -> list[Tensor]:
    """Mean and spread of tiles, and log odds with an evidence network, (N, 2, h, w) each."""
    with torch.inference_mode():
        reconstruction = network.reconstruct(tiles, valid)
        return [*reconstruction] if evidence is None else [*reconstruction, evidence(tiles, valid, reconstruction)]
