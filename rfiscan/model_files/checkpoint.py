"""Models and training states on disk: safetensors for arrays, YAML and JSON for the rest, never pickles.

A model is a folder with ``model.safetensors`` (weights), ``evidence.safetensors`` (those of the
`EvidenceNetwork`, optional), ``model.yaml`` (`ModelCard`) and ``README.md``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
import yaml
from torch import Tensor, nn

from rfiscan.atomic import atomic_path, write_atomically
from rfiscan.errors import ModelError
from rfiscan.model_files.card_file import CARD, EVIDENCE, WEIGHTS
from rfiscan.model_files.model_card import ModelCard, NullCalibration, model_readme
from rfiscan.model_files.stored_model import RunnableModel, find_model
from rfiscan.networks import Autoencoder, BoundEvidence, Evidence, build_evidence, build_network
from rfiscan.networks.inference import NetworkRuntime

README = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(RunnableModel):
    """A model whose networks are at hand, and run as they were trained.

    Attributes:
        network: The network, in evaluation mode.
        evidence: Weighs what the network leaves, in evaluation mode; None where the model has nothing of the kind.
    """

    network: Autoencoder
    evidence: Evidence | None = None


def load_model(name_or_path: str | Path) -> Model:
    """Load a model with its networks.

    Args:
        name_or_path: A bundled model's name ("cae", "mae"), which wins over a folder of that name, or a model's folder.

    Raises:
        ModelError: If there is no such model, or a file of it is missing or damaged.
    """
    stored = find_model(name_or_path)
    card = stored.card
    try:
        network = build_network(card.architecture, card.settings)
        network.load_state_dict(safetensors.torch.load_file(stored.path / WEIGHTS))
        evidence = _read_evidence(stored.path / EVIDENCE, card, network)
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, safetensors.SafetensorError) as error:
        raise ModelError(f"the model {stored.path} is damaged: {' '.join(str(error).split())[:200]}") from error
    return Model(
        name=stored.name,
        path=stored.path,
        sha256=stored.sha256,
        card=card,
        runtime=NetworkRuntime(network.eval(), evidence),
        network=network,
        evidence=evidence,
    )


def save_model(folder: Path, network: Autoencoder, card: ModelCard, evidence: Evidence | None = None) -> None:
    """Write a model; the card goes first and comes last, so that a folder with a card is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CARD, EVIDENCE):
        (folder / name).unlink(missing_ok=True)
    _write_weights(folder / WEIGHTS, network)
    if evidence is not None and not isinstance(evidence, BoundEvidence):  # which has no weights of its own
        _write_weights(folder / EVIDENCE, evidence)
    with atomic_path(folder / README) as part:
        part.write_text(model_readme(card), encoding="utf-8")
    values = asdict(card)
    values |= _stored(card)
    values["alone"] = {name: _stored(own) for name, own in card.alone.items()}
    with atomic_path(folder / CARD) as part:
        part.write_text(yaml.safe_dump(_plain(values), sort_keys=False), encoding="utf-8")


def save_state(folder: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write a training state: tensors by name, and JSON values, in one file, so that both are of one moment."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "state.safetensors") as part:
        kept = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
        safetensors.torch.save_file(kept, part, metadata={"values": json.dumps(values)})


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_state` wrote.

    Raises:
        ModelError: If it is missing or damaged.
    """
    path = folder / "state.safetensors"
    try:
        with safetensors.safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
            return tensors, json.loads(stored.metadata()["values"])
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"cannot read the training state {path}: {error}") from error


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors by name: ``optimiser.<parameter index>.<what>``."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{key}": torch.as_tensor(v) for i, entry in state.items() for key, v in entry.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser the state that `optimiser_tensors` took of another one of the same parameters.

    Raises:
        IndexError: If there are states of more parameters.
        RuntimeError: If one is of another shape.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            like = parameters[int(index)]
            # in the layout of the parameter in memory, which fused kernels count on; "step" is a number
            placed = tensor if key == "step" else torch.empty_like(like).copy_(tensor)
            state.setdefault(int(index), {})[key] = placed
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _write_weights(path: Path, network: nn.Module) -> None:
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    # through bytes: safetensors' own files are for the owner's eyes only
    write_atomically(path, safetensors.torch.save(weights, metadata={"format": "pt"}))


def _stored(calibration: ModelCard | NullCalibration) -> dict[str, Any]:
    """A calibration for YAML: rates as short as they are written, and no more digits than mean something."""
    return {
        "thresholds": {f"{rate:g}": round(value, 6) for rate, value in calibration.thresholds.items()},
        "stripe_ranks": {
            f"{far:g}": {f"{rate:g}": round(rank, 4) for rate, rank in ranks.items()}
            for far, ranks in calibration.stripe_ranks.items()
        },
        "scene_scores": {f"{share:g}": round(score, 4) for share, score in calibration.scene_scores.items()},
    }


def _read_evidence(path: Path, card: ModelCard, network: Autoencoder) -> Evidence | None:
    if card.evidence is None:
        return None
    evidence = build_evidence(card.evidence, network)
    if not isinstance(evidence, BoundEvidence):
        evidence.load_state_dict(safetensors.torch.load_file(path))
    return evidence.eval()


def _plain(value: object) -> object:
    """Tuples to lists and numpy numbers to Python's, for YAML."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
