"""Whole runs of `rfiscan detect` on full-size products, beside a plain read of the same bytes, in turns.

Wall time, processor time and peak memory are those that the system states of each process. Every product is read once
before, so that all runs find its bytes in memory where there is room.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed import ROOT, describe_machine
from benchmarks.tables import put_tables

PLAIN_READ = """
import sys, warnings
import rasterio
warnings.simplefilter("ignore")
for path in sys.argv[1:]:
    with rasterio.open(path) as file:
        rows = max(file.block_shapes[0][0], 40)
        for start in range(0, file.height, rows):
            file.read(1, window=((start, min(start + rows, file.height)), (0, file.width)))
"""
KINDS: dict[str, tuple[str, ...]] = {
    "detect": (),
    "detect, torch": ("--backend", "torch"),
    "detect --calibrate --denoise": ("--calibrate", "--denoise"),
}
STAGES = ("read", "reconstruct", "score", "write")


def main() -> None:
    """Measure and write."""
    options = _read_options()
    record = {"machine": describe_machine(os.cpu_count() or 1), "rounds": options.rounds}
    record["products"] = [measure(product, options.rounds) for product in options.products]
    options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    put_tables(options.page, "\n".join(_table(record)), "end to end")
    print("\n".join(_table(record)))


def measure(product: Path, rounds: int) -> dict[str, Any]:
    """Read a product plainly and detect on it, in turns.

    Args:
        product: A SAFE folder.
        rounds: Runs of each, of which medians are taken; one more goes before them.

    Returns:
        `product`, `megabytes`, and `runs`: kind -> `wall_s`, `cpu_s`, `peak_mb`, `wall_ratio` (over the plain read of
        the same round, median) and, of detect, its stages in seconds.
    """
    files = sorted((product / "measurement").glob("*.tif*"))
    taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in ("plain read", *KINDS)}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(-1, rounds):
            for kind, runs in taken.items():
                found = _read(files) if kind == "plain read" else _detect(product, KINDS[kind], folder)
                if turn >= 0:
                    runs.append(found)
    ratios = {
        kind: [run["wall_s"] / read["wall_s"] for run, read in zip(runs, taken["plain read"], strict=True)]
        for kind, runs in taken.items()
    }
    return {
        "product": product.name,
        "megabytes": round(sum(file.stat().st_size for file in files) / 1e6),
        "runs": {
            kind: {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
            | {"wall_ratio": round(statistics.median(ratios[kind]), 2)}
            for kind, runs in taken.items()
        },
    }


def _read(files: Sequence[Path]) -> dict[str, float]:
    return timed([sys.executable, "-c", PLAIN_READ, *map(str, files)])[0]


def _detect(product: Path, options: Sequence[str], folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "rfiscan", "detect", str(product), *options, "-o", folder, "--json", "--quiet"]
    figures, printed = timed(command)
    figures["peak_mb"] = detect_peak_mb(printed)
    return figures | {stage: json.loads(printed)["timings_s"][stage] for stage in STAGES}


def detect_peak_mb(printed: str) -> float:
    """Peak memory of `detect --json` by its own account: what the system says of a child may be its parent's."""
    return max(float(json.loads(line)["peak_rss_mb"]) for line in printed.splitlines())


def timed(command: Sequence[str]) -> tuple[dict[str, float], str]:
    """Run a command; return what the system says of it, and what it printed."""
    start_s = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - start_s
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:5])} ended with {process.returncode}")
    peak_mb = usage.ru_maxrss / 1e3 if sys.platform != "darwin" else usage.ru_maxrss / 1e6
    return {"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": peak_mb}, printed


def _table(record: dict[str, Any]) -> list[str]:
    machine = record["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:g}; medians of {record['rounds']} rounds."
    ]
    for product in record["products"]:
        lines += [
            "",
            f"| {product['product']}, {product['megabytes']} MB | wall | over a plain read | processor | peak memory "
            "| read, networks, score, write |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for kind, run in product["runs"].items():
            stages = ", ".join(f"{run[stage]:.1f}" for stage in STAGES if stage in run)
            lines.append(
                f"| {kind} | {run['wall_s']:.1f} s | {run['wall_ratio']:.2f} | {run['cpu_s']:.1f} s "
                f"| {run['peak_mb']:.0f} MB | {stages} |"
            )
    return lines


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("products", nargs="+", type=Path, help="SAFE folders of GRD products")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which medians are taken")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "end_to_end.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md", help="its tables are replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
