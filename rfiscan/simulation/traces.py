"""Where an emitter's power lands in a focused scene: every pulse, in every burst that is open when it arrives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.sentinel1.radar import (
    ANTENNA_HEIGHT_M,
    ANTENNA_LENGTH_M,
    GROUND_SPEED_M_PER_S,
    LIGHT_M_PER_S,
    WAVELENGTH_M,
    SubSwath,
    ground_range_m,
    look_angle_rad,
    slant_range_s,
)
from rfiscan.simulation.emitters import Emitter
from rfiscan.simulation.focusing import Samples, azimuth_energy, interference_to_noise, range_energy
from rfiscan.simulation.geometry import SwathLayout

FLOOR_AZIMUTH, FLOOR_ELEVATION = 1e-4, 10.0**-2.2
"""Levels under which the receiving antenna's side lobes do not fall, one way: a choice."""
NEGLIGIBLE = 10.0**-3.5
"""Pulses weaker than this, against the emitter's strongest, are left out."""
CHUNK = 1024
"""Pulses that are followed at once: a bound on memory."""
LINES = 400
"""Lines of a burst that a carrier is followed through: of more, every second, third, ... stands for its neighbours, for
it lands on all columns in each of them. No pulse is left out: dashes depend on every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What one emitter leaves in one burst of one sub-swath.

    Attributes:
        swath: Index of the sub-swath, from the left of the scene.
        rows: Rows of the scene that it covers.
        cols: Columns that it covers.
        ratio: Interference over receiver noise, for an emitter that the receiving antenna's main beam would receive at
            the power of the noise; shape (rows, cols), >= 0.
    """

    swath: int
    rows: slice
    cols: slice
    ratio: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Burst:
    """One burst of one sub-swath, as it meets an emitter.

    Attributes:
        index: Of the sub-swath, from the left.
        swath: Its constants.
        middle_s: Time of its middle, from the first row of the scene.
        rows: Rows of the scene that it fills.
        times_s: When emissions arrive, shape (N,).
        weights: Their power, shape (N,), against that of the main beams.
    """

    index: int
    swath: SubSwath
    middle_s: float
    rows: slice
    times_s: Samples
    weights: Samples


def trace_emitter(emitter: Emitter, layout: SwathLayout, spacing_m: float) -> list[Trace]:
    """Follow the emissions of an emitter into a scene.

    Args:
        emitter: The emitter.
        layout: Sub-swaths, bursts and borders of the scene.
        spacing_m: Pixel spacing along azimuth (rows) in metres. Across, the columns of a sub-swath span its nominal
            slant range.
    """
    row_s = spacing_m / GROUND_SPEED_M_PER_S
    bursts = _meet(emitter, layout, row_s)
    strongest = max((float(burst.weights.max()) for burst in bursts if burst.weights.size), default=0.0)
    traces = []
    for burst in bursts:
        kept = np.flatnonzero(burst.weights > NEGLIGIBLE * strongest)
        first, stop = layout.swath_columns(burst.index)
        if kept.size and first < stop:
            stride = 1 if emitter.intervals_s else -(-kept.size // LINES)
            chunks = np.split(kept[::stride], range(CHUNK, -(-kept.size // stride), CHUNK))
            ratio = np.sum([_focus(emitter, layout, burst, chunk, row_s) for chunk in chunks], axis=0) * stride
            traces.append(Trace(swath=burst.index, rows=burst.rows, cols=slice(first, stop), ratio=ratio))
    return traces


def _meet(emitter: Emitter, layout: SwathLayout, row_s: float) -> list[_Burst]:
    """All bursts of a scene, with the emissions that arrive while each is open."""
    duration_s = layout.shape[0] * row_s
    sent_s = emitter.pulse_times_s(duration_s) if emitter.intervals_s else None
    bursts = []
    for index in range(layout.swath_count):
        swath = layout.radar(index)
        for first, stop in layout.bursts(index):
            middle_s = 0.5 * (first + stop) * row_s
            half_s = 0.5 * min(swath.sensing_s, (stop - first) * row_s)
            if sent_s is None:  # each line hears it
                times_s = np.arange(middle_s - half_s, middle_s + half_s, 1.0 / swath.prf_hz)
            else:
                low, high = np.searchsorted(sent_s, (middle_s - half_s, middle_s + half_s))
                times_s = sent_s[low:high]
            rows = slice(max(round(first), layout.first_row[index]), min(round(stop), layout.last_row[index]))
            if rows.start < rows.stop:
                weights = emitter.gain(times_s) * _receiving_gain(emitter, layout, swath, middle_s, times_s)
                bursts.append(
                    _Burst(index=index, swath=swath, middle_s=middle_s, rows=rows, times_s=times_s, weights=weights)
                )
    return bursts


def _receiving_gain(
    emitter: Emitter, layout: SwathLayout, swath: SubSwath, middle_s: float, times_s: Samples
) -> Samples:
    """One-way gain of the receiving antenna towards an emitter, 1 in the middle of the main beam, shape (N,).

    The pattern of a uniform aperture, sinc^2(length / wavelength sin(angle)), in azimuth and in elevation. In azimuth
    the beam points where the lines of that moment are focused.
    """
    near_m, far_m = ground_range_m(np.array(layout.slant_span_s))
    two_way_s = slant_range_s(np.asarray(near_m + emitter.ground_share * (far_m - near_m)))
    distance_m = 0.5 * LIGHT_M_PER_S * float(two_way_s)
    points_at_s = middle_s + swath.spread * (times_s - middle_s)
    angle_rad = (points_at_s - emitter.azimuth_s) * GROUND_SPEED_M_PER_S / distance_m
    azimuth = np.maximum(np.sinc(ANTENNA_LENGTH_M / WAVELENGTH_M * angle_rad) ** 2, FLOOR_AZIMUTH)
    off_rad = float(look_angle_rad(two_way_s) - look_angle_rad(np.asarray(np.mean(swath.slant_range_s))))
    return np.asarray(azimuth * max(float(np.sinc(ANTENNA_HEIGHT_M / WAVELENGTH_M * off_rad)) ** 2, FLOOR_ELEVATION))


def _focus(
    emitter: Emitter, layout: SwathLayout, burst: _Burst, kept: NDArray[np.intp], row_s: float
) -> NDArray[np.float64]:
    """Focus emissions of one burst: interference over noise, shape (rows, cols)."""
    swath = burst.swath
    slow_s = burst.times_s[kept] - burst.middle_s
    row_edges_s = np.arange(burst.rows.start, burst.rows.stop + 1) * row_s - burst.middle_s
    edges_s = layout.fast_time_s(burst.index)
    backwards = bool(edges_s[-1] < edges_s[0])
    if backwards:
        edges_s = edges_s[::-1]
    if emitter.intervals_s:
        opened_s = burst.middle_s - 0.5 * swath.sensing_s if np.isfinite(swath.sensing_s) else 0.0
        arrives_s = (burst.times_s[kept] - opened_s) % (1.0 / swath.prf_hz)
        # what begins at the end of one line ends at the beginning of the next
        in_range = range_energy(swath, emitter.waveform, arrives_s, edges_s)
        late = arrives_s > 1.0 / swath.prf_hz - emitter.waveform.length_s - swath.chirp_length_s
        in_range[late] += range_energy(swath, emitter.waveform, arrives_s[late] - 1.0 / swath.prf_hz, edges_s)
    else:
        one = range_energy(swath, emitter.waveform, np.array([0.5 * swath.window_s]), edges_s)
        in_range = np.broadcast_to(one, (kept.size, one.shape[1]))
    azimuth = azimuth_energy(swath, slow_s, row_edges_s)
    ratio = interference_to_noise(swath, burst.weights[kept], azimuth, in_range, (row_s, np.diff(edges_s)))
    half_s = 0.5 * (swath.slant_range_s[1] - swath.slant_range_s[0])
    across = (0.5 * (edges_s[1:] + edges_s[:-1]) - 0.5 * swath.window_s) / half_s
    ratio *= 10.0 ** (emitter.edge_rise_db * across**2 / 10.0)
    return ratio[:, ::-1] if backwards else ratio
