"""`rfiscan detect --spacing native` beside the networks alone on as many tiles, in turns, with peak memory by height.

The scene is the first rows of a product: time grows with the tiles, and a whole product takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from benchmarks.end_to_end import detect_peak_mb, timed
from benchmarks.growth import first_rows
from benchmarks.speed import describe_machine
from benchmarks.tables import product_parser, put_tables
from rfiscan.tiling.tiles import plan_windows

TILE_SHAPE, OVERLAP, BATCH = (340, 500), 0.25, 4
MEMORY_GB = 1.5
NETWORK_ALONE = """
import sys, time
import numpy as np
from rfiscan.runtimes.loading import load_runnable
count, batch = (int(number) for number in sys.argv[1:])
runtime = load_runnable("cae").runtime
tiles = np.random.default_rng(0).normal(size=(batch, 2, 340, 500)).astype(np.float32)
valid = np.ones(tiles.shape, bool)
runtime.run(tiles, valid)
start = time.perf_counter()
for _ in range(count // batch):
    runtime.run(tiles, valid)
print(time.perf_counter() - start)
"""


def main() -> None:
    """Measure and write."""
    options = _read_options()
    record = {"machine": describe_machine(os.cpu_count() or 1), "rounds": options.rounds}
    record |= measure(options.product, options.rows, options.rounds, options.far)
    options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    put_tables(options.page, "\n".join(_table(record)), "native")
    print("\n".join(_table(record)))


def measure(product: Path, rows: int, rounds: int, far: float) -> dict[str, Any]:
    """Detect on the first rows of a product, and run the networks on as many tiles.

    Args:
        product: A SAFE folder of a GRD product.
        rows: Rows of the scene.
        rounds: Rounds, of which medians are taken.
        far: False-alarm rate. A scene whose pixels are invented at this spacing shows far more than that, and at a high
            rate more than there is memory for.

    Returns:
        `far`, `shape`, `tiles`, `network_s`, `detect_s`, their `ratio`, and the peak memory of `detect`, `peak_mb`.
    """
    taken: list[tuple[float, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = sorted((product / "measurement").glob("*.tif*"))
        with rasterio.open(files[0]) as file:
            height, width = file.shape
        scene = [str(first_rows(file, rows / height, Path(folder))) for file in files]
        tiles = filled_tiles(scene, rows, width)
        command = [sys.executable, "-m", "rfiscan", "detect", *scene, "--spacing", "native", "--quiet"]
        command += ["--far", str(far), "--max-memory", str(MEMORY_GB), "-o", str(Path(folder) / "out")]
        for _ in range(rounds):
            _, printed = timed([sys.executable, "-c", NETWORK_ALONE, str(tiles), str(BATCH)])
            found, told = timed([*command, "--json"])
            taken.append((float(printed), found | {"peak_mb": detect_peak_mb(told)}))
    ratios = [run["wall_s"] / alone for alone, run in taken]
    return {
        "product": product.name,
        "far": far,
        "shape": [rows, width],
        "tiles": tiles,
        "network_s": round(statistics.median(alone for alone, _ in taken), 1),
        "detect_s": round(statistics.median(run["wall_s"] for _, run in taken), 1),
        "ratio": round(statistics.median(ratios), 2),
        "peak_mb": round(max(run["peak_mb"] for _, run in taken)),
    }


def filled_tiles(scene: list[str], rows: int, width: int) -> int:
    """Tiles of a scene that hold data: the others do not go through the networks."""
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        files = [stack.enter_context(rasterio.open(path)) for path in scene]
        windows = [Window(*window) for window in plan_windows(rows, width, TILE_SHAPE, OVERLAP)]
        return sum(any(file.read(1, window=window).any() for file in files) for window in windows)


def _table(record: dict[str, Any]) -> list[str]:
    machine, (height, width) = record["machine"], record["shape"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:g}; medians of {record['rounds']} rounds: "
        f"on {height} x {width} pixels `--spacing native --max-memory {MEMORY_GB:g} "
        f"--far {record['far']:g}` takes {record['detect_s']:.0f} s, "
        f"the networks alone on as many tiles ({record['tiles']}) {record['network_s']:.0f} s: "
        f"{record['ratio']:.2f} times as long, with {record['peak_mb']:.0f} MB at most.",
    ]


def _read_options() -> argparse.Namespace:
    parser = product_parser(__doc__, "native.json", "performance.md")
    parser.add_argument("--rows", type=int, default=2500, help="rows of the scene")
    parser.add_argument("--far", type=float, default=1e-3, help="false-alarm rate")
    return parser.parse_args()


if __name__ == "__main__":
    main()
