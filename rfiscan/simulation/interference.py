"""Interference in power, drawn from the geometry that published surveys of Sentinel-1 quick-looks give.

This is the seam for a signal-level model: whatever draws interference returns an `Interference`, and the scene
composer adds its power to the background's. Here each emitter's trace is shaped directly on the working grid: a
row profile (the azimuth footprint of the matched filter, convolved with the emitter's dwell and cut at the burst), a
column pattern (continuous, dashed, blocks) inside one sub-swath, and a share for each polarization.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.simulation.fields import Field, fractal_field
from rfiscan.simulation.geometry import SwathLayout

KINDS = ("continuous", "dashed_periodic", "dashed_random", "block", "slanted", "haze")
KIND_SHARES = (0.26, 0.22, 0.14, 0.18, 0.1, 0.1)

FOOTPRINT_M = (3050.0, 4360.0)
"""Height on ground of one pulse's trace: 4.05, 3.05, 4.36 km in IW1, IW2, IW3, that is B_p alpha / K_a times the ground
speed, with B_p the processed azimuth bandwidth (annotation: 327, 313, 314 Hz), K_a the Doppler rate and alpha the TOPS
steering factor (De Zan and Monti Guarnieri 2006, TOPSAR, IEEE TGRS 44(9))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitter:
    """One interferer's trace in a scene.

    Attributes:
        kind: One of `KINDS`.
        swath: Index of the sub-swath, from the left.
        bbox_px: (x, y, width, height) that holds the trace.
        peak_ibr_db: Largest ratio of interference to background power, over both polarizations, in dB.
        cross_over_co_db: Ratio of the interference power in cross-pol to that in co-pol, in dB.
    """

    kind: str
    swath: int
    bbox_px: tuple[int, int, int, int]
    peak_ibr_db: float
    cross_over_co_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interference:
    """All interference of a scene.

    Attributes:
        power: Linear power on the scale of the background, shape (2, H, W), >= 0.
        emitters: What made it.
    """

    power: NDArray[np.float32]
    emitters: tuple[Emitter, ...]


def draw_interference(
    rng: np.random.Generator,
    layout: SwathLayout,
    background: NDArray[np.float32],
    *,
    count: int | None = None,
    spacing_m: float = 500.0,
    ibr_db: tuple[float, float] = (-3.0, 20.0),
) -> Interference:
    """Draw the interference of a scene.

    Args:
        rng: Source of randomness.
        layout: Geometry of the scene.
        background: Linear power without interference, shape (2, H, W), > 0.
        count: Number of emitters; drawn with the published mean of 2.98 a contaminated scene if None.
        spacing_m: Pixel spacing in metres.
        ibr_db: Range of the ratio of interference to background power at the trace's strongest, in dB.
    """
    power = np.zeros(background.shape, np.float32)
    emitters = []
    for _ in range(1 + int(rng.poisson(1.98)) if count is None else count):
        emitter = _add_emitter(rng, layout, background, power, spacing_m, ibr_db)
        if emitter is not None:
            emitters.append(emitter)
    power *= layout.valid_mask()
    return Interference(power=power, emitters=tuple(emitters))


def _add_emitter(
    rng: np.random.Generator,
    layout: SwathLayout,
    background: NDArray[np.float32],
    power: NDArray[np.float32],
    spacing_m: float,
    ibr_db: tuple[float, float],
) -> Emitter | None:
    """Draw one emitter and add its trace to ``power`` in place; None where its sub-swath is not in the scene."""
    swath = int(rng.integers(layout.swath_count))
    first, stop = layout.swath_columns(swath)
    top, bottom = layout.first_row[swath], layout.last_row[swath]
    if stop - first < 12 or bottom - top < 12:
        return None
    kind = str(rng.choice(KINDS, p=KIND_SHARES))
    row = rng.uniform(top, bottom)
    profile = _row_profile(rng, layout, swath, row, kind, spacing_m)
    pattern = _column_pattern(rng, kind, stop - first)
    trace = profile[:, None] * pattern[None, :]
    if kind == "slanted":
        trace = _shear(trace, rng.uniform(-0.25, 0.25))
    trace *= _gain(rng, trace.shape)
    trace[:top] = 0.0
    trace[bottom:] = 0.0
    peak = float(trace.max())
    if peak <= 0.0:
        return None
    trace /= peak
    cross_over_co_db = _draw_polarization_db(rng)
    share = np.array([1.0, 10.0 ** (cross_over_co_db / 10.0)], np.float32)
    level = np.median(background[:, top:bottom, first:stop].reshape(2, -1), axis=1)
    target_db = rng.uniform(*ibr_db)
    scale = 10.0 ** (target_db / 10.0) / float((share / level).max())
    power[:, :, first:stop] += (scale * share)[:, None, None] * trace
    rows, cols = (np.flatnonzero((trace > 0.1).any(axis=axis)) for axis in (1, 0))
    bbox = (first + int(cols[0]), int(rows[0]), int(cols[-1] - cols[0] + 1), int(rows[-1] - rows[0] + 1))
    return Emitter(
        kind=kind, swath=swath, bbox_px=bbox, peak_ibr_db=float(target_db), cross_over_co_db=cross_over_co_db
    )


def _draw_polarization_db(rng: np.random.Generator) -> float:
    """Cross-pol over co-pol power in dB, set by the emitter's polarization: mostly horizontal, -25 dB leakage."""
    kind = rng.choice(["cross", "mixed", "co"], p=[0.5, 0.35, 0.15])
    low, high = {"cross": (8.0, 25.0), "mixed": (-8.0, 8.0), "co": (-25.0, -8.0)}[str(kind)]
    return float(rng.uniform(low, high))


def _row_profile(
    rng: np.random.Generator, layout: SwathLayout, swath: int, row: float, kind: str, spacing_m: float
) -> NDArray[np.float32]:
    """Relative power along the rows, shape (H,): footprint of one pulse, dwell, burst; peak about 1."""
    rows = np.arange(layout.shape[0]) + 0.5
    half = 0.5 * rng.uniform(*FOOTPRINT_M) / spacing_m
    dwell = 0.0 if rng.random() < 0.55 else min(10 ** rng.uniform(-0.3, 1.6), 60.0)
    if kind == "haze":
        half, dwell = rng.uniform(8.0, 30.0), rng.uniform(5.0, 60.0)
    distance = np.maximum(np.abs(rows - row) - 0.5 * dwell, 0.0)
    profile = np.cos(0.5 * np.pi * np.minimum(distance / half, 1.0)) ** rng.uniform(0.8, 2.0)
    burst_first, burst_stop = layout.burst_of_row(swath, row)
    if kind != "haze" or rng.random() < 0.5:
        profile = np.where((rows >= burst_first) & (rows < burst_stop), profile, 0.0)
    relative: NDArray[np.float32] = profile.astype(np.float32)
    return relative


def _column_pattern(rng: np.random.Generator, kind: str, width: int) -> NDArray[np.float32]:
    """Relative power along the columns of a sub-swath, shape (width,), 0..1."""
    cols = np.arange(width) + 0.5
    if kind in ("continuous", "slanted", "haze"):
        length = width if rng.random() < 0.6 else rng.uniform(0.2, 1.0) * width
        start = rng.uniform(0.0, width - length)
        on = (cols >= start) & (cols < start + length)
        if kind == "slanted" and rng.random() < 0.5:
            on &= (cols % rng.uniform(8.0, 30.0)) < rng.uniform(4.0, 12.0)
    elif kind == "dashed_periodic":
        period = rng.uniform(6.0, 50.0)
        on = ((cols - rng.uniform(0.0, period)) % period) < max(rng.uniform(0.2, 0.8) * period, 2.0)
        length = rng.uniform(0.25, 1.0) * width
        start = rng.uniform(0.0, width - length)
        on &= (cols >= start) & (cols < start + length)
    elif kind == "dashed_random":
        on = np.zeros(width, bool)
        for _ in range(int(rng.integers(3, 16))):
            start = rng.uniform(0.0, width)
            on |= (cols >= start) & (cols < start + rng.uniform(3.0, 22.0))
    else:
        length = min(rng.uniform(5.0, 20.0), width)
        start = rng.uniform(0.0, width - length)
        on = (cols >= start) & (cols < start + length)
    soft = np.convolve(np.pad(on.astype(np.float32), 1, mode="edge"), [0.2, 0.6, 0.2], mode="valid")
    return soft.astype(np.float32)


def _gain(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Slow variation along the trace: antenna patterns of both radars; linear power, shape (H, W)."""
    along_db = rng.uniform(0.2, 2.0) * fractal_field(rng, (1, shape[1]), 2.0, outer_px=40)
    gain: Field = np.asarray(10.0 ** (along_db / 10.0), np.float32)
    return gain


def _shear(trace: NDArray[np.float32], slope: float) -> NDArray[np.float32]:
    """Shift each column down by ``slope`` times its distance from the middle; what leaves the scene is lost."""
    height, width = trace.shape
    shift = np.round(slope * (np.arange(width) - width / 2)).astype(int)
    rows = np.arange(height)[:, None] - shift[None, :]
    inside = (rows >= 0) & (rows < height)
    moved = np.take_along_axis(trace, np.clip(rows, 0, height - 1), axis=0)
    return np.where(inside, moved, np.float32(0.0))
