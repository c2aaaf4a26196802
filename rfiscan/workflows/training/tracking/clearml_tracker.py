"""A training run in ClearML: on the user's server, or offline as a session in the run folder.

Offline is what CLEARML_OFFLINE_MODE=1 says; ``clearml-task --import-offline-session`` sends the session later.
"""

from __future__ import annotations

import importlib
import io
import json
import logging
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from rfiscan.errors import ResourceError
from rfiscan.workflows.training.tracking.tracker import Earlier, Status, TrackedRun

FOLDER = "clearml"
PROJECT = "rfiscan"
_FRAMEWORKS = (
    "absl", "artifacts", "catboost", "detect_repository", "fastai", "gradio", "hydra", "joblib", "jsonargparse",
    "lightgbm", "matplotlib", "megengine", "pytorch", "pytorch-lightning", "scikit", "tensorboard", "tensorflow",
    "tfdefines", "xgboost",
)  # fmt: skip
"""What ClearML would watch by itself; here it is told what to keep, and looks into no repository and no argument."""

_PATIENCE = {"total": 3, "connect": 3, "read": 3, "status": 3, "backoff_factor": 0.5, "backoff_max": 5.0}
"""A choice: ClearML itself tries 240 times, for hours, and a run would wait at its end (its api.conf)."""


class ClearMlTracker:
    """Tells ClearML; see `rfiscan.workflows.training.tracking.tracker.Tracker`.

    Args:
        clearml: The package.

    Raises:
        ResourceError: If there are no credentials, or the server cannot be reached.
    """

    def __init__(self, clearml: Any) -> None:  # noqa: ANN401 - a package
        self._clearml, self._folder = clearml, Path()
        self._task: Any = None
        logging.getLogger("clearml").setLevel(logging.ERROR)
        if not clearml.Task.is_offline():
            try:
                with _undisturbed():
                    config = importlib.import_module("clearml.config").config_obj
                    config.set_overrides({"api": {"http": {"retries": _PATIENCE}}})
                    clearml.backend_api.Session(config=config)
            except Exception as error:  # whatever its requests and readers of configurations raise
                raise ResourceError(
                    f"--track clearml: no server takes these credentials, or none answers ({type(error).__name__})",
                    hint="Run clearml-init; or set CLEARML_OFFLINE_MODE=1 and import the session later.",
                ) from None  # what it says may hold keys

    def start(self, run: TrackedRun, earlier: Earlier | None) -> str:
        """Begin a task, or go on with the earlier one; offline, every part of a run is a session of its own."""
        self._folder = run.run_dir / FOLDER
        task_class = self._clearml.Task
        continued = {} if earlier is None or task_class.is_offline() else {"continue_last_task": 0}
        with _undisturbed():
            task_class.set_random_seed(None)  # the run has its own
            self._task = task_class.init(
                project_name=PROJECT,
                task_name=run.run_dir.name,
                tags=[run.name],
                reuse_last_task_id=earlier.key if earlier is not None and continued else False,
                auto_connect_arg_parser=False,
                auto_connect_frameworks=dict.fromkeys(_FRAMEWORKS, False),
                auto_resource_monitoring=False,
                auto_connect_streams=False,
                **continued,
            )
            self._task.set_parameters({f"rfiscan/{key}": _text(value) for key, value in run.parameters.items()})
            self._task.connect_configuration(run.config_path, name="config")
        return str(self._task.id)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Report one point of every curve."""
        with _undisturbed():
            for name, value in values.items():
                self._task.get_logger().report_scalar(name, name, value, step)

    def figure(self, step: int, name: str, path: Path) -> None:
        """Report a picture."""
        with _undisturbed():
            self._task.get_logger().report_image(name, name, step, local_path=str(path))

    def artifact(self, path: Path) -> None:
        """Upload a file."""
        with _undisturbed():
            self._task.upload_artifact(path.name, path, wait_on_upload=True)

    def model(self, folder: Path) -> None:
        """Upload the folder, as one zip."""
        with _undisturbed():
            self._task.upload_artifact("model", folder, wait_on_upload=True)

    def end(self, status: Status) -> None:
        """Close the task; offline, put its session into the run folder, from where it can be imported."""
        with _undisturbed():
            self._task.close()
            if self._clearml.Task.is_offline():
                session = Path(f"{self._task.get_offline_mode_folder()}.zip")
                self._folder.mkdir(exist_ok=True)
                shutil.copyfile(session, self._folder / session.name)
            elif status == "stopped":
                self._task.mark_stopped(force=True)
            elif status == "failed":
                self._task.mark_failed(force=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave to the program what ClearML takes: standard output, signals, sys.exit and sys.excepthook."""
    ways_out = sys.exit, sys.excepthook
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        sys.exit, sys.excepthook = ways_out
        for number, handler in handlers.items():
            if handler is not signal.getsignal(number):
                with suppress(ValueError):  # outside the main thread, where ClearML cannot set one either
                    signal.signal(number, handler)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
