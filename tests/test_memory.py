"""Memory does not grow with the height of a product, nor, in bands of rows, with that of a working grid."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.flat_model import save_flat_model, sea_power, write_scene
from tests.make_scenes import make_safe

WIDTH, LOW, HIGH = 9000, 2000, 14000


def peak_rss_mb(folder, model, height) -> float:
    rng = np.random.default_rng(0)
    dn = {name: rng.integers(50, 300, (height, WIDTH), np.uint16) for name in ("VV", "VH")}
    safe = make_safe(folder, shape=(height, WIDTH), dn=dn)
    command = [
        sys.executable,
        "-m",
        "rfiscan",
        "detect",
        str(safe),
        "-m",
        str(model),
        "-o",
        str(folder / "out"),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["peak_rss_mb"]


@pytest.mark.slow
def test_a_product_of_seven_times_the_height_needs_hardly_more_memory(tmp_path):
    model = save_flat_model(tmp_path / "flat")
    low, high = (peak_rss_mb(tmp_path / str(height), model, height) for height in (LOW, HIGH))
    assert high < 1.15 * low
    assert high < 1500


IN_BANDS = """
import json, sys
from pathlib import Path
from rfiscan.workflows import detect
from rfiscan.workflows.detecting.memory_plan import MemoryPlan
from tests.test_streaming import model_of

detect.plan_memory = lambda *_: MemoryPlan(streamed=True, batch_tiles=4, most_flagged_px=10**7)
scene, weighs = Path(sys.argv[1]), sys.argv[2] == "True"
record = detect.detect_scene((scene,), model_of(weighs=weighs), detect.DetectOptions(out_dir=scene.parent))
print(json.dumps(record))
"""


@pytest.mark.slow
@pytest.mark.parametrize("weighs", [True, False])
def test_a_working_grid_of_four_times_the_height_needs_no_more_memory_in_bands(tmp_path, weighs):
    peaks, power = [], sea_power((4000, 2000), stripe_db=6)
    for height in (4000, 16_000):  # in less, the bands and files on their way are not at their most yet
        folder = tmp_path / str(height)
        folder.mkdir()
        path = write_scene(folder / "sea.tif", np.tile(power, (1, height // 4000, 1)))
        command = [sys.executable, "-c", IN_BANDS, str(path), str(weighs)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        record = json.loads(done.stdout)
        assert record["streamed"]
        peaks.append(record["peak_rss_mb"])
    assert peaks[1] < 1.05 * peaks[0], peaks
