"""Score scenes with known truth: figures of validation, and thresholds for stated false-alarm rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rfiscan.detections.regions import find_stripes, rank_regions
from rfiscan.metrics import average_precision, detection_at_far
from rfiscan.model_files.model_card import NullCalibration
from rfiscan.networks import Autoencoder, Evidence
from rfiscan.networks.inference import NetworkRuntime
from rfiscan.networks.losses import ssim
from rfiscan.scoring import ScoringSettings, scene_score, score_scene
from rfiscan.sentinel1.sub_swaths import find_seams
from rfiscan.simulation import SimulatedScene
from rfiscan.standardisation import Standardisation
from rfiscan.tiling.reconstruction import reconstruct_scene

FALSE_STRIPE_RATES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
"""False stripes a scene, on average, that ranks are calibrated for."""
LEAST_EXAMPLES = 3
"""A rate is calibrated where it allows at least so many stripes, or scenes, of all calibration scenes. A choice."""
CLEAN_SHARES = (1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Shares of clean scenes that scene scores are calibrated for; 1 is the least score of all."""
FALSE_ALARM_RATES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredScene:
    """A scene's anomaly map beside its truth.

    Attributes:
        anomaly_map: Shape (H, W), NaN where invalid.
        truth: True = RFI, same shape.
        seams_px: Where sub-swaths seem to begin: see `find_seams`.
        ssim: Similarity of reconstruction and scene for each polarization, shape (2,), NaN where absent; meaningful for
            clean scenes.
    """

    anomaly_map: NDArray[np.float32]
    truth: NDArray[np.bool_]
    seams_px: tuple[int, ...]
    ssim: NDArray[np.float32]


def score_scenes(
    network: Autoencoder,
    scenes: Sequence[SimulatedScene],
    standardisation: Standardisation,
    scoring: ScoringSettings,
    tile_shape: tuple[int, int],
    spacing_m: float,
    evidence: Evidence | None = None,
) -> list[ScoredScene]:
    """Standardise, reconstruct and score scenes."""
    scored, runtime = [], NetworkRuntime(network, evidence)
    for scene in scenes:
        tile, _ = standardisation.apply(scene.power, scene.valid_mask)
        mean, spread, log_odds = reconstruct_scene(runtime, tile, scene.valid_mask, tile_shape=tile_shape)
        score = score_scene(tile, mean, spread, scene.valid_mask, scoring, log_odds)
        tensors = (torch.from_numpy(x)[None] for x in (mean, tile, scene.valid_mask))
        scored.append(
            ScoredScene(
                anomaly_map=score.anomaly_map,
                truth=scene.rfi_mask,
                seams_px=find_seams(scene.power, scene.valid_mask, spacing_m),
                ssim=ssim(*tensors).numpy(),
            )
        )
    return scored


def denoising_losses(
    network: Autoencoder,
    scenes: Sequence[SimulatedScene],
    standardisation: Standardisation,
    tile_shape: tuple[int, int],
) -> list[float]:
    """Mean Laplace loss of each reconstruction against its scene without interference, over valid pixels."""
    losses = []
    for scene in scenes:
        tile, centre_db = standardisation.apply(scene.power, scene.valid_mask)
        target, _ = standardisation.apply(scene.clean_power, scene.valid_mask, centre_db)
        mean, spread, _ = reconstruct_scene(NetworkRuntime(network), tile, scene.valid_mask, tile_shape=tile_shape)
        losses.append(float((np.abs(target - mean) / spread + np.log(spread))[scene.valid_mask].mean()))
    return losses


def cross_entropy(scored: Sequence[ScoredScene]) -> float:
    """Mean cross-entropy of anomaly maps, taken as log odds, against the truth, over valid pixels."""
    entropies = []
    for scene in scored:
        valid = np.isfinite(scene.anomaly_map)
        odds = scene.anomaly_map[valid].astype(np.float64)
        entropies.append(float((np.logaddexp(0.0, odds) - odds * scene.truth[valid]).mean()))
    return float(np.mean(entropies))


def validation_figures(scored: Sequence[ScoredScene]) -> dict[str, float]:
    """Pixel average precision, probability of detection at 1e-3, and SSIM of clean scenes (all, co-pol, cross-pol)."""
    valid = [np.isfinite(s.anomaly_map) for s in scored]
    scores = np.concatenate([s.anomaly_map[v] for s, v in zip(scored, valid, strict=True)])
    truth = np.concatenate([s.truth[v] for s, v in zip(scored, valid, strict=True)])
    similarity = np.array([s.ssim for s in scored if not s.truth.any()])
    return {
        "pixel_ap": average_precision(scores, truth),
        "pd_at_far_1e-3": detection_at_far(scores, truth, 1e-3),
        "ssim": float(np.nanmean(similarity)),
        "ssim_co": float(np.nanmean(similarity[:, 0])),
        "ssim_cross": float(np.nanmean(similarity[:, 1])),
    }


def calibrate_on(
    scored: Sequence[ScoredScene],
    scoring: ScoringSettings,
    spacing_m: float,
    rates: Sequence[float] | None = None,
) -> NullCalibration:
    """Calibrate on RFI-free scenes.

    Args:
        scored: What the networks say of them.
        scoring: Says how small a region may be.
        spacing_m: Metres between rows and between columns.
        rates: See `calibrate_thresholds`.
    """
    maps = [scene.anomaly_map for scene in scored]
    thresholds = calibrate_thresholds(maps, rates)
    return NullCalibration(
        thresholds=thresholds,
        stripe_ranks=calibrate_stripes(maps, [s.seams_px for s in scored], thresholds, scoring, spacing_m),
        scene_scores=calibrate_scenes(maps),
    )


def calibrate_thresholds(
    anomaly_maps: Sequence[NDArray[np.float32]], rates: Sequence[float] | None = None
) -> dict[float, float]:
    """Thresholds that RFI-free pixels exceed at stated rates.

    Args:
        anomaly_maps: Anomaly maps of RFI-free scenes, each (H, W), NaN where invalid.
        rates: The rates; None for those of `FALSE_ALARM_RATES` that at least ten pixels support.

    Returns:
        False-alarm rate -> threshold.
    """
    scores = np.concatenate([m[np.isfinite(m)] for m in anomaly_maps])
    if rates is None:
        rates = [rate for rate in FALSE_ALARM_RATES if rate * scores.size >= 10]
    return {rate: float(np.quantile(scores, 1.0 - rate)) for rate in rates}


def calibrate_scenes(anomaly_maps: Sequence[NDArray[np.float32]]) -> dict[float, float]:
    """Scene scores that stated shares of RFI-free scenes exceed.

    Args:
        anomaly_maps: Anomaly maps of RFI-free scenes, each (H, W), NaN where invalid.

    Returns:
        Share of scenes -> scene score, for the shares of `CLEAN_SHARES` that at least `LEAST_EXAMPLES` scenes support.
    """
    scores = np.array([scene_score(anomaly_map) for anomaly_map in anomaly_maps])
    shares = [share for share in CLEAN_SHARES if share * scores.size >= LEAST_EXAMPLES]
    return {share: float(np.quantile(scores, 1.0 - share)) for share in shares}


def calibrate_stripes(
    anomaly_maps: Sequence[NDArray[np.float32]],
    seams_px: Sequence[tuple[int, ...]],
    thresholds: Mapping[float, float],
    scoring: ScoringSettings,
    spacing_m: float,
) -> dict[float, dict[float, float]]:
    """Ranks that the stripes of RFI-free scenes exceed so many times a scene.

    Args:
        anomaly_maps: Anomaly maps of RFI-free scenes, each (H, W), NaN where invalid.
        seams_px: Where the sub-swaths of each of them begin.
        thresholds: False-alarm rate of pixels -> threshold.
        scoring: Says how small a region may be.
        spacing_m: Metres between rows and between columns.

    Returns:
        For each of the thresholds: false stripes a scene -> least rank, for the rates of `FALSE_STRIPE_RATES` that
        `LEAST_EXAMPLES` support; 0 where there are no more stripes than that.
    """
    count, spacings = len(anomaly_maps), (spacing_m, spacing_m)
    allowed = {rate: int(rate * count) for rate in FALSE_STRIPE_RATES if rate * count >= LEAST_EXAMPLES}
    found: dict[float, dict[float, float]] = {}
    for far, threshold in thresholds.items():
        ranks = [
            rank_regions(find_stripes(scores, threshold, scoring, seams, spacings), scores, threshold, spacing_m)
            for scores, seams in zip(anomaly_maps, seams_px, strict=True)
        ]
        descending = np.append(np.sort(np.concatenate(ranks))[::-1], 0.0)
        found[far] = {rate: float(descending[min(n, descending.size - 1)]) for rate, n in allowed.items()}
    return found
