"""What a model says of itself: to inference, and to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rfiscan.scoring import ScoringSettings
from rfiscan.standardisation import Standardisation

FIGURES = {
    "pixel_ap": "pixel average precision",
    "pd_at_far_1e-3": "pixel probability of detection at a false-alarm rate of 1e-3",
    "ssim": "SSIM of reconstructions of clean scenes, both polarizations",
    "ssim_co": "SSIM, co-pol",
    "ssim_cross": "SSIM, cross-pol",
}

_INPUT = {(False, False): "", (True, False): " of sigma nought", (True, True): " of sigma nought without thermal noise"}


ALONE = ("co", "cross")
"""What a calibration for scenes of one polarization goes by: which of the two it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NullCalibration:
    """What the maps of scenes without interference show.

    Attributes:
        thresholds: False-alarm rate (share of RFI-free pixels above) -> threshold of the anomaly map.
        stripe_ranks: The same rates -> false stripes a scene -> least rank of a stripe; empty where not calibrated.
        scene_scores: Share of RFI-free scenes -> scene score that so many of them exceed; empty where not calibrated.
    """

    thresholds: dict[float, float]
    stripe_ranks: dict[float, dict[float, float]] = field(default_factory=dict)
    scene_scores: dict[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """All that inference needs beside the weights, and where the model comes from.

    Attributes:
        name: Name of the model.
        architecture: Key of `rfiscan.networks.ARCHITECTURES`.
        settings: Arguments of the network.
        evidence: Arguments of the evidence: see `rfiscan.networks.build_evidence`; None where there is none.
        spacing_m: Pixel spacing that the model was trained at, in metres.
        tile_shape: (h, w) of its tiles in pixels.
        standardisation: How power becomes network input.
        scoring: How reconstructions become anomaly maps.
        thresholds: See `NullCalibration`; of scenes of both polarizations.
        stripe_ranks: The same.
        scene_scores: The same.
        alone: Calibrations for scenes of one polarization, by name of `ALONE`; may be empty.
        calibrated: True where it was trained on sigma nought, False where on power as it is stored.
        denoised: True where thermal noise was removed from that sigma nought.
        provenance: Data, seed, steps, version and figures.
    """

    name: str
    architecture: str
    settings: dict[str, Any]
    evidence: dict[str, Any] | None
    spacing_m: float
    tile_shape: tuple[int, int]
    standardisation: Standardisation
    scoring: ScoringSettings
    thresholds: dict[float, float]
    stripe_ranks: dict[float, dict[float, float]] = field(default_factory=dict)
    scene_scores: dict[float, float] = field(default_factory=dict)
    alone: dict[str, NullCalibration] = field(default_factory=dict)
    calibrated: bool = False
    denoised: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.calibrated, bool) and isinstance(self.denoised, bool)):
            msg = "calibrated and denoised are true or false"
            raise TypeError(msg)
        if self.denoised and not self.calibrated:
            msg = "denoised is for what is calibrated"
            raise ValueError(msg)

    def for_polarizations(self, present: Sequence[bool]) -> ModelCard:
        """The card for scenes that have these polarizations, (co-pol, cross-pol).

        Returns:
            Itself, or where there is one polarization, and a calibration for it, a card with that one instead.
        """
        names = [name for name, there in zip(ALONE, present, strict=True) if there]
        own = self.alone.get(names[0]) if len(names) == 1 else None
        if own is None:
            return self
        return replace(
            self, thresholds=own.thresholds, stripe_ranks=own.stripe_ranks, scene_scores=own.scene_scores, alone={}
        )


def model_readme(card: ModelCard) -> str:
    """Describe a model in Markdown, from its card alone."""
    source = card.provenance
    scenes, figures = source.get("scenes", {}), source.get("validation", {})
    lines = [
        f"# {card.name}",
        "",
        f"A model for `rfiscan detect --model`. Architecture `{card.architecture}`, "
        f"{source.get('parameters', 0):,} parameters, tiles of {card.tile_shape[0]}x{card.tile_shape[1]} pixels in two "
        f"polarizations at {card.spacing_m:g} m{_INPUT[card.calibrated, card.denoised]}.",
        "",
        "Made by `rfiscan train` with the configuration under `provenance` in `model.yaml`: seed "
        f"{source.get('seed', '?')}, {source.get('step', '?')} steps, rfiscan {source.get('version', '?')}"
        f"{', commit ' + source['commit'] if source.get('commit') else ''}.{_beginning(source)}",
        "",
        "## What it learnt from",
        "",
        "Simulated scenes with interference as input and the same scenes without it as target.",
        _scene_line("Real interference-free scenes mixed in", scenes.get("training", [])),
        _scene_line("Held out for validation and calibration", scenes.get("validation", [])),
        "",
        "## Figures in validation",
        "",
        *(f"- {text}: {figures[key]:.3f}" for key, text in FIGURES.items() if key in figures),
        "",
        "Simulated scenes with interference of -3 to 20 dB over the background, half of them clean, and the real ones "
        "held out, clean and with injected interference. They say how models compare, not how well real interference "
        "is found.",
        "",
        "## Thresholds",
        "",
        "| false-alarm rate | threshold of the anomaly map |",
        "| --- | --- |",
        *(f"| {rate:g} | {value:.3f} |" for rate, value in sorted(card.thresholds.items(), reverse=True)),
        "",
        "A rate is the share of pixels above the threshold over all clean calibration scenes together; a single scene "
        "may have more or less.",
        "",
        *_stripe_lines(card.stripe_ranks),
        *_scene_lines(card.scene_scores),
        *_alone_lines(card),
    ]
    return "\n".join(lines)


def _beginning(source: Mapping[str, Any]) -> str:
    """Which model it began with, and what it kept of it; empty if it began with random weights."""
    if "pretrained" not in source:
        return ""
    first, share = source["pretrained"], source.get("weights_share", 0)
    kept = f", of which it keeps {share:g}" if share else ""
    return f" It began with the weights of {first['name']} (SHA-256 {first['sha256'][:12]}){kept}."


def _stripe_lines(ranks: dict[float, dict[float, float]]) -> list[str]:
    if not ranks:
        return []
    numbers = sorted(next(iter(ranks.values())), reverse=True)
    return [
        "Rank that stripes exceed, for false stripes a clean scene on average:",
        "",
        f"| false-alarm rate | {' | '.join(f'{number:g}' for number in numbers)} |",
        f"| --- |{' --- |' * len(numbers)}",
        *(
            f"| {far:g} | {' | '.join(f'{at[number]:.2f}' for number in numbers)} |"
            for far, at in sorted(ranks.items(), reverse=True)
        ),
        "",
    ]


def _scene_lines(scores: dict[float, float]) -> list[str]:
    if not scores:
        return []
    return [
        "Scene score that a share of the clean calibration scenes exceeds:",
        "",
        "| share of scenes | scene score |",
        "| --- | --- |",
        *(f"| {share:g} | {score:.3f} |" for share, score in sorted(scores.items(), reverse=True)),
        "",
    ]


def _alone_lines(card: ModelCard) -> list[str]:
    rates = sorted(set(card.thresholds).intersection(*(set(own.thresholds) for own in card.alone.values())))
    if not card.alone or not rates:
        return []
    return [
        "Scenes of one polarization have thresholds, ranks and scene scores of their own; the thresholds:",
        "",
        f"| false-alarm rate | {' | '.join(f'{name}-pol alone' for name in card.alone)} |",
        f"| --- |{' --- |' * len(card.alone)}",
        *(
            f"| {rate:g} | {' | '.join(f'{own.thresholds[rate]:.3f}' for own in card.alone.values())} |"
            for rate in reversed(rates)
        ),
        "",
    ]


def _scene_line(what: str, names: list[str]) -> str:
    return f"{what}: {', '.join(names) if names else 'none'}."
