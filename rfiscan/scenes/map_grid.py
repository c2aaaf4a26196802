"""A grid of pixels on a map, and which point of a scene's own grid each of its pixels shows.

A scene in radar geometry has ground control points. What `Georeferencing.to_lonlat` makes of them is inverted here by
Newton's method, so that rasters on a map lie where outlines do. GDAL would fit a polynomial of its own, or a thin-plate
spline: against `to_lonlat`, on the geolocation grids of 6D00 (IW) and BB15 (EW), the polynomial is off by up to 286 and
4626 m, the spline by up to 73 and 394 m.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # what rasterio.warp raises; rasterio.errors does not offer it
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform as warp_points

from rfiscan.errors import SceneError
from rfiscan.scenes.georeferencing import WGS84, FloatArray, Georeferencing, LonLat, earth_centred

Place: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""Earth-centred coordinates (N, 3) in metres of rows and columns."""

Nodes: TypeAlias = tuple[FloatArray, FloatArray]
"""Rows and columns of a scene's grid at the nodes of a map, NaN far from the scene."""

NODE_M, SMOOTH_NODE_M = 500.0, 4000.0
"""Positions are computed at nodes this far apart, or a pixel, and interpolated between: where cells of a geolocation
grid meet, the error of that is about a metre. Transforms and splines have no such edges, and splines are slow."""
BAND_PX = 2**20
"""Pixels, or nodes, that are worked on together."""
SIDE_POINTS = 101
"""Points of the scene along each axis by which its extent on the map is found."""
ITERATIONS, CLOSE_PX = 12, 0.01
TORN = 20
"""A choice: a map that needs so many times the pixels of a scene does not fit it. Turned ones need twice, or thrice."""
FAR = 1.0
"""What lies farther than this from the middle of a scene, in its sizes, is not looked for."""
NICE_SCALE = 0.01
"""A map whose scale differs from that of the ground by less than this gets pixels of the very spacing, in its units."""
METRES_PER_DEGREE = 111_195.0
"""Of a great circle on a sphere of 6371 km."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapGrid:
    """Pixels on a map, north up.

    Attributes:
        crs: Of the map.
        transform: From (col, row) in pixel-corner coordinates to (x, y).
        shape: (rows, cols).
        step_px: Pixels from node to node: see `NODE_M`.
    """

    crs: CRS
    transform: Affine
    shape: tuple[int, int]
    step_px: int

    @property
    def georeferencing(self) -> Georeferencing:
        """Georeferencing of the grid."""
        return Georeferencing(kind="affine", crs=self.crs, transform=self.transform)


def place_map_grid(
    georeferencing: Georeferencing, shape: tuple[int, int], spacing_m: tuple[float, float], crs: CRS, label: str
) -> MapGrid:
    """Lay a grid on a map around a scene, with pixels about as large as its own.

    A scene over the antimeridian gets longitudes beyond 180 degrees in a geographic coordinate system, so that it stays
    in one piece.

    Args:
        georeferencing: Of the scene's grid.
        shape: (rows, cols) of that grid.
        spacing_m: Metres between its rows and between its columns.
        crs: Coordinate system of the map, projected or geographic.
        label: How messages call the scene.

    Raises:
        SceneError: The scene has no place on the Earth, or none on that map.
    """
    rows, cols = (np.linspace(0, size, SIDE_POINTS) for size in shape)
    lon, lat = scene_lonlat(georeferencing, *np.meshgrid(cols, rows), label)
    centre = SIDE_POINTS // 2
    lon = lon[centre, centre] + (lon - lon[centre, centre] + 180) % 360 - 180
    x, y = _to_map(crs, lon, lat, label)
    if crs.is_geographic and np.ptp(x) > 180:
        raise SceneError(
            f"{label}: lies around a pole, which has no one place in {crs.to_string()}",
            hint="Choose a polar map: --geocode utm does.",
        )
    pixel_m = float(np.sqrt(spacing_m[0] * spacing_m[1]))
    step_x, step_y = _pixel_size(crs, float(lon[centre, centre]), float(lat[centre, centre]), pixel_m, label)
    first_col, stop_col = np.floor(x.min() / step_x) - 1, np.ceil(x.max() / step_x) + 1
    first_row, stop_row = np.floor(-y.max() / step_y) - 1, np.ceil(-y.min() / step_y) + 1
    map_shape = int(stop_row - first_row), int(stop_col - first_col)
    if map_shape[0] * map_shape[1] > TORN * (shape[0] + 2) * (shape[1] + 2):
        raise SceneError(
            f"{label}: would need {map_shape[0]} x {map_shape[1]} pixels on {crs.to_string()}, which tears it apart or "
            "distorts it",
            hint="Choose another map: --geocode utm fits.",
        )
    return MapGrid(
        crs=crs,
        transform=Affine(step_x, 0.0, float(first_col * step_x), 0.0, -step_y, float(-first_row * step_y)),
        shape=map_shape,
        step_px=max(1, int((NODE_M if georeferencing.is_control_grid else SMOOTH_NODE_M) / pixel_m)),
    )


def positions(grid: MapGrid, nodes: Nodes) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Find where in a scene's own grid the centres of the pixels of a map lie.

    Args:
        grid: The map.
        nodes: What `find_nodes` returned.

    Yields:
        Rows of the map, a band at a time; and rows and columns, in pixel-corner coordinates of the scene, of the pixels
        of that band, shape (h, W); NaN where a pixel lies far from the scene. They may lie beyond the scene's edges.
    """
    height, width = grid.shape
    left, right_share = _between(width, grid.step_px)
    band = max(1, BAND_PX // width)
    upper, lower_share = _between(height, grid.step_px)
    for start in range(0, height, band):
        rows = slice(start, min(start + band, height))
        share = lower_share[rows, None]
        lines = (axis[upper[rows]] * (1 - share) + axis[upper[rows] + 1] * share for axis in nodes)
        found = [line[:, left] * (1 - right_share) + line[:, left + 1] * right_share for line in lines]
        yield rows, found[0], found[1]


def scene_lonlat(georeferencing: Georeferencing, cols: FloatArray, rows: FloatArray, label: str) -> LonLat:
    """Return longitudes and latitudes of points of a scene's grid: see `Georeferencing.to_lonlat`.

    Raises:
        SceneError: The scene has no place on the Earth.
    """
    found = georeferencing.to_lonlat(cols, rows)
    if found is None:
        raise SceneError(
            f"{label}: has no georeferencing, so it cannot be laid on a map", hint="Leave out --geocode for it."
        )
    return found


def find_nodes(grid: MapGrid, georeferencing: Georeferencing, shape: tuple[int, int], label: str) -> Nodes:
    """Find where in a scene's own grid the nodes of a map lie: once for all rasters of the scene.

    Args:
        grid: The map.
        georeferencing: Of the scene's grid.
        shape: (rows, cols) of that grid.
        label: How messages call the scene.

    Raises:
        SceneError: The scene has no place on the Earth.
    """
    counts = [-(-size // grid.step_px) + 1 for size in grid.shape]
    y = grid.transform.f + grid.transform.e * grid.step_px * np.arange(counts[0])
    x = grid.transform.c + grid.transform.a * grid.step_px * np.arange(counts[1])
    found = np.full((2, *counts), np.nan)
    step = max(1, BAND_PX // (8 * counts[1]))
    for start, stop in pairwise([*range(0, counts[0], step), counts[0]]):
        band_x, band_y = np.meshgrid(x, y[start:stop])
        lon, lat = _from_map(grid.crs, band_x.ravel(), band_y.ravel())
        known = np.isfinite(lon) & np.isfinite(lat)
        flat = np.full((2, lon.size), np.nan)
        flat[:, known] = _invert(georeferencing, shape, earth_centred(lon[known], lat[known]), label)
        found[:, start:stop] = flat.reshape(2, *band_x.shape)
    return found[0], found[1]


def _invert(
    georeferencing: Georeferencing, shape: tuple[int, int], targets: FloatArray, label: str
) -> NDArray[np.float64]:
    """Return rows and columns (2, N) of a scene's grid of points (N, 3) on the Earth; NaN far from the scene."""

    def place(rows: FloatArray, cols: FloatArray) -> FloatArray:
        return earth_centred(*scene_lonlat(georeferencing, cols, rows, label))

    mesh_rows, mesh_cols = (axis.ravel() for axis in np.meshgrid(*(np.linspace(0, size, 9) for size in shape)))
    mesh = place(mesh_rows, mesh_cols)
    middle, scale = mesh.mean(axis=0), float(np.ptp(mesh, axis=0).max())
    design = np.column_stack([(mesh - middle) / scale, np.ones(len(mesh))])
    plane = np.linalg.lstsq(design, np.column_stack([mesh_rows, mesh_cols]), rcond=None)[0]
    guess = (np.column_stack([(targets - middle) / scale, np.ones(len(targets))]) @ plane).T
    found = np.full((2, len(targets)), np.nan)
    size = np.array(shape, np.float64)[:, None]
    active = np.flatnonzero((np.abs(guess / size - 0.5) < FAR).all(axis=0))
    at = guess[:, active]
    for _ in range(ITERATIONS):
        # beyond the edges the grid is continued, but only so far: projections end somewhere
        at = np.clip(at, (0.5 - FAR) * size, (0.5 + FAR) * size)
        step = _newton_step(place, at, targets[active])
        at = at + step
        close = np.hypot(*step) <= CLOSE_PX
        found[:, active[close]] = at[:, close]
        active, at = active[~close], at[:, ~close]
        if not active.size:
            break
    return found


def _newton_step(place: Place, at: FloatArray, targets: FloatArray) -> FloatArray:
    """Return how far to move (2, N) from rows and columns (2, N) so as to come nearer to points (N, 3) on the Earth."""
    rows, cols = at
    here = place(rows, cols)
    by_row, by_col, off = place(rows + 0.5, cols) - here, place(rows, cols + 0.5) - here, targets - here
    rr, cc, rc = (np.sum(a * b, axis=1) for a, b in ((by_row, by_row), (by_col, by_col), (by_row, by_col)))
    r_off, c_off = np.sum(by_row * off, axis=1), np.sum(by_col * off, axis=1)
    determinant = np.maximum(rr * cc - rc**2, np.finfo(float).tiny)
    step: FloatArray = 0.5 * np.stack([cc * r_off - rc * c_off, rr * c_off - rc * r_off]) / determinant
    return step


def _between(size: int, step: int) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the node before each pixel's centre, and the share of the way to the next node."""
    at = (np.arange(size) + 0.5) / step
    before = at.astype(np.intp)
    return before, at - before


def _pixel_size(crs: CRS, lon: float, lat: float, pixel_m: float, label: str) -> tuple[float, float]:
    """Return how far on the map a pixel reaches, eastwards and northwards, in the units of the map."""
    lam, phi, step = np.radians(lon), np.radians(lat), np.radians(pixel_m / METRES_PER_DEGREE)
    up = np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    east_up = up + step * np.array([-np.sin(lam), np.cos(lam), 0.0])
    north_up = up + step * np.array([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)])
    normals = np.stack([up, east_up, north_up])  # not steps of longitude, which lead nowhere from a pole
    lons = lon + (np.degrees(np.arctan2(normals[:, 1], normals[:, 0])) - lon + 180) % 360 - 180
    lats = np.degrees(np.arctan2(normals[:, 2], np.hypot(normals[:, 0], normals[:, 1])))
    x, y = _to_map(crs, lons, lats, label)
    east, north = float(np.hypot(x[1] - x[0], y[1] - y[0])), float(np.hypot(x[2] - x[0], y[2] - y[0]))
    if not crs.is_projected:
        return east, north
    nice = pixel_m / float(crs.linear_units_factor[1])
    both = float(np.sqrt(east * north))
    side = nice if abs(both / nice - 1) < NICE_SCALE else both
    return side, side


def _to_map(crs: CRS, lon: FloatArray, lat: FloatArray, label: str) -> tuple[FloatArray, FloatArray]:
    """Project longitudes, continuous over the antimeridian, and latitudes."""
    if crs == WGS84:
        return lon, lat
    try:
        found = warp_points(WGS84, crs, lon.ravel(), lat.ravel())
    except (RasterioError, CPLE_BaseError):
        found = [np.nan], [np.nan]
    if not np.isfinite(found).all():
        raise SceneError(f"{label}: lies off the map {crs.to_string()}", hint="Choose another: --geocode utm fits.")
    x, y = (np.reshape(axis, lon.shape).astype(np.float64) for axis in found[:2])
    if crs.is_geographic:
        x = x.ravel()[x.size // 2] + (x - x.ravel()[x.size // 2] + 180) % 360 - 180
    return x, y


def _from_map(crs: CRS, x: FloatArray, y: FloatArray) -> LonLat:
    """Return longitudes and latitudes of points of a map; not finite where it has none."""
    if crs == WGS84:
        return x, np.where(np.abs(y) <= 90, y, np.nan)
    lon, lat = warp_points(crs, WGS84, x, y)
    return np.asarray(lon, np.float64), np.asarray(lat, np.float64)
