"""Many scenes on many workers: Dask maps scenes over processes, of this machine or of others.

A worker loads the model once. A worker that is killed costs its scene a second try on another one, which Dask starts by
itself; a scene that fails is not tried again. Scenes, model and output folder must be reachable from all workers by the
same paths.
"""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from rfiscan.errors import MissingExtraError, ModelError, ResourceError, UsageError
from rfiscan.locations import Location
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.runtimes.backends import thread_count
from rfiscan.runtimes.loading import load_runnable
from rfiscan.workflows.batch import SceneOutcome, detect_one, failed_record
from rfiscan.workflows.detect import DetectOptions
from rfiscan.workflows.detecting.catalogue import write_catalogue
from rfiscan.workflows.detecting.claims import FolderClaims
from rfiscan.workflows.reporting import SILENT, Reporter

Client: TypeAlias = Any
Future: TypeAlias = Any

CONNECT_S = 20.0
"""A choice: how long to wait for a scheduler."""
LOST_S = 5.0
"""A choice: how long a lost connection may take to come back."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker needs to know, besides the scene."""

    model_path: Path
    model_sha256: str
    options: DetectOptions
    run: str
    threads: int
    backend: str
    precision: str


def require_dask() -> Any:  # noqa: ANN401 - an extra that ships few types
    """Import Dask's distributed scheduler, before anything expensive starts.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtraError(
            "--jobs and --scheduler need Dask", hint="Install it: pip install 'rfiscan[dask]'."
        ) from error


@contextmanager
def connect(jobs: int, scheduler: str | None) -> Iterator[Client]:
    """Connect to a scheduler, or start one with workers on this machine.

    Args:
        jobs: Worker processes to start, where there is no scheduler.
        scheduler: Address such as ``tcp://host:8786``, or a scheduler file as dask-jobqueue and dask-mpi write it; None
            to start one.

    Yields:
        A client; its workers may be still to come, such as those that wait in the queue of a batch system.

    Raises:
        MissingExtraError: Dask is not installed.
        ResourceError: There is no scheduler.
    """
    distributed = require_dask()
    settings = {"distributed.comm.timeouts.connect": CONNECT_S, "distributed.client.scheduler-info-interval": "2s"}
    with importlib.import_module("dask").config.set(settings):
        try:
            if scheduler is None:
                cluster = distributed.LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=":0")
                client = distributed.Client(cluster)
            else:
                cluster = None
                given = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
                client = distributed.Client(**given, timeout=CONNECT_S)
        except (OSError, ValueError, TimeoutError) as error:
            raise ResourceError(
                f"no Dask scheduler can be reached at {scheduler or 'this machine'}",
                hint="Start it (dask scheduler) and its workers (dask worker ADDRESS), then try again.",
            ) from error
        try:
            yield client
        finally:
            client.close(timeout=LOST_S)
            if cluster is not None:
                cluster.close(timeout=LOST_S)


def detect_on_cluster(
    groups: Sequence[tuple[Location, ...]],
    model: RunnableModel,
    options: DetectOptions,
    client: Client,
    reporter: Reporter = SILENT,
    *,
    threads: int = 1,
) -> Iterator[SceneOutcome]:
    """Run `detect_scene` on the workers of a cluster.

    Args:
        groups: The files of each scene, as `group_scenes` makes them.
        model: The model for all scenes; workers load it from its folder, once.
        options: Options for all scenes.
        client: Of the cluster, see `connect`.
        reporter: Is told how many scenes have ended, and what makes their results less certain.
        threads: Threads of each worker.

    Yields:
        The outcome of each scene as it ends.

    Raises:
        ResourceError: The scheduler went away; what was done is kept.
    """
    if not client.scheduler_info()["workers"]:
        reporter.note("the scheduler has no worker yet; scenes wait for the first one")
    # workers may have another working folder
    options = replace(options, out_dir=options.out_dir.absolute(), threads=threads)
    runtime = model.runtime
    task = _Task(
        model.path.absolute(), model.sha256, options, uuid.uuid4().hex[:12], threads, runtime.backend, runtime.precision
    )
    futures: dict[Future, tuple[Location, ...]] = {
        client.submit(_detect, paths, task, key=f"rfiscan-{task.run}-{number}", pure=False): paths
        for number, paths in enumerate(map(_absolute, groups))
    }
    try:
        for done, future in enumerate(require_dask().as_completed(futures), start=1):
            outcome = _outcome(future, futures[future])
            for warning in outcome.record.get("warnings", ()):
                reporter.warn(f"{outcome.record['scene']}: {warning}")
            yield outcome
            reporter.progress("detecting", done, len(groups))
    finally:
        stopped = not all(future.done() for future in futures)
        client.cancel(list(futures), force=True)
        if stopped and client.cluster is not None:  # our workers, who may still begin a scene, and claim its name
            client.cluster.close(timeout=LOST_S)
        FolderClaims(options.out_dir, task.run).give_back()
        write_catalogue(options.out_dir)


def _absolute(paths: tuple[Location, ...]) -> tuple[Location, ...]:
    return tuple(path.absolute() if isinstance(path, Path) else path for path in paths)


def _outcome(future: Future, paths: tuple[Location, ...]) -> SceneOutcome:
    """How a scene ended; raise if nobody can say any more."""
    if future.status == "finished":
        outcome: SceneOutcome = future.result()
        return outcome
    if future.status in {"cancelled", "lost"}:
        raise ResourceError(
            "the connection to the Dask scheduler is lost", hint="Start it again; --skip-existing keeps what is done."
        )
    error: Any = future.exception()
    if isinstance(error, require_dask().KilledWorker):
        error = ResourceError(
            f"{paths[0]}: every worker that took it was killed, probably for want of memory",
            hint="Give workers more memory, or take fewer --jobs.",
        )
    return SceneOutcome(record=failed_record(paths, error), error=error)


def _detect(paths: tuple[Location, ...], task: _Task) -> SceneOutcome:
    """Run on a worker."""
    if task.backend == "torch":
        importlib.import_module("torch").set_num_threads(task.threads)
    try:
        model = _model(task.model_path, task.model_sha256, task.backend, task.precision, task.threads)
    except (MissingExtraError, ModelError, UsageError) as error:
        return SceneOutcome(record=failed_record(paths, error), error=error)
    return detect_one(paths, model, task.options, SILENT, FolderClaims(task.options.out_dir, task.run))


@lru_cache(maxsize=1)
def _model(path: Path, sha256: str, backend: str, precision: str, threads: int) -> RunnableModel:
    model = load_runnable(path, backend=backend, precision=precision, threads=threads)
    if model.sha256 != sha256:
        raise ModelError(f"{path}: is not the same model on the worker", hint="Give all machines the same version.")
    return model


def threads_of(jobs: int) -> int:
    """Threads that each of some workers on this machine may use."""
    return max(1, thread_count() // jobs)
