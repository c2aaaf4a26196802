"""Two Dask workers beside one, on the same scenes, in turns: what `--jobs` gains on this machine.

Each worker has one thread. A worker is warm before the clock starts: it has detected one scene and so loaded the model.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth import first_rows, linked_scene
from benchmarks.speed import describe_machine
from benchmarks.tables import product_parser, put_tables
from rfiscan.runtimes.loading import load_runnable
from rfiscan.workflows.cluster import connect, detect_on_cluster
from rfiscan.workflows.detect import DetectOptions

SCENES = 16
SHARE = 0.25
"""Of the rows of the product, that a scene has."""


def main() -> None:
    """Measure and write."""
    options = product_parser(__doc__, "workers.json", "many_scenes.md").parse_args()
    record = {"machine": describe_machine(os.cpu_count() or 1), "rounds": options.rounds, "scenes": SCENES}
    record |= measure(options.product, options.rounds)
    options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    put_tables(options.page, "\n".join(_table(record)), "workers")
    print("\n".join(_table(record)))


def measure(product: Path, rounds: int) -> dict[str, Any]:
    """Detect on `SCENES` scenes with one worker and with two.

    Args:
        product: A SAFE folder of a GRD product; scenes are its first rows under several names.
        rounds: Runs of each, of which medians are taken.

    Returns:
        `wall_s` of one and of two workers, and the median of their ratios, `speed_up`.
    """
    walls: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        scenes = _scenes(product, Path(folder))
        for turn in range(rounds):
            for workers, taken in walls.items():
                taken.append(_run(scenes, workers, Path(folder) / f"out_{turn}_{workers}"))
    ratios = [one / two for one, two in zip(walls[1], walls[2], strict=True)]
    return {
        "wall_s": {workers: round(statistics.median(taken), 2) for workers, taken in walls.items()},
        "speed_up": round(statistics.median(ratios), 2),
        "speed_ups": [round(ratio, 2) for ratio in ratios],
    }


def _run(scenes: Sequence[tuple[Path, ...]], workers: int, out: Path) -> float:
    """Seconds that some workers take for all scenes but the first ones, which warm them."""
    model = load_runnable("cae")
    for name in ("warm", "timed"):
        (out / name).mkdir(parents=True)
    with connect(workers, None) as client:
        client.wait_for_workers(workers)
        for _ in detect_on_cluster(scenes[SCENES:], model, DetectOptions(out_dir=out / "warm"), client):
            pass
        start_s = time.perf_counter()
        outcomes = list(detect_on_cluster(scenes[:SCENES], model, DetectOptions(out_dir=out / "timed"), client))
        wall_s = time.perf_counter() - start_s
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed or len(outcomes) != SCENES:
        raise SystemExit(f"{len(outcomes)} of {SCENES} scenes ended, {failed}")
    return wall_s


def _scenes(product: Path, folder: Path) -> list[tuple[Path, ...]]:
    """The scenes, and four more that warm the workers; all are links to one pair of files."""
    (folder / "rows").mkdir()
    files = [first_rows(file, SHARE, folder / "rows") for file in sorted((product / "measurement").glob("*.tif*"))]
    return [linked_scene(files, number, folder) for number in range(SCENES + 4)]


def _table(record: dict[str, Any]) -> list[str]:
    machine, walls = record["machine"], record["wall_s"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:g}; medians of {record['rounds']} rounds: "
        f"{record['scenes']} scenes take one worker {walls[1]:.1f} s and two workers {walls[2]:.1f} s, a gain of "
        f"{record['speed_up']:.2f} ({', '.join(f'{ratio:.2f}' for ratio in record['speed_ups'])})."
    ]


if __name__ == "__main__":
    main()
