"""The working grid: a scene multilooked to the pixel spacing that a model was trained at, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rfiscan.borders import trim_borders
from rfiscan.errors import SceneError
from rfiscan.multilook import Multilooker
from rfiscan.radiometry import Units
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.scene import PowerRows, Scene, Swath, ValidRows
from rfiscan.sigma_nought import FLOOR
from rfiscan.sub_swaths import find_seams

OnRows: TypeAlias = Callable[[int, int], None]

_BAND_BYTES = 8 * 2**20  # of float32 power per band of rows; the fastest of 2 to 64 MB when measured
_CONSTANT_RATIO = 1e-6


@dataclass(frozen=True, kw_only=True)
class WorkingGrid:
    """A scene on the grid that networks see.

    Attributes:
        power: Linear power, float32 (2, H, W), NaN where invalid. Where thermal noise is removed, its median level is
            added again, the same everywhere: over a calm sea nothing else is left, and the logarithm of the little that
            an inexact noise table leaves would be wilder than any interference. Sigma nought is at least `FLOOR`.
        valid_mask: bool (2, H, W), True = valid.
        spacing_m: Actual spacing (row, col) in metres: a whole number of source pixels.
        factors: Source pixels (rows, cols) per working pixel.
        georeferencing: Of this grid.
        swaths: Sub-swaths on the full-resolution grid, where the product tells them.
        mode: Acquisition mode, where something tells it.
        floored_share: Share of the valid pixels of each polarization that were lifted to `FLOOR`.
    """

    power: NDArray[np.float32]
    valid_mask: NDArray[np.bool_]
    spacing_m: tuple[float, float]
    factors: tuple[int, int]
    georeferencing: Georeferencing
    swaths: tuple[Swath, ...] = ()
    mode: str | None = None
    floored_share: tuple[float, float] = (0.0, 0.0)

    @cached_property
    def seams_px(self) -> tuple[int, ...]:
        """First columns of the sub-swaths but the first: the product's, else as the scene suggests (`find_seams`).

        On a map, sub-swaths do not begin at columns.
        """
        if self.georeferencing.kind == "affine":
            return ()
        if self.swaths:
            return tuple(round(column / self.factors[1]) for column in meeting_columns(self.swaths))
        return find_seams(self.power, self.valid_mask, self.spacing_m[1], self.mode)


def meeting_columns(swaths: tuple[Swath, ...]) -> list[float]:
    """Columns of the full-resolution grid at which sub-swaths meet; where they overlap, the middle."""
    return [0.5 * (a.last_col + 1 + b.first_col) for a, b in pairwise(swaths)]


def read_working_grid(
    scene: Scene, spacing_m: float | None, on_rows: OnRows | None = None, *, threads: int = 1
) -> WorkingGrid:
    """Read a scene in full-width bands of rows and multilook it to about `spacing_m`.

    Args:
        scene: The scene; it is left open.
        spacing_m: Wanted spacing in metres; None keeps every pixel. The factor of each axis is the nearest whole
            number of pixels, at least 1.
        on_rows: Called after each band with the number of source rows read and of all rows.
        threads: Threads that work on bands side by side, >= 1; the result is the same, bit for bit.

    Raises:
        SceneError: The scene cannot be read, holds no valid pixel, or one constant value only.
    """
    row_factor, col_factor = (1, 1) if spacing_m is None else _factors(scene.spacing_m, spacing_m)
    power, valid = _multilooked(scene, (row_factor, col_factor), on_rows, threads)
    calibrated = scene.units is Units.SIGMA_NOUGHT
    levels = np.array(scene.noise_levels, np.float32)[:, None, None]
    if (row_factor, col_factor) != (1, 1) or scene.units is Units.QUICKLOOK:  # speckle of single looks fades by chance
        valid = trim_borders(np.maximum(power + levels, FLOOR) if calibrated else power, valid)
        power[~valid] = np.nan
    for channel, mask in zip(power, valid, strict=True):
        if not (channel[mask] > 0).any():  # an empty plane beside a full one: the polarization was not recorded
            channel[:], mask[:] = np.nan, False
    power += levels
    floored_share = _floor(power, valid) if calibrated else (0.0, 0.0)
    _require_signal(scene, power, valid)
    return WorkingGrid(
        power=power,
        valid_mask=valid,
        spacing_m=(scene.spacing_m[0] * row_factor, scene.spacing_m[1] * col_factor),
        factors=(row_factor, col_factor),
        georeferencing=scene.georeferencing.rescaled(row_factor, col_factor),
        swaths=scene.swaths,
        mode=scene.mode,
        floored_share=floored_share,
    )


def _multilooked(
    scene: Scene, factors: tuple[int, int], on_rows: OnRows | None, threads: int
) -> tuple[PowerRows, ValidRows]:
    """Return power and valid mask (2, H, W) of the working grid."""
    height, width = scene.shape
    row_factor, col_factor = factors
    shape = (2, -(-height // row_factor), -(-width // col_factor))
    power, valid = np.full(shape, np.nan, np.float32), np.zeros(shape, np.bool_)
    band_rows = max(1, _BAND_BYTES // (8 * width))
    band_rows = -(-row_factor // -(-row_factor // band_rows)) if row_factor > band_rows else band_rows  # in equal parts

    def multilook(start: int, stop: int) -> int:
        looks = Multilooker(width, row_factor, col_factor)
        filled = start // row_factor
        for first, after in _cut(start, stop, band_rows):
            rows = looks.push(*scene.read_rows(first, after))
            done = filled + rows.power.shape[1]
            power[:, filled:done], valid[:, filled:done] = rows.power, rows.valid_mask
            filled = done
        rows = looks.finish()  # holds a row where the last of the scene is partial
        last = slice(filled, filled + rows.power.shape[1])
        power[:, last], valid[:, last] = rows.power, rows.valid_mask
        return stop - start

    # whole rows of working pixels, so that none needs two threads
    steps = list(_cut(0, height, row_factor * max(1, band_rows // row_factor)))
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="multilook") as pool:
        try:
            read = 0
            for done in as_completed([pool.submit(multilook, *step) for step in steps]):
                read += done.result()
                if on_rows is not None:
                    on_rows(read, height)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, no further band is begun
    return power, valid


def _cut(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut rows start..stop-1 into runs of `step` rows, the last one shorter: first row, row after it."""
    return ((first, min(first + step, stop)) for first in range(start, stop, step))


def _factors(source_m: tuple[float, float], target_m: float) -> tuple[int, int]:
    row, col = (max(1, round(target_m / source)) for source in source_m)
    return row, col


def _floor(power: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[float, float]:
    """Lift power to `FLOOR` in place; return the share of the valid pixels of each polarization that were lifted."""
    below = valid & (power < FLOOR)
    power[below] = FLOOR
    co, cross = (float(low.sum() / max(mask.sum(), 1)) for low, mask in zip(below, valid, strict=True))
    return co, cross


def _require_signal(scene: Scene, power: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    if not valid.any():
        raise SceneError(
            f"{scene.sources[0]}: the scene holds no valid pixel, only nodata, zeros or NaN",
            hint="Check that the file was downloaded or exported completely.",
        )
    for channel, mask in zip(power, valid, strict=True):
        values = channel[mask]
        if values.size and np.ptp(values) > _CONSTANT_RATIO * values.max():
            return
    if np.count_nonzero(valid) > 2:
        raise SceneError(
            f"{scene.sources[0]}: every valid pixel holds the same value, so there is no backscatter to look at",
            hint="Check that the file was downloaded or exported completely.",
        )
