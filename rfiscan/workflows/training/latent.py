"""The codes that a model gives to clean tiles and to tiles with each kind of interference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rfiscan.model_files.checkpoint import Model
from rfiscan.model_files.model_card import ModelCard
from rfiscan.networks import Autoencoder
from rfiscan.priors import bundled_priors
from rfiscan.simulation import SimulatedScene, simulate_scene
from rfiscan.simulation.emitters import KINDS
from rfiscan.workflows.reporting import SILENT, Reporter

CLEAN = "clean"
CLASSES = (CLEAN, *KINDS)
IBR_DB = (5.0, 20.0)
"""Ratio of the interference that is shown to the background, in dB: what can be seen. A choice."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A tile of a known class.

    Attributes:
        kind: One of `CLASSES`.
        scene: The scene that it is all of.
    """

    kind: str
    scene: SimulatedScene


def draw_samples(card: ModelCard, per_class: int, seed: int, reporter: Reporter = SILENT) -> list[Sample]:
    """Simulate tiles for a model, as many of each class, no two of them over one background.

    Args:
        card: Of the model: says the shape and spacing.
        per_class: Tiles of each class.
        seed: Seed of everything drawn.
        reporter: Is told how far the work is.
    """
    samples = []
    for number, kind in enumerate(CLASSES):
        for index in range(per_class):
            scene = simulate_scene(
                np.random.default_rng([seed, number, index]),
                bundled_priors(),
                card.tile_shape,
                contaminated=kind != CLEAN,
                spacing_m=card.spacing_m,
                ibr_db=IBR_DB,
                kind=None if kind == CLEAN else kind,
            )
            samples.append(Sample(kind, scene))
            reporter.progress("simulating", len(samples), per_class * len(CLASSES))
    return samples


def latent_codes(model: Model, samples: list[Sample], batch: int = 4) -> NDArray[np.float32]:
    """Codes of tiles, shape (N, D); see `Autoencoder.latent_codes`."""
    network: Autoencoder = model.network
    device = next(network.parameters()).device
    codes = []
    for start in range(0, len(samples), batch):
        scenes = [sample.scene for sample in samples[start : start + batch]]
        tiles = np.stack([model.card.standardisation.apply(scene.power, scene.valid_mask)[0] for scene in scenes])
        valid = torch.from_numpy(np.stack([scene.valid_mask for scene in scenes])).to(device)
        with torch.inference_mode():
            codes.append(network.latent_codes(torch.from_numpy(tiles).to(device), valid).float().cpu().numpy())
    return np.concatenate(codes)
