"""What `detect` found in one scene, and what it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rfiscan.detections.regions import Detection
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.working_grid import Grid, WorkingGrid
from rfiscan.scoring import SceneScore


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What decides the result on a given scene: the model, and the options that change numbers.

    Attributes:
        model: Name of the model.
        model_sha256: Hash of its weights.
        far: False-alarm rate, in (0, 1).
        threshold: Anomaly score above which a pixel is RFI.
        requested_false_stripes: Stripes that a clean scene may show on average; None for what `least_rank_at` takes.
        least_rank: Rank above which a stripe is kept.
        box_threshold: Anomaly score above which a pixel takes part in the core of its stripe, and in its box.
        requested_spacing: Metres, "native", or None for the model's own spacing.
        requested_pixel_spacing: Spacing [row, col] in metres that the user named for scenes that do not tell it.
        requested_units: Units that the user named; None to recognise them.
        calibrated: Whether digital numbers are turned into sigma nought.
        denoised: Whether thermal noise is removed.
        precision: Precision of the networks' arithmetic, "f32" or "bf16".
        input_state: What `input_state` says of the scene's files; None where it cannot.
    """

    model: str
    model_sha256: str
    far: float
    threshold: float
    requested_false_stripes: float | None
    least_rank: float
    box_threshold: float
    requested_spacing: float | Literal["native"] | None
    requested_units: str | None
    requested_pixel_spacing: list[float] | None = None
    calibrated: bool = False
    denoised: bool = False
    precision: str = "f32"
    input_state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How much of a scene is valid, and flagged, 0..1 each.

    Attributes:
        valid: Share of the pixels in which some polarization is valid.
        flagged: Flagged share of these.
        by_polarization: Flagged share of the valid pixels of each polarization, at which it shows interference by
            itself; None where it has no valid pixel.
    """

    valid: float
    flagged: float
    by_polarization: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is told of one scene.

    Attributes:
        scene: The scene; its files may be closed.
        grid: Its working grid.
        request: Model and options.
        centre_db: Level of each polarization that the standardisation took out, (2,), dB.
        shares: How much is valid and flagged.
        severity: Of the whole scene, 0..1.
        scene_score: What scenes are ranked by, in units of the anomaly map; NaN where nothing is valid.
        scene_far: Share of clean scenes that score higher; None where the model is not calibrated for it.
        detections: Its stripes, strongest first.
        tile_shape: Height and width of a tile in pixels.
        unit_db: One standardised unit of the error map, in dB.
        backend: What computed the networks; backends agree to rounding.
        streamed: True where its maps were never in memory as a whole.
    """

    scene: Scene
    grid: Grid
    request: Request
    centre_db: npt.NDArray[np.floating[Any]]
    shares: Shares
    severity: float
    scene_score: float
    scene_far: float | None
    detections: list[Detection]
    tile_shape: tuple[int, int]
    unit_db: float
    backend: str = "torch"
    streamed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        return self.grid.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """The maps of a scene that fits into memory.

    Attributes:
        grid: Power, valid mask and georeferencing on the working grid, (2, H, W).
        scores: Error map and evidence (2, H, W), anomaly map (H, W); NaN where invalid.
        rfi_mask: True = RFI, (H, W).
        threshold: Anomaly score above which a pixel is RFI.
    """

    grid: WorkingGrid
    scores: SceneScore
    rfi_mask: npt.NDArray[np.bool_]
    threshold: float

    @property
    def mask_by_polarization(self) -> npt.NDArray[np.bool_]:
        """Pixels of the mask at which each polarization by itself is above the threshold, (2, H, W)."""
        with np.errstate(invalid="ignore"):
            above: npt.NDArray[np.bool_] = self.rfi_mask & (self.scores.evidence > self.threshold)
        return above

    def shares(self) -> Shares:
        """Return how much is valid and flagged."""
        any_valid = np.asarray(self.grid.valid_mask.any(axis=0))
        co, cross = (_share(m, v) for m, v in zip(self.mask_by_polarization, self.grid.valid_mask, strict=True))
        flagged = _share(self.rfi_mask, any_valid)
        return Shares(valid=float(any_valid.mean()), flagged=flagged or 0.0, by_polarization=(co, cross))


def _share(flagged: npt.NDArray[np.bool_], valid: npt.NDArray[np.bool_]) -> float | None:
    """Return the flagged share of the valid pixels, 0..1; None where there is no valid pixel."""
    count = int(valid.sum())
    return float((flagged & valid).sum() / count) if count else None
