"""Tiles per second of models and runtimes, paired and as shares of what the processor can do.

Everything is run in turns, round by round, in one process, so that what else the machine does meets all alike. Figures
are medians over rounds. On one thread processor time counts, which a busy machine disturbs least; on more it is the
time on the wall.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EAGER, AGAIN = "torch eager f32", "torch eager f32 again"
RUNTIMES = (("torch", "f32"), ("torch", "bf16"), ("openvino", "f32"), ("openvino", "bf16"), ("onnx", "f32"))


def main() -> None:
    """Measure and write."""
    options = _read_options()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # read when torch is loaded
    record = measure(options.models, options.batches, rounds=options.rounds, threads=options.threads)
    if options.startup:
        from benchmarks.startup import measure_startup

        record["startup"] = measure_startup(options.startup)
    options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    from benchmarks.tables import put_tables, tables_of

    put_tables(options.page, tables_of(record))
    print(tables_of(record))


def measure(models: Sequence[str], batches: Sequence[int], *, rounds: int, threads: int) -> dict[str, Any]:
    """Measure models at batch sizes.

    Args:
        models: Names or folders.
        batches: Tiles that go through a network together.
        rounds: Runs of everything, of which medians are taken; one more goes before them.
        threads: Threads of every runtime; its environment variable must be set already.

    Returns:
        `machine`, `ceilings` (name -> rate, unit) and `runs`, a list of model, batch, runtime, `tiles_per_s`, `gflop`
        of a tile, `speed_up` over torch eager float32 with its quartiles, and `ceiling_share`.
    """
    import torch

    from benchmarks.ceilings import build_ceilings

    torch.set_num_threads(threads)
    ceilings, runs = build_ceilings(), []
    clock = time.process_time if threads == 1 else time.perf_counter
    rates: dict[str, list[float]] = {ceiling.name: [] for ceiling in ceilings}
    for name in models:
        contestants, gflop = build_contestants(name)
        for batch in batches:
            works = {label: _bound(run, _tiles(name, batch)) for label, run in contestants.items()}
            simple = {f"ceiling {i}": ceiling.run for i, ceiling in enumerate(ceilings)}
            seconds = take_turns(works | simple, rounds, clock)
            for i, ceiling in enumerate(ceilings):
                rates[ceiling.name] += [ceiling.work / taken for taken in seconds[f"ceiling {i}"]]
            for label in contestants:
                precision = "bf16" if label.endswith("bf16") else "f32"
                best = [
                    max(
                        c.work / seconds[f"ceiling {i}"][turn]
                        for i, c in enumerate(ceilings)
                        if c.name == f"conv3x3 {precision}"
                    )
                    for turn in range(rounds)
                ]
                runs.append({"model": name, "batch": batch, "runtime": label, "gflop": gflop[label]})
                runs[-1] |= _figures(seconds[label], seconds[EAGER], best, batch, gflop[label])
    units = {ceiling.name: ceiling.unit for ceiling in ceilings}
    return {
        "machine": describe_machine(threads),
        "rounds": rounds,
        "ceilings": {
            name: {"rate": round(statistics.median(found), 1), "unit": units[name]} for name, found in rates.items()
        },
        "runs": runs,
    }


def build_contestants(name: str) -> tuple[dict[str, Callable[..., Any]], dict[str, float]]:
    """What runs a model, and how many billions of operations each takes for a tile."""
    from rfiscan.errors import MissingExtraError, UsageError
    from rfiscan.model_files.checkpoint import load_model
    from rfiscan.networks import Reconstruction
    from rfiscan.networks.frozen import FrozenModel
    from rfiscan.runtimes.loading import load_runnable
    from rfiscan.workflows.evaluating.cost import count_flops

    model = load_model(name)
    frozen = FrozenModel(model.network, model.evidence)
    runs: dict[str, Callable[..., Any]] = {EAGER: model.runtime.run, AGAIN: model.runtime.run}
    for backend, precision in RUNTIMES:
        try:
            runs[f"{backend} {precision}"] = load_runnable(name, backend=backend, precision=precision).runtime.run
        except (MissingExtraError, UsageError) as error:
            print(f"left out: {error}")
    frozen.reconstruct.reconstruct = lambda tiles, valid: Reconstruction(*frozen.reconstruct(tiles, valid.float()))
    shape = model.card.tile_shape
    trained = count_flops(model.network, shape, model.evidence) / 1e9
    lean = count_flops(frozen.reconstruct, shape, frozen.evidence) / 1e9
    return runs, {label: trained if label in (EAGER, AGAIN) else lean for label in runs}


def take_turns(
    works: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each work in each round; every other round goes backwards, and one round goes before."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(-1, rounds):
        for name in list(works) if turn % 2 else reversed(works):
            start_s = clock()
            works[name]()
            if turn >= 0:
                seconds[name].append(clock() - start_s)
    return seconds


def describe_machine(threads: int) -> dict[str, Any]:
    """What the speed depends on."""
    packages = {}
    for name in ("torch", "openvino", "onnxruntime"):
        try:
            packages[name] = version(name)
        except ImportError:
            packages[name] = None
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **packages,
    }


def _figures(
    taken_s: list[float], eager_s: list[float], best: list[float], batch: int, gflop: float
) -> dict[str, float | list[float]]:
    ratios = [eager / taken for eager, taken in zip(eager_s, taken_s, strict=True)]
    shares = [batch * gflop / taken / ceiling for taken, ceiling in zip(taken_s, best, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return {
        "tiles_per_s": round(batch / statistics.median(taken_s), 2),
        "speed_up": round(statistics.median(ratios), 3),
        "speed_up_quartiles": [round(low, 3), round(high, 3)],
        "ceiling_share": round(statistics.median(shares), 3),
    }


def _bound(run: Callable[..., Any], tiles: tuple[Any, Any]) -> Callable[[], object]:
    return lambda: run(*tiles)


def _tiles(name: str, batch: int) -> tuple[Any, Any]:
    """Standardised sea, the same tile so many times."""
    import numpy as np

    from rfiscan.model_files.stored_model import find_model
    from rfiscan.workflows.sea_tile import sea_power

    card = find_model(name).card
    power = sea_power(card.tile_shape)
    tile, _ = card.standardisation.apply(power, np.ones(power.shape, bool))
    tiles = np.repeat(tile[None], batch, axis=0)
    return tiles, np.ones(tiles.shape, bool)


def _cpu_name() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["cae", "mae"], help="names or folders")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16], help="tiles that go together")
    parser.add_argument("--rounds", type=int, default=7, help="runs of which medians are taken, >= 2")
    parser.add_argument("--threads", type=int, default=1, help="threads of every runtime")
    parser.add_argument("--startup", type=int, default=3, help="runs of whole commands; 0 for none")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "performance.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md", help="its tables are replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
