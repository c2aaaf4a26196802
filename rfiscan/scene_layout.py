"""Where the sub-swaths and bursts of a real scene lie: read off the product, else taken from its size."""

from __future__ import annotations

import numpy as np

from rfiscan.scenes.scene import Scene, Swath
from rfiscan.scenes.working_grid import WorkingGrid, meeting_columns
from rfiscan.sentinel1.radar import MODES
from rfiscan.simulation.geometry import SwathLayout, burst_phases

EW_WIDTH_M, IW_WIDTH_M = 330e3, 250e3
"""Scenes wider than the first are EW (410 km), for IW is as wide as the second."""


def scene_layout(rng: np.random.Generator, scene: Scene, grid: WorkingGrid) -> SwathLayout:
    """Lay sub-swaths and bursts over a scene on its working grid.

    Sub-swaths are the product's where it tells them. Otherwise a scene about as wide as a whole swath is taken for one,
    and a narrower one for a part of it. Columns are taken to go from near to far range, as they do in radar geometry.

    Args:
        rng: Draws what nothing tells: when bursts begin, and which part of a swath a narrow scene is.
        scene: The scene.
        grid: Its working grid.
    """
    height, width = grid.power.shape[1:]
    known = _known_mode(scene.swaths)
    if known is not None:
        edges, rows = _product_edges(scene.swaths, grid.factors), _product_rows(scene.swaths, grid.factors[0], height)
        mode = known
    else:
        mode = "EW" if width * grid.spacing_m[1] > EW_WIDTH_M else "IW"
        edges = _assumed_edges(rng, mode, width, grid.spacing_m[1])
        rows = [(0, height)] * len(MODES[mode].swaths)
    return SwathLayout(
        mode=mode,
        shape=(height, width),
        edges_px=edges,
        first_row=tuple(first for first, _ in rows),
        last_row=tuple(last for _, last in rows),
        border_px=(0, 0),
        near_is_left=True,
        burst_px=MODES[mode].burst_m / grid.spacing_m[0],
        burst_phase=burst_phases(mode, float(rng.random()), near_is_left=True),
    )


def _known_mode(swaths: tuple[Swath, ...]) -> str | None:
    """The mode whose sub-swaths these are, all of them."""
    names = tuple(swath.name for swath in swaths)
    return next((name for name, mode in MODES.items() if tuple(s.name for s in mode.swaths) == names), None)


def _product_edges(swaths: tuple[Swath, ...], factors: tuple[int, int]) -> tuple[float, ...]:
    """Columns at which sub-swaths meet; where they overlap, the middle."""
    return tuple(col / factors[1] for col in (swaths[0].first_col, *meeting_columns(swaths), swaths[-1].last_col + 1))


def _product_rows(swaths: tuple[Swath, ...], factor: int, height: int) -> list[tuple[int, int]]:
    return [(swath.first_row // factor, min(-(-(swath.last_row + 1) // factor), height)) for swath in swaths]


def _assumed_edges(rng: np.random.Generator, mode: str, width: int, spacing_m: float) -> tuple[float, ...]:
    whole_px = float(width)
    if mode == "IW" and width * spacing_m < 0.6 * IW_WIDTH_M:
        whole_px = IW_WIDTH_M / spacing_m
    offset_px = rng.uniform(0.0, whole_px - width) if whole_px > width else 0.0
    return tuple(edge * whole_px - offset_px for edge in MODES[mode].edges)
