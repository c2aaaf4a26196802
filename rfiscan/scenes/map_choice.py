"""Which map a scene is to be laid on."""

from __future__ import annotations

import math

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError

from rfiscan.errors import UsageError
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.map_grid import scene_lonlat

UTM = "utm"
NORTH_POLAR, SOUTH_POLAR = 3413, 3031
"""EPSG codes of the polar stereographic maps that are used where UTM ends: those of NSIDC, and of Antarctica."""
UTM_NORTH_DEG, UTM_SOUTH_DEG = 84.0, -80.0
"""Latitudes between which UTM is defined (NGA.SIG.0012, section 7)."""


def parse_map(text: str) -> str:
    """Read what a user calls a map.

    Args:
        text: An EPSG code, with or without ``EPSG:``, or ``utm``.

    Returns:
        ``utm``, or such as ``EPSG:4326``.

    Raises:
        UsageError: It is neither, or the code is not that of a map.
    """
    name = text.strip().lower()
    if name == UTM:
        return UTM
    code = name.removeprefix("epsg:")
    hint = "Give an EPSG code such as 4326 or 32633, or utm for the zone of the scene."
    if not (code.isascii() and code.isdigit()):
        raise UsageError(f"--geocode: {text!r} is neither an EPSG code nor 'utm'", hint=hint)
    try:
        crs = CRS.from_epsg(int(code))
    except CRSError as error:
        raise UsageError(f"--geocode: there is no EPSG code {code}", hint=hint) from error
    if not (crs.is_projected or crs.is_geographic):
        raise UsageError(f"--geocode: EPSG:{code} is no map of longitudes or metres", hint=hint)
    return f"EPSG:{int(code)}"


def choose_map(wanted: str, georeferencing: Georeferencing, shape: tuple[int, int], label: str) -> CRS:
    """Choose the coordinate system of a scene's map.

    Args:
        wanted: What `parse_map` returned. ``utm`` takes the zone of the scene's middle, or a polar stereographic map
            where UTM ends; the wider zones of Norway and Svalbard are not made.
        georeferencing: Of the scene's grid.
        shape: (rows, cols) of that grid.
        label: How messages call the scene.

    Raises:
        SceneError: The scene has no place on the Earth.
    """
    rows, cols = (np.array([size / 2]) for size in shape)
    lon, lat = (float(axis[0]) for axis in scene_lonlat(georeferencing, cols, rows, label))
    if wanted != UTM:
        return CRS.from_string(wanted)
    if not UTM_SOUTH_DEG <= lat <= UTM_NORTH_DEG:
        return CRS.from_epsg(NORTH_POLAR if lat > 0 else SOUTH_POLAR)
    zone = math.floor((lon + 180) % 360 / 6) + 1
    return CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)
