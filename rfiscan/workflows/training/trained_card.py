"""The card of a model that is being trained."""

from __future__ import annotations

from typing import Any

from rfiscan import __version__
from rfiscan.config.schema import TrainConfig
from rfiscan.model_files.model_card import ModelCard
from rfiscan.networks import PRESETS
from rfiscan.scoring import ScoringSettings
from rfiscan.standardisation import Standardisation
from rfiscan.workflows.training.building import network_settings
from rfiscan.workflows.training.judging import evidence_settings


def trained_card(config: TrainConfig, provenance: dict[str, Any]) -> ModelCard:
    """Describe a model by the configuration of its run; its thresholds are still to be calibrated.

    Args:
        config: Of the run.
        provenance: What the configuration does not say: scenes, step, figures.
    """
    return ModelCard(
        name=config.name,
        architecture=PRESETS[config.network.preset].architecture,
        settings=network_settings(config),
        evidence=evidence_settings(config),
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


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Figures as a card has them."""
    return {name: round(float(value), 5) for name, value in figures.items()}
