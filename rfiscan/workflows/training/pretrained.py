"""Begin a run with the weights of a model that was trained before."""

from __future__ import annotations

from torch import nn

from rfiscan.checkpoint import Model, load_model
from rfiscan.config.schema import TrainConfig
from rfiscan.errors import ConfigError
from rfiscan.networks import PRESETS, Autoencoder, EvidenceNetwork
from rfiscan.standardisation import Standardisation
from rfiscan.workflows.training.building import network_settings
from rfiscan.workflows.training.judging import evidence_settings


def read_pretrained(config: TrainConfig) -> Model | None:
    """Read the model that a run begins with; None if it begins with random weights.

    Raises:
        ConfigError: If the model is of another shape, or sees tiles in other units.
        ModelError: If there is no such model, or it is damaged.
    """
    if config.network.weights is None:
        return None
    model = load_model(config.network.weights)
    card = model.card
    pairs = {
        "network.preset": (PRESETS[config.network.preset].architecture, card.architecture),
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


def take_weights(model: Model, network: Autoencoder, evidence: nn.Module) -> dict[str, str]:
    """Give networks the weights of a model of their shape; evidence that it does not have stays as it is.

    Returns:
        What the card of the new model says of it: `name` and `sha256`.
    """
    network.load_state_dict(model.network.state_dict())
    if isinstance(model.evidence, EvidenceNetwork):
        evidence.load_state_dict(model.evidence.state_dict())
    return {"name": model.name, "sha256": model.sha256}
