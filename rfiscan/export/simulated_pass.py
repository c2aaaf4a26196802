"""The made-up passes that simulated scenes are seen from: where pixels lie on the Earth, and under which angles.

Scenes of which nothing else is asked share one place, on a plane that is laid on the Earth along the parallels; frozen
benchmarks have it in their files. Its rows are not those of a radar: they stray from their planes by a kilometre and
more. Where places matter, a `SimulatedPass` has rows as a radar has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rfiscan.locating.positions import RADIUS_M, directions, east_north, lonlat_of
from rfiscan.scenes.georeferencing import Georeferencing, control_points
from rfiscan.sentinel1.radar import EARTH_RADIUS_M, LIGHT_M_PER_S, ORBIT_RADIUS_M

KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6371 km
ORIGIN = (8.0, 52.0)
"""Longitude and latitude of a simulated scene's first corner."""
HEADING_DEG = -170.0
"""Of the satellite, clockwise from north: it descends, and rows go that way."""
GCP_GRID = (10, 21)
"""Rows and columns of ground control points, as GRD products have."""
INCLINATION_DEG = 98.18
"""Of the orbit (ESA, Sentinel-1 mission, orbit description)."""
TRACK_M_PER_S = 6_762.0
"""Speed against the stars of the point below the satellite: 2 pi 6371 km in 98.67 min, 175 orbits in 12 days."""
TURN_M_PER_S = 465.1
"""Speed of the ground at the equator: the Earth's rotation, 7.2921e-5 rad/s, at 6378 km."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPass:
    """How a scene lies on the Earth: rows follow the satellite, columns go to the right of it, where the antenna looks.

    Rows lie in planes through the Earth's centre that meet in one axis, columns run beside a great circle, as those of
    a satellite that flies along it in zero-Doppler geometry; the turn of the Earth below it is left out.

    Attributes:
        place: Longitude and latitude, in degrees, of a point of the scene.
        at_m: Distance of that point from the scene's first row and its first column, in metres.
        heading_deg: Of the satellite there, clockwise from north.
    """

    place: tuple[float, float]
    at_m: tuple[float, float]
    heading_deg: float

    def lonlat(self, rows_m: ArrayLike, cols_m: ArrayLike) -> tuple[Floats, Floats]:
        """Longitudes and latitudes in degrees (EPSG:4326) of points of the scene.

        Args:
            rows_m: Distance from the scene's first row, in metres, any shape.
            cols_m: Distance from its first column, same shape.
        """
        ahead = ((np.asarray(rows_m, np.float64) - self.at_m[0]) / RADIUS_M)[..., None]
        beside = ((np.asarray(cols_m, np.float64) - self.at_m[1]) / RADIUS_M)[..., None]
        here, along, right = self._axes()
        return lonlat_of(np.cos(beside) * (np.cos(ahead) * here + np.sin(ahead) * along) + np.sin(beside) * right)

    def grid_m(self, longitude: ArrayLike, latitude: ArrayLike) -> tuple[Floats, Floats]:
        """Distances from the first row and the first column, in metres, of places: the inverse of `lonlat`.

        Args:
            longitude: In degrees, any shape.
            latitude: In degrees, same shape.
        """
        here, along, right = self._axes()
        place = directions(longitude, latitude)
        rows_m = np.arctan2(place @ along, place @ here) * RADIUS_M + self.at_m[0]
        return np.asarray(rows_m), np.asarray(np.arcsin(place @ right) * RADIUS_M + self.at_m[1])

    def gcps(self, shape: tuple[int, int], spacing_m: float) -> Georeferencing:
        """Ground control points of a scene: a 10 x 21 grid from corner to corner.

        Args:
            shape: (H, W) in pixels.
            spacing_m: Pixel spacing in metres.
        """
        rows, cols = np.meshgrid(*(np.linspace(0, n, k) for n, k in zip(shape, GCP_GRID, strict=True)), indexing="ij")
        return control_points(rows, cols, *self.lonlat(rows * spacing_m, cols * spacing_m))

    def _axes(self) -> tuple[Floats, Floats, Floats]:
        """Unit vectors to the place, along the track, and to the right of it."""
        here, heading = directions(*self.place), np.deg2rad(self.heading_deg)
        east, north = east_north(here)
        along = np.sin(heading) * east + np.cos(heading) * north
        return here, along, np.cos(heading) * east - np.sin(heading) * north


def pass_over(place: tuple[float, float], at_m: tuple[float, float], *, ascending: bool) -> SimulatedPass:
    """The pass on Sentinel-1's orbit that sees a place at a point of its scene.

    Args:
        place: Longitude and latitude in degrees.
        at_m: Distance of the place from the scene's first row and from its first column, in metres.
        ascending: True where the satellite flies northwards.
    """
    return SimulatedPass(place=place, at_m=at_m, heading_deg=orbit_heading_deg(place[1], ascending=ascending))


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
