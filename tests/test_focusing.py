"""Focused interference: the closed forms agree with raw bursts that are focused sample by sample, and are energies.

Bins are those of a working pixel, 500 m on ground. They are compared where the closed form is within 10 dB of its peak.
One coherent emission is speckled and has diffraction fringes at its ends, so power is averaged over emissions whose
arrivals are spread evenly over two bins, each with its own phase.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.sentinel1.radar import GROUND_SPEED_M_PER_S, MODES, ground_range_m
from rfiscan.simulation.focusing import Waveform, azimuth_energy, interference_to_noise, range_energy
from tests import raw_burst

SWATHS = {swath.name: swath for mode in MODES.values() for swath in mode.swaths}
SWATHS["S3"] = replace(SWATHS["S3"], sensing_s=1.5)  # so many of its endless lines
TOPS = ("IW1", "IW2", "IW3", "EW1")
PIXEL_M = 500.0
ROW_S = PIXEL_M / GROUND_SPEED_M_PER_S
US, MHZ = 1e-6, 1e6
quick = settings(max_examples=25, deadline=None)


def col_s(swath):
    """Fast time across a pixel in the middle of a sub-swath."""
    near_m, far_m = ground_range_m(np.array(swath.slant_range_s))
    return PIXEL_M * (swath.slant_range_s[1] - swath.slant_range_s[0]) / (far_m - near_m)


def deviation_db(focused, closed):
    """Signed deviation that is largest, of the bins within 10 dB of the closed form's peak."""
    near = closed >= 0.1 * closed.max()
    deviation = 10 * np.log10(focused[near] / closed[near])
    return float(deviation[np.abs(deviation).argmax()])


# the raw bursts' own processor


def upsampled_power(samples, factor=16):
    spectrum = np.fft.fftshift(np.fft.fft(samples))
    before = (factor - 1) * samples.size // 2
    wide = np.zeros(samples.size * factor, complex)
    wide[before + (samples.size * factor % 2) : before + (samples.size * factor % 2) + samples.size] = spectrum
    return np.abs(np.fft.ifft(np.fft.ifftshift(wide))) ** 2


def peak_and_width(time_s, samples):
    """Time of the peak and width at half power."""
    power = upsampled_power(samples)
    step_s = (time_s[1] - time_s[0]) * samples.size / power.size
    return time_s[0] + power.argmax() * step_s, np.count_nonzero(power > 0.5 * power.max()) * step_s


def broadening(coefficient):
    """Width at half power times bandwidth of a band weighted with a Hamming window, by plain summation."""
    band = np.linspace(-0.5, 0.5, 2001)
    window = coefficient + (1 - coefficient) * np.cos(2 * np.pi * band)
    lag = np.linspace(0, 1, 1001)
    response = (window * np.cos(2 * np.pi * band * lag[:, None])).sum(axis=1) ** 2
    return 2 * lag[np.argmax(response < 0.5 * response[0])]


@pytest.mark.parametrize("name", [*TOPS, "S3"])
def test_a_target_is_focused_where_it_is_with_the_resolution_of_its_band(name):
    swath = SWATHS[name]
    width = broadening(swath.azimuth_hamming) / swath.azimuth_bandwidth_hz
    furthest_s = 0.5 * (swath.spread * swath.sensing_s - swath.footprint_s)
    for zero_doppler_s in (-0.98 * furthest_s, 0.1234, 0.98 * furthest_s):
        time_s, focused = raw_burst.focus(swath, raw_burst.echo_history(swath, zero_doppler_s)[None])
        peak_s, width_s = peak_and_width(time_s, focused[0])
        assert peak_s == pytest.approx(zero_doppler_s, abs=0.1 * width)
        assert width_s == pytest.approx(width, rel=0.1)


@pytest.mark.parametrize("name", [*TOPS, "S3"])
def test_an_echo_is_compressed_where_it_is_with_the_resolution_of_the_chirp(name):
    swath = SWATHS[name]
    echo = raw_burst.chirp(swath, raw_burst.fast_times_s(swath) - 150.3 * US).astype(np.complex64)
    time_s, compressed = raw_burst.compress(swath, echo)
    peak_s, width_s = peak_and_width(time_s, compressed)
    assert peak_s == pytest.approx(150.3 * US, abs=0.1 / swath.bandwidth_hz)
    assert width_s == pytest.approx(0.886 / swath.bandwidth_hz, rel=0.15)


# range


def range_bins(name, waveform, arrivals=8, spread_bins=2.0):
    """Mean energy that focusing and that the closed form lay down in the bins that a whole echo reaches."""
    swath = SWATHS[name]
    held_s = (abs(waveform.sweep_hz) + 2 * waveform.deviation_hz + waveform.noise_hz) / swath.chirp_rate_hz_per_s
    shift_s = -waveform.offset_hz / swath.chirp_rate_hz_per_s
    room_s = swath.chirp_length_s + 2 * abs(shift_s) + 1.1 * waveform.length_s + held_s + 25 * US
    swath = replace(swath, window_s=room_s)
    middles_s = 0.5 * room_s + (np.arange(arrivals) + 0.5) / arrivals * spread_bins * col_s(swath)
    edges_s = np.arange(0.5 * swath.chirp_length_s, room_s - 0.5 * swath.chirp_length_s, col_s(swath))
    rng = np.random.default_rng(1)
    lines = [raw_burst.received_line(swath, middle, rng, **asdict(waveform)) for middle in middles_s]
    time_s, compressed = raw_burst.compress(swath, np.stack(lines))
    focused_s = raw_burst.binned(compressed, time_s, edges_s).mean(axis=0) / raw_burst.sampling_hz(swath)
    return focused_s, range_energy(swath, waveform, middles_s, edges_s).mean(axis=0), edges_s


def in_band(name, offset):
    return offset * SWATHS[name].bandwidth_hz


RANGE_CASES = {  # frequencies in bandwidths of the sub-swath unless they end in MHz
    "1 us pulse": {"length_us": 1},
    "2 us pulse": {"length_us": 2},
    "5 us pulse": {"length_us": 5},
    "20 us pulse": {"length_us": 20},
    "60 us pulse at -0.2 B": {"length_us": 60, "offset": -0.2},
    "10 us pulse at +0.2 B": {"length_us": 10, "offset": 0.2},
    "10 us pulse at -0.4 B": {"length_us": 10, "offset": -0.4},
    "20 us up-chirp": {"length_us": 20, "sweep_mhz": 8},
    "20 us down-chirp": {"length_us": 20, "sweep_mhz": -8},
    "chirp wider than the band": {"length_us": 20, "sweep": 1.4},
    "chirp that leaves the band": {"length_us": 30, "offset": 0.4, "sweep": 0.5},
    "sinusoidal, slow and wide": {"length_us": 50, "deviation_mhz": 5, "modulation_mhz": 0.02},
    "sinusoidal, that folds": {"length_us": 60, "deviation_mhz": 5, "modulation_mhz": 0.05},
    "sinusoidal, fast and narrow": {"length_us": 40, "deviation_mhz": 2, "modulation_mhz": 0.2},
}


def waveform_of(name, length_us, offset=0.0, sweep=0.0, sweep_mhz=0.0, deviation_mhz=0.0, modulation_mhz=0.0):
    return Waveform(
        length_s=length_us * US,
        offset_hz=in_band(name, offset),
        sweep_hz=in_band(name, sweep) + sweep_mhz * MHZ,
        deviation_hz=deviation_mhz * MHZ,
        modulation_hz=modulation_mhz * MHZ,
    )


@pytest.mark.parametrize("name", TOPS)
@pytest.mark.parametrize("case", RANGE_CASES)
def test_the_range_profile_agrees_with_a_matched_filter(name, case):
    focused_s, closed_s, _ = range_bins(name, waveform_of(name, **RANGE_CASES[case]))
    assert abs(deviation_db(focused_s, closed_s)) < 1
    assert focused_s.sum() == pytest.approx(closed_s.sum(), rel=0.1)


# emissions to average: bandwidth times the length of a bin times their number is 500 and more
NOISE_CASES = {
    "20 us, 20 MHz": (Waveform(length_s=20 * US, noise_hz=20 * MHZ), 32),
    "15 us, 5 MHz": (Waveform(length_s=15 * US, noise_hz=5 * MHZ), 72),
    "20 us, 10 MHz off the middle": (Waveform(length_s=20 * US, noise_hz=10 * MHZ, offset_hz=-5 * MHZ), 48),
}


@pytest.mark.parametrize(
    ("name", "case"), [*((name, "20 us, 20 MHz") for name in TOPS), *(("IW3", case) for case in list(NOISE_CASES)[1:])]
)
def test_the_range_profile_of_noise_agrees_with_a_matched_filter(name, case):
    waveform, count = NOISE_CASES[case]
    focused_s, closed_s, _ = range_bins(name, waveform, arrivals=count)
    assert abs(deviation_db(focused_s, closed_s)) < 1
    assert focused_s.sum() == pytest.approx(closed_s.sum(), rel=0.1)
    inside = closed_s > 0.5 * closed_s.max()
    assert 10 * np.log10(focused_s[inside].sum() / closed_s[inside].sum()) == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("name", TOPS)
@pytest.mark.parametrize("offset", [-0.3, 0.0, 0.3])
def test_of_one_emission_every_bin_that_its_trace_fills_agrees(name, offset):
    waveform = Waveform(length_s=25 * US, offset_hz=in_band(name, offset))
    for_one = [range_bins(name, waveform, arrivals=1, spread_bins=bins) for bins in (0.0, 0.66, 1.32)]
    for focused_s, closed_s, _ in for_one:
        filled = closed_s > 0.99 * closed_s.max()
        inner = filled & np.roll(filled, 1) & np.roll(filled, -1)
        assert np.count_nonzero(inner) > 5
        assert np.abs(10 * np.log10(focused_s[inner] / closed_s[inner])).max() < 1


@pytest.mark.parametrize("name", TOPS)
@pytest.mark.parametrize("offset", [-0.3, 0.2])
def test_a_carrier_is_shifted_against_its_frequency(name, offset):
    swath, middle_s = SWATHS[name], 150 * US
    waveform = Waveform(length_s=10 * US, offset_hz=in_band(name, offset))
    line = raw_burst.received_line(swath, middle_s, np.random.default_rng(0), **asdict(waveform))
    time_s, compressed = raw_burst.compress(swath, line)
    power = np.abs(compressed) ** 2
    edges_s = np.arange(50, 250) * US
    closed_s = range_energy(swath, waveform, np.array([middle_s]), edges_s)[0]
    expected_s = middle_s - waveform.offset_hz / swath.chirp_rate_hz_per_s
    assert time_s @ power / power.sum() == pytest.approx(expected_s, abs=0.1 * US)
    assert (edges_s[:-1] + 0.5 * US) @ closed_s / closed_s.sum() == pytest.approx(expected_s, abs=0.1 * US)


@pytest.mark.parametrize("name", TOPS)
@pytest.mark.parametrize("offset", [-0.7, 0.55])
def test_what_lies_outside_the_band_vanishes(name, offset):
    focused_s, closed_s, _ = range_bins(name, Waveform(length_s=10 * US, offset_hz=in_band(name, offset)), arrivals=2)
    assert closed_s.sum() == 0
    assert focused_s.sum() < 0.03 * 10 * US


# azimuth


def azimuth_bins(name, slow_share, lines=1, realisations=1):
    """Mean energy in bins of zero-Doppler time of consecutive lines whose phases are unrelated."""
    swath = SWATHS[name]
    slow_s = raw_burst.slow_times_s(swath)
    first = round(slow_share * (slow_s.size - lines))
    chosen = slow_s[first : first + lines]
    rng = np.random.default_rng(2)
    columns = np.zeros((realisations, slow_s.size), np.complex64)
    columns[:, first : first + lines] = np.exp(2j * np.pi * rng.random((realisations, lines)))
    edges_s = swath.spread * chosen.mean() + (np.arange(-16, 17) + 0.3) * ROW_S
    zero_doppler_s, focused = raw_burst.focus(swath, columns)
    # bins that reach beyond what the burst lays down hold nothing on either side
    edges_s = edges_s[(edges_s > zero_doppler_s[0]) & (edges_s < zero_doppler_s[-1])]
    energy = raw_burst.binned(focused, zero_doppler_s, edges_s).mean(axis=0)
    return energy, azimuth_energy(swath, chosen, edges_s).sum(axis=0)


@pytest.mark.parametrize("name", [*TOPS, "S3"])
@pytest.mark.parametrize("slow_share", [0.0, 0.21, 0.5, 1.0])
def test_the_trace_of_a_line_agrees_with_azimuth_focusing(name, slow_share):
    focused, closed = azimuth_bins(name, slow_share)
    assert abs(deviation_db(focused, closed)) < 1
    assert focused.sum() == pytest.approx(1, abs=0.01)
    assert closed.sum() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", [*TOPS, "S3"])
@pytest.mark.parametrize(("lines", "realisations"), [(40, 80), (200, 24)])
def test_the_trace_of_a_dwell_agrees_with_azimuth_focusing(name, lines, realisations):
    focused, closed = azimuth_bins(name, 0.3, lines, realisations)
    assert abs(deviation_db(focused, closed)) < 1
    assert focused.sum() == pytest.approx(lines, rel=0.05)


# both


def pulse_train_bins(name, pulses, realisations):
    """Energy in bins of a train of pulses, seen through an antenna that turns past; their intervals are jittered.

    Each bin's speckle is averaged over some 100 resolution cells in each of the trains, whose phases are unrelated.
    """
    swath = replace(SWATHS[name], window_s=SWATHS[name].chirp_length_s + 30 * US)
    slow_s = raw_burst.slow_times_s(swath)
    rng = np.random.default_rng(3)
    index = slow_s.size // 3 + 400 // pulses * np.arange(pulses)
    waveform = Waveform(length_s=3 * US, offset_hz=2 * MHZ, sweep_hz=1 * MHZ)
    middles_s = 0.5 * swath.window_s + 2 * US + rng.permutation(np.linspace(-5 * US, 5 * US, pulses))
    weights = np.cos(np.pi * np.linspace(-0.4, 0.4, pulses)) ** 2
    rows_s = swath.spread * slow_s[index].mean() + (np.arange(-12, 13) + 0.3) * ROW_S
    start_s = 0.5 * swath.chirp_length_s + 5 * US
    cols_s = np.arange(start_s, start_s + 20 * US, col_s(swath))
    every = round(col_s(swath) * raw_burst.sampling_hz(swath) / 6)
    azimuth = azimuth_energy(swath, slow_s[index], rows_s) * weights[:, None]
    focused, closed = np.zeros((2, rows_s.size - 1, cols_s.size - 1))
    for later_s in (np.arange(realisations) + 0.5) / realisations * 2 * col_s(swath):
        arrive_s = middles_s + later_s
        raw = np.stack([raw_burst.received_line(swath, middle, rng, **asdict(waveform)) for middle in arrive_s])
        raw *= np.sqrt(weights)[:, None].astype(np.float32)
        focused += raw_burst.focused_bins(swath, raw, index, rows_s, cols_s, every=every)
        closed += azimuth.T @ range_energy(swath, waveform, arrive_s, cols_s)
    return focused / raw_burst.sampling_hz(swath), closed


def test_a_pulse_train_in_a_raw_burst_agrees_in_both_dimensions():
    focused, closed = pulse_train_bins("IW2", pulses=40, realisations=10)
    assert abs(deviation_db(focused, closed)) < 1
    assert focused.sum() == pytest.approx(closed.sum(), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", TOPS)
def test_pulse_trains_agree_in_every_swath(name):
    focused, closed = pulse_train_bins(name, pulses=80, realisations=20)
    assert abs(deviation_db(focused, closed)) < 1
    assert focused.sum() == pytest.approx(closed.sum(), rel=0.05)


def noise_and_carrier(name, offset):
    """What receiver noise, and a carrier of its power that is always on, come to in bins; and the closed form."""
    swath = replace(SWATHS[name], window_s=SWATHS[name].chirp_length_s + 12 * US)
    fast_s, slow_s = raw_burst.fast_times_s(swath), raw_burst.slow_times_s(swath)
    rng = np.random.default_rng(4)
    count = int((0.5 * swath.spread * swath.sensing_s - 0.5 * swath.footprint_s) / ROW_S)
    rows_s = np.arange(-count, count + 1) * ROW_S
    cols_s = 0.5 * swath.window_s + np.arange(-2, 3) * col_s(swath)
    white = rng.standard_normal((2, slow_s.size, fast_s.size), np.float32)
    # unit power in the chirp's band, of which the samples hold 1.15 times as much
    noise = (white[0] + 1j * white[1]) * np.float32(np.sqrt(0.5 * 1.15))
    turns = in_band(name, offset) * fast_s + rng.random((slow_s.size, 1))
    carrier = np.exp(2j * np.pi * turns).astype(np.complex64)
    index = np.arange(slow_s.size)
    every = round(col_s(swath) * raw_burst.sampling_hz(swath) / 5)
    levels = [
        raw_burst.focused_bins(swath, lines, index, rows_s, cols_s, every=every) / raw_burst.sampling_hz(swath)
        for lines in (noise, carrier)
    ]
    waveform = Waveform(length_s=swath.window_s, offset_hz=in_band(name, offset))
    azimuth = azimuth_energy(swath, slow_s, rows_s)
    in_range = range_energy(swath, waveform, np.full(slow_s.size, 0.5 * swath.window_s), cols_s)
    ratio = interference_to_noise(swath, np.ones(slow_s.size), azimuth, in_range, (ROW_S, np.diff(cols_s)))
    return (*levels, ratio)


@pytest.mark.parametrize("offset", [0.0, 0.1])
@pytest.mark.parametrize("name", ["EW1", *(pytest.param(name, marks=pytest.mark.slow) for name in TOPS[:3])])
def test_a_carrier_of_the_power_of_the_noise_comes_out_at_the_level_of_focused_noise(name, offset):
    noise, carrier, ratio = noise_and_carrier(name, offset)
    swath = SWATHS[name]
    assert noise.mean() == pytest.approx(swath.prf_hz / swath.spread * ROW_S * col_s(swath), rel=0.05)
    assert 10 * np.log10(carrier.mean() / noise.mean()) == pytest.approx(0, abs=1)
    assert 10 * np.log10(ratio) == pytest.approx(0, abs=0.2)


# the closed forms alone

swaths = st.sampled_from([SWATHS[name] for name in ("IW1", "IW2", "IW3", "EW1", "EW5", "S3")])
arrivals = st.floats(60 * US, 200 * US)


@st.composite
def waveforms(draw, widest=0.7):
    """Of any kind, in part out of band; ``widest`` bounds the excursion of the frequency in bandwidths of EW5."""
    unit_hz = 10.4 * MHZ
    return Waveform(
        length_s=draw(st.floats(1 * US, 60 * US)),
        offset_hz=draw(st.floats(-widest, widest)) * unit_hz / 2,
        sweep_hz=draw(st.one_of(st.just(0.0), st.floats(-widest, widest))) * unit_hz / 2,
        deviation_hz=draw(st.one_of(st.just(0.0), st.floats(0, widest))) * unit_hz / 8,
        modulation_hz=draw(st.floats(1e4, 1e5)),
        noise_hz=draw(st.one_of(st.just(0.0), st.floats(1e5, widest * unit_hz / 2))),
    )


@quick
@given(swath=swaths, waveform=waveforms(), middle_s=arrivals)
def test_energy_in_band_and_in_window_is_kept(swath, waveform, middle_s):
    swath = replace(swath, window_s=1e-3)
    edges_s = np.linspace(-100 * US, 500 * US, 400)
    within = range_energy(swath, waveform, np.array([300 * US + middle_s / 10]), edges_s)
    assert (within >= 0).all()
    assert within.sum() == pytest.approx(waveform.length_s, rel=1e-6)


@quick
@given(swath=swaths, length_s=st.floats(2 * US, 440 * US), sweep=st.floats(-0.4, 0.4), deviation=st.floats(0, 0.2))
def test_bins_agree_with_following_the_frequency_much_more_closely(swath, length_s, sweep, deviation):
    swath = replace(swath, window_s=2e-3)
    sweep_hz, deviation_hz = sweep * swath.bandwidth_hz, min(deviation * swath.bandwidth_hz, 5 * MHZ)
    waveform = Waveform(length_s=length_s, sweep_hz=sweep_hz, deviation_hz=deviation_hz, modulation_hz=2e4)
    edges_s = 1e-3 + np.arange(-250, 251) * col_s(swath)
    time_s = ((np.arange(200_000) + 0.5) / 200_000 - 0.5) * length_s
    lands_s = 1e-3 + time_s - waveform.frequency_hz(time_s) / swath.chirp_rate_hz_per_s
    closely_s = np.histogram(lands_s, edges_s)[0] * length_s / time_s.size
    laid_s = range_energy(swath, waveform, np.array([1e-3]), edges_s)[0]
    # a margin of the resolution at both ends; and 0.5 dB
    margin_s = 0.02 * closely_s.max() + length_s * 0.5 / swath.bandwidth_hz / (np.ptp(lands_s) + 1 / swath.bandwidth_hz)
    assert (np.abs(laid_s - closely_s) <= 0.12 * closely_s + margin_s).all()


@quick
@given(swath=swaths, waveform=waveforms(widest=8), middle_s=st.floats(-100 * US, 500 * US))
def test_no_energy_is_made(swath, waveform, middle_s):
    laid = range_energy(swath, waveform, np.array([middle_s]), np.linspace(-300 * US, 800 * US, 500))
    assert (laid >= 0).all()
    assert laid.sum() <= waveform.length_s * (1 + 1e-9)


@quick
@given(swath=swaths, waveform=waveforms(), middle_s=arrivals, later_s=st.floats(0, 50 * US))
def test_what_arrives_later_is_laid_down_later(swath, waveform, middle_s, later_s):
    swath = replace(swath, window_s=1e-3)
    edges_s = np.linspace(50 * US, 350 * US, 200)
    at_once = range_energy(swath, waveform, np.array([middle_s]), edges_s)
    later = range_energy(swath, waveform, np.array([middle_s + later_s]), edges_s + later_s)
    assert later == pytest.approx(at_once, abs=1e-9 * US + 1e-6 * waveform.length_s)


@quick
@given(swath=swaths, waveform=waveforms(widest=3), cuts=st.lists(st.floats(0, 300 * US), min_size=1, max_size=8))
def test_bins_that_are_split_hold_together_what_the_whole_holds(swath, waveform, cuts):
    middles_s = np.array([80.0, 150.0, 151.0]) * US
    whole = range_energy(swath, waveform, middles_s, np.array([0.0, 300 * US]))
    edges_s = np.array([0.0, *sorted(cuts), 300 * US])
    assert range_energy(swath, waveform, middles_s, edges_s).sum(axis=1) == pytest.approx(whole[:, 0], abs=1e-12)
    each = [range_energy(swath, waveform, middles_s[i : i + 1], edges_s)[0] for i in range(3)]
    assert range_energy(swath, waveform, middles_s, edges_s) == pytest.approx(np.stack(each), abs=1e-15)


@quick
@given(swath=swaths, slow_s=st.floats(-0.4, 0.4), later_s=st.floats(-0.3, 0.3))
def test_azimuth_lays_all_of_a_line_down_around_its_centre(swath, slow_s, later_s):
    edges_s = swath.spread * slow_s + np.linspace(-1, 1, 201) * swath.footprint_s
    laid = azimuth_energy(swath, np.array([slow_s]), edges_s)[0]
    assert (laid >= 0).all()
    assert laid.sum() == pytest.approx(1, abs=1e-9)
    assert laid == pytest.approx(laid[::-1], abs=1e-9)
    assert (laid[:49] == 0).all()
    assert laid[51:].sum() > 0.98
    later = azimuth_energy(swath, np.array([slow_s + later_s]), edges_s + swath.spread * later_s)[0]
    assert later == pytest.approx(laid, abs=1e-9)


@quick
@given(swath=swaths, first=st.floats(0, 1e3), second=st.floats(0, 1e3), times=st.floats(0, 10))
def test_the_ratio_is_linear_in_the_power_of_emissions(swath, first, second, times):
    rows_s, cols_s = np.linspace(-1, 1, 20), np.linspace(50 * US, 120 * US, 15)
    azimuth = azimuth_energy(swath, np.array([0.0, 0.1]), rows_s)
    in_range = range_energy(swath, Waveform(length_s=10 * US), np.array([80.0, 95.0]) * US, cols_s)

    def ratio(*weights):
        bins = (rows_s[1] - rows_s[0], np.diff(cols_s))
        return interference_to_noise(swath, np.array(weights), azimuth, in_range, bins)

    both = ratio(first, second)
    assert (both >= 0).all()
    assert both == pytest.approx(ratio(first, 0) + ratio(0, second), rel=1e-9)
    assert ratio(times * first, times * second) == pytest.approx(times * both, rel=1e-9)
