"""Places of emitters as GeoJSON (RFC 7946) and as a table.

Points and lines go to one file, error ellipses to another: a viewer styles a layer of areas by itself, and as its own
layer it hides no points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.atomic import write_atomically
from rfiscan.export.antimeridian import split_polygon
from rfiscan.export.records import to_json
from rfiscan.export.tables import write_table
from rfiscan.export.vectors import DECIMALS

COLUMNS = (
    "id",
    "kind",
    "longitude_deg",
    "latitude_deg",
    "semi_major_m",
    "semi_minor_m",
    "orientation_deg",
    "probability",
    "passes",
    "ascending",
    "descending",
    "polarizations",
    "peak_excess_db",
    "chi2",
    "log_odds",
    "ambiguous",
    "alternatives",
    "stripes",
)


def point_geometry(lon_deg: float, lat_deg: float) -> dict[str, Any]:
    """A GeoJSON point."""
    return {"type": "Point", "coordinates": [round(lon_deg, DECIMALS), round(lat_deg, DECIMALS)]}


def line_geometry(lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> dict[str, Any]:
    """A GeoJSON line, cut in two where it crosses the 180th meridian (RFC 7946, section 3.1.9).

    Args:
        lon_deg: Longitudes, shape (N,); neighbours may lie 360 degrees apart.
        lat_deg: Latitudes, same shape.
    """
    lon = np.unwrap(lon_deg, period=360)
    lon -= 360.0 * np.floor((lon.min() + 180.0) / 360.0)
    east = np.flatnonzero(lon > 180.0)
    points = np.column_stack([lon, lat_deg])
    if not east.size:
        return {"type": "LineString", "coordinates": np.round(points, DECIMALS).tolist()}
    order = points if lon[0] <= lon[-1] else points[::-1]
    cut = int(np.flatnonzero(order[:, 0] > 180.0)[0])
    share = (180.0 - order[cut - 1, 0]) / (order[cut, 0] - order[cut - 1, 0])
    meridian = np.array([180.0, order[cut - 1, 1] + share * (order[cut, 1] - order[cut - 1, 1])])
    parts = [np.vstack([order[:cut], meridian]), np.vstack([meridian, order[cut:]]) - np.array([360.0, 0.0])]
    return {"type": "MultiLineString", "coordinates": [np.round(part, DECIMALS).tolist() for part in parts]}


def polygon_geometry(lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> dict[str, Any]:
    """A GeoJSON polygon of a closed line, cut where it crosses the 180th meridian; arguments as in `line_geometry`."""
    parts = split_polygon([np.column_stack([lon_deg, lat_deg])])
    coordinates = [[np.round(ring, DECIMALS).tolist() for ring in part] for part in parts]
    if len(coordinates) == 1:
        return {"type": "Polygon", "coordinates": coordinates[0]}
    return {"type": "MultiPolygon", "coordinates": coordinates}


def write_emitters(out_dir: Path, emitters: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> dict[str, str]:
    """Write places of emitters.

    Args:
        out_dir: Folder for ``emitters.geojson``, ``emitters_ellipses.geojson`` and ``emitters.csv``.
        emitters: Properties of each, with ``geometry`` and ``ellipse``, GeoJSON geometries; the latter None for a line.
        about: What each feature says besides.

    Returns:
        Path of each output by name.

    Raises:
        OutputError: If a file cannot be written.
        ResourceError: If the disk is full.
    """
    paths = {
        "ellipses": out_dir / "emitters_ellipses.geojson",
        "table": out_dir / "emitters.csv",
        "geojson": out_dir / "emitters.geojson",
    }
    with_ellipse = [emitter for emitter in emitters if emitter["ellipse"] is not None]
    write_atomically(paths["ellipses"], _collection(with_ellipse, "ellipse", about))
    rows = [{key: _field(emitter[key]) for key in COLUMNS} for emitter in emitters]
    write_table(paths["table"], rows, COLUMNS)
    write_atomically(paths["geojson"], _collection(emitters, "geometry", about))
    return {name: str(path) for name, path in paths.items()}


def _collection(emitters: Sequence[Mapping[str, Any]], geometry: str, about: Mapping[str, Any]) -> bytes:
    """A GeoJSON feature collection, one feature a line."""
    features = [
        to_json(
            {
                "type": "Feature",
                "id": emitter["id"],
                "geometry": emitter[geometry],
                "properties": {
                    **{key: value for key, value in emitter.items() if key not in {"geometry", "ellipse"}},
                    **about,
                },
            }
        )
        for emitter in emitters
    ]
    lines = ",\n".join(features)
    return f'{{"type":"FeatureCollection","features":[\n{lines}\n]}}\n'.encode()


def _field(value: object) -> object:
    """A property as a field of a table."""
    if isinstance(value, list):
        return " ".join(f"{item['scene']}:{item['index']}" if isinstance(item, dict) else str(item) for item in value)
    return value
