"""Pictures of the tiles that a training run is watched by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rfiscan.export.tile_pictures import write_tile_pictures
from rfiscan.networks import Autoencoder
from rfiscan.simulation import SimulatedScene
from rfiscan.standardisation import Standardisation

PICTURED_TILES = 3


def picture_tiles(
    path: Path,
    network: Autoencoder,
    scenes: Sequence[SimulatedScene],
    standardisation: Standardisation,
    tile_shape: tuple[int, int],
) -> None:
    """Picture the first scenes of the size of a tile: original, masked input, reconstruction, error.

    Args:
        path: PNG to write; its folder is made if absent.
        network: Reconstructs them, on the device where it is.
        scenes: The scenes.
        standardisation: What makes them input of the network.
        tile_shape: (h, w) of a tile in pixels.
    """
    shown = [scene for scene in scenes if scene.power.shape[1:] == tile_shape][:PICTURED_TILES]
    device = next(network.parameters()).device
    tiles = np.stack([standardisation.apply(scene.power, scene.valid_mask)[0] for scene in shown])
    valid = torch.from_numpy(np.stack([scene.valid_mask for scene in shown])).to(device)
    inputs = torch.from_numpy(tiles).to(device)
    with torch.inference_mode():
        hidden = network.hidden_in_first_pass(inputs).cpu().numpy()
        mean = network.reconstruct(inputs, valid).mean.cpu().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tile_pictures(path, tiles, hidden, mean)
