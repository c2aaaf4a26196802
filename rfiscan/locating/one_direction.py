"""Emitters that passes of one direction heard: along the rows they may stand anywhere, so that they are a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.locating.association import LEAST_CROSSING
from rfiscan.locating.lines_of_position import Lines, Scenes, wrong_per_m
from rfiscan.locating.positions import PROBABILITY, RADIUS_M, log_density, precision

Floats = NDArray[np.float64]

WIDEST_M, STEP_M = 30_000.0, 50.0
"""Half the extent, and the step, of the grid over which the error across a line is added up."""
POINTS = 9
"""Of a line that is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A line on which an emitter stands.

    Attributes:
        members: Indices of its lines of position, ascending.
        path: Directions of points on it, shape (P, 3): over the sub-swaths that show it.
        half_width_m: Distance from the line within which the emitter stands with `PROBABILITY`.
        chi2: Sum of the squared residuals over the variances that the lines end up with.
    """

    members: tuple[int, ...]
    path: Floats
    half_width_m: float
    chi2: float


def bands(lines: Lines, scenes: Scenes, free: Iterable[int]) -> list[Band]:
    """Join lines of position that no crossing explains and that lie on one another.

    Args:
        lines: The lines.
        scenes: Their scenes.
        free: Indices of the lines that are left.

    Returns:
        Bands, those of most lines first; single lines among them.
    """
    left = list(free)
    wrong = np.log(wrong_per_m(lines, scenes))
    found = []
    while left:
        groups = [_beside(lines, scenes, first, left, wrong) for first in left]
        best = max(groups, key=lambda group: (len(group), -group[0]))
        found.append(_joined(lines, scenes, best))
        left = [line for line in left if line not in best]
    return found


def _beside(lines: Lines, scenes: Scenes, first: int, left: list[int], wrong: Floats) -> list[int]:
    """A line, and the best of each other scene that lies along it and shows it in a sub-swath that overlaps."""
    others = np.array([line for line in left if line != first], np.intp)
    place = _at(lines, scenes, first, float(lines.likely_m[first].mean()))
    gain = log_density(lines.normals[others] @ place * RADIUS_M, lines.shares[others]) - wrong[others]
    along_m = scenes.along_m(lines.scene[others], place)
    low_m, high_m = lines.likely_m[others].T
    sine = np.linalg.norm(np.cross(lines.normals[others], lines.normals[first]), axis=-1)
    fits = (gain > 0.0) & (along_m >= low_m) & (along_m <= high_m) & (sine < LEAST_CROSSING)
    fits &= lines.scene[others] != lines.scene[first]
    kept = others[fits][np.argsort(-gain[fits], kind="stable")]
    _, best = np.unique(lines.scene[kept], return_index=True)
    return sorted([first, *(int(line) for line in kept[best])])


def _joined(lines: Lines, scenes: Scenes, members: list[int]) -> Band:
    main = members[0]
    middle = _at(lines, scenes, main, float(lines.likely_m[main].mean()))
    off_m = lines.normals[members] @ middle * RADIUS_M  # of the first line's middle from each
    grid_m = np.arange(-WIDEST_M, WIDEST_M + STEP_M, STEP_M)
    logs = log_density(grid_m[:, None] + off_m, lines.shares[members]).sum(axis=-1)
    mass = np.exp(logs - np.logaddexp.reduce(logs))
    best_m = float(grid_m[logs.argmax()])
    order = np.argsort(np.abs(grid_m - best_m), kind="stable")
    held = min(int(np.searchsorted(np.cumsum(mass[order]), PROBABILITY)), len(order) - 1)
    residuals_m = best_m + off_m
    along_m = np.linspace(lines.likely_m[main, 0], lines.likely_m[main, 1], POINTS)
    path = np.array([_at(lines, scenes, main, float(u)) for u in along_m]) + best_m / RADIUS_M * lines.normals[main]
    return Band(
        members=tuple(members),
        path=path / np.linalg.norm(path, axis=-1, keepdims=True),
        half_width_m=float(np.abs(grid_m[order[held]] - best_m)),
        chi2=float(np.sum(residuals_m**2 * precision(residuals_m, lines.shares[members]))),
    )


def _at(lines: Lines, scenes: Scenes, line: int, along_m: float) -> Floats:
    """The place on a line that lies so far along the rows of its scene."""
    scene, angle = lines.scene[line], along_m / RADIUS_M
    place = np.cos(angle) * scenes.middle[scene] + np.sin(angle) * scenes.toward[scene]
    place = place - (place @ lines.normals[line]) * lines.normals[line]
    unit: Floats = place / np.linalg.norm(place)
    return unit
