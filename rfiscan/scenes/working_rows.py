"""A working grid that does not fit into memory: read anew in bands of rows each time that it is needed.

What must be known of the whole scene before its rows can be standardised is measured first, in two passes, four where
borders are trimmed: reading is cheap beside what networks do with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rfiscan.grids.borders import HALO_PX, border_level_db, trim_borders
from rfiscan.grids.packed_mask import PackedMask
from rfiscan.grids.row_halos import with_halo
from rfiscan.grids.streamed_median import StreamedMedian
from rfiscan.radiometry import Units
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.scene import PowerRows, Scene, ValidRows
from rfiscan.scenes.working_grid import (
    OnRows,
    grid_shape,
    has_trimmed_borders,
    known_seams_px,
    multilooked_bands,
    require_signal,
    working_factors,
)
from rfiscan.sentinel1.bursts import Rectangle
from rfiscan.sentinel1.sigma_nought import FLOOR
from rfiscan.sentinel1.sub_swaths import find_seams_thinned, thinned_columns, thinned_row_step
from rfiscan.standardisation import level_db

Band = tuple[PowerRows, ValidRows]
OnBand = Callable[[PowerRows, ValidRows], None]

_LEAST_ROWS = 2 * HALO_PX  # trimmed together, so that not most of the work is done on halos
_MASK_ROWS = 256  # looked at together


@dataclass(frozen=True, kw_only=True)
class StreamedGrid:
    """What is known of a working grid whose pixels are not in memory; the rest is as in `WorkingGrid`.

    Attributes:
        shape: (rows, columns).
        spacing_m: Actual spacing (row, col) in metres.
        factors: Source pixels (rows, cols) per working pixel.
        georeferencing: Of this grid.
        seams_px: First columns of the sub-swaths but the first.
        floored_share: Share of the valid pixels of each polarization that were lifted to `FLOOR`.
        centre_db: Median of each polarization in dB, shape (2,), NaN where it has no valid pixel.
        valid_px: Valid pixels of each polarization.
        any_valid: Where some polarization is valid.
    """

    shape: tuple[int, int]
    spacing_m: tuple[float, float]
    factors: tuple[int, int]
    georeferencing: Georeferencing
    seams_px: tuple[int, ...]
    floored_share: tuple[float, float]
    centre_db: NDArray[np.float64]
    valid_px: tuple[int, int]
    any_valid: PackedMask
    _lines: dict[tuple[Rectangle, ...], NDArray[np.bool_]] = field(default_factory=dict, repr=False)

    def filled_lines(self, rectangles: Sequence[Rectangle]) -> NDArray[np.bool_]:
        """Tell in which rows some of the pixels of rectangles are valid, shape (H,)."""
        known = self._lines.get(tuple(rectangles))
        if known is not None:
            return known
        filled = np.zeros(self.shape[0], np.bool_)
        for r in rectangles:
            for start in range(r.row_start, r.row_stop, _MASK_ROWS):
                rows = slice(start, min(start + _MASK_ROWS, r.row_stop))
                filled[rows] |= self.any_valid.rows(rows.start, rows.stop)[:, r.col_start : r.col_stop].any(axis=1)
        self._lines[tuple(rectangles)] = filled
        return filled


class WorkingRows:
    """A scene on the working grid of `read_working_grid`, in bands of rows.

    Args:
        scene: The scene; it is left open.
        spacing_m: Wanted spacing in metres; None keeps every pixel.
        threads: Threads that read and multilook while scenes are measured, >= 1.
    """

    def __init__(self, scene: Scene, spacing_m: float | None, *, threads: int = 1) -> None:
        self._scene, self._threads = scene, threads
        self._factors = working_factors(scene.spacing_m, spacing_m)
        self._calibrated = scene.units is Units.SIGMA_NOUGHT
        self._levels = np.array(scene.noise_levels, np.float32)[:, None, None]
        self._trims = has_trimmed_borders(scene, self._factors)
        self._border_medians_db: NDArray[np.float32] | None = None
        self._recorded = np.ones(2, np.bool_)
        self.shape = grid_shape(scene, self._factors)

    def measure(self, on_band: OnBand | None = None, on_rows: OnRows | None = None) -> StreamedGrid:
        """Measure what rows cannot be standardised without.

        Args:
            on_band: Is given all rows of the working grid once, power (2, h, W) and valid mask, from the top.
            on_rows: Called after each band with the number of source rows read and of those of all passes.

        Raises:
            SceneError: The scene cannot be read, holds no valid pixel, or one constant value only.
        """
        told = _Passes(self._scene.shape[0], 4 if self._trims else 2, on_rows)
        if self._trims:
            self._measure_borders(told)
        levels = _Levels(self.shape[1])
        for power, valid in self._pass(self._trimmed, told):
            levels.count(power, *self._lifted(power, valid))
        self._recorded = levels.drop_empty()
        require_signal(self._scene, levels.ranges, sum(levels.valid_px))
        rest = _Rest(self.shape, levels.medians, self._thinned(levels.filled_columns))
        for power, valid in self._pass(self.bands, told):
            rest.take(power, valid)
            if on_band is not None:
                on_band(power, valid)
        scene, known = self._scene, known_seams_px(self._scene.georeferencing, self._scene.swaths, self._factors[1])
        return StreamedGrid(
            shape=self.shape,
            spacing_m=self._spacing_m,
            factors=self._factors,
            georeferencing=scene.georeferencing.rescaled(*self._factors),
            seams_px=rest.seams_px(scene.mode) if known is None else known,
            floored_share=levels.floored_share,
            centre_db=np.array([level_db(m.middle(), m.middle_of_positive()) for m in levels.medians]),
            valid_px=levels.valid_px,
            any_valid=rest.any_valid,
        )

    def bands(self, on_rows: OnRows | None = None, *, threads: int = 1) -> Generator[Band]:
        """Read the rows of the working grid, power and valid mask as in `WorkingGrid`; after `measure`.

        Args:
            on_rows: Called after each band with the number of source rows read and of all rows.
            threads: Threads that read and multilook.

        Yields:
            Power (2, h, W), NaN where invalid, and valid mask, from the top to the bottom.
        """
        with closing(self._trimmed(on_rows, threads=threads)) as trimmed:
            for power, valid in trimmed:
                lifted, _ = self._lifted(power, valid)
                for slot in np.flatnonzero(~self._recorded):
                    lifted[slot], valid[slot] = np.nan, False
                yield lifted, valid

    @property
    def _spacing_m(self) -> tuple[float, float]:
        row_m, col_m = (own * factor for own, factor in zip(self._scene.spacing_m, self._factors, strict=True))
        return row_m, col_m

    def _pass(self, read: Callable[..., Generator[Band]], told: _Passes) -> Generator[Band]:
        with closing(read(told.begin(), threads=self._threads)) as bands:
            yield from bands

    def _trimmed(self, on_rows: OnRows | None, *, threads: int) -> Generator[Band]:
        """Rows without borders; what noise removal took is not added yet."""
        with closing(multilooked_bands(self._scene, self._factors, on_rows, threads=threads)) as bands:
            if not self._trims:
                yield from bands
                return
            for power, valid in with_halo(bands, HALO_PX, self._trim, _LEAST_ROWS):  # noqa: UP028 - pairs
                yield power, valid

    def _trim(self, power: PowerRows, valid: ValidRows) -> Band:
        inner = trim_borders(self._at_borders(power), valid, self._border_medians_db)
        return np.where(inner, power, np.float32(np.nan)), inner

    def _at_borders(self, power: PowerRows) -> PowerRows:
        return np.maximum(power + self._levels, FLOOR) if self._calibrated else power

    def _measure_borders(self, told: _Passes) -> None:
        medians = (StreamedMedian(), StreamedMedian())
        for take in (StreamedMedian.count_leading, StreamedMedian.count_trailing):
            with closing(multilooked_bands(self._scene, self._factors, told.begin(), threads=self._threads)) as bands:
                for power, valid in bands:
                    for median, values, mask in zip(medians, self._at_borders(power), valid, strict=True):
                        take(median, values[mask])
        middles = [border_level_db(median.middle()) for median in medians]
        self._border_medians_db = np.array([np.median(m) if m.size else np.nan for m in middles], np.float32)

    def _lifted(self, power: PowerRows, valid: ValidRows) -> tuple[PowerRows, ValidRows]:
        """Power with the level of the noise that was removed, and which pixels were lifted to `FLOOR` then."""
        if not self._calibrated:
            return power, np.broadcast_to(np.False_, power.shape)
        power = power + self._levels
        below = valid & (power < FLOOR)
        return np.where(below, np.float32(FLOOR), power), below

    def _thinned(self, filled: NDArray[np.bool_]) -> slice | None:
        """Columns that show where sub-swaths meet, if the scene must tell it."""
        if known_seams_px(self._scene.georeferencing, self._scene.swaths, self._factors[1]) is not None:
            return None
        return thinned_columns(filled, self._spacing_m[1])


class _Passes:
    """Tells how far several passes over a scene are, as one."""

    def __init__(self, rows: int, passes: int, on_rows: OnRows | None) -> None:
        self._rows, self._passes, self._on_rows = rows, passes, on_rows
        self._begun = 0

    def begin(self) -> OnRows:
        """Begin the next pass; returns what it tells."""
        before = self._begun * self._rows
        self._begun += 1

        def tell(done: int, _: int) -> None:
            if self._on_rows is not None:
                self._on_rows(before + done, self._passes * self._rows)

        return tell


class _Levels:
    """What the first pass over the rows of the working grid says of each polarization."""

    def __init__(self, width_px: int) -> None:
        self.medians = [StreamedMedian(), StreamedMedian()]
        self._recorded = np.zeros(2, np.bool_)
        self._valid_px, self._lifted_px = np.zeros(2, np.int64), np.zeros(2, np.int64)
        self._low, self._high = np.full(2, np.inf), np.full(2, -np.inf)
        self._filled = np.zeros((2, width_px), np.bool_)

    def count(self, power: PowerRows, lifted: PowerRows, below: ValidRows) -> None:
        """Take rows: power where valid, else NaN; with noise added and lifted to the floor; which were lifted."""
        valid = ~np.isnan(power)
        self._filled |= valid.any(axis=1)
        self._lifted_px += np.count_nonzero(below, axis=(1, 2))
        for slot, mask in enumerate(valid):
            values = lifted[slot][mask]
            if not values.size:
                continue
            self._recorded[slot] |= bool((power[slot] > 0).any())
            self._valid_px[slot] += values.size
            self._low[slot] = min(self._low[slot], float(values.min()))
            self._high[slot] = max(self._high[slot], float(values.max()))
            self.medians[slot].count_leading(values)

    def drop_empty(self) -> NDArray[np.bool_]:
        """Forget a polarization that was not recorded, an empty plane beside a full one; return which were, (2,)."""
        for slot in np.flatnonzero(~self._recorded):
            self.medians[slot] = StreamedMedian()
            self._valid_px[slot] = self._lifted_px[slot] = 0
            self._filled[slot] = False
        return self._recorded

    @property
    def ranges(self) -> list[tuple[float, float]]:
        """Least and largest power of each polarization that has a valid pixel."""
        return [(float(self._low[slot]), float(self._high[slot])) for slot in np.flatnonzero(self._valid_px)]

    @property
    def valid_px(self) -> tuple[int, int]:
        """Valid pixels of each polarization."""
        co, cross = (int(count) for count in self._valid_px)
        return co, cross

    @property
    def floored_share(self) -> tuple[float, float]:
        """Share of the valid pixels of each polarization that were lifted to the floor."""
        co, cross = (float(share) for share in self._lifted_px / np.maximum(self._valid_px, 1))
        return co, cross

    @property
    def filled_columns(self) -> NDArray[np.bool_]:
        """Columns with a valid pixel, shape (W,)."""
        return np.asarray(self._filled.any(axis=0))


class _Rest:
    """What the last pass over the rows of the working grid says."""

    def __init__(self, shape: tuple[int, int], medians: Sequence[StreamedMedian], thinned: slice | None) -> None:
        self.any_valid = PackedMask(shape[1])
        self._medians, self._thinned, self._row_step = medians, thinned, thinned_row_step(shape[0])
        self._seen: list[Band] = []

    def take(self, power: PowerRows, valid: ValidRows) -> None:
        """Take rows of the working grid, the next ones."""
        for median, values, mask in zip(self._medians, power, valid, strict=True):
            median.count_trailing(values[mask])
        if self._thinned is not None:
            first = -self.any_valid.shape[0] % self._row_step
            rows = np.s_[:, first :: self._row_step, self._thinned]
            self._seen.append((power[rows].copy(), valid[rows].copy()))
        self.any_valid.append(np.asarray(valid.any(axis=0)))

    def seams_px(self, mode: str | None) -> tuple[int, ...]:
        """Where sub-swaths seem to begin."""
        if self._thinned is None:
            return ()
        power, valid = (np.concatenate(parts, axis=1) for parts in zip(*self._seen, strict=True))
        return find_seams_thinned(power, valid, self._thinned, mode)
