"""What the archive of Sentinel-1 costs, simulated from the measured cost of a scene (`benchmarks.growth`).

Scenes come down in passes: passes arrive at random (Poisson), each with a dozen scenes; workers with one core each take
them in turn. What a scene takes varies log-normally about the measured mean.
"""

from __future__ import annotations

import argparse
import heapq
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed import ROOT
from benchmarks.tables import put_tables

SCENES_A_DAY = 1_000
ARCHIVE_SCENES = 2_000_000
PASS_SCENES = 12
"""Scenes of a data take of five minutes, at 25 s each. A choice."""
SPREAD = 0.25
"""Standard deviation of the logarithm of what a scene takes. A choice."""
DAYS = 30
DAY_S = 86_400.0
LINKS_MB_PER_S = {"disk or local network, 1 GB/s": 1000.0, "1 Gbit/s": 125.0, "100 Mbit/s": 12.5}


class Queue(NamedTuple):
    """How some workers keep up.

    Attributes:
        busy: Share of the time that workers work, 0..1.
        waits_s: From the arrival of each scene to its begin, seconds.
        delays_s: From its arrival to its result, seconds.
    """

    busy: float
    waits_s: NDArray[np.float64]
    delays_s: NDArray[np.float64]


def main() -> None:
    """Simulate and write."""
    options = _read_options()
    measured = json.loads(options.measured.read_text(encoding="utf-8"))
    table = "\n".join(archive_table(measured))
    put_tables(options.page, table, "archive")
    print(table)


def serve(arrivals_s: NDArray[np.float64], services_s: NDArray[np.float64], workers: int) -> Queue:
    """Let workers take scenes in the order in which they come.

    Args:
        arrivals_s: When each scene comes, ascending, seconds.
        services_s: What each takes, seconds.
        workers: Workers, >= 1, each with one scene at a time.
    """
    free = [0.0] * workers
    begins = np.empty_like(arrivals_s)
    for number, (arrival, service) in enumerate(zip(arrivals_s.tolist(), services_s.tolist(), strict=True)):
        begins[number] = max(arrival, free[0])
        heapq.heapreplace(free, begins[number] + service)
    span_s = max(free) - float(arrivals_s[0])
    return Queue(float(services_s.sum() / (workers * span_s)), begins - arrivals_s, begins + services_s - arrivals_s)


def archive_table(measured: dict[str, Any]) -> list[str]:
    """Say in Markdown what a day's scenes and the whole archive cost.

    Args:
        measured: What `benchmarks.growth` wrote.
    """
    scene_s, scene_mb, output_mb = (measured[key] for key in ("scene_cpu_s", "megabytes", "output_mb"))
    lines = [
        f"From {scene_s:.1f} s of a processor, {scene_mb / 1e3:.2f} GB read and {output_mb:.1f} MB written a scene:",
        "",
        "| | scenes | core hours | read | written |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, scenes in (("a day", SCENES_A_DAY), ("a year", 365 * SCENES_A_DAY), ("the archive", ARCHIVE_SCENES)):
        lines.append(
            f"| {name} | {scenes:,} | {scenes * scene_s / 3600:,.1f} | {scenes * scene_mb / 1e6:,.1f} TB "
            f"| {scenes * output_mb / 1e3:,.1f} GB |"
        )
    lines += [
        "",
        f"{DAYS} days of new scenes, simulated, by what a worker of one core reads from:",
        "",
        "| | workers | busy | result after, median | 95 % | the archive takes |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for link, rate in LINKS_MB_PER_S.items():
        # reading overlaps with nothing here: a bound from above
        service_s = scene_s + scene_mb / rate
        least = int(np.ceil(SCENES_A_DAY * service_s / DAY_S))
        for workers in (least + 1, 4 * least, 64):
            queue = _days(service_s, workers)
            median, late = np.quantile(queue.delays_s, (0.5, 0.95))
            days = ARCHIVE_SCENES * service_s / workers / DAY_S
            kept_up = f"{100 * queue.busy:.0f} % | {_span(median)} | {_span(late)}"
            lines.append(f"| {link} | {workers} | {kept_up} | {days:,.0f} days |")
    return lines


def _days(service_s: float, workers: int) -> Queue:
    """The new scenes of `DAYS`."""
    rng = np.random.default_rng(1)
    passes = np.sort(rng.uniform(0.0, DAYS * DAY_S, rng.poisson(DAYS * SCENES_A_DAY / PASS_SCENES)))
    arrivals = np.repeat(passes, PASS_SCENES)
    services = service_s * rng.lognormal(-0.5 * SPREAD**2, SPREAD, arrivals.size)
    return serve(arrivals, services, workers)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", type=Path, default=ROOT / "docs" / "growth.json", help="of benchmarks.growth")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "many_scenes.md", help="its table is replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
