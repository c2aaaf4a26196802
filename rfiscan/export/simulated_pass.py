"""The made-up passes that simulated scenes are seen from: where pixels lie on the Earth, and under which angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rfiscan.scenes.georeferencing import Georeferencing, control_points
from rfiscan.simulation.radar import EARTH_RADIUS_M, LIGHT_M_PER_S, ORBIT_RADIUS_M

KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6371 km
GCP_GRID = (10, 21)
"""Rows and columns of ground control points, as GRD products have."""
INCLINATION_DEG = 98.18
"""Of the orbit (ESA, Sentinel-1 mission, orbit description)."""
TRACK_M_PER_S = 6_762.0
"""Speed against the stars of the point below the satellite: 2 pi 6371 km in 98.67 min, 175 orbits in 12 days."""
TURN_M_PER_S = 465.1
"""Speed of the ground at the equator: the Earth's rotation, 7.2921e-5 rad/s, at 6378 km."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPass:
    """How a scene lies on the Earth: rows follow the satellite, columns go to the right of it, where the antenna looks.

    The scene's plane is laid on a sphere along the parallels (a sinusoidal projection): up to some 75 degrees of
    latitude, distances within a scene are right within some percent. Its pixels lie where this says, so that a place
    that is found through them can be held against the truth.

    Attributes:
        origin: Longitude and latitude of the scene's first corner, in degrees.
        heading_deg: Of the satellite, clockwise from north.
    """

    origin: tuple[float, float] = (8.0, 52.0)
    heading_deg: float = -170.0

    def lonlat(self, rows_m: ArrayLike, cols_m: ArrayLike) -> tuple[Floats, Floats]:
        """Longitudes and latitudes in degrees (EPSG:4326) of points of the scene.

        Args:
            rows_m: Distance from the scene's first row, in metres, any shape.
            cols_m: Distance from its first column, same shape.
        """
        rows_m, cols_m = np.asarray(rows_m, np.float64), np.asarray(cols_m, np.float64)
        heading = np.deg2rad(self.heading_deg)
        north_km = (rows_m * np.cos(heading) - cols_m * np.sin(heading)) / 1000.0
        east_km = (rows_m * np.sin(heading) + cols_m * np.cos(heading)) / 1000.0
        latitude = self.origin[1] + north_km / KM_PER_DEGREE
        longitude = self.origin[0] + east_km / (KM_PER_DEGREE * np.cos(np.deg2rad(latitude)))
        return longitude, latitude

    def grid_m(self, longitude: ArrayLike, latitude: ArrayLike) -> tuple[Floats, Floats]:
        """Distances from the first row and the first column, in metres, of places: the inverse of `lonlat`.

        Args:
            longitude: In degrees, any shape.
            latitude: In degrees, same shape.
        """
        longitude, latitude = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
        heading = np.deg2rad(self.heading_deg)
        east_deg = (longitude - self.origin[0] + 180.0) % 360.0 - 180.0
        east_m = east_deg * np.cos(np.deg2rad(latitude)) * KM_PER_DEGREE * 1000.0
        north_m = (latitude - self.origin[1]) * KM_PER_DEGREE * 1000.0
        rows_m = np.asarray(north_m * np.cos(heading) + east_m * np.sin(heading))
        return rows_m, np.asarray(east_m * np.cos(heading) - north_m * np.sin(heading))


PASS = SimulatedPass()
"""That of every scene of which nothing else is asked: it descends."""


def pass_over(place: tuple[float, float], at_m: tuple[float, float], *, ascending: bool) -> SimulatedPass:
    """The pass on Sentinel-1's orbit that sees a place at a point of its scene.

    Args:
        place: Longitude and latitude in degrees.
        at_m: Distance of the place from the scene's first row and from its first column, in metres.
        ascending: True where the satellite flies northwards.
    """
    heading_deg = orbit_heading_deg(place[1], ascending=ascending)
    heading = np.deg2rad(heading_deg)
    north_deg = (at_m[0] * np.cos(heading) - at_m[1] * np.sin(heading)) / (1000.0 * KM_PER_DEGREE)
    east_deg = (at_m[0] * np.sin(heading) + at_m[1] * np.cos(heading)) / (1000.0 * KM_PER_DEGREE)
    origin = (place[0] - east_deg / np.cos(np.deg2rad(place[1])), place[1] - north_deg)
    return SimulatedPass(origin=(float(origin[0]), float(origin[1])), heading_deg=heading_deg)


def orbit_heading_deg(latitude_deg: float, *, ascending: bool) -> float:
    """Heading of Sentinel-1's track over the turning Earth, clockwise from north, in -180..180.

    A great circle of inclination i crosses a latitude at the azimuth asin(cos i / cos latitude) against the stars
    (Napier's rules), while the ground moves east.

    Args:
        latitude_deg: Within 81.8 degrees of the equator, where the orbit turns; beyond, as at the turn.
        ascending: True where the satellite flies northwards.
    """
    parallel = float(np.cos(np.deg2rad(latitude_deg)))
    sine = float(np.cos(np.deg2rad(INCLINATION_DEG))) / max(parallel, 1e-9)
    azimuth = float(np.arcsin(max(sine, -1.0)))
    north = TRACK_M_PER_S * np.cos(azimuth) * (1.0 if ascending else -1.0)
    return float(np.rad2deg(np.arctan2(TRACK_M_PER_S * np.sin(azimuth) - TURN_M_PER_S * parallel, north)))


def simulated_gcps(shape: tuple[int, int], spacing_m: float, seen_from: SimulatedPass = PASS) -> Georeferencing:
    """Ground control points of a simulated scene: a 10 x 21 grid from corner to corner.

    Args:
        shape: (H, W) in pixels.
        spacing_m: Pixel spacing in metres.
        seen_from: The pass.
    """
    rows, cols = np.meshgrid(*(np.linspace(0, n, k) for n, k in zip(shape, GCP_GRID, strict=True)), indexing="ij")
    return control_points(rows, cols, *seen_from.lonlat(rows * spacing_m, cols * spacing_m))


def product_gcps(shape: tuple[int, int], spacing_m: float) -> Georeferencing:
    """Ground control points of a simulated scene as products have them: at whole rows and columns, first and last.

    Args:
        shape: (H, W) in pixels.
        spacing_m: Pixel spacing in metres.
    """
    axes = (np.unique(np.linspace(0, n - 1, k).round()) for n, k in zip(shape, GCP_GRID, strict=True))
    rows, cols = np.meshgrid(*axes, indexing="ij")
    return control_points(rows, cols, *PASS.lonlat(rows * spacing_m, cols * spacing_m))


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
