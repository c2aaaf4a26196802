"""A model on a working grid: reconstruct it, score what the reconstruction leaves, find the stripes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rfiscan.detections.regions import Detection, extract_detections, find_stripes
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.scenes.working_grid import WorkingGrid
from rfiscan.scoring import SceneScore, scene_score, score_scene, severity
from rfiscan.tiling.reconstruction import reconstruct_scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a network expects of a scene, in standardised units, shape (2, H, W) each.

    Attributes:
        standardised: The scene itself; 0 where invalid.
        centre_db: Level of each polarization that the standardisation took out, (2,), dB.
        mean: The reconstruction.
        spread: Expected absolute deviation, > 0.
        log_odds: Natural log odds of interference; None where the model has no evidence network.
    """

    standardised: NDArray[np.float32]
    centre_db: NDArray[np.float64]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    log_odds: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a model finds in a scene.

    Attributes:
        scores: Error map and evidence (2, H, W), anomaly map (H, W); NaN where invalid.
        rfi_mask: True = RFI, the pixels of the stripes, (H, W).
        severity: Of the whole scene, 0..1.
        scene_score: What scenes are ranked by, in units of the anomaly map; NaN where nothing is valid.
        labels: Number of the stripe of each pixel, 0 for none, (H, W); in no order.
        detections: The stripes, strongest first.
    """

    scores: SceneScore
    rfi_mask: NDArray[np.bool_]
    labels: NDArray[np.int32]
    severity: float
    scene_score: float
    detections: list[Detection]


def expect(
    grid: WorkingGrid,
    model: RunnableModel,
    *,
    overlap: float = 0.25,
    batch_tiles: int = 4,
    on_tile: Callable[[int, int], None] | None = None,
) -> Expectation:
    """Standardise a working grid and reconstruct it.

    Args:
        grid: The scene.
        model: The model.
        overlap: Share of a tile that it has in common with its neighbour, in [0, 1).
        batch_tiles: Tiles that go through the network together.
        on_tile: Called with the numbers of tiles done and in all.
    """
    standardised, centre_db = model.card.standardisation.apply(grid.power, grid.valid_mask)
    mean, spread, log_odds = reconstruct_scene(
        model.runtime,
        standardised,
        grid.valid_mask,
        tile_shape=model.card.tile_shape,
        overlap=overlap,
        batch=batch_tiles,
        on_tile=on_tile,
    )
    return Expectation(standardised=standardised, centre_db=centre_db, mean=mean, spread=spread, log_odds=log_odds)


class Levels(NamedTuple):
    """What must be exceeded, strictly.

    Attributes:
        threshold: By the anomaly score of a pixel that is RFI.
        box_threshold: By that of a pixel in the core of a stripe, around which its box is: see
            `rfiscan.scoring.BOX_FAR_SHARE`.
        least_rank: By the rank of a stripe.
    """

    threshold: float
    box_threshold: float
    least_rank: float


def find(
    grid: WorkingGrid,
    expected: Expectation,
    model: RunnableModel,
    levels: Levels,
    polarizations: tuple[str | None, str | None],
) -> Finding:
    """Score what a reconstruction leaves, and find the stripes above a threshold that stand out.

    Args:
        grid: The scene.
        expected: What the network expects of it.
        model: The model.
        levels: What pixels and stripes must exceed.
        polarizations: Names of the two slots, None = absent.
    """
    card = model.card
    scores = score_scene(
        expected.standardised, expected.mean, expected.spread, grid.valid_mask, card.scoring, expected.log_odds
    )
    anomaly_map, threshold = scores.anomaly_map, levels.threshold
    labels = find_stripes(
        anomaly_map,
        threshold,
        card.scoring,
        grid.seams_px,
        grid.spacing_m,
        levels.least_rank,
        levels.box_threshold,
    )
    rfi_mask = labels > 0
    excess_db = (expected.standardised - expected.mean) * card.standardisation.scale_db
    detections = extract_detections(
        labels,
        anomaly_map,
        scores.evidence,
        threshold,
        excess_db,
        polarizations,
        grid.spacing_m,
        levels.box_threshold,
    )
    return Finding(
        scores=scores,
        rfi_mask=rfi_mask,
        labels=labels,
        severity=severity(rfi_mask, grid.valid_mask),
        scene_score=scene_score(scores.anomaly_map),
        detections=detections,
    )
