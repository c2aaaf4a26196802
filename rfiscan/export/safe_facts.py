"""What a simulated product states of itself, and where: its names, times, ranges and sub-swaths."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rfiscan.sentinel1.radar import GROUND_SPEED_M_PER_S, MODES, Mode, SubSwath, ground_range_m, slant_range_s
from rfiscan.simulation.geometry import SwathLayout

ORBIT = 0
"""Absolute orbit number, and data take: no product of the satellite has 0, nor its file names 000000."""
MISSION = "S1A"
HIGH_RESOLUTION_M = 25.0
"""A choice: up to this pixel spacing a product is named GRDH. S1A_IW_GRDH_..._861B has 10 m, EW_GRDM_..._BB15 40 m."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwathBounds:
    """One sub-swath of a product.

    Attributes:
        radar: Its constants.
        first_row: Of its pixels.
        last_row: Inclusive.
        first_col: Of its pixels.
        last_col: Inclusive.
        sensing: Times at which the first and the last line of its bursts were received.
    """

    radar: SubSwath
    first_row: int
    last_row: int
    first_col: int
    last_col: int
    sensing: tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFacts:
    """Facts of a product that its files share.

    Attributes:
        layout: Of the simulated scene, on its working grid.
        factor: Pixels along a side of a working pixel.
        shape: (rows, columns) in pixels.
        pixel_spacing_m: Along rows and columns.
        start_time: Of the first row, UTC, naive.
        polarizations: Co-pol first.
    """

    layout: SwathLayout
    factor: int
    shape: tuple[int, int]
    pixel_spacing_m: float
    start_time: datetime
    polarizations: tuple[str, str]

    @property
    def mode(self) -> Mode:
        """The radar's mode."""
        return MODES[self.layout.mode]

    @property
    def swath(self) -> str:
        """What the product calls its swath: IW or EW, or in stripmap its only one."""
        return self.mode.name if len(self.mode.swaths) > 1 else self.mode.swaths[0].name

    @property
    def row_interval_s(self) -> float:
        """Time from one row to the next."""
        return self.pixel_spacing_m / GROUND_SPEED_M_PER_S

    @property
    def stop_time(self) -> datetime:
        """Time of the last row."""
        return self.time_of(self.shape[0] - 1)

    def time_of(self, row: float) -> datetime:
        """Time of a row."""
        return self.start_time + timedelta(seconds=row * self.row_interval_s)

    def slant_range_s(self, cols: ArrayLike) -> Floats:
        """Two-way slant range times of columns: those of each sub-swath span its nominal ground range."""
        swaths = self.mode.swaths
        edges_s = [swath.slant_range_s[0] for swath in swaths] + [swaths[-1].slant_range_s[1]]
        ground_m = ground_range_m(np.array(edges_s))
        across = ground_m if self.layout.near_is_left else ground_m[::-1]
        found: Floats = np.interp(np.asarray(cols, np.float64) / self.factor, self.layout.edges_px, across)
        return slant_range_s(found)

    def swath_bounds(self) -> tuple[SwathBounds, ...]:
        """The sub-swaths that the product holds, from near range."""
        found = []
        for swath in range(self.layout.swath_count):
            first, stop = self.layout.swath_columns(swath)
            top, bottom = self.layout.first_row[swath], self.layout.last_row[swath]
            if first < stop and top < bottom:
                found.append(
                    SwathBounds(
                        radar=self.layout.radar(swath),
                        first_row=top * self.factor,
                        last_row=min(bottom * self.factor, self.shape[0]) - 1,
                        first_col=first * self.factor,
                        last_col=min(stop * self.factor, self.shape[1]) - 1,
                        sensing=self._sensing(swath),
                    )
                )
        return tuple(found if self.layout.near_is_left else found[::-1])

    def _sensing(self, swath: int) -> tuple[datetime, datetime]:
        """Sensing times of the first line of the first burst of a sub-swath, and of the last of its last one."""
        bursts = self.layout.bursts(swath)
        if not np.isfinite(self.layout.burst_px):
            return self.start_time, self.stop_time
        middles = [self.time_of(0.5 * sum(bursts[index]) * self.factor) for index in (0, -1)]
        half = timedelta(seconds=0.5 * self.layout.radar(swath).sensing_s)
        return middles[0] - half, middles[1] + half

    def stem(self, polarization: str) -> str:
        """Name of the files of one polarization, as ESA forms it, without suffix."""
        number = self.polarizations.index(polarization) + 1
        parts = (MISSION, self.swath, "grd", polarization, *self._times(), f"{ORBIT:06d}", f"{ORBIT:06x}")
        return "-".join(parts).lower() + f"-{number:03d}"

    def product_name(self, unique: str) -> str:
        """Name of the product's folder, as ESA forms it, without .SAFE; `unique` is its last four characters."""
        resolution = "H" if self.pixel_spacing_m <= HIGH_RESOLUTION_M else "M"
        kind = f"1SD{self.polarizations[0][0]}"
        parts = (MISSION, self.swath, f"GRD{resolution}", kind, *self._times(), f"{ORBIT:06d}", f"{ORBIT:06X}", unique)
        return "_".join(parts)

    def _times(self) -> tuple[str, str]:
        start, stop = (time.strftime("%Y%m%dT%H%M%S") for time in (self.start_time, self.stop_time))
        return start, stop
