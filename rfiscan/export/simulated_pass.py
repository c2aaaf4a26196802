"""The made-up pass that simulated scenes are seen from: where their pixels lie on the Earth, and under which angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rfiscan.scenes.georeferencing import Georeferencing, control_points
from rfiscan.simulation.radar import EARTH_RADIUS_M, LIGHT_M_PER_S, ORBIT_RADIUS_M

KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6371 km
ORIGIN = (8.0, 52.0)
"""Longitude and latitude of a simulated scene's first corner."""
HEADING_DEG = -170.0
"""Of the satellite, clockwise from north: it descends, and rows go that way."""
GCP_GRID = (10, 21)
"""Rows and columns of ground control points, as GRD products have."""

Floats = NDArray[np.float64]


def pass_lonlat(rows_m: ArrayLike, cols_m: ArrayLike) -> tuple[Floats, Floats]:
    """Longitudes and latitudes in degrees (EPSG:4326) of points of a simulated scene.

    Args:
        rows_m: Distance from the scene's first row, in metres, any shape.
        cols_m: Distance from its first column, same shape.
    """
    rows_m, cols_m = np.asarray(rows_m, np.float64), np.asarray(cols_m, np.float64)
    heading = np.deg2rad(HEADING_DEG)  # rows follow it; columns go to the right of it, where the antenna looks
    north_km = (rows_m * np.cos(heading) - cols_m * np.sin(heading)) / 1000.0
    east_km = (rows_m * np.sin(heading) + cols_m * np.cos(heading)) / 1000.0
    latitude = ORIGIN[1] + north_km / KM_PER_DEGREE
    longitude = ORIGIN[0] + east_km / (KM_PER_DEGREE * np.cos(np.deg2rad(latitude)))
    return longitude, latitude


def simulated_gcps(shape: tuple[int, int], spacing_m: float) -> Georeferencing:
    """Ground control points of a simulated scene: a 10 x 21 grid from corner to corner.

    Args:
        shape: (H, W) in pixels.
        spacing_m: Pixel spacing in metres.
    """
    rows, cols = np.meshgrid(*(np.linspace(0, n, k) for n, k in zip(shape, GCP_GRID, strict=True)), indexing="ij")
    return control_points(rows, cols, *pass_lonlat(rows * spacing_m, cols * spacing_m))


def product_gcps(shape: tuple[int, int], spacing_m: float) -> Georeferencing:
    """Ground control points of a simulated scene as products have them: at whole rows and columns, first and last.

    Args:
        shape: (H, W) in pixels.
        spacing_m: Pixel spacing in metres.
    """
    axes = (np.unique(np.linspace(0, n - 1, k).round()) for n, k in zip(shape, GCP_GRID, strict=True))
    rows, cols = np.meshgrid(*axes, indexing="ij")
    return control_points(rows, cols, *pass_lonlat(rows * spacing_m, cols * spacing_m))


def incidence_deg(slant_range_s: ArrayLike) -> Floats:
    """Incidence angles in degrees at two-way slant range times, on a sphere at height 0 (law of cosines)."""
    range_m = 0.5 * LIGHT_M_PER_S * np.asarray(slant_range_s, np.float64)
    cosine = (ORBIT_RADIUS_M**2 - EARTH_RADIUS_M**2 - range_m**2) / (2.0 * EARTH_RADIUS_M * range_m)
    angle: Floats = np.rad2deg(np.arccos(cosine))
    return angle


def elevation_deg(incidence: ArrayLike) -> Floats:
    """Angles from the nadir at the satellite, in degrees, at incidence angles in degrees (law of sines)."""
    sine = EARTH_RADIUS_M / ORBIT_RADIUS_M * np.sin(np.deg2rad(np.asarray(incidence, np.float64)))
    angle: Floats = np.rad2deg(np.arcsin(sine))
    return angle
