"""What an experiment tracker is told of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["finished", "stopped", "failed"]
"""How a run ended; a stopped one can be resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A run as it begins or goes on.

    Attributes:
        name: Name of the model.
        run_dir: Its folder, absolute.
        parameters: All settings by their dotted keys; values are those of JSON.
        config_path: The same as YAML.
    """

    name: str
    run_dir: Path
    parameters: Mapping[str, Any]
    config_path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What a tracker was told before the run was stopped.

    Attributes:
        key: What `Tracker.start` gave then.
        step: Last step whose figures it has; -1 for none.
    """

    key: str
    step: int


class Tracker(Protocol):
    """One experiment tracker. Any exception that it raises ends the tracking, never the training."""

    def start(self, run: TrackedRun, earlier: Earlier | None) -> str:
        """Begin, or go on where an earlier part of the run left off.

        Args:
            run: The run.
            earlier: None for a run that this tracker does not know yet.

        Returns:
            A key by which the same run is found again; it is written down, so it must hold no secret.
        """

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Take the figures after a step; NaN where one is not defined."""

    def figure(self, step: int, name: str, path: Path) -> None:
        """Take a picture as PNG."""

    def artifact(self, path: Path) -> None:
        """Take a file of the finished run."""

    def model(self, folder: Path) -> None:
        """Take the folder of the finished model."""

    def end(self, status: Status) -> None:
        """Send what is left, and say how the run ended."""
