"""Peak memory of a process that does one thing. Importing this module imports no torch: baselines need none."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rfiscan.baselines import Detector, weigh_scene
from rfiscan.scoring import ScoringSettings, apply_threshold
from rfiscan.workflows.resources import peak_rss_mb


def peak_of_model(
    folder: Path, power: NDArray[np.float32], far: float, *, backend: str = "torch", precision: str = "f32"
) -> float | None:
    """Peak memory in MB of a new process that loads a model and scores a scene; None if unknown.

    Args:
        folder: The model's.
        power: Linear power, shape (2, H, W), all of it valid, on the grid of the model.
        far: False-alarm rate that the model is calibrated for.
        backend: What computes it, one of `rfiscan.runtimes.backends.BACKENDS`.
        precision: One of `rfiscan.runtimes.backends.PRECISIONS`.
    """
    return _peak_of(partial(_score_with_model, folder, power, far, backend, precision))


def peak_of_detector(detector: Detector, power: NDArray[np.float32], threshold: float) -> float | None:
    """Peak memory in MB of a new process that scores a scene with a classical detector; None if unknown.

    Args:
        detector: The detector.
        power: Linear power, shape (2, H, W), all of it valid.
        threshold: Of its anomaly map.
    """
    return _peak_of(partial(_score_with_detector, detector, power, threshold))


def _peak_of(work: Callable[[], None]) -> float | None:
    # a forked process would inherit what this one holds
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_peak_after, work).result()
        except (BrokenProcessPool, MemoryError):  # a comparison must not fail for want of one of its costs
            return None


def _peak_after(work: Callable[[], None]) -> float | None:
    work()
    return peak_rss_mb()


def _score_with_model(folder: Path, power: NDArray[np.float32], far: float, backend: str, precision: str) -> None:
    from rfiscan.runtimes.loading import load_runnable  # noqa: PLC0415 - see the module's docstring
    from rfiscan.workflows.evaluating.contenders import ModelContender  # noqa: PLC0415
    from rfiscan.workflows.sea_tile import grid_of  # noqa: PLC0415

    ModelContender(load_runnable(folder, backend=backend, precision=precision)).score(grid_of(power), far)


def _score_with_detector(detector: Detector, power: NDArray[np.float32], threshold: float) -> None:
    evidence = weigh_scene(detector, power, np.ones(power.shape, bool))
    apply_threshold(np.fmax(evidence[0], evidence[1]), threshold, ScoringSettings())
