"""Simulated scenes: reproducible, plausible, and true to their truth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rfiscan.simulation import background as background_module
from rfiscan.simulation import compose_scene, draw_background, draw_interference, draw_layout, simulate_scene
from rfiscan.simulation.background import draw_noise_floor
from rfiscan.simulation.fields import fractal_field, quantile_mask
from rfiscan.simulation.interference import KINDS
from rfiscan.simulation.scene import VISIBLE_DB

SHAPE = (120, 200)
MODES = ("IW", "EW", "SM")
quick = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10_000)


@st.composite
def layouts(draw):
    shape = draw(st.integers(32, 200)), draw(st.integers(40, 260))
    return draw_layout(np.random.default_rng(draw(seeds)), shape, mode=draw(st.sampled_from(MODES)))


def rng(seed=0):
    return np.random.default_rng(seed)


def assert_same_layout(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, tuple):
            assert a == pytest.approx(b, abs=1e-9), field.name
        else:
            assert a == b, field.name


@pytest.fixture(scope="module")
def scenes():
    """Sixty scenes with interference."""
    return [simulate_scene(rng(seed), (240, 400)) for seed in range(60)]


# scenes


def test_a_seed_gives_one_scene_and_another_seed_another():
    one, same, other = (simulate_scene(rng(seed), SHAPE) for seed in (3, 3, 4))
    assert np.array_equal(one.power, same.power)
    assert np.array_equal(one.rfi_mask, same.rfi_mask)
    assert one.emitters == same.emitters
    assert not np.array_equal(one.power, other.power)


def test_power_is_finite_and_positive(scenes):
    for scene in scenes:
        assert scene.power.dtype == np.float32
        assert np.isfinite(scene.power).all()
        assert (scene.clean_power > 0).all()


def test_interference_only_adds_power(scenes):
    assert all((scene.power >= scene.clean_power).all() for scene in scenes)


def test_interference_stays_off_invalid_pixels(scenes):
    for scene in scenes:
        assert np.array_equal(scene.valid_mask[0], scene.layout.valid_mask())
        invalid = ~scene.valid_mask
        assert not (scene.power - scene.clean_power)[invalid].any()
        assert not scene.excess_db[invalid].any()
        assert not scene.rfi_mask[invalid[0]].any()


def test_truth_is_where_interference_is_visible(scenes):
    for scene in scenes:
        assert (scene.excess_db >= 0).all()
        assert np.array_equal(scene.rfi_mask, (scene.excess_db >= VISIBLE_DB).any(axis=0))
    assert np.mean([scene.rfi_mask.any() for scene in scenes]) > 0.8


@pytest.mark.parametrize("mode", MODES)
def test_a_clean_scene_has_no_emitter_and_an_empty_mask(mode):
    scene = simulate_scene(rng(), SHAPE, contaminated=False, mode=mode)
    assert scene.emitters == ()
    assert not scene.rfi_mask.any()
    assert not scene.excess_db.any()
    assert np.array_equal(scene.power, scene.clean_power)
    assert scene.layout.mode == mode


def test_the_clean_power_is_the_scene_without_its_interference():
    layout = draw_layout(rng(1), SHAPE, mode="IW")
    background = draw_background(rng(2), layout)
    valid = np.broadcast_to(layout.valid_mask(), background.shape)
    interference = draw_interference(rng(3), layout, background)
    with_it = compose_scene(rng(4), layout, background, valid, interference, looks=300.0)
    without = compose_scene(rng(4), layout, background, valid, None, looks=300.0)
    assert np.array_equal(with_it.clean_power, without.power)


def test_a_real_background_gets_no_speckle():
    layout = draw_layout(rng(1), SHAPE, mode="IW")
    background = draw_background(rng(2), layout)
    scene = compose_scene(rng(3), layout, background, np.ones(background.shape, bool), None, looks=None)
    assert np.array_equal(scene.power, background)


def test_speckle_has_the_looks_asked_for():
    layout = draw_layout(rng(1), SHAPE, mode="IW")
    flat = np.ones((2, *SHAPE), np.float32)
    scene = compose_scene(rng(2), layout, flat, flat > 0, None, looks=200.0)
    assert scene.power.mean() == pytest.approx(1.0, abs=0.01)
    assert scene.power.mean() ** 2 / scene.power.var() == pytest.approx(200.0, rel=0.1)


# traces, as published surveys give them: median 10 pixels high and 140 wide at 500 m, bound to a sub-swath


def test_traces_are_about_ten_pixels_high_and_lie_along_rows(scenes):
    boxes = np.array([emitter.bbox_px for scene in scenes for emitter in scene.emitters])
    widths, heights = boxes[:, 2], boxes[:, 3]
    assert len(boxes) / len(scenes) == pytest.approx(2.98, abs=0.8)
    assert 6 <= np.median(heights) <= 20
    assert (widths > heights).mean() > 0.75
    assert np.median(widths / heights) > 4


def test_all_kinds_and_polarizations_occur(scenes):
    emitters = [emitter for scene in scenes for emitter in scene.emitters]
    assert {emitter.kind for emitter in emitters} == set(KINDS)
    ratios_db = np.array([emitter.cross_over_co_db for emitter in emitters])
    assert (ratios_db > 8).mean() > (ratios_db < -8).mean() > 0


@quick
@given(layout=layouts(), seed=seeds)
def test_a_trace_lies_inside_its_sub_swath(layout, seed):
    flat = np.full((2, *layout.shape), 0.01, np.float32)
    interference = draw_interference(rng(seed), layout, flat, count=1)
    assert (interference.power >= 0).all()
    if not interference.emitters:
        assert not interference.power.any()
        return
    (emitter,) = interference.emitters
    first, stop = layout.swath_columns(emitter.swath)
    inside = np.zeros(layout.shape, bool)
    inside[layout.first_row[emitter.swath] : layout.last_row[emitter.swath], first:stop] = True
    assert not interference.power[:, ~inside].any()
    x, y, width, height = emitter.bbox_px
    strong = interference.power > 0.101 * interference.power.max(axis=(1, 2), keepdims=True)
    strong[:, y : y + height, x : x + width] = False
    assert not strong.any()


@quick
@given(seed=seeds, range_db=st.tuples(st.floats(-3, 10), st.floats(0, 10)))
def test_an_emitter_says_how_strong_it_is(seed, range_db):
    layout = draw_layout(rng(seed), SHAPE, mode="IW")
    background = draw_background(rng(seed), layout)
    low, high = range_db[0], range_db[0] + range_db[1]
    interference = draw_interference(rng(seed), layout, background, count=1, ibr_db=(low, high))
    assume(interference.emitters)
    (emitter,) = interference.emitters
    first, stop = layout.swath_columns(emitter.swath)
    rows = slice(layout.first_row[emitter.swath], layout.last_row[emitter.swath])
    level = np.median(background[:, rows, first:stop], axis=(1, 2))
    peak = interference.power.max(axis=(1, 2))
    assert 10 * np.log10((peak / level).max()) == pytest.approx(emitter.peak_ibr_db, abs=1e-3)
    assert low - 1e-9 <= emitter.peak_ibr_db <= high + 1e-9
    assert 10 * np.log10(peak[1] / peak[0]) == pytest.approx(emitter.cross_over_co_db, abs=1e-3)


def test_no_emitter_adds_nothing():
    layout = draw_layout(rng(), SHAPE)
    interference = draw_interference(rng(), layout, np.ones((2, *SHAPE), np.float32), count=0)
    assert interference.emitters == ()
    assert not interference.power.any()


# backgrounds


@pytest.mark.parametrize("seed", range(12))
def test_natural_targets_are_brighter_in_co_pol(seed, monkeypatch):
    monkeypatch.setattr(
        background_module, "draw_noise_floor", lambda _, layout: np.zeros((2, *layout.shape), np.float32)
    )
    co_pol, cross_pol = draw_background(rng(seed), draw_layout(rng(seed), SHAPE))
    assert (co_pol >= cross_pol).all()


@pytest.mark.parametrize("mode", MODES)
def test_the_noise_floor_has_one_shape_in_both_polarizations(mode):
    floor = draw_noise_floor(rng(5), draw_layout(rng(5), SHAPE, mode=mode))
    assert (floor > 0).all()
    assert floor[1] / floor[0] == pytest.approx(floor[1, 0, 0] / floor[0, 0, 0], rel=1e-4)


@quick
@given(seed=seeds, shape=st.tuples(st.integers(8, 70), st.integers(8, 70)), slope=st.floats(0.5, 4))
def test_a_random_field_has_zero_mean_and_unit_deviation(seed, shape, slope):
    field = fractal_field(rng(seed), shape, slope)
    assert field.shape == shape
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("share", [-0.1, 0.0, 0.25, 1.0, 1.5])
def test_a_quantile_mask_covers_the_share_asked_for(share):
    field = fractal_field(rng(), (50, 60), 2.0)
    assert quantile_mask(field, share).mean() == pytest.approx(min(max(share, 0), 1), abs=1e-3)


# layouts


@quick
@given(layout=layouts())
def test_every_layout_holds_data_in_every_part(layout):
    assert layout.valid_mask().any()
    assert all(0 <= first < last <= layout.shape[0] for first, last in zip(layout.first_row, layout.last_row, strict=1))
    assert all(low < high for low, high in zip(layout.edges_px, layout.edges_px[1:], strict=False))


@quick
@given(layout=layouts(), rows=st.booleans(), cols=st.booleans())
def test_flipping_twice_is_the_identity(layout, rows, cols):
    back = layout.flipped(rows=rows, cols=cols).flipped(rows=rows, cols=cols)
    assert_same_layout(dataclasses.replace(back, burst_phase=()), dataclasses.replace(layout, burst_phase=()))
    turn = np.subtract(back.burst_phase, layout.burst_phase)
    assert turn - np.round(turn) == pytest.approx(0, abs=1e-9)  # 0 and 1 are one phase


@quick
@given(layout=layouts(), rows=st.booleans(), cols=st.booleans())
def test_flipping_a_layout_flips_its_pixels(layout, rows, cols):
    flipped = layout.flipped(rows=rows, cols=cols)
    axes = [axis for axis, wanted in enumerate((rows, cols)) if wanted]
    assert np.array_equal(flipped.valid_mask(), np.flip(layout.valid_mask(), axes))
    fraction = layout.range_fraction()
    assert flipped.range_fraction() == pytest.approx(fraction[::-1] if cols else fraction, abs=1e-5)


@quick
@given(layout=layouts(), row=st.floats(0, 1))
def test_flipping_a_layout_flips_its_bursts(layout, row):
    height, last = layout.shape[0], layout.swath_count - 1
    at = row * height
    first, stop = layout.burst_of_row(0, at)
    assume(at - first > 1e-6)
    assume(stop - at > 1e-6)
    flipped = layout.flipped(rows=True, cols=True).burst_of_row(last, height - at)
    assert flipped == pytest.approx((height - stop, height - first), abs=1e-6)


@quick
@given(layout=layouts(), data=st.data())
def test_a_window_of_a_layout_is_the_crop_of_its_pixels(layout, data):
    height, width = (data.draw(st.integers(1, size)) for size in layout.shape)
    row = data.draw(st.integers(0, layout.shape[0] - height))
    col = data.draw(st.integers(0, layout.shape[1] - width))
    window = layout.window(row, col, (height, width))
    assert np.array_equal(window.valid_mask(), layout.valid_mask()[row : row + height, col : col + width])
    assert window.range_fraction() == pytest.approx(layout.range_fraction()[col : col + width], abs=1e-5)


@quick
@given(layout=layouts(), row_off=st.integers(0, 31), row=st.floats(0, 100))
def test_a_window_of_a_layout_keeps_its_bursts(layout, row_off, row):
    assume(np.isfinite(layout.burst_px))
    first, stop = layout.burst_of_row(0, row_off + row)
    assume(row_off + row - first > 1e-6)
    assume(stop - row_off - row > 1e-6)
    window = layout.window(row_off, 0, (layout.shape[0] - row_off, layout.shape[1]))
    assert window.burst_of_row(0, row) == pytest.approx((first - row_off, stop - row_off), abs=1e-6)
