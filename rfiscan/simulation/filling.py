"""Interference that fills a sub-swath, from the first line to the last or nearly so: rare, but most of its scene."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rfiscan.simulation.geometry import SwathLayout
from rfiscan.simulation.interference import VISIBLE_RATIO, Interference, draw_interference
from rfiscan.simulation.priors import InterferencePriors

FILLED_SHARE = 0.5
"""Share of the valid pixels of a sub-swath from which on interference fills it. A choice."""
FILLING_DRAWS = 60
"""Interference is drawn no more often than this in search of such: of a hundred scenes of the bundled priors, some two
have it."""


def draw_filling(
    rng: np.random.Generator,
    layout: SwathLayout,
    background: NDArray[np.float32],
    priors: InterferencePriors,
    *,
    spacing_m: float,
    valid_mask: NDArray[np.bool_],
) -> Interference:
    """Draw the interference of a scene anew until it fills a sub-swath.

    Only how often it occurs differs from `draw_interference`, whose arguments these are.

    Returns:
        The first that fills `FILLED_SHARE` of a sub-swath, or of `FILLING_DRAWS` the one that fills most.
    """
    fullest, most = None, -1.0
    for _ in range(FILLING_DRAWS):
        drawn = draw_interference(rng, layout, background, priors, spacing_m=spacing_m, valid_mask=valid_mask)
        filled = filled_share(drawn, layout, background, valid_mask)
        if filled > most:
            fullest, most = drawn, filled
        if most >= FILLED_SHARE:
            break
    assert fullest is not None
    return fullest


def filled_share(
    interference: Interference,
    layout: SwathLayout,
    background: NDArray[np.float32],
    valid_mask: NDArray[np.bool_],
) -> float:
    """Largest share of the valid pixels of a sub-swath that interference brightens visibly, 0..1.

    Args:
        interference: Of the scene.
        layout: Geometry of the scene.
        background: Linear power without interference, shape (2, H, W).
        valid_mask: True = valid, same shape.
    """
    valid = np.logical_or(*valid_mask)
    seen = np.logical_or(*(valid_mask & (interference.power >= VISIBLE_RATIO * background)))
    edges = np.clip(np.rint(layout.edges_px), 0, layout.shape[1]).astype(int)
    counts = [(int(seen[:, a:b].sum()), int(valid[:, a:b].sum())) for a, b in pairwise(edges)]
    return max(found / max(present, 1) for found, present in counts)
