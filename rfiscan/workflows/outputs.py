"""The files that `detect` leaves for a scene."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
from rfiscan.tiling import Window
from rfiscan.workflows.geocoding import GEOCODED, geocoded_path, write_geocoded
from rfiscan.workflows.record import record_path
from rfiscan.workflows.reporting import Reporter
from rfiscan.workflows.result import Result


def write_outputs(
    result: Result,
    out_dir: Path,
    tile_windows: Sequence[Window],
    formats: Sequence[str],
    reporter: Reporter,
    map_grid: MapGrid | None = None,
) -> dict[str, str]:
    """Write rasters, polygons and quicklook; what an earlier run left of this scene goes first.

    Args:
        result: What was computed.
        out_dir: Folder of the outputs; must exist.
        tile_windows: Windows that get a raster of their own under `tiles/`; may be empty.
        formats: Further formats of the stripes, see `FORMATS`.
        reporter: Is told how far the writing is.
        map_grid: Map that copies of the rasters are laid on; None for no copies.

    Returns:
        Absolute path of each output by name, the record (not written yet) included.

    Raises:
        OutputError: If a file cannot be written.
        MissingExtraError: If a format needs a package that is not installed.
    """
    scene, grid, scores = result.scene, result.grid, result.scores
    scene_id = scene.scene_id
    _remove_earlier(out_dir, scene_id)
    tags = _tags(result)
    present = [slot for slot, name in enumerate(scene.polarizations) if name is not None]
    error_names = [f"error_{scene.polarizations[slot]}_db" for slot in present]
    paths = {
        "error": out_dir / f"{scene_id}_error.tif",
        "score": out_dir / f"{scene_id}_score.tif",
        "mask": out_dir / f"{scene_id}_mask.tif",
        "geojson": out_dir / f"{scene_id}_rfi.geojson",
        "quicklook": out_dir / f"{scene_id}_quicklook.png",
    }
    steps = len(paths) + len(tile_windows)
    error_map_db = scores.error_map[present] * np.float32(result.unit_db)
    georeferencing = grid.georeferencing

    write_cog(paths["error"], error_map_db, georeferencing, nodata=np.nan, tags=tags, band_names=error_names)
    reporter.progress("writing", 1, steps)
    write_cog(
        paths["score"], scores.anomaly_map, georeferencing, nodata=np.nan, tags=tags, band_names=["anomaly_score"]
    )
    reporter.progress("writing", 2, steps)
    write_cog(
        paths["mask"],
        mask_codes(result.rfi_mask, grid.valid_mask),
        georeferencing,
        nodata=MASK_NODATA,
        tags=tags,
        band_names=["rfi_mask"],
        colormap=MASK_COLORMAP,
    )
    reporter.progress("writing", 3, steps)
    write_geojson(paths["geojson"], result.detections, georeferencing, _vector_properties(result))
    write_quicklook(paths["quicklook"], grid.power, grid.valid_mask, result.rfi_mask, result.detections)
    reporter.progress("writing", 5, steps)
    if map_grid is not None:
        copies = {name: geocoded_path(out_dir, scene_id, name) for name in GEOCODED.values()}
        write_geocoded(result, map_grid, copies, error_map_db, error_names, tags)
        paths |= copies
    for name in formats:
        paths[name] = path = out_dir / f"{scene_id}{FORMATS[name]}"
        write_stripes(path, name, result.detections, georeferencing, result.shape, _vector_properties(result))
    for name, window in _tile_names(tile_windows).items():
        paths[f"tile_{name}"] = path = out_dir / "tiles" / f"{scene_id}_{name}_error.tif"
        write_geotiff(
            path,
            error_map_db[:, *window.slices],
            georeferencing.window(window),
            nodata=np.nan,
            tags=tags,
            band_names=error_names,
        )
        reporter.progress("writing", len(paths), steps)
    paths["record"] = record_path(out_dir, scene_id)
    return {name: str(path.absolute()) for name, path in paths.items()}


def _tags(result: Result) -> dict[str, str]:
    request = result.request
    row_m, col_m = result.grid.spacing_m
    return {
        "RFISCAN_VERSION": __version__,
        "RFISCAN_MODEL": request.model,
        "RFISCAN_MODEL_SHA256": request.model_sha256,
        "RFISCAN_THRESHOLD": f"{request.threshold:.7g}",
        "RFISCAN_FAR": f"{request.far:.7g}",
        "RFISCAN_SOURCE": ",".join(source_name(source) for source in result.scene.sources),
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


def _tile_names(windows: Sequence[Window]) -> dict[str, Window]:
    """Name each window by its place in the grid of tiles, `r00_c00` at the top left."""
    rows = {offset: number for number, offset in enumerate(sorted({window.row_off for window in windows}))}
    cols = {offset: number for number, offset in enumerate(sorted({window.col_off for window in windows}))}
    return {f"r{rows[window.row_off]:02d}_c{cols[window.col_off]:02d}": window for window in windows}


def _remove_earlier(out_dir: Path, scene_id: str) -> None:
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
