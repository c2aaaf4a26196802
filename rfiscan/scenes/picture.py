"""Scenes from pictures: quick-look PNGs (R = co-pol, G = cross-pol; or grey, one polarization) and .npy arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from rfiscan.errors import SceneError
from rfiscan.locations import Location, gdal_name
from rfiscan.radiometry import Units
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.geotiff import scene_of_rasters
from rfiscan.scenes.polarizations import assign_slots, named_in, told_by_product_name
from rfiscan.scenes.raster_file import SIGNED, RasterFile, inspect_raster, safe_name, units_of_values
from rfiscan.scenes.remote import read_whole
from rfiscan.scenes.rows import ArrayRows, open_raster
from rfiscan.scenes.scene import Scene, resolve_spacing

# Spread of blue (8-bit levels) among pixels of equal red and green. Seven quick-looks of 2015 to 2022 gave 0 to 3.3,
# eight photographs 4.1 to 14; between 2 and 4 what blue follows decides.
_EXACT_RESIDUAL = 2.0
_MAX_RESIDUAL = 4.0
_MIN_REPEATED_SHARE = 0.5  # below, as in a tiny picture, the spread is not known
_EXACT_CORRELATION = 0.9995
_PNG_TAIL_BYTES = 4096


def open_picture(path: Location, units: Units | None) -> Scene:
    """Open a PNG as a quick-look.

    Args:
        path: The file.
        units: Given by the user; any value says that the picture is one and skips the check.

    Raises:
        SceneError: It is damaged, or an ordinary RGB picture.
    """
    file = inspect_raster(gdal_name(path))
    _require_end(path)
    if len(file.bands) == 3:
        file = _without_blue(file, checked=units is not None)
    return scene_of_rasters([file], units=units)


def open_npy(path: Path, units: Units | None) -> Scene:
    """Open a NumPy array (H, W, 2), co-pol first, or (H, W).

    Args:
        path: The file.
        units: What the values are; None to recognise it.

    Raises:
        SceneError: It is no such array.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise SceneError(
            f"{path}: is not a whole NumPy array of numbers", hint="Save it anew with numpy.save."
        ) from error
    channels = _channels(path, array)
    names = named_in(path.stem) or told_by_product_name(str(path))
    known = list(names) if len(names) == len(channels) else [None] * len(channels)
    if len(channels) == 2 and not names:
        known = ["VV", "VH"]  # co-pol first is what the format means
    slots = assign_slots(known, str(path))
    warnings = list(slots.warnings)
    units, doubts = units_of_values(str(path), array if array.dtype.kind in SIGNED else array[:0], units)
    warnings += doubts
    by_slot: list[NDArray[Any] | None] = [None, None]
    for slot, channel in zip(slots.order, channels, strict=True):
        by_slot[slot] = channel
    georeferencing = Georeferencing(kind="none")
    shape = (int(array.shape[0]), int(array.shape[1]))
    spacing, spacing_known = resolve_spacing(None, georeferencing, shape)
    return Scene(
        scene_id=safe_name(path.stem),
        sources=(str(path),),
        polarizations=slots.polarizations,
        shape=shape,
        units=units,
        spacing_m=spacing,
        spacing_known=spacing_known,
        georeferencing=georeferencing,
        warnings=tuple(warnings),
        reader=ArrayRows((by_slot[0], by_slot[1]), units),
    )


def is_quicklook(red: NDArray[np.uint8], green: NDArray[np.uint8], blue: NDArray[np.uint8]) -> bool:
    """Tell whether an RGB picture can be a Sentinel-1 quick-look.

    The blue of a quick-look is made from its red and green: by the processor's version, their ratio or their mean
    through a look-up table. So among pixels of equal red and green, blue hardly varies; and where it varies
    somewhat, it still follows their ratio more closely than their mean. In photographs blue varies freely, and
    follows brightness.

    Args:
        red: Red (H, W).
        green: Green (H, W).
        blue: Blue (H, W).
    """
    r, g, b = (band.ravel().astype(np.int64) for band in (red, green, blue))
    lit = (r + g + b) > 0
    r, g, b = r[lit], g[lit], b[lit]
    if b.size == 0 or b.min() == b.max():
        return True
    residual, repeated_share = _spread_given_pair(r * 256 + g, b)
    if repeated_share >= _MIN_REPEATED_SHARE and (residual <= _EXACT_RESIDUAL or residual > _MAX_RESIDUAL):
        return residual <= _EXACT_RESIDUAL
    with_mean = _correlation(b, r + g)
    return with_mean > _EXACT_CORRELATION or _correlation(b, np.log((r + 1) / (g + 1))) > with_mean


def _require_end(path: Location) -> None:
    """Refuse a PNG without its last chunk: GDAL reads a truncated one without complaint, black where it ends."""
    if b"IEND" not in read_whole(path)[-_PNG_TAIL_BYTES:]:
        raise SceneError(f"{path}: is truncated, its end is missing", hint="Download or copy it again.")


def _without_blue(file: RasterFile, *, checked: bool) -> RasterFile:
    """Return the file with its red and green bands only, or its red if it is grey."""
    try:
        with open_raster(file.path) as dataset:
            red, green, blue = dataset.read([band.index for band in file.bands])
    except RasterioError as error:
        raise SceneError(f"{file.label}: cannot be read; it is truncated or damaged") from error
    if np.array_equal(red, green) and np.array_equal(red, blue):
        names = named_in(file.plain_path.stem)
        return replace(
            file, bands=file.bands[:1], dtypes=file.dtypes[:1], polarizations=(names[0] if len(names) == 1 else None,)
        )
    if not checked and not (file.dtypes[0] == "uint8" and is_quicklook(red, green, blue)):
        raise SceneError(
            f"{file.label}: is an RGB picture, not a Sentinel-1 quick-look (whose blue follows from red and green)",
            hint="If red is co-pol and green cross-pol all the same, say so with --units quicklook.",
        )
    told = file.polarizations[:2]
    return replace(
        file, bands=file.bands[:2], dtypes=file.dtypes[:2], polarizations=told if all(told) else ("VV", "VH")
    )


def _channels(path: Path, array: NDArray[Any]) -> list[NDArray[Any]]:
    if array.dtype.kind not in "uifc" or array.size == 0:
        raise SceneError(f"{path}: holds no numbers ({array.dtype}, shape {array.shape})")
    if array.ndim == 2:
        return [array]
    if array.ndim == 3 and array.shape[2] in (1, 2):
        return [array[..., i] for i in range(array.shape[2])]
    raise SceneError(
        f"{path}: has the shape {array.shape}, where (H, W, 2) or (H, W) is expected",
        hint="Put the polarizations last, co-pol first.",
    )


def _spread_given_pair(pair: NDArray[np.int64], blue: NDArray[np.int64]) -> tuple[float, float]:
    """Return the standard deviation of blue within groups of equal (red, green), and the share of such pixels."""
    count = np.bincount(pair)
    total = np.bincount(pair, blue)
    squares = np.bincount(pair, blue**2)
    repeated = count >= 2
    n = count[repeated]
    if n.size == 0:
        return 0.0, 0.0
    variance = (squares[repeated] - total[repeated] ** 2 / n) / (n - 1)
    return float(np.sqrt(np.average(variance, weights=n))), float(n.sum() / count.sum())


def _correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return abs(float(np.corrcoef(a, b)[0, 1]))
