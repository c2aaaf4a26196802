"""Settings of a training run: what there is, what it means, and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationInfo, field_validator, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


PRESET_NAMES = ("cae", "mae", "dae", "vae", "cae-reference", "mae-reference")
"""Keys of `rfiscan.networks.PRESETS`, repeated here so that settings need not load torch; a test compares them."""
PLAIN_PRESETS = ("dae", "vae")
"""Presets that learn from RFI-free tiles alone unless told otherwise: neither needs to know what interference is."""


class DataConfig(_Section):
    """Where training tiles come from."""

    scenes: tuple[str, ...] = Field(
        default=(),
        description="Interference-free scenes to mix in: files, folders, globs, lists (@FILE) or manifests (CSV)",
    )
    trim_contaminated: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the pixels of these scenes to leave out as likely interference"
    )
    trim_after_share: float = Field(
        default=0.1, ge=0, lt=1, description="Share of the autoencoder's steps before any of them is left out"
    )
    validation_share: float = Field(
        default=0.3, ge=0, lt=1, description="Share of the acquisitions kept for validation"
    )
    split_seed: int | None = Field(
        default=None, ge=0, description="Seed of what is kept for validation, where it is not that of the run"
    )
    real_share: float = Field(default=0.25, ge=0, le=1, description="Share of tiles from scenes; the rest is simulated")
    contaminated_share: float = Field(
        default=0.75, ge=0, le=1, description="Share of tiles with simulated interference"
    )
    filling_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of these in which it fills a sub-swath, rare as that is",
    )
    pool: int = Field(default=64, ge=1, description="Simulated backgrounds kept at hand")
    renew_every: int = Field(default=2, ge=1, description="Steps after which one of them is replaced by a new one")
    drawing: Literal["in_turn", "by_number"] = Field(
        default="in_turn",
        description="by_number draws each tile from a generator of its own, so that processes share that work, too",
    )
    calibration_tiles: int = Field(default=400, ge=1, description="Clean simulated tiles that set the thresholds")
    validation_tiles: int = Field(default=24, ge=2, description="Simulated validation tiles, half of them clean")

    @field_validator("scenes", mode="before")
    @classmethod
    def _one_is_a_list(cls, scenes: object) -> object:
        return (scenes,) if isinstance(scenes, str) else scenes


class NetworkConfig(_Section):
    """Which network."""

    preset: str = Field(default="cae", description=f"Named network shape: {', '.join(PRESET_NAMES)}")
    settings: dict[str, Any] = Field(default={}, description="Arguments of the network that differ from the preset's")
    weights: str | None = Field(
        default=None, min_length=1, description="Bundled model, or folder of one, whose weights training begins with"
    )
    weights_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of those weights in the finished model; the rest are what they became",
    )


class EvidenceConfig(_Section):
    """The network that weighs what a reconstruction leaves."""

    width: int = Field(default=24, ge=1, description="Channels at half of the resolution")
    context: int = Field(default=4, ge=1, description="Residual blocks at an eighth of the resolution")


class StandardisationConfig(_Section):
    """How power becomes network input."""

    scale_db: float = Field(default=4.0, gt=0, description="One standardised unit, in dB")
    clip: tuple[float, float] = Field(default=(-4.0, 6.0), description="Lowest and highest standardised value")

    @field_validator("clip")
    @classmethod
    def _ascends(cls, clip: tuple[float, float]) -> tuple[float, float]:
        if not clip[0] < clip[1]:
            raise ValueError("the lowest value is below the highest")
        return clip


class ScoringConfig(_Section):
    """How reconstructions become anomaly maps."""

    smooth_px: tuple[PositiveInt, PositiveInt] = Field(
        default=(3, 7), description="Rows and columns over which excess is averaged"
    )
    shared_weight: float = Field(
        default=0.7, ge=0, le=1, description="Share of the other polarization's excess to subtract"
    )
    min_area_px: int = Field(default=6, ge=1, description="Smallest region that a mask keeps, in working pixels")


class OptimiserConfig(_Section):
    """How weights are fitted."""

    steps: int = Field(default=4000, ge=1, description="Optimiser steps")
    evidence_share: float = Field(
        default=0.15, ge=0, lt=1, description="Share of the steps, the last ones, that train the evidence network alone"
    )
    batch: int = Field(default=4, ge=1, description="Tiles a step, of all processes together")
    accumulate: int = Field(
        default=1, ge=1, description="Parts in which each process takes its tiles of a step, one after the other"
    )
    small_stripe_weight: float = Field(
        default=10.0, ge=1, description="Most that a pixel of a small stripe weighs where the evidence learns alone"
    )
    method: Literal["muon", "adamw"] = Field(
        default="muon",
        description="What changes the weights: muon (matrices and kernels; the others by AdamW), or adamw",
    )
    learning_rate: float = Field(default=1.0e-3, gt=0, description="Peak learning rate")
    warmup_share: float = Field(default=0.05, ge=0, lt=1, description="Share of the steps over which it rises linearly")
    weight_decay: float = Field(default=0.02, ge=0, description="Weight decay, decoupled from the gradient")
    average_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share that a step keeps of the moving average of the weights, which becomes the model; 0 for none",
    )
    statistics_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the steps, the first ones, in which batch norms take the statistics of their batches; "
        "then they keep those of the run, or of network.weights where it is 0",
    )
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="bf16", description="Arithmetic of the forward pass (autocast); fp16 scales the loss"
    )

    @field_validator("accumulate")
    @classmethod
    def _parts_hold_tiles(cls, parts: int, info: ValidationInfo) -> int:
        if parts > info.data.get("batch", parts):
            raise ValueError("no more parts than optimiser.batch has tiles")
        return parts


class TrainConfig(_Section):
    """A whole training run."""

    name: str = Field(default="cae", min_length=1, description="Name of the model; by default that of the preset")
    seed: int = Field(default=0, ge=0, description="Seed of everything random")
    spacing_m: float = Field(default=500.0, gt=0, description="Working pixel spacing in metres")
    tile_shape: tuple[PositiveInt, PositiveInt] = Field(default=(340, 500), description="Rows and columns of a tile")
    crop_shape: tuple[PositiveInt, PositiveInt] | None = Field(
        default=None, description="Rows and columns of a training crop; null trains on whole tiles"
    )
    objective: Literal["denoise", "plain"] = Field(
        default="denoise",
        description="denoise: interference is added to the input, the clean tile is the target; plain: clean tiles are "
        "both, as is the default of dae and vae",
    )
    loss: Literal["laplace", "l1", "mse"] = Field(
        default="laplace", description="Laplace likelihood, masked absolute error, or masked squared error"
    )
    ssim_weight: float = Field(default=0.1, ge=0, description="Weight of 1 - SSIM in the loss")
    normalise_targets: bool = Field(
        default=False, description="Of a mae: patches are predicted at zero mean and unit variance"
    )
    kl_weight: float = Field(default=1.0, ge=0, description="Of a vae: weight of what its codes cost")
    kl_warmup_share: float = Field(
        default=0.25, ge=0, le=1, description="Of a vae: share of the autoencoder's steps over which that weight rises"
    )
    score: Literal["evidence", "reconstruction", "bound"] = Field(
        default="evidence",
        description="What makes the anomaly map: the evidence network, the excess over the reconstruction alone, or "
        "the bound on the likelihood of a vae; the last two learn nothing of interference",
    )
    validate_every: int = Field(default=250, ge=1, description="Steps of one epoch: then comes a validation")
    picture_every: int = Field(default=4, ge=1, description="Epochs between pictures of the fixed tiles")
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 leaves it to torch")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto takes a GPU if there is one")
    compile: bool = Field(default=False, description="Compile the networks for training (torch.compile)")
    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    standardisation: StandardisationConfig = StandardisationConfig()
    scoring: ScoringConfig = ScoringConfig()
    optimiser: OptimiserConfig = OptimiserConfig()

    @model_validator(mode="before")
    @classmethod
    def _follow_preset(cls, values: object) -> object:
        if not isinstance(values, dict) or not isinstance(values.get("network"), dict):
            return values
        preset = values["network"].get("preset", "cae")
        objective = {"objective": "plain"} if preset in PLAIN_PRESETS else {}
        return {"name": preset, **objective, **values}

    @field_validator("crop_shape")
    @classmethod
    def _fits_into_tile(cls, crop: tuple[int, int] | None, info: ValidationInfo) -> tuple[int, int] | None:
        tile = info.data.get("tile_shape")
        if crop and tile and (crop[0] > tile[0] or crop[1] > tile[1]):
            raise ValueError(f"a crop is no larger than a tile, {list(tile)}")
        return crop


def leaves(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of all settings, in their order."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
