"""Bright natural and man-made targets that are no interference: ships, towns, structures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CO_OVER_CROSS_DB = (4.0, 12.0)
"""How much stronger a target answers in co-pol than in cross-pol, in dB: a choice, wide on purpose, unmeasured."""


def add_targets(rng: np.random.Generator, power: NDArray[np.floating], land: NDArray[np.bool_]) -> None:
    """Add ships, towns and line-shaped structures to a scene, in place.

    Args:
        rng: Source of randomness.
        power: Linear sigma nought, shape (2, H, W), co-pol first.
        land: True on land, shape (H, W).
    """
    if (~land).mean() > 0.05 and rng.random() < 0.7:
        _add_points(rng, power, ~land, count=int(rng.integers(1, 40)), peak_db=(-8.0, 8.0), side_lobes=True)
    if land.mean() > 0.02:
        for _ in range(int(rng.integers(0, 8))):
            _add_town(rng, power, land)
        _add_points(rng, power, land, count=int(rng.integers(0, 120)), peak_db=(-5.0, 5.0), side_lobes=False)
    if rng.random() < 0.2:
        for _ in range(int(rng.integers(1, 5))):
            _add_structure(rng, power)


def _both_polarizations(rng: np.random.Generator, co_power: NDArray[np.floating]) -> NDArray[np.floating]:
    """A target's answer in both polarizations, shape (2, ...)."""
    ratio = 10.0 ** (-rng.uniform(*CO_OVER_CROSS_DB, size=co_power.shape) / 10.0)
    return np.stack([co_power, co_power * ratio])


def _accumulate(
    power: NDArray[np.floating], rows: NDArray[np.intp], cols: NDArray[np.intp], answer: NDArray[np.floating]
) -> None:
    """Add answers, shape (2, K), at K pixels in place; a pixel may be named more than once."""
    for channel, values in zip(power, answer, strict=True):
        np.add.at(channel, (rows, cols), values)


def _add_points(
    rng: np.random.Generator,
    power: NDArray[np.floating],
    where: NDArray[np.bool_],
    *,
    count: int,
    peak_db: tuple[float, float],
    side_lobes: bool,
) -> None:
    """Add point targets of one pixel, some with side lobes along a row and a column."""
    rows, cols = np.nonzero(where)
    if not rows.size or not count:
        return
    pick = rng.integers(0, rows.size, count)
    r, c = rows[pick], cols[pick]
    answer = _both_polarizations(rng, 10.0 ** (rng.uniform(*peak_db, count) / 10.0))
    _accumulate(power, r, c, answer)
    height, width = where.shape
    for axis_row, axis_col in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        spill = rng.uniform(0.0, 0.5, count)  # a target seldom lies in the middle of its pixel
        if side_lobes:
            spill = np.maximum(spill, 0.03)
        rr, cc = np.clip(r + axis_row, 0, height - 1), np.clip(c + axis_col, 0, width - 1)
        _accumulate(power, rr, cc, answer * spill)


def _add_town(rng: np.random.Generator, power: NDArray[np.floating], land: NDArray[np.bool_]) -> None:
    """Add a cluster of bright pixels that thins out from its centre."""
    rows, cols = np.nonzero(land)
    centre = int(rng.integers(0, rows.size))
    size_px = 10 ** rng.uniform(0.2, 1.1)
    count = int(min(6.0 * size_px**2, 1500))
    r = np.round(rows[centre] + rng.normal(0, size_px, count) * rng.uniform(0.5, 1.0)).astype(int)
    c = np.round(cols[centre] + rng.normal(0, size_px, count)).astype(int)
    inside = (r >= 0) & (r < land.shape[0]) & (c >= 0) & (c < land.shape[1])
    r, c = r[inside], c[inside]
    level_db = rng.uniform(-9.0, 1.0) + rng.exponential(2.0, r.size)
    answer = _both_polarizations(rng, 10.0 ** (level_db / 10.0))
    _accumulate(power, r, c, answer * land[r, c])


def _add_structure(rng: np.random.Generator, power: NDArray[np.floating]) -> None:
    """Add a bright line of 8 to 60 pixels in any direction: a dam, a causeway, a lead in sea ice."""
    height, width = power.shape[1:]
    length = rng.uniform(8, 60)
    angle = rng.uniform(0, np.pi)
    along = np.arange(0.0, length, 0.5)
    bend = rng.normal(0.0, 0.004)
    r = np.round(rng.uniform(0, height) + along * np.sin(angle) + bend * along**2).astype(int)
    c = np.round(rng.uniform(0, width) + along * np.cos(angle)).astype(int)
    inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
    r, c = r[inside], c[inside]
    level = 10.0 ** ((rng.uniform(-12.0, 0.0) + rng.normal(0, 1.5, r.size)) / 10.0)
    _accumulate(power, r, c, _both_polarizations(rng, level))
