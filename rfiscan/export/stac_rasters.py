"""What an item of a STAC catalogue tells of a raster, read off its file.

Bands as in STAC 1.1.0, common metadata: name, data_type, nodata, unit, statistics; with the raster extension 2.0.0 and,
where the raster lies on a map, the projection extension 2.0.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from rfiscan.export.rasters import CACHE_BYTES, gdal_settings

if TYPE_CHECKING:
    from pathlib import Path

    from rasterio.io import DatasetReader

_UNIT = re.compile(r"_(dB)$", re.IGNORECASE)


def raster_fields(path: Path, spacing_m: tuple[float, float]) -> dict[str, Any]:
    """Describe a raster as an asset of an item.

    Args:
        path: The raster.
        spacing_m: Metres between rows and between columns; of a raster on a map those of the scene that it shows.

    Returns:
        `bands`, each with statistics over its valid pixels where these are measurements; `raster:sampling`;
        `raster:spatial_resolution` in metres; and of a raster on a map `proj:code`, `proj:shape`, `proj:transform`.
    """
    with gdal_settings(), rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), rasterio.open(path) as raster:
        fields: dict[str, Any] = {
            "bands": [_band(raster, number) for number in raster.indexes],
            "raster:sampling": "area",
            "raster:spatial_resolution": float(np.sqrt(spacing_m[0] * spacing_m[1])),
        }
        if raster.crs is not None and not raster.gcps[0]:
            fields["proj:code"] = raster.crs.to_string() if raster.crs.to_epsg() is not None else None
            fields["proj:shape"] = list(raster.shape)
            fields["proj:transform"] = list(raster.transform)[:6]
        return fields


def _band(raster: DatasetReader, number: int) -> dict[str, Any]:
    name, data_type, nodata = (values[number - 1] for values in (raster.descriptions, raster.dtypes, raster.nodatavals))
    band: dict[str, Any] = {"name": name or f"band {number}", "data_type": data_type}
    if nodata is not None:
        band["nodata"] = "nan" if np.isnan(nodata) else int(nodata)
    unit = _UNIT.search(band["name"])
    if unit is not None:
        band["unit"] = "dB"
    if np.issubdtype(data_type, np.floating):
        band["statistics"] = _statistics(raster, number)
    return band


def _statistics(raster: DatasetReader, number: int) -> dict[str, float]:
    """Minimum, maximum, mean, standard deviation and valid percentage, read block by block."""
    valid_px, total, squares = 0, 0.0, 0.0
    low, high = np.inf, -np.inf
    for _, window in raster.block_windows(number):
        block = raster.read(number, window=window).astype(np.float64)
        values = block[np.isfinite(block)]
        if values.size:
            valid_px += values.size
            total, squares = total + float(values.sum()), squares + float((values**2).sum())
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    found = {"valid_percent": 100.0 * valid_px / (raster.width * raster.height)}
    if valid_px:
        mean = total / valid_px
        deviation = float(np.sqrt(max(squares / valid_px - mean**2, 0.0)))
        found |= {"minimum": low, "maximum": high, "mean": mean, "stddev": deviation}
    return found
