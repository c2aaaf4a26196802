"""What interferers are like: the distributions that emitters are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformPriors:
    """Distribution of the waveforms of one kind of emitter. Spans are (low, high).

    Attributes:
        share: Share of emitters of this kind, > 0; shares need not add up to 1.
        length_us: Length of a pulse, log-uniform; (0, 0) for an emission without pulses.
        interval_us: Mean pulse repetition interval, log-uniform; (0, 0) for an emission without pulses.
        offset_mhz: Carrier less the radar's, uniform.
        sweep_mhz: Magnitude of a linear sweep, log-uniform; either sign is as likely. (0, 0) for none.
        deviation_mhz: Amplitude of a sinusoidal modulation of the frequency, log-uniform; (0, 0) for none.
        modulation_khz: Frequency of that modulation, log-uniform.
        noise_mhz: Bandwidth of noise, log-uniform; (0, 0) for none.
    """

    share: float
    offset_mhz: Span
    length_us: Span = (0.0, 0.0)
    interval_us: Span = (0.0, 0.0)
    sweep_mhz: Span = (0.0, 0.0)
    deviation_mhz: Span = (0.0, 0.0)
    modulation_khz: Span = (0.0, 0.0)
    noise_mhz: Span = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterferencePriors:
    """Distributions of all that is drawn for an emitter.

    Attributes:
        kinds: Waveforms by kind of emitter.
        mean_emitters: Mean number of emitters of a contaminated scene, >= 1: one, and a Poisson number of others.
        timing: Shares of pulse trains that are "fixed", "staggered" and "jittered".
        stagger: Largest difference between the intervals of a staggered train, as a share of their mean.
        jitter: Standard deviation of a jittered interval, as a share of the mean; log-uniform.
        scan: Shares of antennas that are "rotating", "agile" (look this way now and then) and "fixed".
        rotation_s: Period of a rotating antenna, log-uniform.
        beam_deg: Width of its main beam between the 3 dB points, uniform.
        agile_dwell_ms: Time that an agile antenna looks this way, log-uniform.
        agile_every_s: Mean time between such looks, log-uniform.
        side_lobe_db: Level of the emitter's side lobes against its main beam, uniform.
        polarization: Shares of emitters that are "horizontal", "vertical" and "slant" (any angle, or circular).
        tilt_deg: Standard deviation of the tilt of the first two.
        leakage_db: Power that leaks into the other channel, uniform.
        edge_rise_db: Rise of focused interference from the middle of a sub-swath to its edges, where the processor
            makes up for the receiving antenna; uniform.
        ibr_db: Ratio of interference to background where the scene's strongest stripe is strong, uniform.
        weaker_db: Mean by which the other emitters of a scene are weaker; exponential.
    """

    kinds: Mapping[str, WaveformPriors]
    mean_emitters: float
    timing: Mapping[str, float]
    stagger: float
    jitter: Span
    scan: Mapping[str, float]
    rotation_s: Span
    beam_deg: Span
    agile_dwell_ms: Span
    agile_every_s: Span
    side_lobe_db: Span
    polarization: Mapping[str, float]
    tilt_deg: float
    leakage_db: Span
    edge_rise_db: Span
    ibr_db: Span
    weaker_db: float


def draw_log_uniform(rng: np.random.Generator, span: Span) -> float:
    """Draw from a log-uniform distribution; 0 where the span is (0, 0)."""
    low, high = span
    return float(np.exp(rng.uniform(np.log(low), np.log(high)))) if low > 0.0 else 0.0


def draw_name(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """Draw a name by its share; shares need not add up to 1."""
    names = list(shares)
    weights = np.array([shares[name] for name in names], float)
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]
