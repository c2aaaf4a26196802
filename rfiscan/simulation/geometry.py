"""Where sub-swaths, bursts and borders lie in a simulated scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rfiscan.sentinel1.radar import MODES, SubSwath, ground_range_m, slant_range_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SwathLayout:
    """Geometry of one simulated scene, in pixels of the working grid.

    Attributes:
        mode: "IW", "EW" or "SM".
        shape: (H, W).
        edges_px: Columns at which the n sub-swaths begin and end, ascending, n + 1; may lie outside the scene.
        first_row: First valid row of each sub-swath.
        last_row: Row after the last valid one of each sub-swath.
        border_px: Invalid columns at the left and the right.
        near_is_left: True where range grows to the right.
        burst_px: Burst spacing in rows; infinite where there are no bursts.
        burst_phase: First burst boundary of each sub-swath, as a share of ``burst_px``.
    """

    mode: str
    shape: tuple[int, int]
    edges_px: tuple[float, ...]
    first_row: tuple[int, ...]
    last_row: tuple[int, ...]
    border_px: tuple[int, int]
    near_is_left: bool
    burst_px: float
    burst_phase: tuple[float, ...]

    @property
    def swath_count(self) -> int:
        """Number of sub-swaths."""
        return len(self.edges_px) - 1

    def radar(self, swath: int) -> SubSwath:
        """The radar constants of a sub-swath, counted from the left."""
        swaths = MODES[self.mode].swaths
        return swaths[swath if self.near_is_left else len(swaths) - 1 - swath]

    @property
    def slant_span_s(self) -> tuple[float, float]:
        """Two-way slant range time of the near and the far edge of the whole swath, in s."""
        swaths = MODES[self.mode].swaths
        return swaths[0].slant_range_s[0], swaths[-1].slant_range_s[1]

    def fast_time_s(self, swath: int) -> NDArray[np.float64]:
        """Fast time of the edges of a sub-swath's columns inside the scene, shape (columns + 1,), in s.

        It is 0 where the receive window opens, and a target's is that of the middle of its echo. The sub-swath's
        columns span its nominal slant range, in the middle of what the window can hold.
        """
        radar = self.radar(swath)
        low, high = self.edges_px[swath], self.edges_px[swath + 1]
        first, stop = self.swath_columns(swath)
        share = (np.clip(np.arange(first, stop + 1), low, high) - low) / (high - low)
        near_m, far_m = ground_range_m(np.array(radar.slant_range_s))
        ground_m = near_m + (far_m - near_m) * (share if self.near_is_left else 1.0 - share)
        near_s, far_s = radar.slant_range_s
        return slant_range_s(ground_m) - 0.5 * (near_s + far_s) + 0.5 * radar.window_s

    def bursts(self, swath: int) -> list[tuple[float, float]]:
        """Rows [first, stop) of every burst of a sub-swath that meets the scene; the whole scene without bursts."""
        height = self.shape[0]
        if not np.isfinite(self.burst_px):
            return [(0.0, float(height))]
        phase = self.burst_phase[swath] % 1.0 - 1.0
        firsts = (np.arange(int(height / self.burst_px) + 3) + phase) * self.burst_px
        return [(float(f), float(f + self.burst_px)) for f in firsts if -self.burst_px < f < height]

    def swath_columns(self, swath: int) -> tuple[int, int]:
        """Columns [first, stop) of a sub-swath inside the scene; empty (first >= stop) where it lies outside."""
        low, high = self.edges_px[swath], self.edges_px[swath + 1]
        width = self.shape[1]
        return max(round(low), self.border_px[0]), min(round(high), width - self.border_px[1])

    def range_fraction(self) -> NDArray[np.float32]:
        """Position across the whole swath of each column, 0 near to 1 far range, shape (W,)."""
        span = self.edges_px[-1] - self.edges_px[0]
        along = (np.arange(self.shape[1]) + 0.5 - self.edges_px[0]) / span
        fraction: NDArray[np.float32] = (along if self.near_is_left else 1.0 - along).astype(np.float32)
        return fraction

    def valid_mask(self) -> NDArray[np.bool_]:
        """Pixels that hold data, shape (H, W)."""
        mask = np.zeros(self.shape, bool)
        for swath in range(self.swath_count):
            first, stop = self.swath_columns(swath)
            if first < stop:
                mask[self.first_row[swath] : self.last_row[swath], first:stop] = True
        return mask

    def window(self, row_off: int, col_off: int, shape: tuple[int, int]) -> SwathLayout:
        """The layout seen from a window of the scene."""
        height = shape[0]
        phase = tuple(float((p - row_off / self.burst_px) % 1.0) for p in self.burst_phase)
        return replace(
            self,
            shape=shape,
            edges_px=tuple(e - col_off for e in self.edges_px),
            first_row=tuple(min(max(r - row_off, 0), height) for r in self.first_row),
            last_row=tuple(min(max(r - row_off, 0), height) for r in self.last_row),
            border_px=(
                max(self.border_px[0] - col_off, 0),
                max(shape[1] + col_off - self.shape[1] + self.border_px[1], 0),
            ),
            burst_phase=phase,
        )

    def flipped(self, *, rows: bool, cols: bool) -> SwathLayout:
        """The layout of the scene flipped along rows and columns."""
        layout = self
        height, width = self.shape
        if rows:
            phase = (height / self.burst_px if np.isfinite(self.burst_px) else 0.0) - np.array(self.burst_phase)
            layout = replace(
                layout,
                first_row=tuple(height - r for r in layout.last_row),
                last_row=tuple(height - r for r in layout.first_row),
                burst_phase=tuple(float(p % 1.0) for p in phase),
            )
        if cols:
            layout = replace(
                layout,
                edges_px=tuple(width - e for e in reversed(layout.edges_px)),
                first_row=layout.first_row[::-1],
                last_row=layout.last_row[::-1],
                border_px=layout.border_px[::-1],
                near_is_left=not layout.near_is_left,
                burst_phase=layout.burst_phase[::-1],
            )
        return layout


def draw_layout(
    rng: np.random.Generator, shape: tuple[int, int], *, mode: str | None = None, spacing_m: float = 500.0
) -> SwathLayout:
    """Draw the geometry of a scene, or of a window of a larger one.

    Args:
        rng: Source of randomness.
        shape: (H, W) in pixels.
        mode: "IW", "EW" or "SM"; drawn (80, 15, 5 %) if None.
        spacing_m: Pixel spacing in metres.
    """
    mode = mode or str(rng.choice(["IW", "EW", "SM"], p=[0.8, 0.15, 0.05]))
    height, width = shape
    whole = rng.random() < 0.5  # else the scene is a window of a larger one, as tiles of real scenes are
    full_width = width * (1.0 if whole else rng.uniform(1.0, 1.4))
    offset = 0.0 if whole else rng.uniform(0.0, full_width - width)
    edges = MODES[mode].edges
    inner = np.array(edges) + np.pad(rng.normal(0.0, 0.006, len(edges) - 2), 1)
    edges_px = inner * full_width - offset
    count = len(edges_px) - 1
    border = rng.integers(0, 9, 2) if rng.random() < 0.6 else np.zeros(2, int)
    return SwathLayout(
        mode=mode,
        shape=shape,
        edges_px=tuple(float(e) for e in edges_px),
        first_row=_draw_steps(rng, count, height, whole),
        last_row=tuple(height - s for s in _draw_steps(rng, count, height, whole)),
        border_px=(int(border[0]), int(border[1])),
        near_is_left=True,  # as in radar geometry; pictures in map geometry are `flipped`
        burst_px=MODES[mode].burst_m / spacing_m,
        burst_phase=burst_phases(mode, float(rng.random()), near_is_left=True),
    )


def burst_phases(mode: str, start: float, *, near_is_left: bool) -> tuple[float, ...]:
    """Where bursts begin, as a share of their spacing, for each sub-swath from the left.

    Bursts of different sub-swaths take turns, so one start decides all: a burst is centred in the image where the
    middle of its sensing time is.

    Args:
        mode: "IW", "EW" or "SM".
        start: First line of a burst of the first sub-swath, as a share of the spacing, in [0, 1).
        near_is_left: True where range grows to the right.
    """
    swaths = MODES[mode].swaths
    cycle_s = MODES[mode].cycle_s
    if not np.isfinite(cycle_s):
        return (start,) * len(swaths)
    middles = [(start + (s.sensing_offset_s + 0.5 * s.sensing_s) / cycle_s - 0.5) % 1.0 for s in swaths]
    return tuple(middles if near_is_left else middles[::-1])


def _draw_steps(rng: np.random.Generator, count: int, height: int, whole: bool) -> tuple[int, ...]:
    """Rows that a border takes from each sub-swath: none, the same, or a staircase of 4 to 14 pixels a step.

    No border takes more than a quarter of the scene's height.
    """
    kind = rng.choice(["none", "same", "stairs"], p=[0.4, 0.2, 0.4] if whole else [0.8, 0.1, 0.1])
    if kind == "none":
        return (0,) * count
    margin = int(rng.integers(0, 12))
    step = int(rng.integers(4, 15)) if kind == "stairs" else 0
    stairs = [min(margin + step * i, height // 4) for i in range(count)]
    return tuple(stairs if rng.random() < 0.5 else stairs[::-1])
