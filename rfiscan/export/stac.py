"""A finished scene as an item of a SpatioTemporal Asset Catalog: STAC 1.1.0, https://github.com/radiantearth/stac-spec.

Extensions are those of https://stac-extensions.github.io in the versions of `EXTENSIONS`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rfiscan.atomic import write_atomically
from rfiscan.export.rasters import MASK_CLEAR, MASK_NODATA, MASK_RFI
from rfiscan.export.records import to_json
from rfiscan.export.stac_rasters import raster_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STAC_VERSION = "1.1.0"
STAC_SUFFIX = ".stac.json"
CATALOGUE_ID = "rfiscan"
EXTENSIONS = {
    "sar": "1.2.0",
    "sat": "1.0.0",
    "projection": "2.0.0",
    "raster": "2.0.0",
    "processing": "1.2.0",
    "classification": "2.0.0",
    "file": "2.1.0",
    "mlm": "1.4.0",
}
_SCENE_EXTENSIONS = ("sar", "sat", "projection", "raster", "processing", "classification", "file")
FIRST_LAUNCH = "2014-04-03T21:02:26Z"
"""Of Sentinel-1A."""
CENTRE_FREQUENCY_GHZ = 5.405
"""Of the instrument: Sentinel-1 Product Specification, radarFrequency 5.405000454334350e+09 Hz in its annotations."""

SHA256 = "1220"  # multihash: code 0x12 of SHA-256, 0x20 bytes
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_MASK_CLASSES = [
    {"value": MASK_CLEAR, "name": "clear", "description": "no interference found"},
    {"value": MASK_RFI, "name": "rfi", "description": "radio-frequency interference"},
    {"value": MASK_NODATA, "name": "nodata", "description": "not valid", "nodata": True},
]
_ASSETS: dict[str, dict[str, Any]] = {
    "error": {"title": "Reconstruction error", "type": _COG, "roles": ["data"]},
    "score": {"title": "Anomaly map, log odds of interference", "type": _COG, "roles": ["data"]},
    "mask": {"title": "Mask", "type": _COG, "roles": ["data"], "classification:classes": _MASK_CLASSES},
    "geojson": {"title": "Stripes", "type": "application/geo+json", "roles": ["data"]},
    "quicklook": {"title": "Picture", "type": "image/png", "roles": ["overview"]},
    "error_geocoded": {"title": "Reconstruction error, on a map", "type": _COG, "roles": ["data"]},
    "score_geocoded": {"title": "Anomaly map, on a map", "type": _COG, "roles": ["data"]},
    "mask_geocoded": {
        "title": "Mask, on a map",
        "type": _COG,
        "roles": ["data"],
        "classification:classes": _MASK_CLASSES,
    },
    "csv": {"title": "Stripes as a table", "type": "text/csv", "roles": ["data"]},
    "coco": {"title": "Stripes as COCO annotations", "type": "application/json", "roles": ["data"]},
    "gpkg": {"title": "Stripes", "type": "application/geopackage+sqlite3", "roles": ["data"]},
    "fgb": {"title": "Stripes", "type": "application/vnd.flatgeobuf", "roles": ["data"]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """When and how a scene was taken; None where the product does not tell.

    Attributes:
        start_time: First zero-Doppler time, UTC.
        stop_time: Last zero-Doppler time, UTC.
        mission: Such as S1A.
        mode: Such as IW.
        pass_direction: Ascending or Descending.
        absolute_orbit: Number of the orbit.
        relative_orbit: Number of the track, 1 to 175.
        node_time: When the satellite crossed the equator northwards before, UTC.
    """

    start_time: datetime
    stop_time: datetime
    mission: str | None
    mode: str | None
    pass_direction: str | None
    absolute_orbit: int | None
    relative_orbit: int | None = None
    node_time: datetime | None = None


_OWN = ("model", "model_sha256", "far", "severity", "scene_score", "scene_far", "flagged_share")


def stac_item(
    record: Mapping[str, Any],
    acquisition: Acquisition,
    footprint: Mapping[str, Any] | None,
    epsg: int | None,
    model_href: str | None = None,
) -> dict[str, Any]:
    """Describe a finished scene as a STAC item; its assets are read for their sizes and digests.

    Args:
        record: The record of the scene; its outputs exist, but for the record itself.
        acquisition: When and how it was taken.
        footprint: GeoJSON geometry of the scene; None where nothing tells it.
        epsg: Code of the projection of the rasters; None where they lie in radar geometry, or it has no code.
        model_href: Where the item of the model is; None if it has none.
    """
    row_m, col_m = record["spacing_m"]
    properties: dict[str, Any] = {
        "datetime": _utc(acquisition.start_time),
        "start_datetime": _utc(acquisition.start_time),
        "end_datetime": _utc(acquisition.stop_time),
        "constellation": "sentinel-1",
        "instruments": ["c-sar"],
        "gsd": max(row_m, col_m),
        "sar:frequency_band": "C",
        "sar:center_frequency": CENTRE_FREQUENCY_GHZ,
        "sar:polarizations": record["polarizations"],
        "sar:pixel_spacing_azimuth": row_m,
        "sar:pixel_spacing_range": col_m,
        "sar:observation_direction": "right",
        "proj:code": None if epsg is None else f"EPSG:{epsg}",
        "proj:shape": record["shape"],
        "processing:level": "L4",
        "processing:software": {"rfiscan": record["version"]},
        **{f"rfiscan:{key}": record[key] for key in _OWN},
        "rfiscan:stripes": len(record["detections"]),
    }
    properties |= _platform(acquisition)
    links = []
    if model_href is not None:  # as the best practices of the MLM extension ask for
        properties["processing:expression"] = {"format": "stac-mlm", "expression": model_href}
        links.append({"rel": "derived_from", "href": model_href, "type": "application/geo+json", "title": "Model"})
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [
            schema_of(name)
            for name in _SCENE_EXTENSIONS
            if name != "sat" or any(key.startswith("sat:") for key in properties)
        ],
        "id": f"{record['scene']}_rfi",
        "geometry": footprint,
    }
    if footprint is not None:
        item["bbox"] = _bbox(footprint)
    return item | {"properties": properties, "links": links, "assets": _assets(record)}


def _platform(acquisition: Acquisition) -> dict[str, Any]:
    """Properties of satellite, mode and orbit; what is not known is left out."""
    mission, direction, node_time = acquisition.mission, acquisition.pass_direction, acquisition.node_time
    known = {
        "platform": None if mission is None else f"sentinel-{mission[1:].lower()}",  # S1A
        "sar:instrument_mode": acquisition.mode,
        "sat:orbit_state": None if direction is None else direction.lower(),
        "sat:absolute_orbit": acquisition.absolute_orbit or None,  # that of a simulated product is 0
        "sat:relative_orbit": acquisition.relative_orbit,
        "sat:anx_datetime": None if node_time is None else _utc(node_time),
    }
    return {key: value for key, value in known.items() if value is not None}


def write_stac(path: Path, item: Mapping[str, Any], *, shared: bool = False) -> None:
    """Write an item or a catalogue; the file appears whole or not at all.

    Args:
        path: Path of the file to be.
        item: What it is to hold.
        shared: True where other processes may write the same file at the same time.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    write_atomically(path, (to_json(item, indent=2) + "\n").encode(), shared=shared)


def schema_of(name: str) -> str:
    """Address of the schema of an extension."""
    return f"https://stac-extensions.github.io/{name}/v{EXTENSIONS[name]}/schema.json"


def _utc(time: datetime) -> str:
    return f"{time.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _assets(record: Mapping[str, Any]) -> dict[str, Any]:
    assets = {}
    for name, path in record["outputs"].items():
        if name in _ASSETS:
            content = Path(path).read_bytes()
            size = {"file:size": len(content), "file:checksum": SHA256 + hashlib.sha256(content).hexdigest()}
            assets[name] = {"href": f"./{quote(Path(path).name)}", **_ASSETS[name], **size}
            if _ASSETS[name]["type"] == _COG:
                assets[name] |= raster_fields(Path(path), tuple(record["spacing_m"]))
    record_name = Path(record["outputs"]["record"]).name  # written last, so it has no digest yet
    return assets | {"record": {"href": f"./{quote(record_name)}", "type": "application/json", "roles": ["metadata"]}}


def _bbox(footprint: Mapping[str, Any]) -> list[float]:
    """West, south, east, north; west lies east of east where the scene crosses the antimeridian (RFC 7946, 5.2)."""
    polygons = footprint["coordinates"] if footprint["type"] == "MultiPolygon" else [footprint["coordinates"]]
    parts = [([lon for lon, _ in rings[0]], [lat for _, lat in rings[0]]) for rings in polygons]
    south, north = min(min(lats) for _, lats in parts), max(max(lats) for _, lats in parts)
    if len(parts) == 1:
        return [min(parts[0][0]), south, max(parts[0][0]), north]
    west = min(min(lons) for lons, _ in parts if max(lons) > 0)
    return [west, south, max(max(lons) for lons, _ in parts if min(lons) < 0), north]


def catalogue(items: Sequence[str]) -> dict[str, Any]:
    """A static catalogue of items that lie beside it.

    Args:
        items: Names of their files.
    """
    links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
    links += [{"rel": "item", "href": f"./{quote(name)}", "type": "application/geo+json"} for name in items]
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": CATALOGUE_ID,
        "description": "Radio-frequency interference found in Sentinel-1 scenes by rfiscan",
        "links": links,
    }
