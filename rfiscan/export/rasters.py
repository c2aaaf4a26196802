"""Georeferenced rasters: cloud-optimized GeoTIFFs (COGs), plain GeoTIFFs for tiles, and the codes of a mask.

Every raster is encoded in memory and reaches the disk as bytes. GDAL flushes its last blocks when it closes a file and
reports nothing if that fails: on a full disk a small raster would be cut short and still look written.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from rfiscan.atomic import write_atomically
from rfiscan.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.io import DatasetWriter

    from rfiscan.scenes.georeferencing import Georeferencing

    Colormap = Mapping[int, tuple[int, int, int, int]]

MASK_CLEAR, MASK_RFI, MASK_NODATA = 0, 1, 255
MASK_COLORMAP: Colormap = {
    MASK_CLEAR: (38, 40, 46, 255),
    MASK_RFI: (255, 72, 40, 255),
    MASK_NODATA: (0, 0, 0, 0),
}

COG_BLOCK_PX = 512
TILE_BLOCK_PX = 256


def mask_codes(rfi_mask: NDArray[np.bool_], valid_mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Code a mask for its raster: 0 clear, 1 RFI, 255 no data.

    Args:
        rfi_mask: True = RFI, shape (H, W).
        valid_mask: True = valid, shape (H, W), or (2, H, W) where one valid polarization makes a pixel valid.

    Returns:
        Codes, shape (H, W).
    """
    valid = valid_mask.any(axis=0) if valid_mask.ndim == 3 else valid_mask
    return np.where(valid, np.where(rfi_mask, MASK_RFI, MASK_CLEAR), MASK_NODATA).astype(np.uint8)


def write_cog(
    path: Path,
    array: NDArray[Any],
    georeferencing: Georeferencing,
    *,
    nodata: float,
    tags: Mapping[str, str],
    band_names: Sequence[str],
    colormap: Colormap | None = None,
) -> None:
    """Write a cloud-optimized GeoTIFF that appears whole or not at all.

    The georeferencing is kept in kind: ground control points stay ground control points. Overviews average floating
    values over valid pixels; of codes they keep the commonest.

    Args:
        path: File to write.
        array: Values, shape (H, W) or (C, H, W); its dtype is the raster's.
        georeferencing: Of the array's grid.
        nodata: Value of pixels that hold nothing; NaN for floating values.
        tags: Tags of the file.
        band_names: Description of each band, C of them.
        colormap: Colours (red, green, blue, alpha) of the codes of a single uint8 band.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
        ValueError: If the number of band names is not that of the bands.
    """
    with raster_errors(path), gdal_settings(), MemoryFile(ext=".tif") as plain, MemoryFile(ext=".tif") as cog:
        _fill(plain, array, georeferencing, nodata, tags, band_names, colormap)
        copy_as_cog(plain.name, cog.name, array.dtype)
        write_atomically(path, cog.getbuffer())


def copy_as_cog(source: str, target: str, dtype: np.dtype[Any]) -> None:
    """Copy a raster, by names that GDAL understands, as a cloud-optimized GeoTIFF; its dtype chooses the overviews."""
    is_float = np.issubdtype(dtype, np.floating)
    rasterio.shutil.copy(
        source,
        target,
        driver="COG",
        COMPRESS="DEFLATE",
        LEVEL=1 if is_float else 6,  # of noise, the least effort makes no larger file, in two thirds of the time
        PREDICTOR="YES",
        BLOCKSIZE=COG_BLOCK_PX,
        OVERVIEW_RESAMPLING="AVERAGE" if is_float else "MODE",
        BIGTIFF="IF_SAFER",
        NUM_THREADS="ALL_CPUS",
    )


def write_geotiff(
    path: Path,
    array: NDArray[Any],
    georeferencing: Georeferencing,
    *,
    nodata: float,
    tags: Mapping[str, str],
    band_names: Sequence[str],
    colormap: Colormap | None = None,
) -> None:
    """Write a plain, tiled and compressed GeoTIFF, as for the raster of one tile; otherwise as `write_cog`.

    Args:
        path: File to write.
        array: Values, shape (H, W) or (C, H, W); its dtype is the raster's.
        georeferencing: Of the array's grid.
        nodata: Value of pixels that hold nothing; NaN for floating values.
        tags: Tags of the file.
        band_names: Description of each band, C of them.
        colormap: Colours (red, green, blue, alpha) of the codes of a single uint8 band.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
        ValueError: If the number of band names is not that of the bands.
    """
    predictor = 3 if np.issubdtype(array.dtype, np.floating) else 2
    with raster_errors(path), gdal_settings(), MemoryFile(ext=".tif") as plain:
        _fill(plain, array, georeferencing, nodata, tags, band_names, colormap, compress="deflate", predictor=predictor)
        write_atomically(path, plain.getbuffer())


CACHE_BYTES = 32 * 2**20
"""What GDAL may keep of rasters in memory while it reads or copies one block by block; else it is a twentieth of all
memory."""


@contextmanager
def gdal_settings() -> Iterator[None]:
    """Keep GDAL from writing .aux.xml files beside rasters, and from warning that one has no georeferencing.

    Yields:
        Nothing.
    """
    with rasterio.Env(GDAL_PAM_ENABLED=False), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def raster_errors(path: Path) -> Iterator[None]:
    """Name the file when GDAL fails to encode it."""
    try:
        yield
    except RasterioError as error:
        raise OutputError(f"cannot write {path}: {error}") from error


def _fill(
    target: MemoryFile,
    array: NDArray[Any],
    georeferencing: Georeferencing,
    nodata: float,
    tags: Mapping[str, str],
    band_names: Sequence[str],
    colormap: Colormap | None,
    **creation_options: Any,  # noqa: ANN401 - GDAL's
) -> None:
    """Write a tiled GeoTIFF to memory."""
    bands = array[np.newaxis] if array.ndim == 2 else array
    if len(band_names) != len(bands):
        raise ValueError(f"{len(bands)} bands, but {len(band_names)} names: {list(band_names)}")
    block = {"blockxsize": TILE_BLOCK_PX, "blockysize": TILE_BLOCK_PX}
    profile = raster_profile(bands.shape, bands.dtype, georeferencing, nodata)
    with target.open(**profile, **block, **creation_options) as raster:
        describe(raster, tags, band_names, colormap)
        raster.write(bands)


def raster_profile(
    shape: tuple[int, ...], dtype: np.dtype[Any], georeferencing: Georeferencing, nodata: float
) -> dict[str, Any]:
    """Return how rasterio is to create a tiled GeoTIFF of a shape (C, H, W)."""
    placement: dict[str, Any] = {"crs": georeferencing.crs or CRS()}  # GCPs without a CRS need an empty one
    if georeferencing.kind == "affine":
        placement["transform"] = georeferencing.transform
    elif georeferencing.kind == "gcps":
        placement["gcps"] = list(georeferencing.gcps)
    count, height, width = shape
    size = {"count": count, "height": height, "width": width, "dtype": dtype.name, "nodata": nodata}
    return {"driver": "GTiff", "tiled": True, "BIGTIFF": "IF_SAFER", **size, **placement}


def describe(
    raster: DatasetWriter, tags: Mapping[str, str], band_names: Sequence[str], colormap: Colormap | None
) -> None:
    """Write tags, names of bands, and colours of codes to a raster that was just created."""
    raster.update_tags(**tags)
    raster.descriptions = tuple(band_names)
    if colormap is not None:
        raster.write_colormap(1, dict(colormap))
        raster.colorinterp = [ColorInterp.palette]
