"""Begin a run with the weights of a model that was trained before, and keep a share of them in the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from rfiscan.config.schema import TrainConfig
from rfiscan.errors import ConfigError, ModelError
from rfiscan.model_files.checkpoint import Model, load_model, save_model
from rfiscan.networks import PRESETS, Autoencoder, EvidenceNetwork
from rfiscan.standardisation import Standardisation
from rfiscan.workflows.training.building import network_settings
from rfiscan.workflows.training.judging import evidence_settings

SHARE_KEY = "weights_share"
"""Where the card of a model says which share of its weights is that of the model it began with."""


def read_pretrained(config: TrainConfig) -> Model | None:
    """Read the model that a run begins with; None if it begins with random weights.

    Raises:
        ConfigError: If the model is of another shape, or sees tiles in other units; or if the run is to keep the
            statistics of a model that is not named.
        ModelError: If there is no such model, or it is damaged.
    """
    if config.network.weights is None:
        if config.optimiser.statistics_share == 0:
            raise ConfigError(
                "optimiser.statistics_share is 0, but there are no network.weights to take statistics from",
                hint="Name a model with --weights, or let batch norms learn in some of the steps.",
            )
        return None
    model = load_model(config.network.weights)
    card, preset = model.card, config.network.preset
    pairs = {
        "network.preset": (preset, preset if _has(preset, card.architecture) else _presets_of(card.architecture)),
        "network.settings": (network_settings(config), card.settings),
        "standardisation": (Standardisation(**config.standardisation.model_dump()), card.standardisation),
    }
    if isinstance(model.evidence, EvidenceNetwork) and config.score == "evidence":
        pairs["evidence"] = (evidence_settings(config), card.evidence)
    for key, (wanted, found) in pairs.items():
        if wanted != found:
            raise ConfigError(
                f"network.weights: the model {config.network.weights} has another {key}: {found} instead of {wanted}",
                hint=f"Set {key} to what the model has, or leave network.weights out.",
            )
    return model


def _has(preset: str, architecture: str) -> bool:
    return PRESETS[preset].architecture == architecture


def _presets_of(architecture: str) -> str:
    return " or ".join(preset for preset in PRESETS if _has(preset, architecture))


def take_weights(model: Model, network: Autoencoder, evidence: nn.Module) -> dict[str, Any]:
    """Give networks the weights of a model of their shape; evidence that it does not have stays as it is.

    Returns:
        What the card of the new model says of it: `name`, `sha256`, and `scenes`, the names of `seen_scenes`.
    """
    network.load_state_dict(model.network.state_dict())
    if isinstance(model.evidence, EvidenceNetwork):
        evidence.load_state_dict(model.evidence.state_dict())
    return {"name": model.name, "sha256": model.sha256, "scenes": seen_scenes(model)}


def seen_scenes(model: Model) -> list[str]:
    """File names of the real scenes that a model learned from, or one that it began with, as its card says; sorted."""
    provenance = model.card.provenance
    own = provenance.get("scenes", {}).get("training", [])
    return sorted({*own, *provenance.get("pretrained", {}).get("scenes", [])})


def keep_share(model_dir: Path, config: TrainConfig) -> None:
    """Average the weights of a trained model with those that it began with, and write it anew.

    The average of both often does better than either (Wortsman et al. 2022, Robust fine-tuning of zero-shot models,
    arXiv:2109.01903, section 3): what was learnt before is not lost. Statistics of batches are averaged, too.

    Args:
        model_dir: Folder of the trained model.
        config: Of its run.

    Raises:
        ModelError: If the model that it began with is not there any more, or another one is.
    """
    share = config.network.weights_share
    if config.network.weights is None or not share:
        return
    model, first = load_model(model_dir), load_model(config.network.weights)
    if SHARE_KEY in model.card.provenance:  # by a run that was stopped after this
        return
    if first.sha256 != model.card.provenance["pretrained"]["sha256"]:
        raise ModelError(
            f"{config.network.weights} is not the model any more that the run began with",
            hint="Put it back, and go on with --resume.",
        )
    _average(model.network, first.network, share)
    if isinstance(model.evidence, EvidenceNetwork) and isinstance(first.evidence, EvidenceNetwork):
        _average(model.evidence, first.evidence, share)
    card = replace(model.card, provenance={**model.card.provenance, SHARE_KEY: share})
    save_model(model_dir, model.network, card, model.evidence)


def _average(network: nn.Module, first: nn.Module, share: float) -> None:
    before = first.state_dict()

    def mixed(name: str, now: Tensor) -> Tensor:
        return now.lerp(before[name], share) if now.is_floating_point() else now  # counts of batches stay

    network.load_state_dict({name: mixed(name, tensor) for name, tensor in network.state_dict().items()})
