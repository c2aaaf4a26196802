"""From the names of trackers to trackers that are ready."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rfiscan.errors import MissingExtraError, UsageError
from rfiscan.workflows.training.tracking.tracker import Tracker

TRACKERS = ("tensorboard", "clearml", "mlflow")


def open_trackers(names: Iterable[str]) -> dict[str, Tracker]:
    """Load trackers, before anything expensive starts.

    Args:
        names: Of `TRACKERS`; each once, in the order given.

    Raises:
        UsageError: If there is no such tracker.
        MissingExtraError: If one is not installed.
        ResourceError: If the server of one cannot be reached.
    """
    return {name: open_tracker(name) for name in dict.fromkeys(names)}


def open_tracker(name: str) -> Tracker:
    """Load one tracker; see `open_trackers`."""
    if name not in TRACKERS:
        raise UsageError(f"there is no tracker {name!r}", hint=f"Known are {', '.join(TRACKERS)}.")
    return _MAKERS[name]()


def _tensorboard() -> Tracker:
    require_extra("tensorboard", "tensorboard")
    from rfiscan.workflows.training.tracking.tensorboard_tracker import TensorBoardTracker  # noqa: PLC0415 - an extra

    return TensorBoardTracker()


def _clearml() -> Tracker:
    clearml = require_extra("clearml", "clearml")
    from rfiscan.workflows.training.tracking.clearml_tracker import ClearMlTracker  # noqa: PLC0415 - an extra

    return ClearMlTracker(clearml)


def _mlflow() -> Tracker:
    from rfiscan.workflows.training.tracking.mlflow_tracker import MlflowTracker, keep_to_itself  # noqa: PLC0415 - an extra

    keep_to_itself()
    return MlflowTracker(require_extra("mlflow", "mlflow"))


_MAKERS: Mapping[str, Callable[[], Tracker]] = {"tensorboard": _tensorboard, "clearml": _clearml, "mlflow": _mlflow}


def require_extra(package: str, tracker: str) -> Any:  # noqa: ANN401 - a package
    """Import a package of an extra.

    Args:
        package: Name to import.
        tracker: Name of the tracker, and of the extra that brings it.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f"--track {tracker} needs {package}", hint=f"Install it: pip install 'rfiscan[{tracker}]'."
        ) from error
