"""Where sub-swaths meet, found in the scene itself: pictures and merged products do not say.

The noise floor steps there, in every row alike; coasts and fields do not. Where steps may lie is known, too: the valid
columns show the sub-swaths of a mode side by side, all of them or a part.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from rfiscan.radiometry import power_to_db
from rfiscan.sentinel1.radar import MODES

MAX_COLUMNS, MAX_ROWS = 640, 400
"""A larger scene is thinned to about this: a seam need not be known to the pixel."""
WINDOW_PX = 4
"""Columns that are averaged on each side of a step. A choice."""
LEAST_ROWS = 40
"""Rows that must be valid on both sides of a step: fewer say little. A choice."""
COMMON_STEP = 2.0
"""Steps up to this many times the scene's typical one say nothing. A choice."""
TYPICAL_FLOOR_DB = 0.08
"""Least typical step, so that chance makes no seam in a very smooth scene. From 0.04 to 0.12 little changes."""
SEAM_COST, PART_COST = 0.6, 0.5
"""What a seam, and a view of a part of the whole swath, must bring in evidence. Of 0.3, 0.6 and 0.9 for the first the
middle one gave the best boxes over 270 simulated scenes. In 72 others, of IW and EW, it finds 70 of 72 seams over the
sea, 51 along coasts, 13 over land, where the noise floor is not seen; and 2, 12 and 17 where there are none."""
REACH_PX = 6
"""How far seams may lie from where a mode has them, in thinned pixels."""
LARGEST_VIEW = 1.4
"""The whole swath is at most this many times as wide as the scene."""
LEAST_WIDTH_M = 100e3
"""Sub-swaths are 85 km wide on average in IW, 80 km in EW: less than this shows hardly more than one."""


def find_seams(
    power: NDArray[np.float32], valid: NDArray[np.bool_], col_spacing_m: float, mode: str | None = None
) -> tuple[int, ...]:
    """Find the columns at which sub-swaths begin, but the first.

    Args:
        power: Linear power in radar geometry, shape (2, H, W); any value where invalid. Its scale does not matter.
        valid: True = valid, same shape.
        col_spacing_m: Metres between columns.
        mode: Acquisition mode, such as ``IW``; None tries the layouts of all.

    Returns:
        Columns, ascending; empty where nothing speaks for more than one sub-swath, or the scene is too narrow to tell.
        Where some seams of a mode are seen, the others are where it has them.
    """
    columns = thinned_columns(np.asarray(valid.any(axis=(0, 1))), col_spacing_m)
    if columns is None:
        return ()
    thin = (slice(None), slice(None, None, thinned_row_step(power.shape[1])), columns)
    return find_seams_thinned(power[thin], valid[thin], columns, mode)


def thinned_row_step(height_px: int) -> int:
    """Every so manieth row of a scene is enough."""
    return -(-height_px // MAX_ROWS)


def thinned_columns(filled: NDArray[np.bool_], col_spacing_m: float) -> slice | None:
    """Columns of a scene that are enough; None where it is too narrow to tell.

    Args:
        filled: Columns with a valid pixel, shape (W,).
        col_spacing_m: Metres between columns.
    """
    found = np.flatnonzero(filled)
    if found.size * col_spacing_m < LEAST_WIDTH_M:
        return None
    first, stop = int(found[0]), int(found[-1]) + 1
    return slice(first, stop, -(-(stop - first) // MAX_COLUMNS))


def find_seams_thinned(
    power: NDArray[np.float32], valid: NDArray[np.bool_], columns: slice, mode: str | None = None
) -> tuple[int, ...]:
    """Find seams in what is left of a scene without the rows and columns that are not needed; see `find_seams`.

    Args:
        power: Linear power, shape (2, h, w).
        valid: True = valid, same shape.
        columns: What `thinned_columns` says.
        mode: Acquisition mode, such as ``IW``; None tries the layouts of all.
    """
    evidence = step_evidence(power, valid)
    nearby = maximum_filter1d(evidence, 2 * REACH_PX + 1)
    best, seams = 0.0, np.zeros(0, int)
    for candidate, cost in _candidates(evidence.size - 1, tuple(MODES) if mode is None else (mode,)):
        value = float(nearby[candidate].sum()) - cost
        if value > best:
            best, seams = value, candidate
    return tuple(sorted({columns.start + columns.step * _strongest_near(evidence, int(seam)) for seam in seams}))


def step_evidence(power: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much speaks for a seam before each column, shape (W + 1,), >= 0.

    The step there, as the median over rows of the difference of the means on both sides in dB, in units of the scene's
    typical one, of the polarization that shows it more clearly; then ln(1 + what is over `COMMON_STEP`).

    Args:
        power: Linear power, shape (2, H, W).
        valid: True = valid, same shape.
    """
    largest = np.zeros(power.shape[2] + 1)
    for channel, mask in zip(power, valid, strict=True):
        steps_db = np.abs(_steps_db(channel, mask))
        typical_db = 1.4826 * float(np.median(steps_db[steps_db > 0])) if steps_db.any() else 0.0
        largest = np.maximum(largest, steps_db / max(typical_db, TYPICAL_FLOOR_DB))
    return np.asarray(np.log1p(np.clip(largest - COMMON_STEP, 0.0, None)))


def _steps_db(power: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median over rows of the step before each column, in dB, shape (W + 1,); 0 where too few rows are valid."""
    width = power.shape[1]
    steps_db = np.zeros(width + 1)
    at = np.arange(WINDOW_PX, width - WINDOW_PX + 1)
    if not at.size or not valid.any():
        return steps_db
    level_db = power_to_db(np.where(valid, power, np.float32(1.0)))
    level_sum, count = (np.pad(np.cumsum(x, axis=1, dtype=np.float64), ((0, 0), (1, 0))) for x in (level_db, valid))
    step_db = level_sum[:, at + WINDOW_PX] - 2 * level_sum[:, at] + level_sum[:, at - WINDOW_PX]
    whole = count[:, at + WINDOW_PX] - count[:, at - WINDOW_PX] == 2 * WINDOW_PX
    enough = np.flatnonzero(whole.sum(axis=0) >= LEAST_ROWS)
    steps_db[at[enough]] = np.nanmedian(np.where(whole, step_db, np.nan)[:, enough], axis=0) / WINDOW_PX
    return steps_db


def _candidates(width: int, modes: tuple[str, ...]) -> Iterator[tuple[NDArray[np.int_], float]]:
    """Columns of the seams in view, for each mode, orientation, and part of the whole swath; and their cost."""
    inner = {
        edges[1:-1]
        for mode in (MODES[name] for name in modes)
        for edges in (mode.edges, tuple(1 - e for e in mode.edges[::-1]))
    }
    for fractions in sorted(inner - {()}):
        for whole in np.arange(1.0, LARGEST_VIEW, 0.01) * width:
            for offset in np.arange(0.0, whole - width + 1.0, REACH_PX):
                columns = np.round(np.array(fractions) * whole - offset).astype(int)
                seen = columns[(columns > WINDOW_PX) & (columns < width - WINDOW_PX)]
                yield seen, SEAM_COST * seen.size + PART_COST * (whole > width)


def _strongest_near(evidence: NDArray[np.float64], column: int) -> int:
    """The column within `REACH_PX` that most speaks for; the column itself where nothing does."""
    first = max(0, column - REACH_PX)
    near = evidence[first : column + REACH_PX + 1]
    return first + int(near.argmax()) if near.any() else column
