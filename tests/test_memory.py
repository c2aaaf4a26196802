"""Memory does not grow with the height of a product."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.flat_model import save_flat_model
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
