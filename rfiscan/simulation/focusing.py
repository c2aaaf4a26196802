"""What the Sentinel-1 processor makes of an emission that is not its own echo: closed forms, in power.

Range compression is a filter matched to the sub-swath's chirp: it delays a frequency f by -f / K_s. A signal whose
frequency changes slowly is therefore laid down at u(t) = t - f(t) / K_s (stationary phase). A pulse of constant
frequency stays as long as it was; a linear sweep B_i changes its length from T_i to |T_i - B_i / K_s|; of noise, every
frequency is delayed by its own time.

Azimuth focusing lays a raw line of a TOPS burst, at slow time h from the burst's middle, down around the zero-Doppler
time alpha h, over B_p alpha / K_a, with the square of the processor's Hamming window as its profile.

Both are checked in the tests against raw bursts that are focused with FFTs. They hold for pulses of 1 us and more, and
for emissions whose phases are unrelated from line to line: a carrier that stays coherent over a dwell would focus into
one or two rows.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.sentinel1.radar import SubSwath

Samples = NDArray[np.float64]

SAMPLES = 512
"""Bins of the trace of one emission, and points at which noise and the azimuth window are followed."""
FOLLOWED = 16 * SAMPLES
"""Points at which an emission's frequency is followed: with one a bin of its trace, some would hold two or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform:
    """One emission of constant amplitude.

    Attributes:
        length_s: Duration, > 0.
        offset_hz: Its centre frequency less the radar's.
        sweep_hz: Change of frequency from its beginning to its end; negative for a down-chirp.
        deviation_hz: Amplitude of a sinusoidal modulation of the frequency, >= 0.
        modulation_hz: Frequency of that modulation.
        noise_hz: Bandwidth of the white noise that replaces the carrier; 0 for none.
    """

    length_s: float
    offset_hz: float = 0.0
    sweep_hz: float = 0.0
    deviation_hz: float = 0.0
    modulation_hz: float = 0.0
    noise_hz: float = 0.0

    def frequency_hz(self, time_s: Samples) -> Samples:
        """Frequency less the radar's, at times from the middle of the emission, in Hz; of noise its centre."""
        swept = self.offset_hz + self.sweep_hz * time_s / self.length_s
        return swept + self.deviation_hz * np.cos(2.0 * np.pi * self.modulation_hz * time_s)


def range_energy(swath: SubSwath, waveform: Waveform, middles_s: Samples, edges_s: Samples) -> Samples:
    """Energy that range compression lays down in bins of fast time.

    Args:
        swath: The sub-swath that receives.
        waveform: The emission.
        middles_s: Fast time at which the middle of each emission arrives, shape (N,), 0 where the receive window opens.
        edges_s: Edges of the bins, ascending, shape (W + 1,); a target's fast time is that of the middle of its echo.

    Returns:
        Seconds of unit power, shape (N, W). What the receiver's band or window does not hold is lost.
    """
    time_s, energy_s = _spread_of(swath, waveform)
    laid_s = np.concatenate(([0.0], np.cumsum(energy_s)))
    # what arrives outside the receive window was not recorded; one frequency stands for all of the emission
    delay_s = 0.0 if waveform.noise_hz else -waveform.offset_hz / swath.chirp_rate_hz_per_s
    recorded_s = np.clip(edges_s, delay_s, swath.window_s + delay_s)
    cumulative = np.interp(recorded_s[None, :] - middles_s[:, None], time_s, laid_s)
    return np.diff(cumulative, axis=1)


@functools.lru_cache(maxsize=64)
def _spread_of(swath: SubSwath, waveform: Waveform) -> tuple[Samples, Samples]:
    """Where an emission at fast time 0 is laid down: edges of bins, shape (K + 1,), and their energy (K,), in s."""
    points = SAMPLES if waveform.noise_hz else FOLLOWED
    step_s = waveform.length_s / points
    share = np.asarray((np.arange(points) + 0.5) / points - 0.5, np.float64)
    time_s = waveform.length_s * share
    half_band_hz = 0.5 * swath.bandwidth_hz
    if waveform.noise_hz:
        half_noise_hz = 0.5 * waveform.noise_hz
        band_hz = waveform.offset_hz + np.linspace(-half_noise_hz, half_noise_hz, SAMPLES)
        passed_hz = band_hz[np.abs(band_hz) < half_band_hz]
        lands_s = (time_s[:, None] - passed_hz[None, ::8] / swath.chirp_rate_hz_per_s).ravel()
        energy_s = np.full(lands_s.size, waveform.length_s * passed_hz.size / SAMPLES / max(lands_s.size, 1))
    else:
        frequency_hz = waveform.frequency_hz(time_s)
        received = np.abs(frequency_hz) < half_band_hz
        lands_s = (time_s - frequency_hz / swath.chirp_rate_hz_per_s)[received]
        energy_s = np.full(lands_s.size, step_s)
    if not lands_s.size:
        return np.array([0.0, 1.0]), np.zeros(1)
    # never sharper than the resolution of a compressed pulse
    margin_s = max(0.5 / swath.bandwidth_hz, step_s)
    edges_s = np.linspace(lands_s.min() - margin_s, lands_s.max() + margin_s, SAMPLES + 1)
    return edges_s, np.histogram(lands_s, edges_s, weights=energy_s)[0]


def azimuth_energy(swath: SubSwath, slow_s: Samples, edges_s: Samples) -> Samples:
    """Share of raw lines' energy that azimuth focusing lays down in bins of zero-Doppler time.

    Args:
        swath: The sub-swath that receives.
        slow_s: Slow time of each line from the middle of its burst, shape (N,).
        edges_s: Edges of the bins, ascending, shape (H + 1,), zero-Doppler time from the middle of the burst.

    Returns:
        0..1, shape (N, H).
    """
    along = np.linspace(-0.5, 0.5, SAMPLES + 1)
    window = swath.azimuth_hamming + (1.0 - swath.azimuth_hamming) * np.cos(2.0 * np.pi * along)
    laid = np.concatenate(([0.0], np.cumsum(0.5 * (window[1:] ** 2 + window[:-1] ** 2))))
    position = (edges_s[None, :] - swath.spread * slow_s[:, None]) / swath.footprint_s
    return np.diff(np.interp(position, along, laid / laid[-1]), axis=1)


def interference_to_noise(
    swath: SubSwath, weights: Samples, azimuth: Samples, in_range: Samples, bin_s: tuple[float, Samples]
) -> Samples:
    """Focused interference over focused receiver noise, for emissions of unit power in units of the noise before.

    Noise of unit power before focusing has, per second of zero-Doppler time and of fast time, the energy of
    PRF / alpha lines: a carrier of the power of the noise, always on, comes out at 1.

    Args:
        swath: The sub-swath that receives.
        weights: Power of each emission, shape (N,).
        azimuth: From `azimuth_energy`, shape (N, H).
        in_range: From `range_energy`, shape (N, W).
        bin_s: Length of the bins of zero-Doppler time, and of fast time, the latter of shape (W,).

    Returns:
        Shape (H, W), >= 0.
    """
    lines = swath.prf_hz / swath.spread * bin_s[0]
    return np.asarray((azimuth * weights[:, None]).T @ in_range / (lines * bin_s[1]))
