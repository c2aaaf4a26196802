"""Networks on tiles as they are trained, without anything made ready for speed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rfiscan.networks.base import Autoencoder
from rfiscan.networks.evidence import Evidence


class NetworkRuntime:
    """Networks as a `rfiscan.tiling.reconstruction.TileRuntime`, on the device that they are on.

    Args:
        network: In evaluation mode.
        evidence: Weighs what the reconstruction leaves, in evaluation mode; None leaves that out.
    """

    backend, precision = "torch", "f32"

    def __init__(self, network: Autoencoder, evidence: Evidence | None = None) -> None:
        self._network, self._evidence = network, evidence
        self.weighs = evidence is not None

    def run(self, tiles: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """Reconstruct tiles, and weigh what is left of them; see `rfiscan.tiling.reconstruction.TileRuntime`."""
        device = next(self._network.parameters()).device
        on_device, mask = torch.from_numpy(tiles).to(device), torch.from_numpy(valid).to(device)
        with torch.inference_mode():
            reconstruction = self._network.reconstruct(on_device, mask)
            maps = [*reconstruction]
            if self._evidence is not None:
                maps.append(self._evidence(on_device, mask, reconstruction))
            return [made.cpu().numpy() for made in maps]
