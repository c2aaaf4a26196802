"""Layouts and emitters of one's choice, and what is measured in their traces."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from rfiscan.sentinel1.radar import GROUND_SPEED_M_PER_S, MODES, ground_range_m
from rfiscan.simulation import SwathLayout, draw_layout
from rfiscan.simulation.emitters import Emitter
from rfiscan.simulation.focusing import Waveform
from rfiscan.simulation.geometry import burst_phases

FAR_AWAY_S = 1e5
"""Zero-Doppler time of an emitter that the receiving antenna's azimuth pattern hears equally at all times."""


def whole_layout(
    mode: str = "IW", shape: tuple[int, int] = (340, 500), *, spacing_m: float = 500.0, start: float = 0.3
) -> SwathLayout:
    """A scene as wide as its whole swath, without borders."""
    count = len(MODES[mode].swaths)
    return SwathLayout(
        mode=mode,
        shape=shape,
        edges_px=tuple(edge * shape[1] for edge in MODES[mode].edges),
        first_row=(0,) * count,
        last_row=(shape[0],) * count,
        border_px=(0, 0),
        near_is_left=True,
        burst_px=MODES[mode].burst_m / spacing_m,
        burst_phase=burst_phases(mode, start, near_is_left=True),
    )


def drawn_layout(seed: int, shape: tuple[int, int], mode: str | None = None) -> SwathLayout:
    """A layout of a seed, flipped along either axis by the seed, too."""
    layout = draw_layout(np.random.default_rng(seed), shape, mode=mode)
    return layout.flipped(rows=bool(seed & 1), cols=bool(seed & 2))


def plain_emitter(layout: SwathLayout, swath: int = 0, **changes: Any) -> Emitter:
    """A continuous emitter on the ground of the middle of a sub-swath that is heard equally at all times."""
    near_m, far_m = ground_range_m(np.array(layout.slant_span_s))
    middle_m = float(ground_range_m(np.array(np.mean(layout.radar(swath).slant_range_s))))
    emitter = Emitter(
        kind="continuous_wave",
        waveform=Waveform(length_s=1e-3),
        intervals_s=(),
        jitter_s=0.0,
        phase_s=0.0,
        looks_s=(),
        dwell_s=float("inf"),
        side_lobe_db=-90.0,
        azimuth_s=FAR_AWAY_S,
        ground_share=(middle_m - near_m) / (far_m - near_m),
        cross_over_co_db=0.0,
        edge_rise_db=0.0,
        seed=0,
    )
    return dataclasses.replace(emitter, **changes)


def row_s(spacing_m: float = 500.0) -> float:
    """Zero-Doppler time of one row."""
    return spacing_m / GROUND_SPEED_M_PER_S


def burst_middle_s(layout: SwathLayout, swath: int, number: int = 2, spacing_m: float = 500.0) -> float:
    """Time of the middle of a burst of a sub-swath."""
    first, stop = layout.bursts(swath)[number]
    return 0.5 * (first + stop) * row_s(spacing_m)


def runs_of(flags: Any) -> list[tuple[int, int]]:
    """First and stop of the runs of True in a row of flags."""
    padded = np.concatenate(([False], np.asarray(flags), [False])).astype(int)
    return list(zip(np.flatnonzero(np.diff(padded) > 0), np.flatnonzero(np.diff(padded) < 0), strict=True))
