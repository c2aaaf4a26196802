"""RFI-free dual-polarization backscatter at the working spacing, as expected power.

Levels are sigma nought in dB. They follow what GRD quick-looks show: the sea in cross-pol lies under the
instrument's noise, whose floor differs by sub-swath and rises at its edges; land is 4 to 10 dB brighter and rough;
every natural target is brighter in co-pol than in cross-pol.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rfiscan.simulation.fields import Field, fractal_field, quantile_mask
from rfiscan.simulation.geometry import SwathLayout
from rfiscan.simulation.targets import add_targets

# A choice: from the -22 dB that Sentinel-1 is specified to reach in IW and EW, down to what calm sea shows in cross-pol
NOISE_FLOOR_DB = (-30.0, -22.5)
NOISE_CUP_DB = (0.8, 3.5)
"""Rise of the noise floor from the middle of a sub-swath to its edges, times 0.7 to 1.3 in each. A choice."""
LAND_RATIO_DB = (5.0, 9.0)
"""Co-pol over cross-pol of land, before forest and texture: that of vegetation. A choice."""

SURFACES = ("sea", "coast", "islands", "land")
SURFACE_SHARES = (0.26, 0.3, 0.16, 0.28)


def draw_surface(rng: np.random.Generator) -> str:
    """Draw what a scene shows, one of `SURFACES`."""
    return str(rng.choice(SURFACES, p=SURFACE_SHARES))


def draw_background(
    rng: np.random.Generator,
    layout: SwathLayout,
    surface: str | None = None,
    *,
    noise_cup_db: tuple[float, float] = NOISE_CUP_DB,
    land_ratio_db: tuple[float, float] = LAND_RATIO_DB,
) -> NDArray[np.float32]:
    """Draw the expected power of a scene without interference.

    Args:
        rng: Source of randomness.
        layout: Geometry of the scene.
        surface: One of `SURFACES`; drawn if None.
        noise_cup_db: As `NOISE_CUP_DB`.
        land_ratio_db: As `LAND_RATIO_DB`.

    Returns:
        Linear power without speckle, signal plus thermal noise, shape (2, H, W), > 0, co-pol first. Borders are not
        cut out: ``layout.valid_mask()`` says where they are.
    """
    sigma_nought_db = _draw_sea(rng, layout)
    land = _draw_land_mask(rng, layout.shape, surface or draw_surface(rng))
    if land.any():
        sigma_nought_db = np.where(land, _draw_land(rng, layout.shape, land_ratio_db), sigma_nought_db)
    if rng.random() < 0.12:
        sigma_nought_db = _add_ice(rng, sigma_nought_db)
    power = 10.0 ** (sigma_nought_db / 10.0)
    add_targets(rng, power, land)
    noise = draw_noise_floor(rng, layout, noise_cup_db)
    total: NDArray[np.float32] = (power + noise).astype(np.float32)
    return total


def draw_noise_floor(
    rng: np.random.Generator, layout: SwathLayout, noise_cup_db: tuple[float, float] = NOISE_CUP_DB
) -> NDArray[np.float32]:
    """Draw the thermal noise power: a floor per sub-swath, high at its edges, with burst scalloping.

    Returns:
        Linear power, shape (2, H, W). Both polarizations share the shape; their levels differ by under 1 dB.
    """
    height, width = layout.shape
    level_db = rng.uniform(*NOISE_FLOOR_DB)
    fall_db = rng.uniform(0.0, 3.5)  # from one sub-swath to the next towards far range
    cup_db = rng.uniform(*noise_cup_db)
    scallop_db = rng.uniform(0.05, 0.45)
    floor_db = np.full((height, width), level_db, np.float32)
    rows = np.arange(height)[:, None]
    for swath in range(layout.swath_count):
        low, high = layout.edges_px[swath], layout.edges_px[swath + 1]
        first, stop = (int(np.clip(round(e), 0, width)) for e in (low, high))
        if first >= stop:
            continue
        order = swath if layout.near_is_left else layout.swath_count - 1 - swath
        across = 2.0 * (np.arange(first, stop) + 0.5 - low) / (high - low) - 1.0  # -1..1 over the sub-swath
        tilt_db = rng.normal(0.0, 0.4)
        shape_db = cup_db * rng.uniform(0.7, 1.3) * np.abs(across) ** rng.uniform(1.8, 3.5) + tilt_db * across
        step_db = -fall_db * order + rng.normal(0.0, 0.4)
        floor_db[:, first:stop] += (step_db + shape_db)[None, :].astype(np.float32)
        if np.isfinite(layout.burst_px):
            phase = 2.0 * np.pi * (rows / layout.burst_px - layout.burst_phase[swath])
            wave = np.cos(phase) + 0.35 * np.cos(2.0 * phase)
            floor_db[:, first:stop] += np.float32(scallop_db) * wave.astype(np.float32)
    offset_db = rng.normal(0.0, 0.5)
    both_db = np.stack([floor_db, floor_db + np.float32(offset_db)])
    power: NDArray[np.float32] = (10.0 ** (both_db / 10.0)).astype(np.float32)
    return power


def _draw_sea(rng: np.random.Generator, layout: SwathLayout) -> Field:
    """Sea sigma nought in dB, shape (2, H, W): wind texture, streaks, slicks, rain, and the fall with incidence."""
    shape = layout.shape
    wind_db = rng.uniform(0.3, 2.2) * fractal_field(rng, shape, rng.uniform(3.0, 4.2))
    if rng.random() < 0.5:
        streaks = fractal_field(
            rng, shape, 2.5, outer_px=30, stretch=rng.uniform(3, 8), angle_rad=rng.uniform(0, np.pi)
        )
        wind_db += rng.uniform(0.05, 0.35) * streaks
    if rng.random() < 0.35:  # slicks and calm: dark with sharp edges
        calm = quantile_mask(fractal_field(rng, shape, rng.uniform(2.6, 3.4)), rng.uniform(0.01, 0.2))
        wind_db = np.where(calm, wind_db - rng.uniform(1.5, 6.0), wind_db)
    if rng.random() < 0.3:  # rain cells and fronts: bright in both polarizations
        cells = np.maximum(fractal_field(rng, shape, rng.uniform(2.2, 3.2), outer_px=80) - rng.uniform(1.2, 2.2), 0)
        wind_db += rng.uniform(2.0, 5.0) * cells
    fall_db = -rng.uniform(3.0, 10.0) * layout.range_fraction()[None, :]
    co_db = rng.uniform(-17.0, -5.0) + fall_db + wind_db
    cross_db = rng.uniform(-38.0, -24.0) + 0.4 * fall_db + rng.uniform(0.5, 1.3) * wind_db
    return np.stack([co_db, np.minimum(cross_db, co_db - 5.0)]).astype(np.float32)


def _draw_land_mask(rng: np.random.Generator, shape: tuple[int, int], surface: str) -> NDArray[np.bool_]:
    """Draw where there is land, shape (H, W)."""
    if surface == "sea":
        return np.zeros(shape, bool)
    if surface == "coast":
        return quantile_mask(fractal_field(rng, shape, rng.uniform(2.8, 3.8), outer_px=800), rng.uniform(0.05, 0.85))
    if surface == "islands":
        field = fractal_field(rng, shape, rng.uniform(2.4, 3.4), outer_px=rng.uniform(30, 120))
        return quantile_mask(field, 10 ** rng.uniform(-3.5, -1.3))
    lakes = quantile_mask(fractal_field(rng, shape, rng.uniform(2.4, 3.2), outer_px=60), rng.uniform(-0.03, 0.03))
    return ~lakes


def _draw_land(rng: np.random.Generator, shape: tuple[int, int], land_ratio_db: tuple[float, float]) -> Field:
    """Land sigma nought in dB, shape (2, H, W): regions, fields, forest patches and relief."""
    region_db = rng.uniform(0.4, 1.5) * fractal_field(rng, shape, rng.uniform(2.5, 3.5))
    rough_db = rng.uniform(0.4, 1.1) * fractal_field(rng, shape, rng.uniform(0.6, 1.8), outer_px=60)
    co_db = rng.uniform(-12.0, -5.0) + region_db + rough_db
    ratio_db = rng.uniform(*land_ratio_db) - rng.uniform(0.2, 0.8) * fractal_field(rng, shape, rng.uniform(1.2, 2.6))
    if rng.random() < 0.5:  # forest: brighter in cross-pol, with sharp edges
        forest = quantile_mask(fractal_field(rng, shape, rng.uniform(1.8, 2.8), outer_px=80), rng.uniform(0.1, 0.6))
        ratio_db = np.where(forest, ratio_db - rng.uniform(0.5, 3.0), ratio_db)
    if rng.random() < 0.5:  # relief: slopes that face the radar are bright, the others dark, in both polarizations
        where = np.clip(fractal_field(rng, shape, 3.2) + rng.uniform(-0.8, 0.8), 0.0, 1.5)
        ridges = np.diff(fractal_field(rng, shape, rng.uniform(2.8, 3.6), outer_px=50), axis=1, append=0.0)
        ridges[:, -1] = 0.0
        co_db = co_db + rng.uniform(0.8, 3.0) * where * np.clip(ridges / max(float(ridges.std()), 1e-6), -3.0, 3.5)
    return np.stack([co_db, co_db - np.maximum(ratio_db, 3.0)]).astype(np.float32)


def _add_ice(rng: np.random.Generator, sigma_nought_db: Field) -> Field:
    """Lay ice caps or glaciers over a scene: smooth, very bright, sharp-edged; shape (2, H, W)."""
    field = fractal_field(rng, sigma_nought_db.shape[1:], rng.uniform(3.2, 4.2), outer_px=150)
    caps = quantile_mask(field, rng.uniform(0.005, 0.15))
    level_db = rng.uniform(-4.0, 3.0) + rng.uniform(0.2, 1.0) * fractal_field(rng, field.shape, 2.5)
    ice_db = np.stack([level_db, level_db - rng.uniform(3.0, 6.0)])
    return np.where(caps, ice_db, sigma_nought_db).astype(np.float32)
