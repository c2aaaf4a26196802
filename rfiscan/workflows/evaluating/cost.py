"""What a contender costs: parameters, operations, speed, memory, size."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rfiscan.model_files.card_file import EVIDENCE, WEIGHTS
from rfiscan.model_files.checkpoint import load_model
from rfiscan.model_files.stored_model import StoredModel
from rfiscan.networks import Autoencoder, Evidence
from rfiscan.workflows.evaluating.baseline_contenders import BaselineContender
from rfiscan.workflows.evaluating.contenders import Contender, ModelContender
from rfiscan.workflows.peak_memory import peak_of_detector, peak_of_model
from rfiscan.workflows.sea_tile import grid_of, sea_power

TILE_SHAPE = (340, 500)
"""Rows and columns that a classical detector is timed on: the tiles of the bundled models."""
RUNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a contender costs.

    Attributes:
        parameters: Numbers that were learnt: of both networks, or of a fitted baseline.
        flops_per_tile: Floating-point operations of the networks on one tile, a multiplication and an addition counted
            as two; None for a baseline.
        tiles_per_s: Tiles scored in a second, from power to detections; median of several runs.
        peak_rss_mb: Peak memory, in 1e6 bytes, of a new process that loads the contender, libraries included, and
            scores one tile; None if unknown.
        size_bytes: Its size: the model's arrays on the disk, or the arrays of a baseline.
    """

    parameters: int
    flops_per_tile: int | None
    tiles_per_s: float
    peak_rss_mb: float | None
    size_bytes: int


def measure_cost(contender: Contender, far: float, *, runs: int = RUNS) -> Cost:
    """Measure what a contender costs on this machine, on sea without interference.

    Args:
        contender: A model or a baseline.
        far: False-alarm rate that it is calibrated for.
        runs: Runs of which the median speed is taken, >= 1; one more goes before them.
    """
    if isinstance(contender, ModelContender):
        model = load_model(contender.model.path)  # its networks, whatever computes them
        runtime = contender.model.runtime
        power = sea_power(model.card.tile_shape)
        return Cost(
            parameters=model.network.parameter_count + (model.evidence.parameter_count if model.evidence else 0),
            flops_per_tile=count_flops(model.network, model.card.tile_shape, model.evidence),
            tiles_per_s=_tiles_per_s(contender, power, far, runs),
            peak_rss_mb=peak_of_model(model.path, power, far, backend=runtime.backend, precision=runtime.precision),
            size_bytes=_model_bytes(model),
        )
    power = sea_power(TILE_SHAPE)
    detector = contender.detector if isinstance(contender, BaselineContender) else None
    return Cost(
        parameters=0 if detector is None else _array_numbers(detector),
        flops_per_tile=None,
        tiles_per_s=_tiles_per_s(contender, power, far, runs),
        peak_rss_mb=None if detector is None else peak_of_detector(detector, power, contender.threshold(far)),
        size_bytes=0 if detector is None else sum(array.nbytes for array in _arrays(detector)),
    )


def count_flops(network: Autoencoder, tile_shape: tuple[int, int], evidence: Evidence | None = None) -> int:
    """Count the floating-point operations of matrix products and convolutions on one tile, as inference runs them.

    Args:
        network: In evaluation mode.
        tile_shape: Rows and columns of the tile.
        evidence: Runs after it, in evaluation mode; None if nothing does.
    """
    device = next(network.parameters()).device
    tile = torch.zeros(1, 2, *tile_shape, device=device)
    with torch.no_grad(), _countable_attention(), FlopCounterMode(display=False) as counter:
        valid = torch.ones_like(tile, dtype=torch.bool)
        reconstruction = network.reconstruct(tile, valid)
        if evidence is not None:
            evidence(tile, valid, reconstruction)
    return int(counter.get_total_flops())


def describe_machine() -> dict[str, Any]:
    """Describe what the speed depends on."""
    return {
        "platform": platform.platform(),
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
    }


@contextmanager
def _countable_attention() -> Iterator[None]:
    """Run attention as matrix products: the counter knows nothing of the fused kernels."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _tiles_per_s(contender: Contender, power: NDArray[np.float32], far: float, runs: int) -> float:
    grid, seconds = grid_of(power, contender.spacing_m), []
    contender.score(grid, far)  # the first run allocates and warms up
    for _ in range(runs):
        start_s = time.perf_counter()
        contender.score(grid, far)
        seconds.append(time.perf_counter() - start_s)
    return 1.0 / statistics.median(seconds)


def _model_bytes(model: StoredModel) -> int:
    files = [model.path / name for name in (WEIGHTS, EVIDENCE)]
    return sum(file.stat().st_size for file in files if file.is_file())


def _array_numbers(holder: object) -> int:
    return sum(array.size for array in _arrays(holder))


def _arrays(holder: object) -> list[NDArray[Any]]:
    """The arrays among the fields of a dataclass."""
    if not is_dataclass(holder):
        return []
    values = [getattr(holder, field.name) for field in fields(holder)]
    return [value for value in values if isinstance(value, np.ndarray)]
