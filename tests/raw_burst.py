"""Raw bursts, sample by sample, and a processor that focuses them with FFTs: what the closed forms must agree with.

Nothing is taken from the closed forms but the constants of the radar. Left out on both sides: range cell migration
(some 50 m of slant range at the ends of a burst, less than a bin), the antenna's gain within the beam, the window of
the range filter, and looks.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from rfiscan.sentinel1.radar import SubSwath

Real = NDArray[np.float64]
Complex = NDArray[np.complex64]
Integers = NDArray[np.intp]

OVERSAMPLING = 2
"""Of emissions before the receiver's filter, so that nothing out of band folds into it."""


# fast time


def sampling_hz(swath: SubSwath) -> float:
    return 1.15 * swath.bandwidth_hz


def fast_times_s(swath: SubSwath) -> Real:
    """When samples of the receive window are taken, from its opening."""
    return np.arange(round(swath.window_s * sampling_hz(swath))) / sampling_hz(swath)


def emission(
    time_s: Real,
    rng: np.random.Generator,
    *,
    length_s: float,
    offset_hz: float = 0.0,
    sweep_hz: float = 0.0,
    deviation_hz: float = 0.0,
    modulation_hz: float = 0.0,
    noise_hz: float = 0.0,
) -> NDArray[np.complex128]:
    """Complex envelope, at times (evenly spaced) from the middle of the emission; unit power while it is on."""
    carrier = np.exp(2j * np.pi * (offset_hz * time_s + rng.random()))
    if noise_hz:
        white = rng.normal(size=time_s.size) + 1j * rng.normal(size=time_s.size)
        frequency_hz = scipy.fft.fftfreq(time_s.size, time_s[1] - time_s[0])
        noise = scipy.fft.ifft(scipy.fft.fft(white) * (np.abs(frequency_hz) < 0.5 * noise_hz))
        envelope = noise / np.sqrt(np.mean(np.abs(noise) ** 2))
    else:
        turns = 0.5 * sweep_hz / length_s * time_s**2
        if modulation_hz:
            turns = turns + deviation_hz / (2 * np.pi * modulation_hz) * np.sin(2 * np.pi * modulation_hz * time_s)
        envelope = np.exp(2j * np.pi * turns)
    return np.where(np.abs(time_s) <= 0.5 * length_s, envelope * carrier, 0)


def received_line(swath: SubSwath, middle_s: float, rng: np.random.Generator, **waveform: float) -> Complex:
    """One raw line that holds an emission whose middle arrives at a fast time, shape of `fast_times_s`."""
    rate_hz = sampling_hz(swath)
    samples, margin = fast_times_s(swath).size, 128
    count = scipy.fft.next_fast_len(samples + 2 * margin)
    fine_s = (np.arange(count * OVERSAMPLING) / OVERSAMPLING - margin) / rate_hz
    fine = scipy.fft.fft(emission(fine_s - middle_s, rng, **waveform))
    low, high = count // 2, (count + 1) // 2
    filtered = scipy.fft.ifft(np.concatenate((fine[:high], fine[-low:]))) / OVERSAMPLING
    return filtered[margin : margin + samples].astype(np.complex64)


def chirp(swath: SubSwath, time_s: Real) -> NDArray[np.complex128]:
    """The radar's own pulse, at times from its middle."""
    on = np.abs(time_s) <= 0.5 * swath.chirp_length_s
    return np.where(on, np.exp(1j * np.pi * swath.chirp_rate_hz_per_s * time_s**2), 0)


def compress(swath: SubSwath, lines: Complex) -> tuple[Real, Complex]:
    """Correlate raw lines (..., S) with the chirp: fast times of the middles of echoes, and samples there.

    Scaled so that the filter's gain is 1 within the band: what lies there keeps its energy.
    """
    rate_hz = sampling_hz(swath)
    reach = math.ceil(0.5 * swath.chirp_length_s * rate_hz) + 1
    samples = lines.shape[-1]
    length = scipy.fft.next_fast_len(samples + 4 * reach)
    replica = np.zeros(length, complex)
    lags = np.arange(-reach, reach + 1)
    replica[lags] = chirp(swath, lags / rate_hz)
    gain = np.sqrt(swath.chirp_rate_hz_per_s) / rate_hz
    transfer = (np.conj(scipy.fft.fft(replica)) * gain).astype(np.complex64)
    focused = scipy.fft.ifft(scipy.fft.fft(lines, length, axis=-1) * transfer, axis=-1)
    return np.arange(-reach, samples + reach) / rate_hz, np.roll(focused, reach, axis=-1)[..., : samples + 2 * reach]


# slow time


def slow_times_s(swath: SubSwath) -> Real:
    """When the lines of a burst are received, from its middle."""
    count = math.floor(swath.sensing_s * swath.prf_hz) + 1
    return (np.arange(count) - 0.5 * (count - 1)) / swath.prf_hz


def echo_history(swath: SubSwath, zero_doppler_s: float) -> Complex:
    """A target's echo from line to line of a burst: 0 where it is out of the steered beam, PRF wide."""
    slow_s = slow_times_s(swath)
    doppler_hz = -swath.doppler_rate_hz_per_s * (slow_s - zero_doppler_s)
    in_beam = np.abs(doppler_hz - _steering_hz_per_s(swath) * slow_s) < 0.5 * swath.prf_hz
    phase = np.exp(-1j * np.pi * swath.doppler_rate_hz_per_s * (slow_s - zero_doppler_s) ** 2)
    return np.where(in_beam, phase, 0).astype(np.complex64)


def focus(swath: SubSwath, columns: Complex) -> tuple[Real, Complex]:
    """Focus range-compressed columns (C, L) of a burst: zero-Doppler times (Z,) from its middle, and samples (C, Z).

    The steering makes a burst's Doppler span many times the PRF. So: take the steering's ramp out, raise the rate, put
    the ramp back, compress with the targets' Doppler rate, take out the ramp of the targets' Doppler centroids, and
    weight each target's band around its own centroid. Scaled so that a line, and so white noise, keeps its energy.
    """
    steering, rate = _steering_hz_per_s(swath), swath.doppler_rate_hz_per_s
    raised_s, raised = _raise_rate(swath, columns * _ramp(-steering, slow_times_s(swath)))
    reach_s = 0.5 * swath.spread * swath.sensing_s + 0.55 * swath.prf_hz / rate
    step_s = raised_s[1] - raised_s[0]
    length = scipy.fft.next_fast_len(math.ceil(2 * reach_s / step_s))
    first = (length - raised_s.size) // 2
    placed = np.zeros((columns.shape[0], length), np.complex64)
    placed[:, first : first + raised_s.size] = raised * _ramp(steering, raised_s)
    zero_doppler_s = raised_s[0] + (np.arange(length) - first) * step_s
    matched = _ramp(-1.0 / rate, scipy.fft.fftfreq(length, step_s))
    compressed = scipy.fft.ifft(scipy.fft.fft(placed) * matched)
    compressed *= _ramp(-steering * rate / (steering + rate), zero_doppler_s)
    return _weight_band(swath, zero_doppler_s, compressed)


def _steering_hz_per_s(swath: SubSwath) -> float:
    return swath.doppler_rate_hz_per_s * (swath.spread - 1.0)


def _ramp(rate_hz_per_s: float, time_s: Real) -> Complex:
    return np.exp(1j * np.pi * rate_hz_per_s * time_s**2).astype(np.complex64)


def _raise_rate(swath: SubSwath, columns: Complex) -> tuple[Real, Complex]:
    """Interpolate lines by zeros in the middle of their spectrum, to a rate that holds all the Doppler of the burst."""
    span_hz = _steering_hz_per_s(swath) * swath.sensing_s + swath.prf_hz
    factor = math.ceil(span_hz / swath.prf_hz) if swath.spread > 1 else 1
    guard, lines = 32, columns.shape[1]
    count = scipy.fft.next_fast_len(lines + 2 * guard)
    padded = np.zeros((columns.shape[0], count), np.complex64)
    padded[:, guard : guard + lines] = columns
    spectrum = scipy.fft.fft(padded, norm="ortho")
    wide = np.zeros((columns.shape[0], count * factor), np.complex64)
    half = (count + 1) // 2
    wide[:, :half] = spectrum[:, :half]
    wide[:, half - count :] = spectrum[:, half:]
    first_s = slow_times_s(swath)[0] - guard / swath.prf_hz
    return first_s + np.arange(count * factor) / (factor * swath.prf_hz), scipy.fft.ifft(wide, norm="ortho")


def _weight_band(swath: SubSwath, time_s: Real, compressed: Complex) -> tuple[Real, Complex]:
    """Apply the processor's window to what is around zero frequency, and drop the empty rest of the spectrum."""
    band_hz, length_s = swath.azimuth_bandwidth_hz, time_s.size * (time_s[1] - time_s[0])
    count = min(time_s.size, round(1.25 * band_hz * length_s))
    kept = np.arange(count) - count // 2
    position = kept / length_s / band_hz
    window = swath.azimuth_hamming + (1 - swath.azimuth_hamming) * np.cos(2 * np.pi * position)
    window[np.abs(position) > 0.5] = 0
    # a line's spectrum is flat over PRF / alpha here
    share = np.sum(window**2) / length_s * swath.spread / swath.prf_hz
    spectrum = scipy.fft.fft(compressed, norm="ortho")[:, kept] * (window / np.sqrt(share)).astype(np.complex64)
    focused = scipy.fft.ifft(scipy.fft.ifftshift(spectrum, axes=1), norm="ortho")
    return time_s[0] + np.arange(count) * length_s / count, focused


# energies


def binned(samples: Complex, time_s: Real, edges_s: Real) -> Real:
    """Energy of samples (..., S) in bins of their time (ascending, inside), in samples of unit power, (..., W)."""
    step_s = time_s[1] - time_s[0]
    laid = np.cumsum(np.abs(samples.astype(np.complex128)) ** 2, axis=-1)
    laid = np.concatenate((np.zeros((*laid.shape[:-1], 1)), laid), axis=-1)
    borders = (edges_s - time_s[0]) / step_s + 0.5
    whole = np.clip(np.floor(borders).astype(int), 0, laid.shape[-1] - 2)
    part = np.clip(borders - whole, 0, 1)
    return np.diff(laid[..., whole] * (1 - part) + laid[..., whole + 1] * part, axis=-1)


def focused_bins(
    swath: SubSwath, lines: Complex, index: Integers, rows_s: Real, cols_s: Real, *, every: int = 1
) -> Real:
    """Compress raw lines (N, S), the only ones of their burst that are not empty, focus them, and return bins' energy.

    Args:
        swath: The sub-swath that receives.
        lines: Raw lines.
        index: Which lines of the burst they are.
        rows_s: Edges of bins of zero-Doppler time from the middle of the burst.
        cols_s: Edges of bins of fast time.
        every: Of the compressed columns one in so many is focused and stands for all.

    Returns:
        Samples (of azimuth) times samples (of range) of unit power, shape (rows, cols).
    """
    fast_s, compressed = compress(swath, lines)
    inside = np.flatnonzero((fast_s >= cols_s[0]) & (fast_s < cols_s[-1]))[every // 2 :: every]
    columns = np.zeros((inside.size, slow_times_s(swath).size), np.complex64)
    columns[:, index] = compressed[:, inside].T
    zero_doppler_s, focused = focus(swath, columns)
    energy = binned(focused, zero_doppler_s, rows_s)
    into = np.searchsorted(cols_s, fast_s[inside], side="right") - 1
    samples = np.diff(cols_s) * sampling_hz(swath)
    return np.stack([samples[col] * energy[into == col].mean(axis=0) for col in range(samples.size)], axis=1)
