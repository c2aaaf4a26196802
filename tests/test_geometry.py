"""Layouts of scenes: flips and windows move pixels and bursts alike, and the bursts of sub-swaths take turns."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rfiscan.sentinel1.radar import GUARD_S, MODES, ground_range_m, slant_range_s
from rfiscan.simulation import draw_layout
from tests.make_interference import drawn_layout, row_s, whole_layout

quick = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10_000)
flips = st.booleans()


@st.composite
def layouts(draw, modes=("IW", "EW", "SM")):
    shape = draw(st.integers(32, 200)), draw(st.integers(40, 260))
    return drawn_layout(draw(seeds), shape, draw(st.sampled_from(modes)))


def bursts_inside(layout, swath):
    """Bursts with their middle in the scene."""
    bursts = np.array(layout.bursts(swath))
    return bursts[(bursts.mean(axis=1) > 0) & (bursts.mean(axis=1) < layout.shape[0])]


def assert_same_layout(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, tuple):
            assert a == pytest.approx(b, abs=1e-9), field.name
        else:
            assert a == b, field.name


# layouts that are drawn


@quick
@given(layout=layouts())
def test_every_layout_holds_data_in_every_part(layout):
    assert layout.valid_mask().any()
    assert all(0 <= first < last <= layout.shape[0] for first, last in zip(layout.first_row, layout.last_row, strict=1))
    assert all(low < high for low, high in pairwise(layout.edges_px))


@pytest.mark.parametrize("mode", MODES)
def test_sub_swaths_are_named_from_near_to_far(mode):
    layout = draw_layout(np.random.default_rng(0), (60, 90), mode=mode)
    names = [layout.radar(swath).name for swath in range(layout.swath_count)]
    assert names == [swath.name for swath in MODES[mode].swaths]
    mirrored = layout.flipped(rows=False, cols=True)
    assert [mirrored.radar(swath).name for swath in range(mirrored.swath_count)] == names[::-1]


def test_modes_are_drawn_mostly_iw():
    modes = [draw_layout(np.random.default_rng(seed), (40, 60)).mode for seed in range(400)]
    assert modes.count("IW") / 400 == pytest.approx(0.8, abs=0.08)
    assert set(modes) == set(MODES)


# fast time


@quick
@given(layout=layouts())
def test_fast_time_runs_from_near_to_far_inside_the_receive_window(layout):
    for swath in range(layout.swath_count):
        first, stop = layout.swath_columns(swath)
        if first >= stop:
            continue
        edges_s = layout.fast_time_s(swath)
        radar = layout.radar(swath)
        assert edges_s.size == stop - first + 1
        assert (np.diff(edges_s) * (1 if layout.near_is_left else -1) > -1e-12).all()
        assert edges_s.min() >= 0
        assert edges_s.max() <= radar.window_s
        assert np.ptp(edges_s) <= radar.slant_range_s[1] - radar.slant_range_s[0] + 1e-12


@pytest.mark.parametrize("mode", MODES)
def test_a_whole_sub_swath_spans_its_slant_range(mode):
    layout = whole_layout(mode, (60, 1000))
    for swath in range(layout.swath_count):
        radar = layout.radar(swath)
        edges_s = layout.fast_time_s(swath)
        nominal_s = radar.slant_range_s[1] - radar.slant_range_s[0]
        assert np.ptp(edges_s) == pytest.approx(nominal_s, abs=1.5 * np.diff(edges_s).max())
        assert 0.5 * (edges_s[0] + edges_s[-1]) == pytest.approx(0.5 * radar.window_s, abs=np.diff(edges_s).max())


@given(ground_m=st.floats(0, 419e3))
@quick
def test_ground_range_and_slant_range_are_inverse(ground_m):
    assert ground_range_m(slant_range_s(np.array(ground_m))) == pytest.approx(ground_m, abs=1)


# bursts


@pytest.mark.parametrize("mode", ["IW", "EW"])
@quick
@given(start=st.floats(0, 0.99), rows=flips, cols=flips, cut=st.integers(0, 60))
def test_sub_swaths_take_turns_in_sensing(mode, start, rows, cols, cut):
    layout = whole_layout(mode, (340, 300), start=start).flipped(rows=rows, cols=cols).window(cut, 0, (280, 300))
    sensed = []
    for swath in range(layout.swath_count):
        half_s = 0.5 * layout.radar(swath).sensing_s
        middles_s = bursts_inside(layout, swath).mean(axis=1) * row_s()
        sensed += [(middle - half_s, middle + half_s) for middle in middles_s]
    sensed.sort()
    gaps_s = np.array([after[0] - before[1] for before, after in pairwise(sensed)])
    assert gaps_s.size > 10
    # never two at a time, and nothing of the cycle is lost but the guards
    assert gaps_s == pytest.approx(GUARD_S, abs=1e-6)


@pytest.mark.parametrize("mode", ["IW", "EW"])
def test_bursts_of_one_sub_swath_follow_without_a_gap(mode):
    layout = whole_layout(mode)
    for swath in range(layout.swath_count):
        bursts = layout.bursts(swath)
        assert bursts[0][0] <= 0
        assert bursts[-1][1] >= layout.shape[0]
        assert [first for first, _ in bursts[1:]] == pytest.approx([stop for _, stop in bursts[:-1]])
        assert np.diff(bursts) == pytest.approx(MODES[mode].cycle_s / row_s())


def test_a_scene_without_bursts_is_one():
    assert whole_layout("SM", (70, 90)).bursts(0) == [(0.0, 70.0)]


@quick
@given(layout=layouts(("IW", "EW")))
def test_flipping_a_layout_flips_its_bursts(layout):
    height = layout.shape[0]
    flipped = layout.flipped(rows=True, cols=True)
    for swath in range(layout.swath_count):
        expected = height - bursts_inside(layout, swath)[::-1, ::-1]
        got = bursts_inside(flipped, layout.swath_count - 1 - swath)
        assume(got.shape == expected.shape)  # the middle of one lies on the border
        assert got == pytest.approx(expected, abs=1e-6)


@quick
@given(layout=layouts(("IW", "EW")), row_off=st.integers(0, 31))
def test_a_window_of_a_layout_keeps_its_bursts(layout, row_off):
    window = layout.window(row_off, 0, (layout.shape[0] - row_off, layout.shape[1]))
    for swath in range(layout.swath_count):
        expected = bursts_inside(layout, swath) - row_off
        expected = expected[expected.mean(axis=1) > 0]
        got = bursts_inside(window, swath)
        assume(got.shape == expected.shape)
        assert got == pytest.approx(expected, abs=1e-6)


# flips and windows


@quick
@given(layout=layouts(), rows=flips, cols=flips)
def test_flipping_twice_is_the_identity(layout, rows, cols):
    back = layout.flipped(rows=rows, cols=cols).flipped(rows=rows, cols=cols)
    assert_same_layout(dataclasses.replace(back, burst_phase=()), dataclasses.replace(layout, burst_phase=()))
    turn = np.subtract(back.burst_phase, layout.burst_phase)
    assert turn - np.round(turn) == pytest.approx(0, abs=1e-9)  # 0 and 1 are one phase


@quick
@given(layout=layouts(), rows=flips, cols=flips)
def test_flipping_a_layout_flips_its_pixels(layout, rows, cols):
    flipped = layout.flipped(rows=rows, cols=cols)
    axes = [axis for axis, wanted in enumerate((rows, cols)) if wanted]
    fraction = layout.range_fraction()
    assert flipped.range_fraction() == pytest.approx(fraction[::-1] if cols else fraction, abs=1e-5)
    assert np.array_equal(flipped.valid_mask(), np.flip(layout.valid_mask(), axes))


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
@given(layout=layouts(), data=st.data())
def test_a_window_of_a_layout_keeps_the_fast_time_of_its_columns(layout, data):
    width = data.draw(st.integers(1, layout.shape[1]))
    col = data.draw(st.integers(0, layout.shape[1] - width))
    window = layout.window(0, col, (layout.shape[0], width))
    for swath in range(layout.swath_count):
        first, (inner_first, inner_stop) = layout.swath_columns(swath)[0], window.swath_columns(swath)
        if inner_first >= inner_stop or round(layout.edges_px[swath]) - col != round(window.edges_px[swath]):
            continue  # outside, or an edge in the middle of a pixel was rounded the other way
        whole_s, cut_s = layout.fast_time_s(swath), window.fast_time_s(swath)
        skipped = inner_first + col - first
        assert cut_s == pytest.approx(whole_s[skipped : skipped + cut_s.size], abs=1e-9)
