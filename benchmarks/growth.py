"""How time and memory of `rfiscan detect` grow with the size of a scene and with the number of scenes, in turns.

A quarter and a half are the first rows of the product; two and four scenes are the measurements under several names,
in one run. What is left when nothing is read, and what each scene adds, is a line through the medians.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from benchmarks.end_to_end import detect_peak_mb, timed
from benchmarks.speed import describe_machine
from benchmarks.tables import product_parser, put_tables

SIZES = (0.25, 0.5, 1.0, 2.0, 4.0)


def main() -> None:
    """Measure and write."""
    options = product_parser(__doc__, "growth.json", "performance.md").parse_args()
    record = {"machine": describe_machine(os.cpu_count() or 1), "rounds": options.rounds}
    record |= measure(options.product, options.rounds)
    options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    put_tables(options.page, "\n".join(_table(record)), "growth")
    print("\n".join(_table(record)))


def measure(product: Path, rounds: int) -> dict[str, Any]:
    """Detect on parts and multiples of a product.

    Args:
        product: A SAFE folder of a GRD product.
        rounds: Runs of each size, of which medians are taken; one more goes before them.

    Returns:
        `product`, its `megabytes`; `sizes`: scenes -> `wall_s`, `cpu_s`, `peak_mb`; and the line through 1 scene and
        more: `start_cpu_s` of a run, `scene_cpu_s` and `scene_wall_s` of each scene, `output_mb` of each.
    """
    with tempfile.TemporaryDirectory() as folder:
        inputs = {size: _inputs(product, size, Path(folder) / f"{size:g}") for size in SIZES}
        out = Path(folder) / "out"
        taken: dict[float, list[dict[str, float]]] = {size: [] for size in SIZES}
        for turn in range(-1, rounds):
            for size, runs in taken.items():
                command = [
                    sys.executable,
                    "-m",
                    "rfiscan",
                    "detect",
                    *map(str, inputs[size]),
                    "-o",
                    str(out / str(size)),
                ]
                found, printed = timed([*command, "--quiet", "--json"])
                found["peak_mb"] = detect_peak_mb(printed)
                if turn >= 0:
                    runs.append(found)
        output_mb = sum(file.stat().st_size for file in (out / "1.0").glob("*")) / 1e6
    sizes = {
        size: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for size, runs in taken.items()
    }
    many = [size for size in SIZES if size >= 1]
    scene_cpu_s, start_cpu_s = np.polyfit(many, [sizes[size]["cpu_s"] for size in many], 1)
    scene_wall_s, _ = np.polyfit(many, [sizes[size]["wall_s"] for size in many], 1)
    return {
        "product": product.name,
        "megabytes": round(sum(file.stat().st_size for file in (product / "measurement").glob("*.tif*")) / 1e6),
        "sizes": {f"{size:g}": {key: round(value, 2) for key, value in run.items()} for size, run in sizes.items()},
        "start_cpu_s": round(float(start_cpu_s), 2),
        "scene_cpu_s": round(float(scene_cpu_s), 2),
        "scene_wall_s": round(float(scene_wall_s), 2),
        "output_mb": round(output_mb, 2),
    }


def _inputs(product: Path, size: float, folder: Path) -> list[Path]:
    """Make what to detect on: the first rows of the product, or the product under several names."""
    folder.mkdir(parents=True)
    files = sorted((product / "measurement").glob("*.tif*"))
    if size < 1:
        return [first_rows(file, size, folder) for file in files]
    return [name for number in range(round(size)) for name in linked_scene(files, number, folder)]


def linked_scene(files: Sequence[Path], number: int, folder: Path) -> tuple[Path, ...]:
    """Give the files of a scene other names, in a folder of their own, so that they are another scene."""
    place = folder / f"scene_{number}"
    place.mkdir()
    names = tuple(place / f"{number}-{file.name}" for file in files)
    for name, file in zip(names, files, strict=True):
        name.symlink_to(file.absolute())
    return names


def first_rows(file: Path, share: float, folder: Path) -> Path:
    """Write the first rows of a measurement, stored as it is: uncompressed strips, ground control points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(file) as source:
            points, crs = source.gcps
            rows = round(share * source.height)
            layout = {"driver": "GTiff", "dtype": source.dtypes[0], "count": 1, "width": source.width, "height": rows}
            with rasterio.open(folder / file.name, "w", **layout, gcps=points, crs=crs) as target:
                for start in range(0, rows, 1000):
                    window = Window(0, start, source.width, min(1000, rows - start))
                    target.write(source.read(1, window=window), 1, window=window)
    return folder / file.name


def _table(record: dict[str, Any]) -> Sequence[str]:
    machine = record["machine"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:g}; medians of {record['rounds']} rounds; "
        f"a scene is {record['product']}, {record['megabytes']} MB.",
        "",
        "| scenes | wall | processor | peak memory |",
        "| ---: | ---: | ---: | ---: |",
        *(
            f"| {size} | {run['wall_s']:.1f} s | {run['cpu_s']:.1f} s | {run['peak_mb']:.0f} MB |"
            for size, run in record["sizes"].items()
        ),
        "",
        f"A run takes {record['start_cpu_s']:.1f} s of a processor, and {record['scene_cpu_s']:.1f} s more for each "
        f"scene, on the wall {record['scene_wall_s']:.1f} s; a scene's results have {record['output_mb']:.1f} MB.",
    ]


if __name__ == "__main__":
    main()
