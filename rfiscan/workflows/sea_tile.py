"""The tile that costs are measured on: sea without interference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.working_grid import WorkingGrid

TILE_LOOKS = 300.0
"""Equivalent number of looks of the sea that contenders are timed on; a choice, typical of a 500 m pixel."""


def sea_power(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Speckled sea, linear power (2, H, W), co-pol 10 dB brighter; the same in every call."""
    power = np.random.default_rng(0).gamma(TILE_LOOKS, 1 / TILE_LOOKS, (2, *shape)).astype(np.float32)
    power[1] *= np.float32(0.1)
    return power


def grid_of(power: NDArray[np.float32], spacing_m: float = 500.0) -> WorkingGrid:
    """Working grid of power (2, H, W) that is valid everywhere, without georeferencing."""
    return WorkingGrid(
        power=power,
        valid_mask=np.ones(power.shape, np.bool_),
        spacing_m=(spacing_m, spacing_m),
        factors=(1, 1),
        georeferencing=Georeferencing(),
    )
