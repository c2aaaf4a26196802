"""Ground radars and jammers: what they send, when they look this way, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.simulation.focusing import Waveform
from rfiscan.simulation.priors import InterferencePriors, WaveformPriors, draw_log_uniform, draw_name

KINDS = ("continuous_wave", "pulsed", "chirped", "sinusoidal", "barrage")

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitter:
    """One interferer. Times count from the first line of the scene.

    Attributes:
        kind: One of `KINDS`.
        waveform: One emission; of a continuous emitter, what one receive window hears of it.
        intervals_s: Pulse repetition intervals, which follow one another in turn, the first being that before the first
            pulse; empty for a continuous emitter.
        jitter_s: Standard deviation of each interval.
        phase_s: Time of the first pulse.
        looks_s: When the main beam points this way.
        dwell_s: Time between the 3 dB points of its passage; infinite for a fixed beam.
        side_lobe_db: Power outside the main beam against that in it.
        azimuth_s: Zero-Doppler time of the emitter.
        ground_share: Ground range of the emitter, as a share of the swath from near (0) to far (1); may lie outside.
        cross_over_co_db: Ratio of the power received in cross-pol to that in co-pol.
        edge_rise_db: Rise from the middle of a sub-swath to its edges.
        seed: Of the jitter.
    """

    kind: str
    waveform: Waveform
    intervals_s: tuple[float, ...]
    jitter_s: float
    phase_s: float
    looks_s: tuple[float, ...]
    dwell_s: float
    side_lobe_db: float
    azimuth_s: float
    ground_share: float
    cross_over_co_db: float
    edge_rise_db: float
    seed: int

    def pulse_times_s(self, duration_s: float) -> Seconds:
        """Times of the middles of all pulses within a scene of ``duration_s``, ascending, shape (N,).

        Raises:
            ValueError: The emitter sends no pulses.
        """
        if not self.intervals_s:
            msg = f"an emitter of kind {self.kind} sends no pulses"
            raise ValueError(msg)
        turn = np.array(self.intervals_s)
        count = int(duration_s / turn.mean()) + len(turn) + 1
        intervals = np.tile(turn, -(-count // len(turn)))[:count]
        if self.jitter_s:
            intervals = intervals + np.random.default_rng(self.seed).normal(0.0, self.jitter_s, count)
        times = self.phase_s + np.cumsum(intervals) - turn[0]
        return np.asarray(times[(times >= 0.0) & (times < duration_s)])

    def gain(self, time_s: Seconds) -> Seconds:
        """Power gain of the emitter's antenna towards the satellite, 1 in the main beam, in the shape of the times."""
        if not np.isfinite(self.dwell_s):
            return np.ones_like(time_s)
        floor = 10.0 ** (self.side_lobe_db / 10.0)
        if not self.looks_s:
            return np.full_like(time_s, floor)
        looks = np.array(self.looks_s)
        after = np.clip(np.searchsorted(looks, time_s), 1, len(looks) - 1) if len(looks) > 1 else np.zeros(1, int)
        nearest = np.abs(time_s - looks[after])
        if len(looks) > 1:
            nearest = np.minimum(nearest, np.abs(time_s - looks[after - 1]))
        beam = np.exp(-4.0 * np.log(2.0) * (nearest / self.dwell_s) ** 2)  # a Gaussian, half at half the dwell
        return np.asarray(np.maximum(beam, floor))


def draw_emitter(
    rng: np.random.Generator,
    priors: InterferencePriors,
    duration_s: float,
    *,
    kind: str | None = None,
    polarization: str | None = None,
    co_is_vertical: bool = True,
) -> Emitter:
    """Draw an emitter for a scene that lasts ``duration_s``.

    Args:
        rng: Source of randomness.
        priors: What emitters are like.
        duration_s: Time from the first line of the scene to its last.
        kind: One of `KINDS`; drawn if None.
        polarization: "horizontal", "vertical" or "slant"; drawn if None.
        co_is_vertical: True where co-pol is VV and cross-pol VH, False for HH and HV.
    """
    kind = kind or draw_name(rng, {name: prior.share for name, prior in priors.kinds.items()})
    prior = priors.kinds[kind]
    intervals_s, jitter_s = _draw_intervals(rng, priors, prior)
    looks_s, dwell_s = _draw_looks(rng, priors, duration_s)
    return Emitter(
        kind=kind,
        waveform=_draw_waveform(rng, prior),
        intervals_s=intervals_s,
        jitter_s=jitter_s,
        phase_s=float(rng.uniform(0.0, intervals_s[0])) if intervals_s else 0.0,
        looks_s=looks_s,
        dwell_s=dwell_s,
        side_lobe_db=float(rng.uniform(*priors.side_lobe_db)),
        azimuth_s=float(rng.uniform(-0.1, 1.1) * duration_s),
        ground_share=float(rng.uniform(-0.1, 1.1)),
        cross_over_co_db=_draw_horizontal_db(rng, priors, polarization) * (1.0 if co_is_vertical else -1.0),
        edge_rise_db=float(rng.uniform(*priors.edge_rise_db)),
        seed=int(rng.integers(2**31)),
    )


CONTINUOUS_S = 1e-3
"""Stands for the length of an emission without end: longer than any receive window."""


def _draw_waveform(rng: np.random.Generator, prior: WaveformPriors) -> Waveform:
    return Waveform(
        length_s=draw_log_uniform(rng, prior.length_us) * 1e-6 or CONTINUOUS_S,
        offset_hz=float(rng.uniform(*prior.offset_mhz)) * 1e6,
        sweep_hz=draw_log_uniform(rng, prior.sweep_mhz) * 1e6 * float(rng.choice([-1.0, 1.0])),
        deviation_hz=draw_log_uniform(rng, prior.deviation_mhz) * 1e6,
        modulation_hz=draw_log_uniform(rng, prior.modulation_khz) * 1e3,
        noise_hz=draw_log_uniform(rng, prior.noise_mhz) * 1e6,
    )


def _draw_intervals(
    rng: np.random.Generator, priors: InterferencePriors, prior: WaveformPriors
) -> tuple[tuple[float, ...], float]:
    """Intervals of a pulse train and their jitter, in s; none for a continuous emitter."""
    mean_s = draw_log_uniform(rng, prior.interval_us) * 1e-6
    if not mean_s:
        return (), 0.0
    timing = draw_name(rng, priors.timing)
    if timing == "staggered":
        steps = rng.uniform(-0.5, 0.5, int(rng.integers(2, 9))) * priors.stagger
        return tuple(float(mean_s * (1.0 + step)) for step in steps), 0.0
    jitter_s = mean_s * draw_log_uniform(rng, priors.jitter) if timing == "jittered" else 0.0
    return (mean_s,), jitter_s


def _draw_looks(
    rng: np.random.Generator, priors: InterferencePriors, duration_s: float
) -> tuple[tuple[float, ...], float]:
    """When the main beam points this way, and for how long, in s."""
    scan = draw_name(rng, priors.scan)
    if scan == "fixed":
        return (), float("inf")
    if scan == "rotating":
        period_s = draw_log_uniform(rng, priors.rotation_s)
        first_s = rng.uniform(0.0, period_s)
        dwell_s = period_s * float(rng.uniform(*priors.beam_deg)) / 360.0
        return tuple(float(t) for t in np.arange(first_s, duration_s, period_s)), dwell_s
    dwell_s = draw_log_uniform(rng, priors.agile_dwell_ms) * 1e-3
    count = 1 + int(rng.poisson(duration_s / draw_log_uniform(rng, priors.agile_every_s)))
    return tuple(float(t) for t in np.sort(rng.uniform(0.0, duration_s, count))), dwell_s


def _draw_horizontal_db(rng: np.random.Generator, priors: InterferencePriors, polarization: str | None) -> float:
    """Horizontal over vertical power, in dB. VH and HH receive horizontal, for the second letter is the receiver's."""
    polarization = polarization or draw_name(rng, priors.polarization)
    if polarization == "slant":
        tilt = rng.uniform(np.deg2rad(20.0), np.deg2rad(70.0))
    else:
        upright = np.pi / 2 if polarization == "vertical" else 0.0
        tilt = upright + np.deg2rad(rng.normal(0.0, priors.tilt_deg))
    leakage = 10.0 ** (rng.uniform(*priors.leakage_db) / 10.0)
    horizontal, vertical = np.cos(tilt) ** 2 + leakage, np.sin(tilt) ** 2 + leakage
    return float(10.0 * np.log10(horizontal / vertical))
