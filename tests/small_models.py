"""Small models with drawn weights, whose every part computes something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rfiscan.model_files.checkpoint import save_model
from rfiscan.model_files.model_card import ModelCard
from rfiscan.networks import Autoencoder, EvidenceNetwork, build_network
from rfiscan.scoring import ScoringSettings
from rfiscan.standardisation import Standardisation

TILE = (40, 60)
CAE = {"width": 4, "code": 2, "context": 1}
MAE = {
    "tile": TILE,
    "patch": (10, 20),
    "width": 24,
    "depth": 2,
    "heads": 3,
    "decoder_width": 16,
    "decoder_depth": 2,
    "decoder_heads": 2,
}
SETTINGS = {"cae": CAE, "mae": MAE, "dae": CAE, "vae": {"tile": TILE, "latent": 6, "width": 4}}


def draw_network(architecture: str, settings: dict[str, Any], seed: int = 0) -> Autoencoder:
    """A network in evaluation mode, statistics of its batch norms drawn, too."""
    torch.manual_seed(seed)
    return _draw_statistics(build_network(architecture, settings))


def draw_evidence(seed: int = 0) -> EvidenceNetwork:
    """An evidence network, likewise."""
    torch.manual_seed(seed)
    return _draw_statistics(EvidenceNetwork(width=4, context=2))


def _draw_statistics(network: Any) -> Any:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    return network.eval().requires_grad_(requires_grad=False)


def draw_tiles(count: int, shape: tuple[int, int] = TILE, seed: int = 0) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Standardised tiles (N, 2, h, w), 0 where invalid, and their valid masks."""
    rng = np.random.default_rng(seed)
    valid = rng.random((count, 2, *shape)) < 0.9
    valid[:, :, :, :7] = False
    return np.where(valid, rng.normal(size=valid.shape), 0).astype(np.float32), valid


def save_small_model(folder: Path, architecture: str = "cae", *, weighs: bool = True, **card: Any) -> Path:
    """Save a small model of tiles of `TILE`."""
    network, weighing = draw_network(architecture, SETTINGS[architecture]), draw_evidence()
    values: dict[str, Any] = {
        "name": folder.name,
        "architecture": architecture,
        "settings": SETTINGS[architecture],
        "evidence": {"width": 4, "context": 2} if weighs else None,
        "spacing_m": 500.0,
        "tile_shape": TILE,
        "standardisation": Standardisation(),
        "scoring": ScoringSettings(),
        "thresholds": {1e-4: 3.0, 1e-3: 2.0, 1e-2: 1.0},
    }
    save_model(folder, network, ModelCard(**{**values, **card}), weighing if weighs else None)
    return folder
