"""Traces in a focused scene: where each pulse lands, how large it is, and how strong; predicted from the radar."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from rfiscan.export.simulated_pass import incidence_deg
from rfiscan.priors import bundled_priors
from rfiscan.sentinel1.radar import (
    ANTENNA_HEIGHT_M,
    ANTENNA_LENGTH_M,
    GROUND_SPEED_M_PER_S,
    LIGHT_M_PER_S,
    WAVELENGTH_M,
    ground_range_m,
    look_angle_rad,
)
from rfiscan.simulation.emitters import CONTINUOUS_S, KINDS, draw_emitter
from rfiscan.simulation.focusing import Waveform
from rfiscan.simulation.traces import FLOOR_AZIMUTH, FLOOR_ELEVATION, LINES, trace_emitter
from tests.make_interference import burst_middle_s, drawn_layout, plain_emitter, row_s, runs_of, whole_layout

US = 1e-6
quick = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10_000)


def picture(emitter, layout, spacing_m=500.0):
    """All traces of an emitter on the grid of a scene."""
    image = np.zeros(layout.shape)
    for trace in trace_emitter(emitter, layout, spacing_m):
        image[trace.rows, trace.cols] += trace.ratio
    return image


def single_pulse(layout, swath, at_s, length_s=2 * US, **changes):
    """An emitter that sends one pulse in all."""
    return plain_emitter(
        layout,
        swath,
        kind="pulsed",
        waveform=Waveform(length_s=length_s),
        intervals_s=(1e4,),
        phase_s=at_s,
        **changes,
    )


def opens_s(layout, swath, middle_s):
    """When the first receive window of a burst opens; without bursts, with the scene."""
    sensing_s = layout.radar(swath).sensing_s
    return middle_s - 0.5 * sensing_s if np.isfinite(sensing_s) else 0.0


def column_of(layout, swath, fast_s):
    """The column of a fast time, as a fraction; near range at the left."""
    edges_s = layout.fast_time_s(swath)
    return layout.swath_columns(swath)[0] + np.interp(fast_s, edges_s, np.arange(edges_s.size))


def at_fast_time(layout, swath, middle_s, slow_s, fast_s):
    """The time near a slow time at which a pulse arrives at a fast time."""
    interval_s = 1.0 / layout.radar(swath).prf_hz
    opened_s = opens_s(layout, swath, middle_s)
    return opened_s + round((middle_s + slow_s - opened_s) / interval_s) * interval_s + fast_s


# one pulse


@pytest.mark.parametrize(
    ("mode", "swath"), [("IW", 0), ("IW", 1), ("IW", 2), ("EW", 0), ("EW", 2), ("EW", 4), ("SM", 0)]
)
@pytest.mark.parametrize("spacing_m", [500.0, 100.0])
def test_a_short_pulse_leaves_a_dot_as_high_as_the_footprint(mode, swath, spacing_m):
    layout = whole_layout(mode, (round(85e3 / spacing_m), 300), spacing_m=spacing_m)
    middle_s = burst_middle_s(layout, swath, 0 if mode == "SM" else 2, spacing_m)
    radar = layout.radar(swath)
    slow_s = 0.1 * min(radar.sensing_s, 1.0)
    at_s = at_fast_time(layout, swath, middle_s, slow_s, 0.5 * radar.window_s)
    rows = np.flatnonzero(picture(single_pulse(layout, swath, at_s), layout, spacing_m).any(axis=1))
    footprint_px = radar.azimuth_bandwidth_hz * radar.spread / radar.doppler_rate_hz_per_s / row_s(spacing_m)
    assert np.array_equal(rows, np.arange(rows[0], rows[-1] + 1))
    assert footprint_px <= rows.size + 1e-6 <= footprint_px + 2
    centre_px = (middle_s + radar.spread * (at_s - middle_s)) / row_s(spacing_m)
    assert 0.5 * (rows[0] + rows[-1] + 1) == pytest.approx(centre_px, abs=1)


@pytest.mark.parametrize("swath", [0, 1, 2])
@pytest.mark.parametrize("length_us", [10, 40])
def test_a_pulse_is_as_wide_as_it_is_long_in_ground_range(swath, length_us):
    layout = whole_layout("IW", (200, 2500))
    radar, middle_s = layout.radar(swath), burst_middle_s(layout, swath)
    fast_s = 0.5 * radar.window_s
    at_s = at_fast_time(layout, swath, middle_s, 0.0, fast_s)
    profile = picture(single_pulse(layout, swath, at_s, length_us * US), layout).sum(axis=0)
    ((first, stop),) = runs_of(profile > 0.5 * profile.max())
    near_m, far_m = ground_range_m(np.array(layout.slant_span_s))
    width_m = (stop - first) * (far_m - near_m) / layout.shape[1]
    incidence_rad = np.deg2rad(incidence_deg(np.mean(radar.slant_range_s)))
    assert width_m == pytest.approx(0.5 * LIGHT_M_PER_S * length_us * US / np.sin(incidence_rad), rel=0.05, abs=200)
    assert 0.5 * (first + stop) == pytest.approx(column_of(layout, swath, fast_s), abs=1)


@quick
@given(at_s=st.floats(1.0, 24.0), start=st.floats(0, 0.99), mode=st.sampled_from(["IW", "EW"]))
def test_a_pulse_is_received_by_one_burst_of_one_sub_swath_or_by_none(at_s, start, mode):
    layout = whole_layout(mode, start=start)
    hit = [trace for trace in trace_emitter(single_pulse(layout, 0, at_s), layout, 500.0) if trace.ratio.any()]
    assert len(hit) <= 1
    open_at = {
        swath
        for swath in range(layout.swath_count)
        for first, stop in layout.bursts(swath)
        if abs(at_s - 0.5 * (first + stop) * row_s()) < 0.5 * layout.radar(swath).sensing_s
    }
    assert {trace.swath for trace in hit} <= open_at
    assert len(open_at) <= 1


@quick
@given(seed=seeds, kind=st.sampled_from(KINDS))
def test_every_trace_lies_inside_its_sub_swath_and_its_burst(seed, kind):
    layout = drawn_layout(seed, (110, 160))
    emitter = draw_emitter(np.random.default_rng(seed), bundled_priors(), 110 * row_s(), kind=kind)
    for trace in trace_emitter(emitter, layout, 500.0):
        assert trace.ratio.shape == (trace.rows.stop - trace.rows.start, trace.cols.stop - trace.cols.start)
        assert np.isfinite(trace.ratio).all()
        assert (trace.ratio >= 0).all()
        assert (trace.cols.start, trace.cols.stop) == layout.swath_columns(trace.swath)
        assert layout.valid_mask()[trace.rows, trace.cols].all()
        assert any(round(f) <= trace.rows.start < trace.rows.stop <= round(s) for f, s in layout.bursts(trace.swath))


# pulse trains


@quick
@given(share=st.floats(0.08, 0.92), turns=st.integers(1, 6), phase_us=st.floats(0, 500), swath=st.integers(0, 2))
def test_dashes_lie_where_the_interval_folds_into_the_radars(share, turns, phase_us, swath):
    layout = whole_layout()
    radar, middle_s = layout.radar(swath), burst_middle_s(layout, swath)
    interval_s = (turns + share) / radar.prf_hz
    emitter = plain_emitter(
        layout,
        swath,
        kind="pulsed",
        waveform=Waveform(length_s=3 * US),
        intervals_s=(interval_s,),
        phase_s=middle_s + phase_us * US,
        looks_s=(middle_s + 3e-3,),
        dwell_s=4e-3,
    )
    (trace,) = [t for t in trace_emitter(emitter, layout, 500.0) if t.swath == swath and t.ratio.any()] or [None]
    sent_s = emitter.pulse_times_s(25.0)
    sent_s = sent_s[emitter.gain(sent_s) > 0.01]
    folded_s = (sent_s - opens_s(layout, swath, middle_s)) % (1.0 / radar.prf_hz)
    edges_s = layout.fast_time_s(swath)
    inside = (folded_s > edges_s[0] + 2 * US) & (folded_s < edges_s[-1] - 2 * US)
    columns = np.zeros(edges_s.size - 1, bool) if trace is None else trace.ratio.max(axis=0) > 0
    middles_s = 0.5 * (edges_s[1:] + edges_s[:-1])
    for fast_s in folded_s[inside]:
        assert columns[np.argmin(np.abs(middles_s - fast_s))]
    # of the pulse itself and the beam's weakest pulses that were left out here, nothing lies further off
    every_s = (emitter.pulse_times_s(25.0) - opens_s(layout, swath, middle_s)) % (1.0 / radar.prf_hz)
    nearest_s = np.abs(middles_s[:, None] - every_s[None, :]).min(axis=1)
    assert not columns[nearest_s > 1.5 * US + np.diff(edges_s).max() + 1.0 / radar.bandwidth_hz].any()


@pytest.mark.parametrize("parts", [4, 5, 7])
def test_a_train_leaves_dashes_at_the_spacing_of_its_folded_interval(parts):
    swath, layout = 1, whole_layout("IW", (200, 1000))
    radar, middle_s = layout.radar(swath), burst_middle_s(layout, swath)
    interval_s = (2 + 1 / parts) / radar.prf_hz
    emitter = plain_emitter(
        layout,
        swath,
        waveform=Waveform(length_s=4 * US),
        intervals_s=(interval_s,),
        phase_s=at_fast_time(layout, swath, middle_s, -0.1, 0.5 * radar.window_s),
        looks_s=(middle_s,),
        dwell_s=0.02,
    )
    profile = picture(emitter, layout)[:, slice(*layout.swath_columns(swath))].sum(axis=0)
    dashes = runs_of(profile > 0.5 * profile.max())
    centres_s = np.interp([0.5 * sum(dash) for dash in dashes], np.arange(profile.size + 1), layout.fast_time_s(swath))
    spacing_s = 1.0 / radar.prf_hz / parts
    assert len(dashes) >= 2
    assert np.diff(centres_s) == pytest.approx(spacing_s, abs=2 * US)
    span_s = np.ptp(layout.fast_time_s(swath))
    assert abs(len(dashes) - span_s / spacing_s) <= 1


@quick
@given(folds=st.lists(st.integers(0, 23), min_size=2, max_size=6, unique=True), swath=st.integers(0, 2))
def test_a_staggered_train_leaves_a_dash_for_each_of_its_intervals(folds, swath):
    layout = whole_layout("IW", (200, 1000))
    radar, middle_s = layout.radar(swath), burst_middle_s(layout, swath)
    listens_s = 1.0 / radar.prf_hz
    positions_s = np.array(sorted(folds)) / 24 * listens_s
    intervals_s = 2 * listens_s + np.diff(positions_s, prepend=positions_s[-1])  # that before each pulse
    emitter = plain_emitter(
        layout,
        swath,
        waveform=Waveform(length_s=2 * US),
        intervals_s=tuple(intervals_s),
        phase_s=opens_s(layout, swath, middle_s) + positions_s[0],
        looks_s=(middle_s,),
        dwell_s=0.05,
    )
    edges_s = layout.fast_time_s(swath)
    if ((np.abs(positions_s - edges_s[0]) < 3 * US) | (np.abs(positions_s - edges_s[-1]) < 3 * US)).any():
        return  # whether half a dash counts is not the question
    profile = picture(emitter, layout)[:, slice(*layout.swath_columns(swath))].sum(axis=0)
    expected = ((positions_s > edges_s[0]) & (positions_s < edges_s[-1])).sum()
    assert len(runs_of(profile > 0.3 * profile.max()) if profile.any() else []) == expected


@pytest.mark.parametrize("swath", [0, 1, 2])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_slow_drift_of_the_folded_interval_slants_the_row(swath, direction):
    layout = whole_layout("IW", (1000, 500), spacing_m=100.0)
    radar, middle_s = layout.radar(swath), burst_middle_s(layout, swath, 1, 100.0)
    drift_s = direction * 0.7 * US
    interval_s = 2.0 / radar.prf_hz + drift_s
    middle_pulse_s = at_fast_time(layout, swath, middle_s, 0.0, 0.5 * radar.window_s)
    emitter = plain_emitter(
        layout,
        swath,
        waveform=Waveform(length_s=1 * US),
        intervals_s=(interval_s,),
        phase_s=middle_pulse_s % interval_s,
    )
    # the burst is followed alone: neighbours' first pulses are folded elsewhere
    (trace,) = [
        t
        for t in trace_emitter(emitter, layout, 100.0)
        if t.swath == swath and t.rows.start <= middle_s / row_s(100.0) < t.rows.stop
    ]
    columns = trace.ratio.shape[1] // 2 + np.arange(-20, 21)
    rows = np.arange(trace.ratio.shape[0])
    centroids = (trace.ratio[:, columns] * rows[:, None]).sum(axis=0) / trace.ratio[:, columns].sum(axis=0)
    slope = np.polyfit(columns, centroids, 1)[0]
    column_s = np.diff(layout.fast_time_s(swath))[columns].mean()
    rows_a_pulse = radar.spread * interval_s / row_s(100.0)
    assert slope == pytest.approx(rows_a_pulse / (drift_s / column_s), rel=0.05)


@pytest.mark.parametrize("chunk", [7, 100, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("intervals_s", [(7e-4, 8.5e-4), (7.76e-4,), (9e-4,)])
def test_pulses_can_be_followed_in_chunks_of_any_size(monkeypatch, intervals_s, chunk):
    layout = whole_layout()
    emitter = plain_emitter(layout, 0, waveform=Waveform(length_s=17 * US), intervals_s=intervals_s)
    at_once = picture(emitter, layout)
    monkeypatch.setattr("rfiscan.simulation.traces.CHUNK", chunk)
    assert_allclose(picture(emitter, layout), at_once, rtol=1e-9, atol=1e-12 * at_once.max())


def test_following_some_lines_of_a_carrier_changes_little(monkeypatch):
    layout = whole_layout()
    emitter = plain_emitter(layout, 0, waveform=Waveform(length_s=CONTINUOUS_S), intervals_s=())
    followed = picture(emitter, layout)
    monkeypatch.setattr("rfiscan.simulation.traces.LINES", 100 * LINES)
    every = picture(emitter, layout)
    strong = every > 0.1 * every.max()
    assert_allclose(followed[strong], every[strong], rtol=0.05)


# dwell


@pytest.mark.parametrize("swath", [0, 1, 2])
@pytest.mark.parametrize("dwells_s", [(0.01, 0.1), (0.05, 0.2)])
def test_a_trace_grows_with_the_dwell_by_spread_and_ground_speed(swath, dwells_s):
    layout = whole_layout()
    middle_s = burst_middle_s(layout, swath)
    heights_m = []
    for dwell_s in dwells_s:
        emitter = plain_emitter(layout, swath, looks_s=(middle_s,), dwell_s=dwell_s)
        rows = picture(emitter, layout).sum(axis=1)
        at_m = (np.arange(rows.size) + 0.5) * 500.0
        heights_m.append(np.sqrt(np.average((at_m - np.average(at_m, weights=rows)) ** 2, weights=rows)))
    # a Gaussian beam: its share of the variance is that of the dwell, which is its width at half power
    grown_m2 = heights_m[1] ** 2 - heights_m[0] ** 2
    deviations_m = layout.radar(swath).spread * GROUND_SPEED_M_PER_S * np.array(dwells_s) / np.sqrt(8 * np.log(2))
    assert grown_m2 == pytest.approx(deviations_m[1] ** 2 - deviations_m[0] ** 2, rel=0.05)


# strength


def elevation_gain(layout, swath, heard_in):
    """One-way elevation pattern towards the middle of a sub-swath, of the beam of another."""
    two_way_s, points_s = (np.asarray(np.mean(layout.radar(index).slant_range_s)) for index in (swath, heard_in))
    off_rad = float(look_angle_rad(two_way_s) - look_angle_rad(points_s))
    return max(np.sinc(ANTENNA_HEIGHT_M / WAVELENGTH_M * off_rad) ** 2, FLOOR_ELEVATION)


@pytest.mark.parametrize("mode", ["IW", "EW"])
@pytest.mark.parametrize("offset_mhz", [0.0, 2.0, -2.0])
def test_a_fixed_carrier_comes_out_at_the_level_of_noise_times_antenna_patterns(mode, offset_mhz):
    layout = whole_layout(mode)
    waveform = Waveform(length_s=1e-3, offset_hz=offset_mhz * 1e6)
    swath = layout.swath_count // 2
    image = picture(plain_emitter(layout, swath, waveform=waveform), layout)
    for heard_in in range(layout.swath_count):
        first, stop = layout.swath_columns(heard_in)
        margin = (stop - first) // 6
        level = image[100:200, first + margin : stop - margin]
        expected = FLOOR_AZIMUTH * elevation_gain(layout, swath, heard_in)
        assert_allclose(level, expected, rtol=0.03)


def test_a_carrier_in_the_main_beam_follows_the_antenna_pattern_that_the_footprint_averages():
    layout = whole_layout()
    swath, radar = 1, layout.radar(1)
    middle_s = burst_middle_s(layout, swath)
    emitter = plain_emitter(layout, swath, azimuth_s=middle_s + 0.3)
    first, stop = layout.swath_columns(swath)
    column = picture(emitter, layout)[:, (first + stop) // 2]
    fine_s = np.linspace(middle_s - 1.2, middle_s + 1.2, 20_001)
    distance_m = 0.5 * LIGHT_M_PER_S * np.mean(radar.slant_range_s)
    angle_rad = (fine_s - emitter.azimuth_s) * GROUND_SPEED_M_PER_S / distance_m
    pattern = np.sinc(ANTENNA_LENGTH_M / WAVELENGTH_M * angle_rad) ** 2
    along = np.arange(-0.5, 0.5, (fine_s[1] - fine_s[0]) / radar.footprint_s)
    window = (radar.azimuth_hamming + (1 - radar.azimuth_hamming) * np.cos(2 * np.pi * along)) ** 2
    smooth = np.convolve(pattern, window / window.sum(), mode="same")
    rows = round(middle_s / row_s()) + np.arange(-6, 10)
    expected = [smooth[(fine_s >= r * row_s()) & (fine_s < (r + 1) * row_s())].mean() for r in rows]
    assert column[rows] == pytest.approx(np.array(expected), rel=0.03, abs=0.01)
    assert 0.4 < column.max() <= 1


@pytest.mark.parametrize("rise_db", [0.5, 3.0])
def test_interference_rises_towards_the_edges_of_a_sub_swath(rise_db):
    layout = whole_layout()
    first, stop = layout.swath_columns(0)
    flat, cupped = (picture(plain_emitter(layout, 0, edge_rise_db=rise), layout)[150] for rise in (0.0, rise_db))
    gained_db = 10 * np.log10(cupped[first:stop] / flat[first:stop])
    assert gained_db[[0, -1]] == pytest.approx(rise_db, rel=0.1)
    assert gained_db.min() == pytest.approx(0, abs=0.01)
    assert np.argmin(gained_db) == pytest.approx((stop - first) / 2, abs=3)


@pytest.mark.parametrize("kind", ["carrier", "pulses"])
@pytest.mark.parametrize("offset_mhz", [29.0, -40.0])
def test_what_lies_outside_the_band_leaves_nothing(kind, offset_mhz):
    layout = whole_layout()
    waveform = Waveform(length_s=1e-3 if kind == "carrier" else 10 * US, offset_hz=offset_mhz * 1e6)
    emitter = plain_emitter(layout, waveform=waveform, intervals_s=() if kind == "carrier" else (1e-3,))
    assert not picture(emitter, layout).any()
    inside = dataclasses.replace(emitter, waveform=dataclasses.replace(waveform, offset_hz=0.0))
    assert picture(inside, layout).any()


@pytest.mark.parametrize("swath", [0, 2])
def test_a_scene_with_near_range_at_the_right_is_the_mirror_image(swath):
    layout = whole_layout("IW", (60, 300))
    mirrored = layout.flipped(rows=False, cols=True)
    emitter = plain_emitter(
        layout, swath, waveform=Waveform(length_s=20 * US, sweep_hz=5e6), intervals_s=(8.1e-4,), edge_rise_db=2.0
    )
    assert_allclose(picture(emitter, mirrored)[:, ::-1], picture(emitter, layout), atol=1e-9)


def part_and_whole(layout, emitter, col, width):
    """The traces in a window of a scene's columns, and those columns of the scene's traces."""
    # edges at whole columns, so that none is rounded to another one in the window
    layout = dataclasses.replace(layout, edges_px=tuple(float(round(edge)) for edge in layout.edges_px))
    whole = picture(emitter, layout)
    return picture(emitter, layout.window(0, col, (layout.shape[0], width))), whole[:, col : col + width]


@quick
@given(seed=seeds, kind=st.sampled_from(KINDS), col=st.integers(0, 100), width=st.integers(30, 60))
def test_a_part_of_a_scene_holds_that_part_of_the_traces(seed, kind, col, width):
    emitter = draw_emitter(np.random.default_rng(seed), bundled_priors(), 60 * row_s(), kind=kind)
    part, whole = part_and_whole(drawn_layout(seed, (60, 160)), emitter, col, width)
    assert_allclose(part, whole, rtol=1e-6, atol=1e-9 * whole.max(initial=0))


def test_a_part_of_a_sub_swath_rises_as_the_whole_does():
    part, whole = part_and_whole(whole_layout(), plain_emitter(whole_layout(), 0, edge_rise_db=3.0), 80, 200)
    assert_allclose(part, whole, rtol=1e-6, atol=1e-9 * whole.max())
