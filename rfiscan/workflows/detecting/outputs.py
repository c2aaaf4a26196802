"""The files that `detect` leaves for a scene."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rfiscan import __version__
from rfiscan.errors import OutputError
from rfiscan.export.quicklook import write_quicklook
from rfiscan.export.rasters import MASK_COLORMAP, MASK_NODATA, mask_codes, write_cog, write_geotiff
from rfiscan.export.stac import STAC_SUFFIX
from rfiscan.export.vector_files import FORMATS, write_stripes
from rfiscan.export.vectors import write_geojson
from rfiscan.locations import source_name
from rfiscan.scenes.map_grid import MapGrid
from rfiscan.scenes.scene import Scene
from rfiscan.tiling.tiles import Window
from rfiscan.workflows.detecting.geocoding import GEOCODED, geocoded_path, write_geocoded
from rfiscan.workflows.detecting.record import record_path
from rfiscan.workflows.detecting.result import Maps, Request, Result
from rfiscan.workflows.reporting import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be written of a scene.

    Attributes:
        out_dir: Folder of the outputs; exists.
        tile_windows: Windows that get a raster of their own under `tiles/`; may be empty.
        formats: Further formats of the stripes, see `FORMATS`.
        map_grid: Map that copies of the rasters are laid on; None for no copies.
    """

    out_dir: Path
    tile_windows: Sequence[Window] = ()
    formats: Sequence[str] = ()
    map_grid: MapGrid | None = None


def write_outputs(result: Result, maps: Maps, wanted: Wanted, reporter: Reporter) -> dict[str, str]:
    """Write rasters, polygons and quicklook; what an earlier run left of this scene goes first.

    Args:
        result: What was found.
        maps: Its maps.
        wanted: What is to be written.
        reporter: Is told how far the writing is.

    Returns:
        Absolute path of each output by name, the record (not written yet) included.

    Raises:
        OutputError: If a file cannot be written.
        MissingExtraError: If a format needs a package that is not installed.
    """
    out_dir, scene_id = wanted.out_dir, result.scene.scene_id
    remove_earlier_outputs(out_dir, scene_id)
    tags = raster_tags(result.request, result.scene, result.grid.spacing_m)
    names = error_names(result.scene)
    paths = output_paths(out_dir, scene_id)
    steps = len(paths) + len(wanted.tile_windows)
    error_map_db = maps.scores.error_map[present_slots(result.scene)] * np.float32(result.unit_db)
    georeferencing, anomaly_map = result.grid.georeferencing, maps.scores.anomaly_map

    write_cog(paths["error"], error_map_db, georeferencing, nodata=np.nan, tags=tags, band_names=names)
    reporter.progress("writing", 1, steps)
    write_cog(paths["score"], anomaly_map, georeferencing, nodata=np.nan, tags=tags, band_names=["anomaly_score"])
    reporter.progress("writing", 2, steps)
    write_cog(
        paths["mask"],
        mask_codes(maps.rfi_mask, maps.grid.valid_mask),
        georeferencing,
        nodata=MASK_NODATA,
        tags=tags,
        band_names=["rfi_mask"],
        colormap=MASK_COLORMAP,
    )
    reporter.progress("writing", 3, steps)
    write_quicklook(paths["quicklook"], maps.grid.power, maps.grid.valid_mask, maps.rfi_mask, result.detections)
    if wanted.map_grid is not None:
        copies = {name: geocoded_path(out_dir, scene_id, name) for name in GEOCODED.values()}
        write_geocoded(result, maps, wanted.map_grid, copies, error_map_db, names, tags)
        paths |= copies
    paths |= write_vectors(result, wanted, paths["geojson"])
    reporter.progress("writing", 5, steps)
    for name, window in tile_names(wanted.tile_windows).items():
        paths[f"tile_{name}"] = path = out_dir / "tiles" / f"{scene_id}_{name}_error.tif"
        write_geotiff(
            path,
            error_map_db[:, *window.slices],
            georeferencing.window(window),
            nodata=np.nan,
            tags=tags,
            band_names=names,
        )
        reporter.progress("writing", len(paths), steps)
    return {name: str(path.absolute()) for name, path in paths.items()} | record_output(out_dir, scene_id)


def output_paths(out_dir: Path, scene_id: str) -> dict[str, Path]:
    """Return where those outputs of a scene lie that are always written, but for the record."""
    return {
        "error": out_dir / f"{scene_id}_error.tif",
        "score": out_dir / f"{scene_id}_score.tif",
        "mask": out_dir / f"{scene_id}_mask.tif",
        "geojson": out_dir / f"{scene_id}_rfi.geojson",
        "quicklook": out_dir / f"{scene_id}_quicklook.png",
    }


def record_output(out_dir: Path, scene_id: str) -> dict[str, str]:
    """Return where the record will lie, by its name."""
    return {"record": str(record_path(out_dir, scene_id).absolute())}


def write_vectors(result: Result, wanted: Wanted, geojson: Path) -> dict[str, Path]:
    """Write the stripes as GeoJSON and in the formats that are wanted; return the path of each of these by its name."""
    properties, paths = _vector_properties(result), dict[str, Path]()
    write_geojson(geojson, result.detections, result.grid.georeferencing, properties)
    for name in wanted.formats:
        paths[name] = path = wanted.out_dir / f"{result.scene.scene_id}{FORMATS[name]}"
        write_stripes(path, name, result.detections, result.grid.georeferencing, result.shape, properties)
    return paths


def present_slots(scene: Scene) -> list[int]:
    """Return which of the two slots hold a polarization."""
    return [slot for slot, name in enumerate(scene.polarizations) if name is not None]


def error_names(scene: Scene) -> list[str]:
    """Name the bands of an error map."""
    return [f"error_{scene.polarizations[slot]}_db" for slot in present_slots(scene)]


def raster_tags(request: Request, scene: Scene, spacing_m: tuple[float, float]) -> dict[str, str]:
    """Return what every raster tells of how it was made."""
    row_m, col_m = spacing_m
    return {
        "RFISCAN_VERSION": __version__,
        "RFISCAN_MODEL": request.model,
        "RFISCAN_MODEL_SHA256": request.model_sha256,
        "RFISCAN_THRESHOLD": f"{request.threshold:.7g}",
        "RFISCAN_FAR": f"{request.far:.7g}",
        "RFISCAN_SOURCE": ",".join(source_name(source) for source in scene.sources),
        "RFISCAN_SPACING_M": f"{row_m:.7g},{col_m:.7g}",
        "TIFFTAG_SOFTWARE": f"rfiscan {__version__}",
    }


def _vector_properties(result: Result) -> dict[str, Any]:
    request = result.request
    return {
        "scene": result.scene.scene_id,
        "model": request.model,
        "model_sha256": request.model_sha256,
        "far": request.far,
        "threshold": request.threshold,
        "version": __version__,
    }


def tile_names(windows: Sequence[Window]) -> dict[str, Window]:
    """Name each window by its place in the grid of tiles, `r00_c00` at the top left."""
    rows = {offset: number for number, offset in enumerate(sorted({window.row_off for window in windows}))}
    cols = {offset: number for number, offset in enumerate(sorted({window.col_off for window in windows}))}
    return {f"r{rows[window.row_off]:02d}_c{cols[window.col_off]:02d}": window for window in windows}


def remove_earlier_outputs(out_dir: Path, scene_id: str) -> None:
    """Remove what else an earlier run left, record first, so that what lies there belongs to one run."""
    tile_name = re.compile(re.escape(scene_id) + r"_r\d+_c\d+_error\.tif")
    tiles = out_dir / "tiles"
    try:
        record_path(out_dir, scene_id).unlink(missing_ok=True)
        for suffix in (*FORMATS.values(), STAC_SUFFIX):
            (out_dir / f"{scene_id}{suffix}").unlink(missing_ok=True)
        for name in GEOCODED.values():
            geocoded_path(out_dir, scene_id, name).unlink(missing_ok=True)
        for path in tiles.iterdir() if tiles.is_dir() else ():
            if tile_name.fullmatch(path.name):
                path.unlink()
    except OSError as error:
        raise OutputError(f"{error.filename}: an earlier output cannot be removed: {error.strerror}") from error
