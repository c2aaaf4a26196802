"""The thresholds of a model that has been trained, on scenes that nothing else saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from rfiscan.config.schema import TrainConfig
from rfiscan.model_files.checkpoint import load_model, save_model
from rfiscan.model_files.model_card import ALONE, NullCalibration
from rfiscan.networks import Autoencoder, Evidence
from rfiscan.priors import bundled_priors
from rfiscan.simulation import SimulatedScene
from rfiscan.training_data.dataset import validation_scenes
from rfiscan.workflows.training.calibrate import (
    ScoredScene,
    calibrate_on,
    validation_figures,
)
from rfiscan.workflows.training.trained_card import rounded
from rfiscan.workflows.training.world import World

CALIBRATION_SEED = 8_000_000
"""Added to the run's seed for the scenes that set the thresholds: those of training and validation have others."""

Score = Callable[[Autoencoder, Evidence | None, Sequence[SimulatedScene]], list[ScoredScene]]


def calibrate_model(
    model_dir: Path, config: TrainConfig, validation: Sequence[SimulatedScene], score: Score, world: World
) -> dict[str, float]:
    """Give a model its thresholds, ranks of stripes and scores of scenes, and its card the figures of validation.

    The scenes are shared out; the figures are those of all of them, however many processes there are.

    Args:
        model_dir: Folder of the model, which is written anew.
        config: Of the run that made it.
        validation: The scenes of its validation; the clean ones take part.
        score: Lets networks judge scenes.
        world: The processes that call this.

    Returns:
        Figures of the model in validation, by name.
    """
    model = world.by_writer(lambda: load_model(model_dir))
    clean = validation_scenes(
        config.seed + CALIBRATION_SEED,
        config.data.calibration_tiles,
        (),
        config.tile_shape,
        config.spacing_m,
        priors=bundled_priors(),
        contaminated_share=0.0,
        own=world.own,
    )
    clean += [scene for scene in validation[world.own] if not scene.interferers]

    def calibrate(scenes: Sequence[SimulatedScene], rates: Sequence[float] | None = None) -> NullCalibration:
        shares = world.gather(score(model.network, model.evidence, scenes))
        return calibrate_on(list(chain.from_iterable(shares)), model.card.scoring, config.spacing_m, rates)

    both = calibrate(clean)
    alone = {
        name: calibrate([_alone(scene, slot) for scene in clean if scene.valid_mask[slot].any()], list(both.thresholds))
        for slot, name in enumerate(ALONE)
    }
    figures = validation_figures(
        world.each_share(validation, lambda scenes: score(model.network, model.evidence, scenes))
    )
    card = replace(
        model.card,
        thresholds=both.thresholds,
        stripe_ranks=both.stripe_ranks,
        scene_scores=both.scene_scores,
        alone=alone,
        provenance={**model.card.provenance, "validation": rounded(figures)},
    )
    world.by_writer(lambda: save_model(model_dir, model.network, card, model.evidence))
    return figures


def _alone(scene: SimulatedScene, slot: int) -> SimulatedScene:
    """A scene of which one polarization is there."""
    valid_mask = np.zeros_like(scene.valid_mask)
    valid_mask[slot] = scene.valid_mask[slot]
    return replace(scene, valid_mask=valid_mask)
