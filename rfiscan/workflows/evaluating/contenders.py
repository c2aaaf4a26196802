"""What an evaluation compares: anything that judges a working grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rfiscan.detections.regions import Detection
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.scenes.working_grid import WorkingGrid
from rfiscan.workflows.detecting.inference import Levels, expect, find

SLOT_NAMES = ("VV", "VH")
"""Names of the two slots in detections of an evaluation, where only their number matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a contender says of a scene.

    Attributes:
        anomaly_map: Higher means more anomalous, (H, W), NaN where invalid; any unit.
        evidence: The same of each polarization, (2, H, W), NaN where invalid or absent.
        rfi_mask: True = RFI, (H, W): the final mask, after small regions and weak stripes were dropped.
        labels: Number of the stripe of each pixel, 0 for none, (H, W); in no order.
        detections: The stripes, strongest first.
        severity: Of the whole scene, 0..1.
        scene_score: What scenes are ranked by; NaN where nothing is valid.
        standardised: What the contender reconstructs, (2, H, W); None where it reconstructs nothing.
        reconstruction: Its reconstruction, same shape and units; None likewise.
    """

    anomaly_map: NDArray[np.float32]
    evidence: NDArray[np.float32]
    rfi_mask: NDArray[np.bool_]
    labels: NDArray[np.int32]
    detections: list[Detection]
    severity: float
    scene_score: float
    standardised: NDArray[np.float32] | None = None
    reconstruction: NDArray[np.float32] | None = None


class Contender(Protocol):
    """Anything that finds interference in a working grid."""

    @property
    def name(self) -> str:
        """Name, unique among the contenders of an evaluation."""

    @property
    def spacing_m(self) -> float:
        """Pixel spacing that it works at, in metres."""

    @property
    def calibration(self) -> Mapping[float, float]:
        """False-alarm rate -> threshold of its anomaly map; may be empty."""

    def threshold(self, far: float) -> float:
        """Threshold of its anomaly map for a false-alarm rate.

        Raises:
            UsageError: If it is not calibrated for that rate.
        """

    def for_polarizations(self, present: Sequence[bool]) -> Contender:
        """The contender as it is calibrated for scenes of these polarizations, (co-pol, cross-pol)."""

    def score(self, grid: WorkingGrid, far: float) -> Judgement:
        """Judge a scene at a false-alarm rate."""


@dataclass(frozen=True, slots=True)
class ModelContender:
    """A trained model as a contender.

    Attributes:
        model: The model.
        name: Name of the contender; the model's if empty.
        false_stripes: Stripes that a clean scene may show on average, > 0; None for what `least_rank_at` takes.
    """

    model: RunnableModel
    name: str = ""
    false_stripes: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.model.name)

    @property
    def spacing_m(self) -> float:
        """Pixel spacing that the model was trained at, in metres."""
        return self.model.card.spacing_m

    @property
    def calibration(self) -> Mapping[float, float]:
        """False-alarm rate -> threshold, from the model card."""
        return self.model.card.thresholds

    def threshold(self, far: float) -> float:
        """Threshold for a false-alarm rate; see `StoredModel.threshold`."""
        return self.model.threshold(far)

    def for_polarizations(self, present: Sequence[bool]) -> ModelContender:
        """See `StoredModel.for_polarizations`."""
        return replace(self, model=self.model.for_polarizations(present))

    def score(self, grid: WorkingGrid, far: float) -> Judgement:
        """Judge a scene as `detect` does."""
        expected = expect(grid, self.model)
        co, cross = (name if present.any() else None for name, present in zip(SLOT_NAMES, grid.valid_mask, strict=True))
        levels = Levels(
            self.threshold(far), self.model.box_threshold(far), self.model.least_rank(far, self.false_stripes)
        )
        finding = find(grid, expected, self.model, levels, (co, cross))
        return Judgement(
            anomaly_map=finding.scores.anomaly_map,
            evidence=finding.scores.evidence,
            rfi_mask=finding.rfi_mask,
            labels=finding.labels,
            detections=finding.detections,
            severity=finding.severity,
            scene_score=finding.scene_score,
            standardised=expected.standardised,
            reconstruction=expected.mean,
        )
