"""Detections as GeoJSON (RFC 7946): longitude and latitude on WGS 84, right-hand rule, cut at the antimeridian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rfiscan.atomic import write_atomically
from rfiscan.export.antimeridian import split_polygon
from rfiscan.export.records import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from rfiscan.detections.circumstances import Circumstances
    from rfiscan.detections.pixel_regions import Ring
    from rfiscan.detections.regions import Detection
    from rfiscan.scenes.georeferencing import Georeferencing

    Geometry = dict[str, Any]

DECIMALS = 7
"""Of a degree: one centimetre."""

CORNER_DECIMALS = 5
"""Of the corners of a grid: one metre."""

SIDE_PX = 10
"""Longest side of a footprint, in pixels: longer ones get points between, to follow the curvature of the scene."""


def footprint(detection: Detection, georeferencing: Georeferencing) -> Geometry | None:
    """The outline of a detection on the Earth; see `footprints`, which is faster for many."""
    return footprints([detection], georeferencing)[0]


def footprints(detections: Sequence[Detection], georeferencing: Georeferencing) -> list[Geometry | None]:
    """The outlines of detections on the Earth.

    Args:
        detections: Detections on the grid that the georeferencing belongs to.
        georeferencing: Of the working grid.

    Returns:
        GeoJSON geometries, Polygon or MultiPolygon, one for each detection; None where the grid has no georeferencing.
    """
    if not detections:
        return []
    lines = [_with_points_between(r) for d in detections for polygon in d.outline_px for r in polygon]
    corners = np.concatenate(lines)
    lonlat = georeferencing.to_lonlat(corners[:, 0], corners[:, 1])
    if lonlat is None:
        return [None] * len(detections)
    ends = np.cumsum([len(line) for line in lines])
    rings = iter(np.split(np.column_stack(lonlat), ends[:-1]))
    geometries: list[Geometry | None] = []
    for detection in detections:
        parts = []
        for polygon in detection.outline_px:
            parts.extend(split_polygon([next(rings) for _ in polygon]))
        coordinates = [[np.round(ring, DECIMALS).tolist() for ring in part] for part in parts]
        if len(coordinates) == 1:
            geometries.append({"type": "Polygon", "coordinates": coordinates[0]})
        else:
            geometries.append({"type": "MultiPolygon", "coordinates": coordinates})
    return geometries


def grid_corners(georeferencing: Georeferencing, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Longitudes and latitudes of the corners of a grid, shape (4, 2); None where it has no georeferencing.

    Args:
        georeferencing: Of the grid.
        shape: (H, W) of the grid.

    Returns:
        The first row's left and right, the last row's right and left corner, in degrees.
    """
    rows, cols = shape
    lonlat = georeferencing.to_lonlat([0, cols, cols, 0], [0, 0, rows, rows])
    if lonlat is None:
        return None
    corners: NDArray[np.float64] = np.column_stack(lonlat).round(CORNER_DECIMALS)
    return corners


def grid_footprint(georeferencing: Georeferencing, shape: tuple[int, int]) -> Geometry | None:
    """The outline of a grid on the Earth, from corner to corner; arguments as in `grid_corners`."""
    corners = grid_corners(georeferencing, shape)
    if corners is None:
        return None
    parts = [[ring.tolist() for ring in part] for part in split_polygon([np.vstack([corners, corners[:1]])])]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def detection_properties(detection: Detection) -> dict[str, Any]:
    """What a table of detections shows: all of a detection but its outline.

    Args:
        detection: The detection.

    Returns:
        Values by name, units in the names.
    """
    return {
        "score": detection.score,
        "mean_score": detection.mean_score,
        "rank": detection.rank,
        "polarizations": list(detection.polarizations),
        "bbox_px": list(detection.bbox_px),
        "area_px": detection.area_px,
        "height_km": detection.height_km,
        "width_km": detection.width_km,
        "peak_excess_db": detection.peak_excess_db,
        "mean_excess_db": detection.mean_excess_db,
        **_circumstances(detection.circumstances),
    }


def _circumstances(known: Circumstances) -> dict[str, Any]:
    """What is known of a detection beside its pixels; None where nothing tells it."""
    return {
        "sub_swaths": None if known.sub_swaths is None else list(known.sub_swaths),
        "bursts": None if known.bursts is None else list(known.bursts),
        "azimuth_time_start": _utc(known.azimuth_time_start),
        "azimuth_time_stop": _utc(known.azimuth_time_stop),
        "incidence_min_deg": None if known.incidence_deg is None else known.incidence_deg[0],
        "incidence_max_deg": None if known.incidence_deg is None else known.incidence_deg[1],
        "share_of_sub_swath_lines": known.share_of_sub_swath_lines,
        "false_stripes_per_scene": known.false_stripes_per_scene,
        "false_stripes_bound": known.false_stripes_bound,
    }


def _utc(time: datetime | None) -> str | None:
    """A time as RFC 3339 writes it."""
    return None if time is None else f"{time.isoformat(timespec='microseconds')}Z"


def write_geojson(
    path: Path,
    detections: Sequence[Detection],
    georeferencing: Georeferencing,
    properties: Mapping[str, Any],
) -> None:
    """Write detections as a GeoJSON feature collection that appears whole or not at all, one feature a line.

    A feature's geometry is null where the scene has no georeferencing (RFC 7946, section 3.2); its place is then
    in ``bbox_px``, on the working grid.

    Args:
        path: File to write.
        detections: In the order of the features; the first one gets id 1.
        georeferencing: Of the working grid.
        properties: What every feature says besides its own figures, such as scene and model.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    features = [
        to_json(
            {
                "type": "Feature",
                "id": number,
                "geometry": geometry,
                "properties": {**properties, **detection_properties(detection)},
            }
        )
        for number, (detection, geometry) in enumerate(
            zip(detections, footprints(detections, georeferencing), strict=True), start=1
        )
    ]
    lines = ",\n".join(features)
    write_atomically(path, f'{{"type":"FeatureCollection","features":[\n{lines}\n]}}\n'.encode())


def _with_points_between(ring: Ring) -> NDArray[np.float64]:
    """The ring with its long sides cut into equal parts, shape (N, 2), columns and rows."""
    corners = np.array(ring, dtype=np.float64)
    sides = np.diff(corners, axis=0)
    counts = np.maximum(1, np.ceil(np.hypot(*sides.T) / SIDE_PX)).astype(int)
    firsts = np.cumsum(counts) - counts
    share = (np.arange(counts.sum()) - np.repeat(firsts, counts)) / np.repeat(counts, counts)
    points = np.repeat(corners[:-1], counts, axis=0) + share[:, None] * np.repeat(sides, counts, axis=0)
    return np.vstack([points, corners[-1:]])
