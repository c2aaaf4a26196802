"""A training run in MLflow: on the server that MLFLOW_TRACKING_URI names, else in a database in the run folder."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rfiscan.errors import MissingExtraError, ResourceError
from rfiscan.workflows.training.tracking.tracker import Earlier, Status, TrackedRun

FOLDER = "mlflow"
EXPERIMENT = "rfiscan"
ENDINGS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
MOST_AT_ONCE = 100
"""Parameters that MLflow takes in one request (MLflow REST API, runs/log-batch, request limits)."""
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15"}
"""A choice: a server that is gone must not hold up the training for minutes, as by MLflow's own settings."""


def keep_to_itself() -> None:
    """Set what MLflow reads when it is loaded, where the user did not: no usage data to its makers, short waits."""
    for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", **_PATIENCE}.items():
        os.environ.setdefault(name, value)


class MlflowTracker:
    """Tells an MLflow server or database; see `rfiscan.workflows.training.tracking.tracker.Tracker`.

    Args:
        mlflow: The package.

    Raises:
        MissingExtraError: If a database is needed, and what MLflow needs for it is not installed.
        ResourceError: If the server cannot be reached.
    """

    def __init__(self, mlflow: Any) -> None:  # noqa: ANN401 - a package
        self._mlflow = mlflow
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client: Any = None
        self._run_id = ""
        self._address = os.environ.get("MLFLOW_TRACKING_URI", "")
        if self._address:
            try:
                mlflow.MlflowClient(self._address).search_experiments(max_results=1)
            except Exception as error:  # whatever its requests, drivers and databases raise
                raise ResourceError(
                    f"--track mlflow: no answer from where MLFLOW_TRACKING_URI points ({type(error).__name__})",
                    hint="Check the address and your credentials; without the variable MLflow uses the run folder.",
                ) from None  # the address may hold a password
        else:
            _require_database()

    def start(self, run: TrackedRun, earlier: Earlier | None) -> str:
        """Begin a run of MLflow, or open the earlier one again."""
        folder = run.run_dir / FOLDER
        if not self._address:
            folder.mkdir(exist_ok=True)
        self._client = self._mlflow.MlflowClient(self._address or f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
        if earlier is None:
            self._run_id = self._client.create_run(self._experiment(folder), run_name=run.run_dir.name).info.run_id
            self._client.set_tag(self._run_id, "model", run.name)
        else:
            self._run_id = earlier.key
            self._client.update_run(self._run_id, status="RUNNING")
        self._log_parameters({key: _text(value) for key, value in run.parameters.items()})
        self.artifact(run.config_path)
        return self._run_id

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the figures of a step in one request."""
        now_ms = round(time.time() * 1000)
        metric = self._mlflow.entities.Metric
        self._client.log_batch(self._run_id, metrics=[metric(k, v, now_ms, step) for k, v in values.items()])

    def figure(self, _step: int, name: str, path: Path) -> None:
        """Keep a picture among the artifacts."""
        self._client.log_artifact(self._run_id, str(path), name)

    def artifact(self, path: Path) -> None:
        """Keep a file."""
        self._client.log_artifact(self._run_id, str(path))

    def model(self, folder: Path) -> None:
        """Keep the folder as it is, so that what is downloaded can be given to ``--model``."""
        self._client.log_artifacts(self._run_id, str(folder), "model")

    def end(self, status: Status) -> None:
        """Say how it ended."""
        self._client.set_terminated(self._run_id, ENDINGS[status])

    def _experiment(self, folder: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        beside = None if self._address else (folder / "artifacts").as_uri()
        return str(self._client.create_experiment(name, artifact_location=beside))

    def _log_parameters(self, parameters: Mapping[str, str]) -> None:
        """Log parameters; MLflow forbids to change one, so what a resumed run changed becomes a tag."""
        known = self._client.get_run(self._run_id).data.params
        param, tag = self._mlflow.entities.Param, self._mlflow.entities.RunTag
        new = [param(key, value) for key, value in parameters.items() if key not in known]
        for first in range(0, len(new), MOST_AT_ONCE):
            self._client.log_batch(self._run_id, params=new[first : first + MOST_AT_ONCE])
        changed = [tag(f"changed.{k}", v) for k, v in parameters.items() if known.get(k, v) != v]
        if changed:
            self._client.log_batch(self._run_id, tags=changed)


def _require_database() -> None:
    try:
        import alembic  # noqa: F401, PLC0415 - MLflow needs both for a database, and its small package brings neither
        import sqlalchemy  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "--track mlflow without MLFLOW_TRACKING_URI needs sqlalchemy and alembic",
            hint="Install them: pip install 'rfiscan[mlflow]'.",
        ) from error


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
