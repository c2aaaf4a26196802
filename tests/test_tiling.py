from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.tiling.tiles import Stitcher, Window, cut_tile, plan_windows

lengths = st.integers(1, 60)
overlaps = st.floats(0, 0.95)
quick = settings(max_examples=40, deadline=None)


@quick
@given(height=lengths, width=lengths, tile=st.tuples(lengths, lengths), overlap=overlaps)
def test_windows_cover_every_pixel_inside_the_scene_and_are_full_size(height, width, tile, overlap):
    seen = np.zeros((height, width), dtype=int)
    for window in plan_windows(height, width, tile, overlap):
        assert (window.height, window.width) == (min(height, tile[0]), min(width, tile[1]))
        assert min(window.row_off, window.col_off) >= 0
        assert window.row_off + window.height <= height
        assert window.col_off + window.width <= width
        seen[window.slices] += 1
    assert seen.min() >= 1


@quick
@given(scene=st.integers(1, 400), tile=st.integers(1, 80), overlap=overlaps)
def test_neighbours_share_at_least_the_wanted_overlap_and_no_window_is_spare(scene, tile, overlap):
    offsets = [window.col_off for window in plan_windows(1, scene, (1, tile), overlap)]
    step = max(1, int(tile * (1 - overlap) + 1e-9))
    assert offsets == sorted(set(offsets))
    assert np.diff(offsets).max(initial=0) <= step
    assert (len(offsets) - 2) * step + tile < scene or len(offsets) == 1


@pytest.mark.parametrize(
    ("scene", "overlap", "count"),
    [
        ((340, 500), 0.25, 1),
        ((341, 500), 0.25, 2),
        ((340, 501), 0.25, 2),
        ((10, 10), 0.25, 1),
        ((680, 1000), 0.0, 4),
        ((595, 875), 0.25, 4),
        ((596, 875), 0.25, 6),
    ],
)
def test_the_number_of_windows_is_the_least_that_covers(scene, overlap, count):
    assert len(plan_windows(*scene, overlap=overlap)) == count


@pytest.mark.parametrize("bad", [{"overlap": 1.0}, {"overlap": -0.1}, {"tile_shape": (0, 5)}, {"height_px": 0}])
def test_impossible_plans_are_refused(bad):
    with pytest.raises(ValueError, match=r"overlap|sizes"):
        plan_windows(**{"height_px": 10, "width_px": 10, **bad})


@quick
@given(
    shape=st.tuples(st.integers(1, 3), lengths, lengths),
    tile=st.tuples(lengths, lengths),
    overlap=overlaps,
    seed=st.integers(0, 99),
)
def test_stitching_what_was_cut_is_the_identity(shape, tile, overlap, seed):
    scene = np.random.default_rng(seed).normal(0, 100, shape).astype(np.float32)
    stitcher = Stitcher(shape)
    for window in plan_windows(*shape[1:], tile, overlap):
        cut = cut_tile(scene, window, tile)
        assert cut.shape == (shape[0], *tile)
        stitcher.add(window, cut)
    stitched = stitcher.result()
    assert stitched.dtype == np.float32
    np.testing.assert_allclose(stitched, scene, rtol=1e-5, atol=1e-6)


def test_tiles_that_disagree_are_blended_without_a_step():
    shape, tile = (1, 20, 180), (20, 100)
    stitcher = Stitcher(shape)
    windows = plan_windows(*shape[1:], tile, overlap=0.2)
    assert [window.col_off for window in windows] == [0, 80]
    for value, window in enumerate(windows):
        stitcher.add(window, np.full((1, *tile), value, np.float32))
    profile = stitcher.result()[0, 10]
    assert profile[79] == pytest.approx(0)
    assert profile[100] == pytest.approx(1)
    assert np.all(np.diff(profile) >= -1e-6)
    assert np.diff(profile).max() < 0.2


def test_a_pixel_that_no_tile_saw_is_nan():
    stitcher = Stitcher((2, 5, 5))
    stitcher.add(Window(col_off=0, row_off=0, width=3, height=5), np.ones((2, 5, 5), np.float32))
    result = stitcher.result()
    assert np.all(result[..., :3] == 1)
    assert np.isnan(result[..., 3:]).all()


@quick
@given(height=st.integers(1, 12), width=st.integers(1, 12))
def test_a_small_scene_is_mirrored_as_often_as_it_takes(height, width):
    scene = np.arange(height * width, dtype=np.float32).reshape(1, height, width)
    (window,) = plan_windows(height, width, (40, 30))
    tile = cut_tile(scene, window, (40, 30))
    rows = [row if row < height else 2 * height - 1 - row for row in np.arange(40) % (2 * height)]
    cols = [col if col < width else 2 * width - 1 - col for col in np.arange(30) % (2 * width)]
    np.testing.assert_array_equal(tile[0], scene[0][np.ix_(rows, cols)])


def test_a_mask_is_padded_with_what_one_says_and_keeps_its_dtype():
    (window,) = plan_windows(2, 3, (4, 5))
    tile = cut_tile(np.ones((2, 2, 3), dtype=bool), window, (4, 5), mode="constant", constant=False)
    assert tile.dtype == bool
    assert tile.sum() == 2 * 2 * 3
    assert tile[:, :2, :3].all()


def test_a_full_size_tile_is_a_view():
    scene = np.zeros((2, 400, 600), np.float32)
    assert all(np.shares_memory(cut_tile(scene, window), scene) for window in plan_windows(400, 600))
