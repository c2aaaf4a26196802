"""Run a network over a whole scene: cut, reconstruct, stitch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from rfiscan.networks.base import Autoencoder
from rfiscan.tiling import Stitcher, cut_tile, plan_windows


def reconstruct_scene(
    network: Autoencoder,
    standardised: NDArray[np.float32],
    valid: NDArray[np.bool_],
    *,
    tile_shape: tuple[int, int] = (340, 500),
    overlap: float = 0.25,
    batch: int = 4,
    on_tile: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Reconstruct a scene tile by tile.

    Args:
        network: In evaluation mode.
        standardised: Shape (2, H, W), 0 where invalid.
        valid: True = valid, same shape.
        tile_shape: (h, w) of a tile in pixels.
        overlap: Share of a tile that it shares with its neighbour, 0 <= overlap < 1.
        batch: Tiles in one pass.
        on_tile: Called with the numbers of tiles done and in all.

    Returns:
        Reconstruction and expected spread, each of shape (2, H, W), standardised. Tiles without a valid pixel are not
        run: there the reconstruction is 0 and the spread 1.
    """
    windows = plan_windows(standardised.shape[1], standardised.shape[2], tile_shape, overlap)
    mean, spread = (Stitcher(standardised.shape) for _ in range(2))
    device = next(network.parameters()).device
    for start in range(0, len(windows), batch):
        chosen = windows[start : start + batch]
        tiles = np.stack([cut_tile(standardised, w, tile_shape) for w in chosen])
        masks = np.stack([cut_tile(valid, w, tile_shape) for w in chosen])
        means, spreads = np.zeros_like(tiles), np.ones_like(tiles)
        filled = masks.any(axis=(1, 2, 3))
        if filled.any():
            with torch.inference_mode():
                out = network.reconstruct(
                    torch.from_numpy(tiles[filled]).to(device), torch.from_numpy(masks[filled]).to(device)
                )
            means[filled], spreads[filled] = out.mean.cpu().numpy(), out.spread.cpu().numpy()
        for window, tile_mean, tile_spread in zip(chosen, means, spreads, strict=True):
            mean.add(window, tile_mean)
            spread.add(window, tile_spread)
        if on_tile is not None:
            on_tile(min(start + batch, len(windows)), len(windows))
    return mean.result(), spread.result()
