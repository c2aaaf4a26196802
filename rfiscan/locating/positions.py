"""Lines of position, where they cross, and how well they fix a place.

A row of a scene in radar geometry lies in the plane through the satellite at right angles to its velocity. That plane
holds the Earth's centre, but for some hundredths of a degree. So a line of position is kept as the normal of a plane
through the centre: two lines cross where their planes meet, at any latitude and on both sides of the antimeridian, and
the distance of a place from a line is one product. What the Earth's flattening does to angles and to lengths within a
scene, 0.2 degrees and 0.7 % at most, is left out; longitudes and latitudes are those on the ellipsoid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RADIUS_M = 6_371_000.0
"""Mean radius of the Earth (IUGG), which turns angles at its centre into lengths."""
PROBABILITY = 0.95
"""That an error ellipse holds the emitter."""
FLATTENED = 1.0 - 6.694_379_990_14e-3
"""1 - e^2 of the WGS 84 ellipsoid (NIMA TR8350.2, table 3.3)."""
SCALES_M = (300.0, 2_000.0, 8_000.0)
"""Standard deviations of the normal distributions that the error of a line is mixed of: the middle of a stripe that
shows the whole passage of the receiver's beam; of one that shows a look within it; of one heard through a side lobe."""
STEPS, CLOSE_M = 20, 1.0
"""Bound on the steps of least squares whose weights follow the residuals, and the change that ends them."""
TANGENTS = 2
"""Planes that are laid on the sphere one after the other, the second where the first found the place."""
GRID_M, GRID_POINTS = 30_000.0, 51
"""Half the extent of the grid over which the errors of a place are added up, along each of two lines' normals, and its
points, which lie closer together near the place."""
COMMON_M = 250.0
"""Standard deviation, to each side, of what the lines of one emitter have in common, which no number of passes averages
out: half a pixel of the working grid. A choice."""
NORMAL_SQUARED = -2.0 * math.log(1.0 - PROBABILITY)
"""Squared distance in units of a normal distribution's covariance that holds `PROBABILITY`: chi square, two degrees of
freedom."""
NEVER = 1e-300
"""Least density, so that it has a logarithm."""
FINEST_M = 50.0
"""Where that grid begins to widen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipse:
    """Where a place lies with some probability.

    Attributes:
        semi_major_m: Longer semi-axis in metres.
        semi_minor_m: Shorter one.
        orientation_deg: Direction of the longer one, clockwise from north, in [0, 180).
    """

    semi_major_m: float
    semi_minor_m: float
    orientation_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place that lines of position fix.

    Attributes:
        direction: Unit vector from the Earth's centre, shape (3,).
        covariance_m2: Of its errors to the east and to the north, shape (2, 2), as far as the weights tell.
        residuals_m: Signed distance of the place from each line.
        chi2: Sum of the squared residuals over the variances that the lines end up with.
    """

    direction: Floats
    covariance_m2: Floats
    residuals_m: Floats
    chi2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Where the emitter of some lines of position may stand.

    Attributes:
        log_area: Logarithm of the integral, over places in square metres, of the product of the lines' densities.
        covariance_m2: Second moments about the place, to the east and to the north, shape (2, 2), and what all lines
            may have in common.
        squared: Squared distance from the place, in units of that, that holds `PROBABILITY` of the places.
    """

    log_area: float
    covariance_m2: Floats
    squared: float


def directions(lon_deg: ArrayLike, lat_deg: ArrayLike) -> Floats:
    """Unit vectors from the Earth's centre to places on the WGS 84 ellipsoid, shape (..., 3)."""
    lam, phi = np.radians(np.asarray(lon_deg, np.float64)), np.radians(np.asarray(lat_deg, np.float64))
    x = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), FLATTENED * np.sin(phi)], axis=-1)
    unit: Floats = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return unit


def lonlat_of(direction: Floats) -> tuple[Floats, Floats]:
    """Longitudes in -180..180 and latitudes in degrees, on the ellipsoid, of directions (..., 3)."""
    x, y, z = np.moveaxis(direction, -1, 0)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, FLATTENED * np.hypot(x, y)))


def plane_through(points: Floats, ahead: Floats) -> tuple[Floats, float]:
    """The plane through the Earth's centre that fits places best.

    Args:
        points: Directions of places on a line, shape (N, 3), N >= 2.
        ahead: Direction of a place on the side that the normal is to point to, shape (3,).

    Returns:
        Its normal, a unit vector, and the largest distance of a place from it, in metres.
    """
    normal = np.linalg.svd(points)[2][2]
    normal = normal if normal @ ahead > 0 else -normal
    return normal, float(np.abs(points @ normal).max() * RADIUS_M)


def crossings(one: Floats, other: Floats, near: Floats) -> Floats:
    """Where planes meet on the Earth.

    Args:
        one: Normals, shape (..., 3).
        other: Normals, same shape, not parallel to those.
        near: Directions that tell which of the two sides of the Earth is meant, same shape.

    Returns:
        Directions, same shape.
    """
    meet = np.cross(one, other)
    meet *= np.sign(np.sum(meet * near, axis=-1, keepdims=True)) / np.linalg.norm(meet, axis=-1, keepdims=True)
    return np.asarray(meet)


def east_north(direction: Floats) -> Floats:
    """Unit vectors to the east and to the north at a place, shape (2, 3); at a pole, along the axes."""
    x, y, z = direction.tolist()
    level = math.hypot(x, y)
    if level < 1e-12:
        return np.array([[0.0, 1.0, 0.0], [-1.0 if z > 0 else 1.0, 0.0, 0.0]])
    return np.array([[-y / level, x / level, 0.0], [-z * x / level, -z * y / level, level]])


def log_density(residuals_m: Floats, shares: Floats) -> Floats:
    """Logarithm of the density per metre of errors of lines, in the shape of the residuals.

    Args:
        residuals_m: Signed distances, shape (..., N).
        shares: How each line's error is mixed of `SCALES_M`, shape (N, K), rows with the sum 1.
    """
    scales = np.array(SCALES_M)
    parts = shares / (np.sqrt(2.0 * np.pi) * scales) * np.exp(-0.5 * (residuals_m[..., None] / scales) ** 2)
    density: Floats = np.log(parts.sum(axis=-1) + NEVER)
    return density


def precision(residuals_m: Floats, shares: Floats) -> Floats:
    """Weights of lines in least squares, 1 / m^2, shape (N,): the mean over the scales that their errors may have.

    The step of expectation maximisation for a mixture of normal distributions of one mean (Dempster, Laird and Rubin
    1977, section 4.3): lines that agree count more than those that stand aside.
    """
    scales = np.array(SCALES_M)
    parts = np.log(shares / scales) - 0.5 * (residuals_m[:, None] / scales) ** 2
    odds = np.exp(parts - parts.max(axis=1, keepdims=True))
    weights: Floats = (odds / scales**2).sum(axis=1) / odds.sum(axis=1)
    return weights


def fix_place(normals: Floats, shares: Floats, start: Floats) -> Place:
    """The place that fits lines of position best, by least squares on the sphere, with weights by the residuals.

    Args:
        normals: Of the lines' planes, shape (N, 3), at least two not parallel.
        shares: As in `log_density`, shape (N, K).
        start: Direction to begin at, shape (3,).
    """
    place, weights = start, np.full(len(normals), SCALES_M[1] ** -2.0)
    for _ in range(TANGENTS):
        axes = east_north(place)
        design, off_m = normals @ axes.T, normals @ place * RADIUS_M
        step_m = np.zeros(2)
        for _ in range(STEPS):
            weighted = design.T * weights
            before_m, step_m = step_m, np.linalg.solve(weighted @ design, -weighted @ off_m)
            weights = precision(off_m + design @ step_m, shares)
            if np.abs(step_m - before_m).max() < CLOSE_M:
                break
        place = place + step_m @ axes / RADIUS_M
        place = place / np.linalg.norm(place)
    residuals_m = normals @ place * RADIUS_M
    return Place(
        direction=place,
        covariance_m2=np.linalg.inv((design.T * weights) @ design),
        residuals_m=residuals_m,
        chi2=float(np.sum(residuals_m**2 * weights)),
    )


def spread_of(normals: Floats, shares: Floats, place: Place) -> Spread:
    """Add up where the emitter of lines may stand, on a grid around the place that fits best.

    Args:
        normals: Of the lines' planes, shape (N, 3).
        shares: As in `log_density`, shape (N, K).
        place: From `fix_place`.
    """
    cosines = np.abs(normals @ normals.T)
    one, other = np.unravel_index(cosines.argmin(), cosines.shape)  # the lines that cross at the largest angle
    design = normals @ east_north(place.direction).T
    to_places = np.linalg.inv(design[[one, other]])  # from distances off two lines to the east and to the north
    turn = np.linspace(-1.0, 1.0, GRID_POINTS) * np.arcsinh(GRID_M / FINEST_M)
    off_m, widths_m = FINEST_M * np.sinh(turn), FINEST_M * np.cosh(turn) * (turn[1] - turn[0])
    grid = np.stack(np.meshgrid(off_m, off_m, indexing="ij"), axis=-1).reshape(-1, 2) @ to_places.T
    cells = np.log(np.outer(widths_m, widths_m).ravel() * abs(np.linalg.det(to_places)))
    logs = log_density(grid @ design.T + place.residuals_m, shares).sum(axis=-1) + cells
    log_area = float(np.logaddexp.reduce(logs))
    mass = np.exp(logs - log_area)
    covariance = (grid.T * mass) @ grid
    squared = np.sum(grid @ np.linalg.inv(covariance) * grid, axis=-1)
    order = np.argsort(squared)
    held = min(int(np.searchsorted(np.cumsum(mass[order]), PROBABILITY)), len(order) - 1)
    limit = float(squared[order[held]])
    common_m2 = COMMON_M**2 * NORMAL_SQUARED / limit
    return Spread(log_area=log_area, covariance_m2=covariance + common_m2 * np.eye(2), squared=limit)


def error_ellipse(spread: Spread) -> Ellipse:
    """The ellipse of the shape of the errors' second moments that holds the emitter with `PROBABILITY`.

    Of normally distributed errors it is that of chi square with 2 degrees of freedom, 5.99; mixtures have wider tails.
    """
    values, vectors = np.linalg.eigh(spread.covariance_m2)
    minor_m, major_m = np.sqrt(np.maximum(values, 0.0) * spread.squared)
    east, north = vectors[:, 1]
    bearing_deg = float(np.degrees(np.arctan2(east, north))) % 180.0
    return Ellipse(semi_major_m=float(major_m), semi_minor_m=float(minor_m), orientation_deg=bearing_deg % 180.0)


def outline(direction: Floats, ellipse: Ellipse, points: int = 72) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of an ellipse around a place, a closed line, counter-clockwise, shape (points + 1,)."""
    turn = np.linspace(0.0, 2.0 * np.pi, points + 1)
    along, across = ellipse.semi_major_m * np.cos(turn), ellipse.semi_minor_m * np.sin(turn)
    bearing = np.radians(ellipse.orientation_deg)
    offset_m = np.stack([along * np.sin(bearing) - across * np.cos(bearing),
                         along * np.cos(bearing) + across * np.sin(bearing)], axis=-1)  # fmt: skip
    return lonlat_of(direction + offset_m @ east_north(direction) / RADIUS_M)
