"""Seconds of whole commands, from the shell: what a user waits for a single scene."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rfiscan.runtimes.backends import BACKENDS, is_installed


def measure_startup(runs: int) -> list[dict[str, Any]]:
    """Run `rfiscan detect` on one simulated quick-look of 340x500 pixels, in turns with each installed runtime.

    Args:
        runs: Of each, of which medians are taken; one more goes before them, which converts the model.

    Returns:
        A list of `backend`, `wall_s`, `cpu_s` (of all threads), `networks_s` of the wall's.
    """
    backends = [name for name in BACKENDS if is_installed(name)]
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in backends}
    with tempfile.TemporaryDirectory() as folder:
        _rfiscan("simulate", "--out", folder, "--count", "1", "--seed", "11")
        for turn in range(-1, runs):
            for name in backends:
                taken = _detect(folder, name)
                if turn >= 0:
                    found[name].append(taken)
    keys = ("wall_s", "cpu_s", "networks_s")
    return [
        {"backend": name}
        | {key: round(statistics.median(values), 2) for key, values in zip(keys, zip(*taken, strict=True), strict=True)}
        for name, taken in found.items()
    ]


def _detect(folder: str, backend: str) -> tuple[float, float, float]:
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    scene = str(Path(folder) / "simulated_0000.tif")
    printed = _rfiscan("detect", scene, "--backend", backend, "--out", str(Path(folder) / "out"), "--json")
    wall_s, after = time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall_s, cpu_s, json.loads(printed)["timings_s"]["reconstruct"]


def _rfiscan(*arguments: str) -> str:
    command = [sys.executable, "-m", "rfiscan", *arguments, "--quiet"]
    # with the threads that a user has
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
