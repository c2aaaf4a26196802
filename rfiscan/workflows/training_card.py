"""The card of a model that is being trained."""

from __future__ import annotations

from typing import Any

from rfiscan import __version__
from rfiscan.config.schema import TrainConfig
from rfiscan.model_card import ModelCard
from rfiscan.networks import PRESETS
from rfiscan.scoring import ScoringSettings
from rfiscan.standardisation import Standardisation
from rfiscan.workflows.building import network_settings


def training_card(config: TrainConfig, provenance: dict[str, Any]) -> ModelCard:
    """Card of a model without thresholds: they are set when the training is done.

    Args:
        config: The run's.
        provenance: What came of it, besides the version, the configuration and the seed.
    """
    return ModelCard(
        name=config.name,
        architecture=PRESETS[config.network.preset].architecture,
        settings=network_settings(config),
        evidence=config.evidence.model_dump(),
        spacing_m=config.spacing_m,
        tile_shape=config.tile_shape,
        standardisation=Standardisation(**config.standardisation.model_dump()),
        scoring=ScoringSettings(**config.scoring.model_dump()),
        thresholds={},
        provenance={
            "version": __version__,
            "config": config.model_dump(mode="json"),
            "seed": config.seed,
            **provenance,
        },
    )
