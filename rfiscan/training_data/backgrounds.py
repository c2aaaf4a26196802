"""Interference-free power to train on, simulated or real: cut and flipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.simulation import SwathLayout, draw_background, draw_layout
from rfiscan.simulation.background import LAND_RATIO_DB, NOISE_CUP_DB
from rfiscan.tiling.tiles import Window, cut_tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """RFI-free power to add interference to.

    Attributes:
        power: Linear power, shape (2, H, W), > 0 where valid.
        valid_mask: True = valid, same shape.
        layout: Where sub-swaths lie.
        simulated: True where ``power`` is the expectation, without speckle; False for a real scene, which has its own.
        eight_bit: True where amplitudes are the 8-bit levels of a quick-look.
    """

    power: NDArray[np.float32]
    valid_mask: NDArray[np.bool_]
    layout: SwathLayout
    simulated: bool
    eight_bit: bool = False


def simulate_background(
    rng: np.random.Generator,
    shape: tuple[int, int],
    spacing_m: float,
    surface: str | None = None,
    *,
    noise_cup_db: tuple[float, float] = NOISE_CUP_DB,
    land_ratio_db: tuple[float, float] = LAND_RATIO_DB,
) -> Background:
    """Simulate a background of shape (H, W); what it shows is drawn if ``surface`` is None."""
    layout = draw_layout(rng, shape, spacing_m=spacing_m)
    power = draw_background(rng, layout, surface, noise_cup_db=noise_cup_db, land_ratio_db=land_ratio_db)
    valid = np.broadcast_to(layout.valid_mask(), power.shape).copy()
    return Background(power=power, valid_mask=valid, layout=layout, simulated=True)


def real_background(
    power: NDArray[np.float32], valid_mask: NDArray[np.bool_], layout: SwathLayout, *, eight_bit: bool = False
) -> Background:
    """Wrap a real scene, shape (2, H, W), as a background; what is invalid gets the lowest valid power."""
    floor = np.nanmin(np.where(valid_mask & (power > 0), power, np.float32(np.inf)))
    filled = np.where(valid_mask, np.maximum(power, floor), floor).astype(np.float32)
    return Background(power=filled, valid_mask=valid_mask, layout=layout, simulated=False, eight_bit=eight_bit)


def draw_window(
    rng: np.random.Generator,
    shape: tuple[int, int],
    tile_shape: tuple[int, int],
    around: NDArray[np.intp] | None = None,
) -> Window:
    """Draw where to cut a tile, no larger than the scene; at an edge of the scene as often as its edges need.

    A tile at inference has two edges in view along each axis; in smaller ones, cut anywhere alike, a network would
    hardly ever see one.

    Args:
        rng: Source of randomness.
        shape: (H, W) of the scene.
        tile_shape: (h, w) wanted.
        around: Row and column that must lie in the window; None for anywhere.
    """
    sizes = [min(length, wanted) for length, wanted in zip(shape, tile_shape, strict=True)]
    starts = []
    for axis, (length, size) in enumerate(zip(shape, sizes, strict=True)):
        low, high = 0, length - size
        if around is not None:
            low, high = max(low, int(around[axis]) - size + 1), min(high, int(around[axis]))
        beyond = (size // 2 * (low == 0), size // 2 * (high == length - size))  # all that starts there is at the edge
        starts.append(int(np.clip(rng.integers(low - beyond[0], high + beyond[1] + 1), low, high)))
    return Window(starts[1], starts[0], sizes[1], sizes[0])


def cut_background(background: Background, window: Window, tile_shape: tuple[int, int]) -> Background:
    """Cut a tile of ``tile_shape`` from a background; a window smaller than that is padded by reflection."""
    return Background(
        power=cut_tile(background.power, window, tile_shape),
        valid_mask=cut_tile(background.valid_mask, window, tile_shape),
        layout=background.layout.window(window.row_off, window.col_off, tile_shape),
        simulated=background.simulated,
        eight_bit=background.eight_bit,
    )


def flip(background: Background, rows: bool, cols: bool) -> Background:
    """Flip a background along rows and columns."""
    axes = tuple(axis for axis, wanted in ((1, rows), (2, cols)) if wanted)
    return Background(
        power=np.ascontiguousarray(np.flip(background.power, axes)),
        valid_mask=np.ascontiguousarray(np.flip(background.valid_mask, axes)),
        layout=background.layout.flipped(rows=rows, cols=cols),
        simulated=background.simulated,
        eight_bit=background.eight_bit,
    )
