"""What works on rows that come in bands says what it would say of all of them at once."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from rfiscan.detections.connectivity import connected_regions
from rfiscan.detections.pixel_regions import FlaggedPixels
from rfiscan.detections.regions import extract_detections, find_flagged_stripes, find_stripes, measure_detections
from rfiscan.export.quicklook import QuicklookRows, draw_quicklook
from rfiscan.grids.packed_mask import PackedMask
from rfiscan.grids.row_halos import with_halo
from rfiscan.grids.streamed_median import StreamedMedian
from rfiscan.scenes import open_scene, read_working_grid, working_grid
from rfiscan.scenes.working_rows import WorkingRows
from rfiscan.scoring import ScoringSettings
from rfiscan.tiling.overlapping import behind, in_order, read_ahead
from rfiscan.tiling.reconstruction import reconstruct_scene
from rfiscan.tiling.rolling import reconstruct_rows
from tests.make_calibration import draw_tables
from tests.make_scenes import make_affine_tiff, make_grd_tiffs, make_quicklook_png, make_safe, speckled_dn

seeds = st.integers(0, 2**32 - 1)


def cut(array, seed):
    """An array (..., H, W) in bands of drawn heights."""
    rng, height = np.random.default_rng(seed), array.shape[-2]
    ends = np.unique(np.append(rng.integers(1, height + 1, 4), height))
    return [array[..., first:stop, :] for first, stop in zip(np.append(0, ends[:-1]), ends, strict=True)]


@settings(max_examples=60, deadline=None)
@given(seed=seeds, size=st.integers(1, 400), kind=st.sampled_from(["normal", "zeros", "whole", "tiny"]))
def test_the_median_is_exact(seed, size, kind):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1e3, size)
    if kind == "zeros":
        values = np.where(rng.random(size) < 0.7, 0.0, np.abs(values))
    elif kind == "whole":
        values = values.round() ** 2
    elif kind == "tiny":
        values *= 1e-42
    values = values.astype(np.float32)
    median = StreamedMedian()
    for part in np.array_split(values, 3):
        median.count_leading(part)
    for part in np.array_split(values, 5):
        median.count_trailing(part)
    assert median.count == size
    assert np.median(median.middle()) == np.median(values)
    positive = values[values > 0]
    assert bool(median.middle_of_positive().size) == bool(positive.size)
    if positive.size:
        assert np.median(median.middle_of_positive()) == np.median(positive)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, height=st.integers(1, 30), width=st.integers(1, 30), share=st.floats(0, 1), diagonally=st.booleans())
def test_regions_are_those_of_a_map(seed, height, width, share, diagonally):
    mask = np.random.default_rng(seed).random((height, width)) < share
    rows, cols = np.nonzero(mask)
    found = connected_regions(rows, cols, diagonally=diagonally)
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)) if diagonally else None)
    np.testing.assert_array_equal(found + 1, labels[mask])


@settings(max_examples=40, deadline=None)
@given(seed=seeds, height=st.integers(1, 60), width=st.integers(1, 30))
def test_a_packed_mask_gives_back_its_rows(seed, height, width):
    rng = np.random.default_rng(seed)
    mask, packed = rng.random((height, width)) < 0.5, PackedMask(width)
    for band in cut(mask, seed):
        packed.append(band)
    assert packed.shape == mask.shape
    start = int(rng.integers(0, height))
    stop = int(rng.integers(start, height)) + 1
    np.testing.assert_array_equal(packed.rows(start, stop), mask[start:stop])


@settings(max_examples=60, deadline=None)
@given(seed=seeds, height=st.integers(1, 60), halo=st.integers(0, 9), least_rows=st.integers(1, 30))
def test_a_filter_sees_no_bands(seed, height, halo, least_rows):
    values = np.random.default_rng(seed).integers(0, 100, (2, height, 3))

    def largest_near(rows):
        return (ndimage.maximum_filter(rows, (1, 2 * halo + 1, 1), mode="constant"),)

    bands = ((band,) for band in cut(values, seed))
    found = [band for (band,) in with_halo(bands, halo, largest_near, least_rows)]
    np.testing.assert_array_equal(np.concatenate(found, axis=1), largest_near(values)[0])


class Position:
    """A network whose maps tell tiles, and pixels in them, apart."""

    backend, precision = "numpy", "f32"

    def __init__(self, *, weighs):
        self.weighs, self.tiles = weighs, 0

    def run(self, tiles, valid):
        self.tiles += len(tiles)
        place = np.arange(tiles[0].size, dtype=np.float32).reshape(tiles[0].shape)
        maps = [tiles * np.cos(place) + tiles.mean(axis=(2, 3), keepdims=True), 1 + valid + np.sin(place) ** 2]
        return [*(m.astype(np.float32) for m in maps), np.float32(2) * tiles][: 3 if self.weighs else 2]


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds, shape=st.tuples(st.integers(1, 90), st.integers(1, 60)), overlap=st.floats(0, 0.9),
    batch=st.integers(1, 5), weighs=st.booleans(),
)  # fmt: skip
def test_networks_make_the_same_of_bands_of_rows(seed, shape, overlap, batch, weighs):
    rng = np.random.default_rng(seed)
    valid = rng.random((2, *shape)) < 0.9
    valid[:, : rng.integers(0, shape[0] + 1)] = False
    standardised = np.where(valid, rng.normal(size=valid.shape), 0).astype(np.float32)
    options = {"tile_shape": (20, 25), "overlap": overlap, "batch": batch}
    whole, told = reconstruct_scene(Position(weighs=weighs), standardised, valid, **options), []
    bands = zip(cut(standardised, seed), cut(valid, seed), strict=True)
    runtime = Position(weighs=weighs)
    parts = [
        [np.array(array) for array in rows]
        for rows in reconstruct_rows(runtime, bands, shape, **options, on_tile=lambda *counts: told.append(counts))
    ]
    found = [np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]
    expected = (standardised, valid, whole.mean, whole.log_odds if weighs else whole.spread)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
    assert told[-1][0] == told[-1][1] >= runtime.tiles


@settings(max_examples=60, deadline=None)
@given(seed=seeds, shape=st.tuples(st.integers(1, 80), st.integers(1, 120)), share=st.floats(0, 0.5))
def test_stripes_of_pixels_are_those_of_a_map(seed, shape, share):
    rng = np.random.default_rng(seed)
    evidence = ndimage.uniform_filter(rng.normal(size=(2, *shape)), (0, 1, 5)).astype(np.float32)
    evidence[rng.random(evidence.shape) < 0.1] = np.nan
    excess_db, spacing_m = rng.normal(size=evidence.shape).astype(np.float32), (400.0, 500.0)
    with np.errstate(invalid="ignore"):
        anomaly = np.fmax(*evidence)
        threshold = float(np.nanquantile(anomaly, 1 - share)) if np.isfinite(anomaly).any() else 0.0
        rows, cols = np.nonzero(anomaly > threshold)
    scoring, seams = ScoringSettings(min_area_px=3), (shape[1] // 2,) if shape[1] > 4 else ()
    pixels = FlaggedPixels(rows=rows, cols=cols, evidence=evidence[:, rows, cols], excess_db=excess_db[:, rows, cols])
    for levels in ((0.0, np.inf), (0.05, np.inf), (0.05, threshold + 0.1)):
        labels = find_stripes(anomaly, threshold, scoring, seams, spacing_m, *levels)
        kept, numbers = find_flagged_stripes(pixels, shape[1], threshold, scoring, seams, spacing_m, *levels)
        np.testing.assert_array_equal(np.stack([kept.rows, kept.cols]), np.stack(np.nonzero(labels)))
        np.testing.assert_array_equal(numbers, labels[labels > 0])
        names = ("VV", "VH")
        for surer in (np.inf, threshold + 0.1):
            measured = measure_detections(kept, numbers, kept.anomaly, threshold, names, spacing_m, surer)
            assert measured == extract_detections(
                labels, anomaly, evidence, threshold, excess_db, names, spacing_m, surer
            )
        covered = sum(detection.area_px for detection in measured)
        assert covered == np.count_nonzero(labels)


def grd(folder):
    return open_scene(*make_grd_tiffs(folder, shape=(211, 160)).values())


def on_a_map(folder):
    return open_scene(make_affine_tiff(folder / "scene.tif", shape=(90, 100)))


def picture(folder):
    return open_scene(make_quicklook_png(folder / "quick-look.png", shape=(90, 110)))


def calibrated(folder):
    shape, rng = (180, 160), np.random.default_rng(5)
    dn = {pol: speckled_dn(shape, mean=1e4, seed=i) for i, pol in enumerate(("VV", "VH"))}
    dn["VH"][:20] = 0
    dn["VV"][:20, :40] = 0
    tables = {pol: draw_tables(rng, shape) for pol in dn}
    return open_scene(make_safe(folder, shape=shape, dn=dn, tables=tables, layout="esa"), calibrate=True, denoise=True)


def empty_plane(folder):
    shape = (60, 70)
    dn = {"VV": speckled_dn(shape), "VH": np.zeros(shape, np.uint16)}
    return open_scene(make_safe(folder, shape=shape, dn=dn))


@pytest.mark.parametrize("make", [grd, on_a_map, picture, calibrated, empty_plane])
@pytest.mark.parametrize("factor", [None, 2, 3.2])
def test_rows_of_the_working_grid_are_those_of_the_whole(tmp_path, monkeypatch, make, factor):
    (tmp_path / "scene").mkdir()
    monkeypatch.setattr(working_grid, "_BAND_BYTES", 8 * 160 * 7)
    with make(tmp_path / "scene") as scene:
        spacing_m = None if factor is None else factor * scene.spacing_m[0]
        whole, seen, told = read_working_grid(scene, spacing_m), [], []
        rows = WorkingRows(scene, spacing_m, threads=2)
        found = rows.measure(lambda *band: seen.append(band), lambda *counts: told.append(counts))
        again = list(rows.bands())
    for bands in (seen, again):
        power, valid = (np.concatenate(parts, axis=1) for parts in zip(*bands, strict=True))
        np.testing.assert_array_equal(power, whole.power)
        np.testing.assert_array_equal(valid, whole.valid_mask)
    assert found.shape == rows.shape == whole.shape
    assert (found.spacing_m, found.factors) == (whole.spacing_m, whole.factors)
    assert found.georeferencing.kind == whole.georeferencing.kind
    assert found.seams_px == whole.seams_px
    assert found.floored_share == pytest.approx(whole.floored_share, abs=1e-12)
    assert found.valid_px == tuple(whole.valid_mask.sum(axis=(1, 2)))
    np.testing.assert_array_equal(found.any_valid.rows(0, found.shape[0]), whole.valid_mask.any(axis=0))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


def test_seams_are_those_that_the_whole_scene_suggests(tmp_path):
    """Without swaths the scene must tell: wide enough, of thousands of rows, and stepped."""
    dn = {pol: speckled_dn((900, 500), seed=i) for i, pol in enumerate(("VV", "VH"))}
    for channel in dn.values():
        channel[:, 170:342] = (channel[:, 170:342] * 1.5).astype(np.uint16)
    paths = make_grd_tiffs(tmp_path, shape=(900, 500), dn=dn)
    with open_scene(*paths.values()) as scene:
        wide = replace(scene, spacing_m=(500.0, 500.0))
        whole = read_working_grid(wide, None)
        assert whole.seams_px
        assert WorkingRows(wide, None).measure().seams_px == whole.seams_px


@settings(max_examples=20, deadline=None)
@given(seed=seeds, shape=st.tuples(st.integers(1, 70), st.sampled_from([1, 40, 1600])))
def test_the_picture_is_the_same(seed, shape):
    rng = np.random.default_rng(seed)
    power, valid, mask = rng.random((2, *shape)), rng.random((2, *shape)) < 0.9, rng.random(shape) < 0.1
    rows = QuicklookRows(shape)
    for band in zip(cut(power, seed), cut(valid, seed), strict=True):
        rows.add(*band)
    np.testing.assert_array_equal(rows.draw(*np.nonzero(mask), []), draw_quicklook(power, valid, mask, []))


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order_and_not_too_far_ahead(threads):
    begun = []

    def work(item):
        begun.append(item)
        time.sleep(0.001 * (item % 3))
        return item

    for item in in_order(work, range(30), threads=threads, ahead=4, name="test-order"):
        assert max(begun) <= item + 5
    assert sorted(begun) == list(range(30))


def test_reading_ahead_ends_with_its_reader_and_tells_its_errors():
    closed = []

    def numbers(fails_at=None):
        try:
            for number in range(10):
                if number == fails_at:
                    raise ValueError("damaged")
                yield number
        finally:
            closed.append(True)

    assert list(read_ahead(numbers(), 3, "test-ahead")) == list(range(10))
    with pytest.raises(ValueError, match="damaged"):
        list(read_ahead(numbers(5), 2, "test-ahead"))
    stopped = read_ahead(numbers(), 2, "test-ahead")
    assert next(stopped) == 0
    stopped.close()
    assert len(closed) == 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("test-ahead")]


def test_work_behind_is_done_in_order_and_its_errors_are_told():
    done = []
    with behind(2, "test-behind") as worker:
        for number in range(20):
            worker.do(done.append, number)
    assert done == list(range(20))

    def fail():
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"), behind(2, "test-behind") as worker:
        worker.do(fail)

    def interrupted():
        with behind(5, "test-behind") as worker:
            worker.do(time.sleep, 0.05)
            for _ in range(4):
                worker.do(done.append, -1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert -1 not in done
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("test-behind")]
