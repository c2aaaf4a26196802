"""The classical detectors as contenders, calibrated as models are: on simulated scenes without interference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rfiscan.baselines import AzimuthMedian, Detector, Gabor, PatchPca, Rayleigh, RowStatistics, weigh_scene
from rfiscan.detections.regions import extract_detections, find_stripes
from rfiscan.detections.stripes import least_rank_at
from rfiscan.priors import bundled_priors
from rfiscan.scenes.working_grid import WorkingGrid
from rfiscan.scoring import ScoringSettings, box_threshold_at, scene_score, severity, threshold_at
from rfiscan.sentinel1.sub_swaths import find_seams
from rfiscan.simulation import SimulatedScene, simulate_scene
from rfiscan.workflows.evaluating.contenders import SLOT_NAMES, Judgement
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.training.calibrate import calibrate_stripes, calibrate_thresholds

SPACING_M = 500.0
"""Spacing of the scenes that the detectors are set and calibrated on: that of the bundled models."""
CALIBRATION_SCENES, FIT_SCENES = 48, 24
CALIBRATION_STREAM, FIT_STREAM = 0xCA11B, 0xF17
"""Third words of the seeds; `simulate` and training have two, so that none of these scenes is any of theirs."""
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineContender:
    """A classical detector as a contender.

    Attributes:
        name: Name of the contender.
        detector: What scores a scene.
        calibration: False-alarm rate -> threshold of its anomaly map.
        stripe_ranks: False-alarm rate -> false stripes a scene -> least rank of a stripe.
        spacing_m: Pixel spacing that it was set at, in metres.
        scoring: Its smallest region; that of models.
        false_stripes: Stripes that a clean scene may show on average, > 0; None for what `least_rank_at` takes.
    """

    name: str
    detector: Detector
    calibration: Mapping[float, float]
    stripe_ranks: Mapping[float, Mapping[float, float]]
    spacing_m: float = SPACING_M
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    false_stripes: float | None = None

    def threshold(self, far: float) -> float:
        """Threshold for a false-alarm rate, interpolated over the logarithm of the rate, as that of models.

        Raises:
            UsageError: If the rate lies outside the calibrated range.
        """
        return threshold_at(self.calibration, far, f"baseline {self.name}")

    def for_polarizations(self, _present: Sequence[bool]) -> BaselineContender:
        """Itself: it has one calibration."""
        return self

    def score(self, grid: WorkingGrid, far: float) -> Judgement:
        """Judge a scene; there is no reconstruction, and no excess in dB."""
        threshold = self.threshold(far)
        evidence = weigh_scene(self.detector, grid.power, grid.valid_mask)
        anomaly_map = larger_evidence(evidence)
        least_rank = least_rank_at(self.stripe_ranks, far, self.false_stripes, f"baseline {self.name}")
        box_threshold = box_threshold_at(self.calibration, far, f"baseline {self.name}")
        labels = find_stripes(
            anomaly_map, threshold, self.scoring, grid.seams_px, grid.spacing_m, least_rank, box_threshold
        )
        rfi_mask = labels > 0
        co, cross = (name if present.any() else None for name, present in zip(SLOT_NAMES, grid.valid_mask, strict=True))
        unknown_db = np.full_like(evidence, np.nan)
        return Judgement(
            anomaly_map=anomaly_map,
            evidence=evidence,
            rfi_mask=rfi_mask,
            labels=labels,
            detections=extract_detections(
                labels,
                anomaly_map,
                evidence,
                threshold,
                unknown_db,
                (co, cross),
                grid.spacing_m,
                box_threshold,
            ),
            severity=severity(rfi_mask, grid.valid_mask),
            scene_score=scene_score(anomaly_map),
        )


def larger_evidence(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """Anomaly map (H, W) of evidence (2, H, W); NaN where both are."""
    larger: NDArray[np.float32] = np.fmax(evidence[0], evidence[1])
    return larger


def build_baselines(
    *,
    calibration_scenes: int = CALIBRATION_SCENES,
    fit_scenes: int = FIT_SCENES,
    shape: tuple[int, int] = (340, 500),
    false_stripes: float | None = None,
    reporter: Reporter = SILENT,
) -> list[BaselineContender]:
    """Set up, fit and calibrate all classical detectors. The same arguments give the same detectors.

    Args:
        calibration_scenes: Simulated scenes without interference that thresholds are taken from.
        fit_scenes: The same, others, that the principal components are fitted to.
        shape: Rows and columns of these scenes.
        false_stripes: See `BaselineContender`.
        reporter: Is told how far the work is.
    """
    fitting = [(scene.power, scene.valid_mask) for scene in _clean_scenes(fit_scenes, FIT_STREAM, shape)]
    detectors: dict[str, Detector] = {
        "rayleigh": Rayleigh(),
        "median": AzimuthMedian(),
        "gabor": Gabor(),
        "rows": RowStatistics(),
        "pca": PatchPca.fit(fitting, SEED),
    }
    maps: dict[str, list[NDArray[np.float32]]] = {name: [] for name in detectors}
    seams: list[tuple[int, ...]] = []
    for number, scene in enumerate(_clean_scenes(calibration_scenes, CALIBRATION_STREAM, shape), 1):
        seams.append(find_seams(scene.power, scene.valid_mask, SPACING_M))
        for name, detector in detectors.items():
            maps[name].append(larger_evidence(weigh_scene(detector, scene.power, scene.valid_mask)))
        reporter.progress("calibrating baselines", number, calibration_scenes)
    contenders = []
    for name, detector in detectors.items():
        calibration = calibrate_thresholds(maps[name])
        ranks = calibrate_stripes(maps[name], seams, calibration, ScoringSettings(), SPACING_M)
        contenders.append(
            BaselineContender(
                name=name,
                detector=detector,
                calibration=calibration,
                stripe_ranks=ranks,
                false_stripes=false_stripes,
            )
        )
    return contenders


def _clean_scenes(count: int, stream: int, shape: tuple[int, int]) -> Iterator[SimulatedScene]:
    """Simulate scenes without interference, one at a time."""
    for index in range(count):
        rng = np.random.default_rng([SEED, index, stream])
        yield simulate_scene(rng, bundled_priors(), shape, contaminated=False, spacing_m=SPACING_M)
