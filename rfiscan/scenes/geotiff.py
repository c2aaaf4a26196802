"""Scenes from one or two GeoTIFFs, or other rasters of one or two bands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rfiscan.errors import SceneError
from rfiscan.locations import Location, gdal_name
from rfiscan.radiometry import Units
from rfiscan.scenes.network import is_remote
from rfiscan.scenes.polarizations import CO_POL, CROSS_POL, assign_slots
from rfiscan.scenes.raster_file import RasterFile, inspect_raster, scene_id_of, units_of_raster
from rfiscan.scenes.rows import RasterBand, RasterRows
from rfiscan.scenes.scene import Scene, resolve_spacing

_OF_BURSTS = re.compile(r"(?<![a-z])(?:iw|ew)\d?[ _-]slc(?![a-z])")
"""File names and image descriptions of SLC products whose images consist of bursts."""


def open_geotiffs(paths: Sequence[Location], units: Units | None) -> Scene:
    """Open one raster of one or two bands, or two rasters of one band.

    Args:
        paths: One or two existing files, on this disk or elsewhere.
        units: What the values are; None to recognise it.

    Raises:
        SceneError: They are not such rasters, or do not belong together.
    """
    files = [inspect_raster(gdal_name(path)) for path in paths]
    return scene_of_rasters(files, units=units)


def scene_of_rasters(
    files: Sequence[RasterFile], *, units: Units | None, spacing_m: tuple[float, float] | None = None
) -> Scene:
    """Make the scene of the bands of one or two raster files.

    Args:
        files: What they hold.
        units: What the values are; None to recognise it.
        spacing_m: Pixel spacing (row, col) where a product states it; None to find it out.

    Raises:
        SceneError: They hold something else than a scene, or not what `units` says, or do not belong together.
    """
    chosen = _chosen_bands(files)
    where = " and ".join(file.label for file in files)
    slots = assign_slots([pol for _, _, pol in chosen], where)
    by_slot: list[tuple[RasterFile, RasterBand] | None] = [None, None]
    for slot, (file, band, _) in zip(slots.order, chosen, strict=True):
        by_slot[slot] = (file, band)
    present = [entry for entry in by_slot if entry is not None]
    _require_same_grid([file for file, _ in present])
    first = present[0][0]
    warnings = list(slots.warnings)
    units, doubts = units_of_raster(first, units)
    warnings += doubts
    if units is Units.COMPLEX and any(_OF_BURSTS.search(file.texts) for file, _ in present):
        warnings.append(
            f"{where}: shows the bursts of an SLC product one below the other, the end of each twice, and without its "
            "annotation they cannot be merged: give the whole SAFE folder or zip"
        )
    if len(files) == 1 and len(chosen) < len(first.bands):
        warnings.append(f"{first.label}: only its bands {' and '.join(str(p) for _, _, p in chosen)} are used")
    georeferencing = next(
        (file.georeferencing for file, _ in present if file.georeferencing.kind != "none"), first.georeferencing
    )
    if georeferencing.kind == "affine" and georeferencing.crs is None:
        warnings.append(
            f"{first.label}: has a transform but no coordinate system, so its place on the Earth is unknown"
        )
    spacing, known = resolve_spacing(spacing_m, georeferencing, first.shape)
    bands = (by_slot[0][1] if by_slot[0] else None, by_slot[1][1] if by_slot[1] else None)
    return Scene(
        scene_id=scene_id_of([file.plain_path for file in dict.fromkeys(file for file, _ in present)]),
        sources=tuple(dict.fromkeys(file.label for file, _ in present)),
        polarizations=slots.polarizations,
        shape=first.shape,
        units=units,
        spacing_m=spacing,
        spacing_known=known,
        georeferencing=georeferencing,
        remote=any(is_remote(file.path) for file, _ in present),
        warnings=tuple(warnings),
        reader=RasterRows(bands, first.shape[1], units),
    )


def _chosen_bands(files: Sequence[RasterFile]) -> list[tuple[RasterFile, RasterBand, str | None]]:
    if len(files) == 1:
        return _bands_of_one(files[0])
    for file in files:
        if len(file.bands) != 1:
            raise SceneError(
                f"{file.label}: holds {len(file.bands)} bands, where two files of one band each are expected",
                hint="Give it alone if it holds both polarizations.",
            )
    return [(file, file.bands[0], file.polarizations[0]) for file in files]


def _bands_of_one(file: RasterFile) -> list[tuple[RasterFile, RasterBand, str | None]]:
    bands = [(file, band, pol) for band, pol in zip(file.bands, file.polarizations, strict=True)]
    if len(bands) <= 2:
        return bands
    co = [entry for entry in bands if entry[2] in CO_POL]
    cross = [entry for entry in bands if entry[2] in CROSS_POL]
    if len(co) == 1 and len(cross) == 1 and file.dtypes[0] != "uint8":
        return [*co, *cross]
    what = "an RGB picture" if file.dtypes[0] == "uint8" else f"a raster of {len(bands)} bands"
    raise SceneError(
        f"{file.label}: is {what}, not a SAR scene of one or two polarizations",
        hint="Give a raster whose bands are VV and VH (or HH and HV).",
    )


def _require_same_grid(files: Sequence[RasterFile]) -> None:
    sizes = {file.shape for file in files}
    if len(sizes) > 1:
        told = " and ".join(f"{file.label} ({file.shape[1]} x {file.shape[0]} pixels)" for file in files)
        raise SceneError(
            f"the two polarizations differ in size: {told}",
            hint="Give two files of the same acquisition and processing.",
        )
    if len({file.dtypes[0] for file in files}) > 1:
        told = " and ".join(f"{file.label} ({file.dtypes[0]})" for file in files)
        raise SceneError(
            f"the two polarizations differ in data type: {told}",
            hint="Give two files of the same acquisition and processing.",
        )
