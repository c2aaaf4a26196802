"""Emitters: what is drawn lies in the priors, pulses come at their intervals, and beams point when they say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.priors import bundled_priors
from rfiscan.simulation.emitters import CONTINUOUS_S, KINDS, draw_emitter
from rfiscan.simulation.priors import draw_log_uniform, draw_name
from tests.make_interference import plain_emitter, whole_layout

DURATION_S = 25.0
quick = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 100_000)
PRIORS = bundled_priors()


def rng(seed=0):
    return np.random.default_rng(seed)


def draw(seed, **choices):
    return draw_emitter(rng(seed), PRIORS, DURATION_S, **choices)


def within(value, span, unit=1.0):
    return span[0] * unit * (1 - 1e-9) <= value <= span[1] * unit * (1 + 1e-9)


# what is drawn


@quick
@given(seed=seeds, kind=st.sampled_from(KINDS))
def test_a_waveform_lies_in_the_spans_of_its_kind(seed, kind):
    emitter, prior = draw(seed, kind=kind), PRIORS.kinds[kind]
    waveform = emitter.waveform
    assert emitter.kind == kind
    assert prior.offset_mhz[0] <= waveform.offset_hz / 1e6 <= prior.offset_mhz[1]
    assert within(abs(waveform.sweep_hz), prior.sweep_mhz, 1e6)
    assert within(waveform.deviation_hz, prior.deviation_mhz, 1e6)
    assert within(waveform.modulation_hz, prior.modulation_khz, 1e3)
    assert within(waveform.noise_hz, prior.noise_mhz, 1e6)
    if prior.length_us[1]:
        assert within(waveform.length_s, prior.length_us, 1e-6)
    else:
        assert waveform.length_s == CONTINUOUS_S


@quick
@given(seed=seeds, kind=st.sampled_from(KINDS))
def test_a_kind_has_the_fields_of_its_kind_and_no_others(seed, kind):
    emitter = draw(seed, kind=kind)
    waveform = emitter.waveform
    assert bool(emitter.intervals_s) == (kind in {"pulsed", "chirped", "sinusoidal"})
    assert bool(waveform.sweep_hz) == (kind == "chirped")
    assert bool(waveform.deviation_hz) == bool(waveform.modulation_hz) == (kind == "sinusoidal")
    assert bool(waveform.noise_hz) == (kind == "barrage")


@quick
@given(seed=seeds)
def test_antenna_place_and_level_lie_in_their_spans(seed):
    emitter = draw(seed)
    assert within(-emitter.side_lobe_db, (-PRIORS.side_lobe_db[1], -PRIORS.side_lobe_db[0]))
    assert within(emitter.edge_rise_db, PRIORS.edge_rise_db)
    assert -0.1 * DURATION_S <= emitter.azimuth_s <= 1.1 * DURATION_S
    assert -0.1 <= emitter.ground_share <= 1.1
    assert all(0 <= look <= DURATION_S for look in emitter.looks_s)
    assert list(emitter.looks_s) == sorted(emitter.looks_s)
    turning = PRIORS.rotation_s[0] * PRIORS.beam_deg[0] / 360, PRIORS.rotation_s[1] * PRIORS.beam_deg[1] / 360
    agile = PRIORS.agile_dwell_ms[0] * 1e-3, PRIORS.agile_dwell_ms[1] * 1e-3
    assert emitter.dwell_s == np.inf or within(emitter.dwell_s, turning) or within(emitter.dwell_s, agile)
    assert (emitter.dwell_s < np.inf) or not emitter.looks_s


@quick
@given(seed=seeds, kind=st.sampled_from(["pulsed", "chirped", "sinusoidal"]))
def test_intervals_lie_in_their_span(seed, kind):
    emitter, span = draw(seed, kind=kind), PRIORS.kinds[kind].interval_us
    mean_s, count = np.mean(emitter.intervals_s), len(emitter.intervals_s)
    assert 1 <= count <= 8
    if count == 1:
        assert within(mean_s, span, 1e-6)
        assert emitter.jitter_s == 0 or within(emitter.jitter_s / mean_s, PRIORS.jitter)
    else:
        # each lies within half the stagger of one mean
        assert np.ptp(emitter.intervals_s) <= PRIORS.stagger * span[1] * 1e-6
        assert max(emitter.intervals_s) / min(emitter.intervals_s) <= (1 + PRIORS.stagger / 2) / (
            1 - PRIORS.stagger / 2
        )
        assert emitter.jitter_s == 0
    assert 0 <= emitter.phase_s <= emitter.intervals_s[0]


def test_all_kinds_scans_and_timings_are_drawn_by_their_shares():
    drawn = [draw(seed) for seed in range(1500)]
    for kind in KINDS:
        share = PRIORS.kinds[kind].share / sum(prior.share for prior in PRIORS.kinds.values())
        assert np.mean([e.kind == kind for e in drawn]) == pytest.approx(share, abs=0.05)
    assert np.mean([e.dwell_s == np.inf for e in drawn]) == pytest.approx(PRIORS.scan["fixed"], abs=0.05)
    trains = [e for e in drawn if e.intervals_s]
    assert np.mean([len(e.intervals_s) > 1 for e in trains]) == pytest.approx(PRIORS.timing["staggered"], abs=0.05)
    assert np.mean([e.jitter_s > 0 for e in trains]) == pytest.approx(PRIORS.timing["jittered"], abs=0.05)


def test_a_seed_gives_one_emitter_whatever_the_global_state():
    np.random.seed(1)  # noqa: NPY002 - the global state is the point
    one = draw(7)
    np.random.seed(2)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert draw(7) == one
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert draw(8) != one


# polarization


def test_the_cross_over_co_ratio_spans_what_antennas_and_channels_allow():
    ratios_db = np.array([draw(seed).cross_over_co_db for seed in range(1500)])
    assert np.abs(ratios_db).max() <= -PRIORS.leakage_db[0] + 0.1
    low, high = np.quantile(ratios_db, [0.01, 0.99])
    assert -30 < low < -20
    assert 20 < high < 30


@quick
@given(seed=seeds)
def test_a_polarization_is_received_in_its_own_channel(seed):
    assert draw(seed, polarization="horizontal").cross_over_co_db > 8
    assert draw(seed, polarization="vertical").cross_over_co_db < -8
    # between 20 and 70 degrees, which are 8.8 dB, and the leakage evens out
    assert abs(draw(seed, polarization="slant").cross_over_co_db) < 20 * np.log10(1 / np.tan(np.deg2rad(20))) + 0.01


# pulses


@quick
@given(seed=seeds, intervals_us=st.lists(st.floats(500, 6000), min_size=1, max_size=8), duration_s=st.floats(0.1, 5))
def test_pulses_follow_at_their_intervals_from_the_first_to_the_end(seed, intervals_us, duration_s):
    phase_s = float(rng(seed).uniform(0, intervals_us[0] * 1e-6))
    emitter = plain_emitter(whole_layout(), intervals_s=tuple(i * 1e-6 for i in intervals_us), phase_s=phase_s)
    times_s = emitter.pulse_times_s(duration_s)
    assert times_s[0] == pytest.approx(phase_s)
    gaps_us = np.diff(times_s) * 1e6
    in_turn = np.resize(np.roll(intervals_us, -1), gaps_us.size)
    assert gaps_us == pytest.approx(in_turn, abs=1e-3)
    assert times_s[-1] < duration_s <= times_s[-1] + max(intervals_us) * 1e-6 + 1e-9


@quick
@given(seed=st.integers(0, 1000), jitter=st.floats(0.001, 0.05))
def test_jitter_spreads_the_intervals_by_its_deviation(seed, jitter):
    emitter = plain_emitter(whole_layout(), intervals_s=(1e-3,), jitter_s=jitter * 1e-3, seed=seed)
    gaps_s = np.diff(emitter.pulse_times_s(5.0))
    assert gaps_s.mean() == pytest.approx(1e-3, rel=0.01)
    assert gaps_s.std() == pytest.approx(jitter * 1e-3, rel=0.1)
    assert np.array_equal(gaps_s, np.diff(emitter.pulse_times_s(5.0)))


def test_an_emitter_without_pulses_has_no_times_of_them():
    with pytest.raises(ValueError, match="sends no pulses"):
        plain_emitter(whole_layout()).pulse_times_s(1.0)


# beams


def test_a_fixed_beam_is_always_on():
    times_s = np.linspace(-5, 30, 99)
    assert (plain_emitter(whole_layout()).gain(times_s) == 1).all()


@quick
@given(
    looks_s=st.lists(st.floats(0, 25), max_size=6, unique=True),
    dwell_s=st.floats(1e-3, 0.2),
    side_lobe_db=st.floats(-60, -20),
)
def test_the_gain_is_that_of_the_nearest_look_and_never_under_the_side_lobes(looks_s, dwell_s, side_lobe_db):
    looks_s = tuple(sorted(looks_s))
    emitter = plain_emitter(whole_layout(), looks_s=looks_s, dwell_s=dwell_s, side_lobe_db=side_lobe_db)
    times_s = np.concatenate([np.linspace(-1, 26, 300), looks_s, np.array(looks_s) + 0.5 * dwell_s])
    floor = 10 ** (side_lobe_db / 10)
    beams = [np.exp(-4 * np.log(2) * ((times_s - look) / dwell_s) ** 2) for look in looks_s]
    expected = np.maximum(np.max([*beams, np.zeros_like(times_s)], axis=0), floor)
    assert emitter.gain(times_s) == pytest.approx(expected, rel=1e-9)


def test_the_dwell_is_the_time_between_half_power():
    emitter = dataclasses.replace(plain_emitter(whole_layout()), looks_s=(3.0,), dwell_s=0.1)
    assert emitter.gain(np.array([2.95, 3.0, 3.05])) == pytest.approx([0.5, 1.0, 0.5])


# distributions


@quick
@given(seed=seeds, low=st.floats(1e-3, 1e3), factor=st.floats(1, 1e3))
def test_log_uniform_draws_lie_in_their_span(seed, low, factor):
    assert within(draw_log_uniform(rng(seed), (low, low * factor)), (low, low * factor))


def test_log_uniform_draws_are_as_frequent_in_every_octave():
    source = rng()
    drawn = np.log2([draw_log_uniform(source, (1.0, 16.0)) for _ in range(4000)])
    assert np.histogram(drawn, [0, 1, 2, 3, 4])[0] == pytest.approx(1000, rel=0.12)
    assert draw_log_uniform(source, (0.0, 0.0)) == 0


def test_names_are_drawn_by_shares_that_need_not_add_up():
    source = rng()
    names = [draw_name(source, {"a": 3, "b": 1, "c": 0}) for _ in range(2000)]
    assert names.count("a") / 2000 == pytest.approx(0.75, abs=0.04)
    assert "c" not in names
