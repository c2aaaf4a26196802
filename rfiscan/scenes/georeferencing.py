"""Where the pixels of a grid lie on the Earth: an affine transform, ground control points, or nothing.

Sentinel-1 ground-range products carry ground control points (GCPs) and no affine transform. They stay GCPs: one affine
fitted to them is wrong by kilometres. Coordinates are pixel-corner coordinates, as GDAL has them: (0, 0) is the outer
corner of the first pixel, (0.5, 0.5) its centre.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from rasterio._err import CPLE_BaseError  # what rasterio.warp raises; rasterio.errors does not offer it
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.transform import GCPTransformer
from rasterio.warp import transform as warp_points

FloatArray: TypeAlias = NDArray[np.float64]
LonLat: TypeAlias = tuple[FloatArray, FloatArray]

WGS84 = CRS.from_epsg(4326)
MIN_GCPS = 3
_SEMI_MAJOR_M = 6_378_137.0
_ECCENTRICITY_SQ = 6.694_379_990_14e-3
_GRID_JITTER = 1e-5  # share of the grid's extent by which rows (or columns) that are meant to be one may differ
_MAP_SCALE_TOLERANCE = 0.01  # UTM distorts by 0.04 %, Web Mercator at 60 degrees by 100 %


class WindowOffset(Protocol):
    """What `Georeferencing.window` needs of a window: where its first pixel lies."""

    @property
    def col_off(self) -> int:
        """First column."""

    @property
    def row_off(self) -> int:
        """First row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Georeferencing:
    """The georeferencing of one grid of pixels.

    Attributes:
        kind: "affine", "gcps" or "none".
        crs: Coordinate system of the transform or of the GCPs; None where the source does not say.
        transform: Affine transform from (col, row) to (x, y); only with "affine".
        gcps: Ground control points; only with "gcps".
    """

    kind: Literal["affine", "gcps", "none"] = "none"
    crs: CRS | None = None
    transform: Affine | None = None
    gcps: tuple[GroundControlPoint, ...] = field(default=(), repr=False)

    def rescaled(self, row_factor: float, col_factor: float) -> Georeferencing:
        """Return the georeferencing of a grid whose pixels are `row_factor` x `col_factor` source pixels."""
        t = self.transform
        if t is not None:
            scaled = Affine(t.a * col_factor, t.b * row_factor, t.c, t.d * col_factor, t.e * row_factor, t.f)
            return replace(self, transform=scaled)
        return replace(self, gcps=tuple(_moved(p, p.row / row_factor, p.col / col_factor) for p in self.gcps))

    def window(self, window: WindowOffset) -> Georeferencing:
        """Return the georeferencing of the part of the grid that begins at the window's first pixel."""
        t = self.transform
        if t is not None:
            x, y = _placed(t, window.col_off, window.row_off)
            return replace(self, transform=Affine(t.a, t.b, float(x), t.d, t.e, float(y)))
        moved = (_moved(p, p.row - window.row_off, p.col - window.col_off) for p in self.gcps)
        return replace(self, gcps=tuple(moved))

    def to_lonlat(self, cols: ArrayLike, rows: ArrayLike) -> LonLat | None:
        """Return longitudes and latitudes (EPSG:4326, degrees) of points of the grid.

        GCPs that form a grid are interpolated bilinearly, and linearly beyond the outermost ones; others by a
        thin-plate spline.

        Args:
            cols: Columns in pixel-corner coordinates, any shape.
            rows: Rows, of the shape of `cols`.

        Returns:
            (longitudes in -180..180, latitudes), each of the shape of `cols`; None where the source has no
            georeferencing or its coordinates are not on the Earth.
        """
        cols, rows = np.broadcast_arrays(np.asarray(cols, np.float64), np.asarray(rows, np.float64))
        if self.kind == "none" or self.crs is None:
            return None
        try:
            if self.transform is not None:
                return _finite(_warped(self.crs, *_placed(self.transform, cols, rows)))
            return _finite(self._gcp_lonlat(cols, rows))
        except (RasterioError, CPLE_BaseError):  # a local coordinate system, or points beyond its projection
            return None

    def spacing_m(self, height: int, width: int) -> tuple[float, float] | None:
        """Return the pixel spacing (row, col) in metres of ground about the centre of a grid of that size.

        A projected coordinate system gives its own units if they agree with the ground within a percent, so that a
        10 m UTM grid says 10 m. None where it is unknown.
        """
        half_h, half_w, mid_r, mid_c = height / 4, width / 4, height / 2, width / 2
        cols = np.array([mid_c, mid_c, mid_c - half_w, mid_c + half_w])
        rows = np.array([mid_r - half_h, mid_r + half_h, mid_r, mid_r])
        lonlat = self.to_lonlat(cols, rows)
        if lonlat is None:
            return None
        points = earth_centred(*lonlat)
        row_m = float(np.linalg.norm(points[1] - points[0])) / (2 * half_h)
        col_m = float(np.linalg.norm(points[3] - points[2])) / (2 * half_w)
        if not (row_m > 0 and col_m > 0):
            return None
        if self.transform is not None and self.crs is not None and self.crs.is_projected:
            unit_m = float(self.crs.linear_units_factor[1])
            map_row = unit_m * float(np.hypot(self.transform.b, self.transform.e))
            map_col = unit_m * float(np.hypot(self.transform.a, self.transform.d))
            if abs(map_row / row_m - 1) < _MAP_SCALE_TOLERANCE and abs(map_col / col_m - 1) < _MAP_SCALE_TOLERANCE:
                return map_row, map_col
        return row_m, col_m

    @property
    def is_control_grid(self) -> bool:
        """Whether its GCPs form a grid, between whose points it is bilinear."""
        return self.kind == "gcps" and self._control_axes() is not None

    def _control_axes(self) -> tuple[FloatArray, NDArray[np.intp], FloatArray, NDArray[np.intp]] | None:
        """Return rows, index of each GCP among them, columns, and index; None where the GCPs form no grid."""
        rows, cols = (np.array([getattr(p, axis) for p in self.gcps], np.float64) for axis in ("row", "col"))
        row_axis, row_index = _axis(rows)
        col_axis, col_index = _axis(cols)
        cells = row_index * len(col_axis) + col_index
        complete = len(cells) == len(row_axis) * len(col_axis) == len(np.unique(cells))
        return (
            (row_axis, row_index, col_axis, col_index) if complete and min(len(row_axis), len(col_axis)) > 1 else None
        )

    def _gcp_lonlat(self, cols: FloatArray, rows: FloatArray) -> LonLat:
        lon, lat = _warped(self.crs, np.array([p.x for p in self.gcps]), np.array([p.y for p in self.gcps]))
        axes = self._control_axes()
        if axes is None:
            gcp_rows, gcp_cols = (np.array([getattr(p, axis) for p in self.gcps], float) for axis in ("row", "col"))
            return _spline_lonlat(gcp_rows, gcp_cols, lon, lat, cols, rows)
        row_axis, row_index, col_axis, col_index = axes
        # Interpolating the surface normal, not the angles, needs no care at the antimeridian or near a pole.
        normals = np.empty((len(row_axis), len(col_axis), 3))
        normals[row_index, col_index] = _surface_normal(lon, lat)
        x, y, z = np.moveaxis(_bilinear(normals, row_axis, col_axis, rows, cols), -1, 0)
        return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def control_points(rows: ArrayLike, cols: ArrayLike, lon: ArrayLike, lat: ArrayLike) -> Georeferencing:
    """Georeferencing by ground control points at height 0.

    Args:
        rows: Rows in pixel-corner coordinates, any shape.
        cols: Columns, same shape.
        lon: Longitudes in degrees (EPSG:4326), same shape.
        lat: Latitudes in degrees, same shape.
    """
    points = zip(*(np.ravel(values).tolist() for values in (rows, cols, lon, lat)), strict=True)
    gcps = tuple(GroundControlPoint(row=r, col=c, x=x, y=y, z=0.0) for r, c, x, y in points)
    return Georeferencing(kind="gcps", crs=WGS84, gcps=gcps)


def earth_centred(lon: FloatArray, lat: FloatArray) -> FloatArray:
    """Return earth-centred coordinates (..., 3) in metres of points on the WGS 84 ellipsoid, given in degrees."""
    normal = _surface_normal(lon, lat)
    radius = _SEMI_MAJOR_M / np.sqrt(1 - _ECCENTRICITY_SQ * normal[..., 2] ** 2)
    result: FloatArray = normal * radius[..., None]
    result[..., 2] *= 1 - _ECCENTRICITY_SQ
    return result


def _surface_normal(lon: FloatArray, lat: FloatArray) -> FloatArray:
    lam, phi = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def _moved(point: GroundControlPoint, row: float, col: float) -> GroundControlPoint:
    return GroundControlPoint(row=row, col=col, x=point.x, y=point.y, z=point.z, id=point.id, info=point.info)


def _placed(t: Affine, cols: ArrayLike, rows: ArrayLike) -> tuple[FloatArray, FloatArray]:
    # Written out, as versions of affine differ in the operator that they want for it.
    cols, rows = np.asarray(cols, np.float64), np.asarray(rows, np.float64)
    return t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f


def _warped(crs: CRS | None, x: FloatArray, y: FloatArray) -> LonLat:
    if crs == WGS84:
        lon, lat = x, y
    else:
        found_x, found_y = warp_points(crs, WGS84, x.ravel(), y.ravel())
        lon, lat = np.reshape(found_x, x.shape), np.reshape(found_y, y.shape)
    return (np.asarray(lon, np.float64) + 180) % 360 - 180, np.asarray(lat, np.float64)


def _finite(lonlat: LonLat) -> LonLat | None:
    lon, lat = lonlat
    on_earth = bool(np.isfinite(lon).all() and np.isfinite(lat).all() and (np.abs(lat) <= 90).all())
    return (lon, lat) if on_earth else None


def _axis(values: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the distinct values, ascending, and the index of each value among them; jitter does not count."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    is_next = np.diff(ordered) > _GRID_JITTER * (ordered[-1] - ordered[0])
    index = np.empty(len(values), np.intp)
    index[order] = np.concatenate([[0], np.cumsum(is_next)])
    return np.bincount(index, values) / np.bincount(index), index


def _bilinear(
    grid: FloatArray, row_axis: FloatArray, col_axis: FloatArray, rows: FloatArray, cols: FloatArray
) -> FloatArray:
    """Interpolate `grid` (R, C, K) at points; linear extrapolation beyond the outermost nodes."""
    r = np.clip(np.searchsorted(row_axis, rows) - 1, 0, len(row_axis) - 2)
    c = np.clip(np.searchsorted(col_axis, cols) - 1, 0, len(col_axis) - 2)
    u = ((rows - row_axis[r]) / (row_axis[r + 1] - row_axis[r]))[..., None]
    v = ((cols - col_axis[c]) / (col_axis[c + 1] - col_axis[c]))[..., None]
    upper = grid[r, c] * (1 - v) + grid[r, c + 1] * v
    lower = grid[r + 1, c] * (1 - v) + grid[r + 1, c + 1] * v
    result: FloatArray = upper * (1 - u) + lower * u
    return result


def _spline_lonlat(
    gcp_rows: FloatArray, gcp_cols: FloatArray, lon: FloatArray, lat: FloatArray, cols: FloatArray, rows: FloatArray
) -> LonLat:
    unwrapped = lon[0] + (lon - lon[0] + 180) % 360 - 180
    points = [
        GroundControlPoint(row=r, col=c, x=x, y=y)
        for r, c, x, y in zip(gcp_rows, gcp_cols, unwrapped, lat, strict=True)
    ]
    with GCPTransformer(points, tps=True) as spline:
        x, y = spline.xy(rows.ravel(), cols.ravel(), offset="ul")
    found_lon = (np.reshape(x, cols.shape).astype(np.float64) + 180) % 360 - 180
    return found_lon, np.reshape(y, cols.shape).astype(np.float64)
