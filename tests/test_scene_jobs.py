"""Jobs that make scenes: what each scene owes to its own seed, and to its background."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from rfiscan.priors import bundled_priors
from rfiscan.workflows.scene_jobs import SceneJob, run_job
from tests.make_scenes import make_grd_tiffs

SMALL = (40, 60)


def job(**changes):
    return SceneJob(**{"name": "one", "seed": (1, 0), "priors": bundled_priors(), "shape": SMALL, **changes})


def test_products_of_one_run_have_speckle_of_their_own(tmp_path):
    pixels = []
    for index in range(2):
        record = run_job(job(seed=(1, index), product=True, mode="IW", contaminated=False), tmp_path)
        (path,) = Path(record["outputs"]["scene"]).glob("measurement/*-vv-*.tiff")
        with rasterio.open(path) as file:
            block = file.read(1, window=((800, 1000), (1200, 1700))).astype(float)
        pixels.append(np.diff(np.log(block)).ravel())  # speckle alone differs from one pixel to the next
    assert abs(np.corrcoef(*pixels)[0, 1]) < 0.05


@pytest.mark.parametrize("received", [("VV", "VH"), ("HH", "HV")])
@pytest.mark.parametrize("polarization", ["horizontal", "vertical"])
def test_the_receivers_letter_decides_the_polarization(tmp_path, received, polarization):
    """VH and HH receive horizontal: a horizontal emitter is strong in cross-pol of VV+VH, and in co-pol of HH+HV."""
    files = tuple(make_grd_tiffs(tmp_path, polarizations=received, spacing_m=500.0).values())
    record = run_job(job(background=files, polarization=polarization, spacing_m=None), tmp_path / "out")
    letter = {"horizontal": "H", "vertical": "V"}[polarization]
    assert {emitter["cross_over_co_db"] > 0 for emitter in record["emitters"]} == {received[1][1] == letter}
