"""Frozen networks in torch: the runtime that is always there."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rfiscan.networks.base import Autoencoder
from rfiscan.networks.evidence import Evidence
from rfiscan.networks.frozen import FrozenModel


class TorchRuntime:
    """Networks with folded batch norms and channels last in memory, on a GPU if there is one.

    Args:
        network: Trained; it is copied.
        evidence: Trained, or None; it is copied.
        precision: "f32", or "bf16" for automatic mixed precision: convolutions and matrix products in bfloat16.
    """

    backend = "torch"

    def __init__(self, network: Autoencoder, evidence: Evidence | None = None, *, precision: str = "f32") -> None:
        self.precision = precision
        self.weighs = evidence is not None
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        frozen = FrozenModel(network, evidence).to(self._device)
        self._model = frozen.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # its stubs lack it

    def run(self, tiles: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """Reconstruct tiles, and weigh what is left of them; see `rfiscan.tiling.reconstruction.TileRuntime`."""
        mixed = torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), mixed:
            maps = self._model(self._place(tiles), self._place(valid))
        return [made.float().cpu().numpy() for made in maps]

    def _place(self, array: NDArray[np.float32] | NDArray[np.bool_]) -> Tensor:
        tensor = torch.from_numpy(array)
        if self._device.type == "cuda":  # from pinned memory the copy need not be waited for
            tensor = tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.contiguous(memory_format=torch.channels_last)
