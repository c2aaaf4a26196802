"""What makes the anomaly map of a configured model: an evidence network, the bound of a vae, or neither."""

from __future__ import annotations

from typing import Any

from rfiscan.config.schema import TrainConfig
from rfiscan.networks import Autoencoder, BoundEvidence, Evidence, EvidenceNetwork
from rfiscan.networks.bound import KIND
from rfiscan.networks.vae import VariationalAutoencoder


def judge_of(config: TrainConfig, network: Autoencoder, evidence: EvidenceNetwork) -> Evidence | None:
    """What weighs the reconstructions of a network in validation; None leaves it to `rfiscan.scoring`.

    Args:
        config: Of the run; fits the network, as `rfiscan.workflows.training.building.build_from_config` makes sure.
        network: The autoencoder.
        evidence: The evidence network of the run.
    """
    if config.score == "evidence":
        return evidence
    if isinstance(network, VariationalAutoencoder) and config.score == "bound":
        return BoundEvidence(network, config.scoring.smooth_px)
    return None


def evidence_settings(config: TrainConfig) -> dict[str, Any] | None:
    """What the card of a model says of it: see `rfiscan.networks.build_evidence`."""
    if config.score == "evidence":
        return config.evidence.model_dump()
    return {"kind": KIND, "smooth_px": list(config.scoring.smooth_px)} if config.score == "bound" else None
