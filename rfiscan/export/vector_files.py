"""Stripes as tables and layers that other programs read: CSV, COCO, GeoPackage, FlatGeobuf."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from rfiscan.atomic import write_atomically
from rfiscan.errors import MissingExtraError
from rfiscan.export.records import to_json, to_plain
from rfiscan.export.tables import write_table
from rfiscan.export.vectors import detection_properties, footprints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rfiscan.detections.regions import Detection
    from rfiscan.scenes.georeferencing import Georeferencing

LAYER_DRIVERS = {"gpkg": "GPKG", "fgb": "FlatGeobuf"}
"""GDAL drivers of the formats that need pyogrio."""

FORMATS = {"csv": "_rfi.csv", "coco": ".coco.json", "gpkg": "_rfi.gpkg", "fgb": "_rfi.fgb"}
"""What follows the name of the scene in the file of each format."""

COLUMNS = (
    *("stripe", "x_px", "y_px", "width_px", "height_px", "area_px", "width_km", "height_km", "polarizations"),
    *("score", "mean_score", "rank", "peak_excess_db", "mean_excess_db"),
    *("sub_swaths", "bursts", "azimuth_time_start", "azimuth_time_stop"),
    *("incidence_min_deg", "incidence_max_deg", "share_of_sub_swath_lines"),
    *("false_stripes_per_scene", "false_stripes_bound"),
)
"""Columns of a stripe, in every format of a table; names of a list are joined by plus signs."""

_TYPES: dict[str, type] = {
    **dict.fromkeys(("stripe", "x_px", "y_px", "width_px", "height_px", "area_px"), int),
    **dict.fromkeys(
        ("width_km", "height_km", "score", "mean_score", "rank", "peak_excess_db", "mean_excess_db"), float
    ),
    **dict.fromkeys(("incidence_min_deg", "incidence_max_deg", "share_of_sub_swath_lines"), float),
    **dict.fromkeys(("false_stripes_per_scene", "far", "threshold"), float),
}  # of fields; the others are text


def require_formats(formats: Sequence[str]) -> None:
    """Prove that formats can be written, before anything expensive starts.

    Raises:
        MissingExtraError: If one of them needs pyogrio, and it is not installed.
    """
    if any(name in LAYER_DRIVERS for name in formats):
        _pyogrio()


def write_stripes(
    path: Path,
    name: str,
    detections: Sequence[Detection],
    georeferencing: Georeferencing,
    shape: tuple[int, int],
    properties: Mapping[str, Any],
) -> None:
    """Write the stripes of a scene in one of `FORMATS`; the file appears whole or not at all.

    Args:
        path: File to write.
        name: The format.
        detections: The stripes, numbered from 1 in this order.
        georeferencing: Of the working grid.
        shape: (H, W) of the working grid.
        properties: What every stripe says besides its own figures: plain values by name, `scene` among them.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
        MissingExtraError: If the format needs pyogrio, and it is not installed.
    """
    if name == "coco":
        write_atomically(path, to_json(_coco(detections, shape, str(properties["scene"]))).encode() + b"\n")
        return
    rows = [{**_row(number, detection), **properties} for number, detection in enumerate(detections, start=1)]
    columns = [*COLUMNS, *properties]
    if name == "csv":
        write_table(path, [to_plain(row) for row in rows], columns)
    else:
        write_atomically(path, _layer(LAYER_DRIVERS[name], rows, columns, footprints(detections, georeferencing)))


def _row(number: int, detection: Detection) -> dict[str, Any]:
    values = detection_properties(detection)
    box = dict(zip(("x_px", "y_px", "width_px", "height_px"), values.pop("bbox_px"), strict=True))
    joined = {key: "+".join(value) if isinstance(value, list) else value for key, value in values.items()}
    return {"stripe": number, **box, **joined}


def _coco(detections: Sequence[Detection], shape: tuple[int, int], scene: str) -> dict[str, Any]:
    """One image with its annotations (cocodataset.org, data format); of outlines the outer rings: holes are filled.

    What else is known of a stripe is under `attributes`, which readers of COCO pass over or keep.
    """
    return {
        "images": [{"id": 1, "file_name": scene, "width": shape[1], "height": shape[0]}],
        "categories": [{"id": 1, "name": "rfi"}],
        "annotations": [
            {
                "id": number,
                "image_id": 1,
                "category_id": 1,
                "bbox": list(detection.bbox_px),
                "area": detection.area_px,
                "segmentation": [
                    [value for corner in polygon[0][:-1] for value in corner] for polygon in detection.outline_px
                ],
                "iscrowd": 0,
                "score": detection.rank,
                "attributes": detection_properties(detection),
            }
            for number, detection in enumerate(detections, start=1)
        ],
    }


def _layer(
    driver: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], geometries: Sequence[dict[str, Any] | None]
) -> bytes:
    """Encode a layer named rfi on WGS 84, multipolygons with the columns as fields."""
    encoded = np.array([None if geometry is None else _wkb(geometry) for geometry in geometries], object)
    target = io.BytesIO()
    _pyogrio().raw.write(
        target,
        encoded,
        [np.array([row[column] for row in rows], _TYPES.get(column, object)) for column in columns],
        np.array(columns, object),
        layer="rfi",
        driver=driver,
        geometry_type="MultiPolygon",
        crs="EPSG:4326",
        # FlatGeobuf cannot index what has no place
        layer_options={"SPATIAL_INDEX": "NO"} if None in geometries else None,
    )
    return target.getvalue()


def _wkb(geometry: Mapping[str, Any]) -> bytes:
    """A GeoJSON polygon or multipolygon as well-known binary, little endian (OGC 06-103r4, section 8)."""
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    parts = [struct.pack("<BII", 1, 6, len(polygons))]
    for rings in polygons:
        parts.append(struct.pack("<BII", 1, 3, len(rings)))
        for ring in rings:
            parts += [struct.pack("<I", len(ring)), np.asarray(ring, "<f8").tobytes()]
    return b"".join(parts)


def _pyogrio() -> Any:  # noqa: ANN401 - pyogrio ships no types
    try:
        import pyogrio  # noqa: PLC0415 - an extra
        import pyogrio.raw  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "GeoPackage and FlatGeobuf need pyogrio", hint="Install it: pip install 'rfiscan[vector]'."
        ) from error
    return pyogrio
