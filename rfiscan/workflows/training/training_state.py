"""What a stopped training run needs to go on as if it had not been stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rfiscan.errors import ModelError
from rfiscan.model_files.checkpoint import optimiser_tensors, restore_optimiser
from rfiscan.networks.trimming import Trimming
from rfiscan.training_data.dataset import TileStream
from rfiscan.workflows.training.averaging import WeightAverages


class Resumable(Protocol):
    """What of a training run changes from step to step.

    Attributes:
        step: Steps that are done.
        best_loss: Least loss in validation.
        losses: Of the steps since the last validation.
        elapsed_s: Seconds spent on the steps that are done.
        trimming: What is left out of scenes that may be contaminated.
        pretrained: Name, SHA-256 and real scenes of the model that it began with; None if with random weights.
    """

    step: int
    best_loss: float
    losses: list[float]
    elapsed_s: float
    trimming: Trimming
    pretrained: dict[str, Any] | None

    @property
    def run_dir(self) -> Path:
        """Its folder."""

    @property
    def network(self) -> nn.Module:
        """The autoencoder."""

    @property
    def evidence(self) -> nn.Module:
        """The evidence network."""

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """Of both networks."""

    @property
    def averages(self) -> WeightAverages | None:
        """Moving averages of both networks."""

    @property
    def scaler(self) -> torch.amp.GradScaler:
        """Scales losses in half precision."""

    @property
    def scene_names(self) -> dict[str, list[str]]:
        """Names of the real scenes for training and for validation."""

    @property
    def stream(self) -> TileStream:
        """Where tiles come from."""


def last_state(run_dir: Path) -> Path:
    """Folder of the state that a run can be resumed from."""
    return run_dir / "checkpoints" / "last"


def take_state(trainer: Resumable) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All that a resumed run needs: weights, optimiser, and the state of every random generator.

    Returns:
        Tensors by name, and JSON values.
    """
    tensors = {f"network.{k}": v for k, v in trainer.network.state_dict().items()}
    tensors |= {f"evidence.{k}": v for k, v in trainer.evidence.state_dict().items()}
    tensors |= optimiser_tensors(trainer.optimiser) | {"torch_rng": torch.get_rng_state()}
    if trainer.averages is not None:
        tensors |= dict(trainer.averages.tensors())
    values = {
        "step": trainer.step,
        "best_loss": trainer.best_loss,
        "losses": trainer.losses,
        "elapsed_s": trainer.elapsed_s,
        "stream": trainer.stream.state(),
        "scenes": trainer.scene_names,
        "trim_level": trainer.trimming.level,
        "pretrained": trainer.pretrained,
    }
    if trainer.scaler.is_enabled():
        values["scaler"] = trainer.scaler.state_dict()
    return tensors, values


def restore_state(trainer: Resumable, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Bring a new trainer of the same configuration to where another one gave its state.

    Raises:
        ModelError: If the state is of another configuration, or of other scenes.
    """
    if values.get("scenes") != trainer.scene_names:
        raise ModelError(
            f"{trainer.run_dir}: the scenes that data.scenes names are not those that the run began with",
            hint="Resume it in the folder where it began, with the same files there.",
        )
    try:
        for name, network in (("network.", trainer.network), ("evidence.", trainer.evidence)):
            network.load_state_dict({k[len(name) :]: v for k, v in tensors.items() if k.startswith(name)})
        if trainer.averages is not None:
            trainer.averages.restore(tensors)
        restore_optimiser(trainer.optimiser, tensors)
        torch.set_rng_state(tensors["torch_rng"])
        trainer.stream.restore(values["stream"])
        if "scaler" in values:
            trainer.scaler.load_state_dict(values["scaler"])
        trainer.step, trainer.best_loss = values["step"], values["best_loss"]
        trainer.losses, trainer.elapsed_s = list(values["losses"]), values["elapsed_s"]
        trainer.trimming.level = values.get("trim_level")  # earlier versions left nothing out
        trainer.pretrained = values.get("pretrained")  # and began with random weights
    except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        summary = " ".join(str(error).split())[:200]
        raise ModelError(f"the training state in {trainer.run_dir} is of another configuration: {summary}") from error
