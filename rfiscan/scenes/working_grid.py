"""The working grid: a scene multilooked to the pixel spacing that a model was trained at, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rfiscan.errors import SceneError
from rfiscan.grids.borders import trim_borders
from rfiscan.grids.multilook import MultilookedRows, Multilooker
from rfiscan.radiometry import Units
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.scene import PowerRows, Scene, Swath, ValidRows
from rfiscan.sentinel1.bursts import Rectangle
from rfiscan.sentinel1.sigma_nought import FLOOR
from rfiscan.sentinel1.sub_swaths import find_seams
from rfiscan.tiling.overlapping import in_order

OnRows: TypeAlias = Callable[[int, int], None]

_BAND_BYTES = 8 * 2**20  # of float32 power per band of rows; the fastest of 2 to 64 MB when measured
_CONSTANT_RATIO = 1e-6


class Grid(Protocol):
    """What is known of a working grid whether or not its pixels are in memory; see `WorkingGrid`."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""

    @property
    def spacing_m(self) -> tuple[float, float]:
        """Actual spacing (row, col) in metres."""

    @property
    def factors(self) -> tuple[int, int]:
        """Source pixels (rows, cols) per working pixel."""

    @property
    def georeferencing(self) -> Georeferencing:
        """Of this grid."""

    @property
    def seams_px(self) -> tuple[int, ...]:
        """First columns of the sub-swaths but the first."""

    @property
    def floored_share(self) -> tuple[float, float]:
        """Share of the valid pixels of each polarization that were lifted to `FLOOR`."""

    def filled_lines(self, rectangles: Sequence[Rectangle]) -> NDArray[np.bool_]:
        """Tell in which rows some of the pixels of rectangles are valid, shape (H,)."""


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

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        _, height, width = self.valid_mask.shape
        return height, width

    @cached_property
    def seams_px(self) -> tuple[int, ...]:
        """First columns of the sub-swaths but the first: the product's, else as the scene suggests (`find_seams`).

        On a map, sub-swaths do not begin at columns.
        """
        known = known_seams_px(self.georeferencing, self.swaths, self.factors[1])
        if known is not None:
            return known
        return find_seams(self.power, self.valid_mask, self.spacing_m[1], self.mode)

    def filled_lines(self, rectangles: Sequence[Rectangle]) -> NDArray[np.bool_]:
        """Tell in which rows some of the pixels of rectangles are valid, shape (H,)."""
        filled = np.zeros(self.shape[0], np.bool_)
        for r in rectangles:
            rows = slice(r.row_start, r.row_stop)
            filled[rows] |= self.valid_mask[:, rows, r.col_start : r.col_stop].any(axis=(0, 2))
        return filled


def known_seams_px(
    georeferencing: Georeferencing, swaths: tuple[Swath, ...], col_factor: int
) -> tuple[int, ...] | None:
    """Return where sub-swaths begin on a working grid: see `WorkingGrid.seams_px`; None where the scene must tell."""
    if georeferencing.kind == "affine":
        return ()
    return tuple(round(column / col_factor) for column in meeting_columns(swaths)) if swaths else None


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
    row_factor, col_factor = working_factors(scene.spacing_m, spacing_m)
    power, valid = _multilooked(scene, (row_factor, col_factor), on_rows, threads)
    calibrated = scene.units is Units.SIGMA_NOUGHT
    levels = np.array(scene.noise_levels, np.float32)[:, None, None]
    if has_trimmed_borders(scene, (row_factor, col_factor)):
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
    shape = (2, *grid_shape(scene, factors))
    power, valid = np.full(shape, np.nan, np.float32), np.zeros(shape, np.bool_)
    filled = 0
    for rows in multilooked_bands(scene, factors, on_rows, threads=threads):
        done = filled + rows.power.shape[1]
        power[:, filled:done], valid[:, filled:done] = rows
        filled = done
    return power, valid


def grid_shape(scene: Scene, factors: tuple[int, int]) -> tuple[int, int]:
    """Return (rows, columns) of the working grid of so many source pixels (rows, cols) per working pixel."""
    height, width = (-(-size // factor) for size, factor in zip(scene.shape, factors, strict=True))
    return height, width


def multilooked_bands(
    scene: Scene, factors: tuple[int, int], on_rows: OnRows | None = None, *, threads: int = 1
) -> Generator[MultilookedRows]:
    """Read and multilook a scene in full-width bands of rows, from the top to the bottom.

    Args:
        scene: The scene; it is left open.
        factors: Source pixels (rows, cols) per working pixel.
        on_rows: Called after each band with the number of source rows read and of all rows.
        threads: Threads that work on bands side by side, >= 1; the result is the same, bit for bit.

    Yields:
        Working rows, some of them to a band. No further band is begun than two to a thread.

    Raises:
        SceneError: The scene cannot be read.
    """
    height, width = scene.shape
    row_factor, col_factor = factors
    band_rows = max(1, _BAND_BYTES // (8 * width))
    band_rows = -(-row_factor // -(-row_factor // band_rows)) if row_factor > band_rows else band_rows  # in equal parts

    def multilook(span: tuple[int, int]) -> MultilookedRows:
        if factors == (1, 1):
            power, valid = scene.read_rows(*span)
            power[~valid] = np.nan
            return MultilookedRows(power, valid)
        looks = Multilooker(width, row_factor, col_factor)
        parts = [looks.push(*scene.read_rows(first, after)) for first, after in _cut(*span, band_rows)]
        parts.append(looks.finish())  # holds a row where the last of the scene is partial
        filled = [rows for rows in parts if rows.power.shape[1]]
        return MultilookedRows(*(np.concatenate(each, axis=1) for each in zip(*filled, strict=True)))

    # whole rows of working pixels, so that none needs two threads
    steps = list(_cut(0, height, row_factor * max(1, band_rows // row_factor)))
    made = in_order(multilook, steps, threads=threads, ahead=2 * threads - 1, name="multilook")
    for (_, done), rows in zip(steps, made, strict=True):
        if on_rows is not None:
            on_rows(done, height)
        yield rows


def _cut(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut rows start..stop-1 into runs of `step` rows, the last one shorter: first row, row after it."""
    return ((first, min(first + step, stop)) for first in range(start, stop, step))


def working_factors(source_m: tuple[float, float], spacing_m: float | None) -> tuple[int, int]:
    """Return the source pixels (rows, cols) per working pixel: see `read_working_grid`.

    Args:
        source_m: Pixel spacing (row, col) of the scene in metres.
        spacing_m: Wanted spacing in metres; None keeps every pixel.
    """
    row, col = (1 if spacing_m is None else max(1, round(spacing_m / source)) for source in source_m)
    return row, col


def has_trimmed_borders(scene: Scene, factors: tuple[int, int]) -> bool:
    """Tell whether borders are trimmed: not those of single looks, whose speckle fades by chance."""
    return factors != (1, 1) or scene.units is Units.QUICKLOOK


def _floor(power: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[float, float]:
    """Lift power to `FLOOR` in place; return the share of the valid pixels of each polarization that were lifted."""
    below = valid & (power < FLOOR)
    power[below] = FLOOR
    co, cross = (float(low.sum() / max(mask.sum(), 1)) for low, mask in zip(below, valid, strict=True))
    return co, cross


def _require_signal(scene: Scene, power: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    present = [channel[mask] for channel, mask in zip(power, valid, strict=True)]
    ranges = [(float(values.min()), float(values.max())) for values in present if values.size]
    require_signal(scene, ranges, int(np.count_nonzero(valid)))


def require_signal(scene: Scene, ranges: Sequence[tuple[float, float]], valid_px: int) -> None:
    """Refuse a scene in which there is nothing to look at.

    Args:
        scene: The scene.
        ranges: Least and largest power of each polarization that has a valid pixel.
        valid_px: Valid pixels of all polarizations.

    Raises:
        SceneError: No pixel is valid, or all hold one value.
    """
    if not valid_px:
        raise _nothing_valid(scene)
    if valid_px > 2 and not any(high - low > _CONSTANT_RATIO * high for low, high in ranges):
        raise SceneError(
            f"{scene.sources[0]}: every valid pixel holds the same value, so there is no backscatter to look at",
            hint="Check that the file was downloaded or exported completely.",
        )


def _nothing_valid(scene: Scene) -> SceneError:
    hint = "Check that the file was downloaded or exported completely."
    if scene.units not in {Units.POWER, Units.SIGMA_NOUGHT}:
        return SceneError(f"{scene.sources[0]}: the scene holds no valid pixel, only nodata, zeros or NaN", hint=hint)
    return SceneError(
        f"{scene.sources[0]}: the scene, taken for {scene.units}, holds no valid pixel, only nodata, zeros, NaN or "
        "values below zero",
        hint=f"{hint} If its values are decibels, say so with --units db.",
    )
