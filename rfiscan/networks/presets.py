"""Named network shapes, with their parameter counts, and the one place that builds networks from settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rfiscan.networks.base import Autoencoder
from rfiscan.networks.bound import KIND, BoundEvidence
from rfiscan.networks.cae import ConvAutoencoder, DenseAutoencoder
from rfiscan.networks.dae import DenoisingAutoencoder
from rfiscan.networks.evidence import Evidence, EvidenceNetwork
from rfiscan.networks.mae import MaskedAutoencoder
from rfiscan.networks.vae import VariationalAutoencoder

ARCHITECTURES: dict[str, type[Autoencoder]] = {
    "cae": ConvAutoencoder,
    "cae-dense": DenseAutoencoder,
    "dae": DenoisingAutoencoder,
    "mae": MaskedAutoencoder,
    "vae": VariationalAutoencoder,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named network shape.

    Attributes:
        architecture: Key of `ARCHITECTURES`.
        summary: What it is for.
        parameters: Number of trained parameters.
        settings: Arguments of the network.
    """

    architecture: str
    summary: str
    parameters: int
    settings: dict[str, Any] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    "cae": Preset(
        architecture="cae",
        summary="fully convolutional, 16-channel bottleneck at 1/8 of the resolution",
        parameters=896_864,
        settings={"width": 24, "code": 16, "context": 4},
    ),
    "mae": Preset(
        architecture="mae",
        summary="10x20 patches, width 192, 4 encoder and 2 decoder layers, half of the patches hidden",
        parameters=2_458_464,
        settings={"patch": [10, 20], "width": 192, "depth": 4, "heads": 3, "mask_ratio": 0.5, "passes": 2},
    ),
    "dae": Preset(
        architecture="dae",
        summary="the cae, learning from tiles with Gaussian noise and a quarter of their blocks blanked out",
        parameters=896_864,
        settings={"width": 24, "code": 16, "context": 4, "noise": 0.5, "blank_share": 0.25, "block": [10, 20]},
    ),
    "vae": Preset(
        architecture="vae",
        summary="variational: a vector of 125 units, drawn from the distribution that the encoder gives",
        parameters=8_506_478,
        settings={"latent": 125, "width": 8},
    ),
    "cae-reference": Preset(
        architecture="cae-dense",
        summary="the original work's bottleneck: a vector of 125 units (25 to 500) through dense layers",
        parameters=11_449_697,
        settings={"latent": 125},
    ),
    "mae-reference": Preset(
        architecture="mae",
        summary=(
            "the original work's MAE: 34x50 patches, width 128, 3 encoder and 2 decoder layers, 60 % hidden; its dense "
            "head from all tokens to all pixels (952 million parameters) is replaced by one head for each token"
        ),
        parameters=2_756_240,
        settings={
            "patch": [34, 50],
            "width": 128,
            "depth": 3,
            "heads": 4,
            "decoder_width": 128,
            "decoder_depth": 2,
            "decoder_heads": 4,
            "mask_ratio": 0.6,
            "passes": 5,
        },
    ),
}


def build_network(architecture: str, settings: dict[str, Any]) -> Autoencoder:
    """Build an untrained network.

    Args:
        architecture: Key of `ARCHITECTURES`.
        settings: Arguments of the network.

    Raises:
        ValueError: If the architecture is unknown or a setting is not one of its arguments.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {architecture!r}; known are {', '.join(ARCHITECTURES)}")
    try:
        return ARCHITECTURES[architecture](**settings)
    except (TypeError, AssertionError, ArithmeticError, LookupError, RuntimeError) as error:  # torch asserts, too
        raise ValueError(f"settings of {architecture}: {error}") from error


def build_evidence(settings: dict[str, Any], network: Autoencoder) -> Evidence:
    """Build the evidence that a model card describes; an `EvidenceNetwork` is untrained.

    Args:
        settings: Of the card: arguments of an `EvidenceNetwork`, or ``kind: bound`` and those of `BoundEvidence`.
        network: The autoencoder of the model.

    Raises:
        ValueError: If a kind is unknown, or the autoencoder gives no such evidence.
        TypeError: If a setting is not one of its arguments.
    """
    if "kind" not in settings:
        return EvidenceNetwork(**settings)
    if settings["kind"] != KIND or not isinstance(network, VariationalAutoencoder):
        raise ValueError(f"no evidence of kind {settings['kind']!r} for a {type(network).__name__}")
    return BoundEvidence(network, settings["smooth_px"])
