"""Threads that read a scene together: the same working grid bit for bit, no band twice, a clean end after errors."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from rfiscan.errors import SceneError
from rfiscan.scenes import open_scene, read_working_grid, working_grid
from tests.make_calibration import draw_tables
from tests.make_scenes import make_affine_tiff, make_grd_tiffs, make_safe, speckled_dn
from tests.make_slc import make_slc, regular_layout

SHAPE = (211, 160)
SPACING_M = 200  # several pixels and bands a working pixel


def grd(folder):
    return open_scene(*make_grd_tiffs(folder, shape=SHAPE).values())


def calibrated(folder):
    rng = np.random.default_rng(5)
    dn = {pol: speckled_dn(SHAPE, mean=1e4, seed=i) for i, pol in enumerate(("VV", "VH"))}
    tables = {pol: draw_tables(rng, SHAPE) for pol in dn}
    return open_scene(make_safe(folder, shape=SHAPE, dn=dn, tables=tables, layout="esa"), calibrate=True, denoise=True)


def slc(folder):
    return open_scene(make_slc(folder, regular_layout(bursts=6)), calibrate=False)


class CountingReader:
    """Notes which rows are read; fails at one of them."""

    def __init__(self, reader, fails_at=None):
        self.reader, self.fails_at = reader, fails_at
        self.rows, self.lock = [], threading.Lock()

    def read(self, start, stop):
        with self.lock:
            self.rows += range(start, stop)
        if self.fails_at is not None and start > self.fails_at:
            time.sleep(0.02)  # the error is noticed meanwhile
        if self.fails_at is not None and start <= self.fails_at < stop:
            raise SceneError("damaged")
        return self.reader.read(start, stop)

    def close(self):
        self.reader.close()


@pytest.fixture(autouse=True)
def small_bands(monkeypatch):
    monkeypatch.setattr(working_grid, "_BAND_BYTES", 8 * 160 * 3)  # three rows of the scenes here


@pytest.mark.parametrize("make", [grd, calibrated, slc])
@pytest.mark.parametrize("spacing_m", [None, SPACING_M])
def test_the_grid_is_the_same_bit_for_bit(tmp_path, make, spacing_m):
    with make(tmp_path / "scene") as scene:
        alone = read_working_grid(scene, spacing_m)
        together = read_working_grid(scene, spacing_m, threads=5)
    np.testing.assert_array_equal(alone.power, together.power)
    np.testing.assert_array_equal(alone.valid_mask, together.valid_mask)


@pytest.mark.parametrize("spacing_m", [None, SPACING_M, 10_000])
def test_every_row_is_read_once_and_progress_ends_at_the_last(tmp_path, spacing_m):
    told = []
    with grd(tmp_path / "scene") as scene:
        reader = CountingReader(scene.reader)
        read_working_grid(replace(scene, reader=reader), spacing_m, lambda *counts: told.append(counts), threads=4)
    assert sorted(reader.rows) == list(range(SHAPE[0]))
    done = [rows for rows, _ in told]
    assert done == sorted(done)
    assert told[-1] == (SHAPE[0], SHAPE[0])


def test_blocks_are_means_of_their_valid_pixels(tmp_path):
    with open_scene(make_affine_tiff(tmp_path / "scene.tif", shape=SHAPE)) as scene:
        power, valid = scene.read_rows(0, SHAPE[0])
        grid = read_working_grid(scene, 7 * scene.spacing_m[0], threads=3)
    height, width = grid.factors
    inner = grid.valid_mask.all(axis=0)
    for row, col in zip(*np.nonzero(inner), strict=True):
        block = np.s_[:, row * height : (row + 1) * height, col * width : (col + 1) * width]
        expected = [channel[mask].mean() for channel, mask in zip(power[block], valid[block], strict=True)]
        np.testing.assert_allclose(grid.power[:, row, col], expected, rtol=1e-5)
    assert inner.any()


def test_after_an_error_few_bands_are_begun(tmp_path):
    with grd(tmp_path / "scene") as scene:
        reader = CountingReader(scene.reader, fails_at=10)
        with pytest.raises(SceneError, match="damaged"):
            read_working_grid(replace(scene, reader=reader), None, threads=2)
    assert len(reader.rows) < SHAPE[0] / 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("multilook")]
