"""Copies of the rasters of a scene on a map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.export.rasters import MASK_COLORMAP, MASK_NODATA, mask_codes, write_cog
from rfiscan.grids.resampling import bilinear_values, nearest_values
from rfiscan.scenes.map_choice import choose_map
from rfiscan.scenes.map_grid import MapGrid, Nodes, find_nodes, place_map_grid, positions
from rfiscan.scenes.scene import Scene
from rfiscan.workflows.detecting.result import Maps, Result

GEOCODED = {name: f"{name}_geocoded" for name in ("error", "score", "mask")}
"""Rasters that are laid on a map -> names of the copies, which end their files' names, too."""


def geocoded_path(out_dir: Path, scene_id: str, output: str) -> Path:
    """Return where a copy lies: one of `GEOCODED`."""
    return out_dir / f"{scene_id}_{output}.tif"


def map_of(result: Result, wanted: str) -> MapGrid:
    """Lay a grid on a map around a scene: see `place_map_grid`.

    Args:
        result: Has the working grid.
        wanted: What `parse_map` returned.

    Raises:
        SceneError: The scene has no place on the Earth, or none on that map.
    """
    georeferencing, label = result.grid.georeferencing, result.scene.scene_id
    crs = choose_map(wanted, georeferencing, result.shape, label)
    return place_map_grid(georeferencing, result.shape, result.grid.spacing_m, crs, label)


def require_map(scene: Scene, wanted: str | None) -> None:
    """Prove that a scene has a place on a map, before anything expensive starts.

    Args:
        scene: The scene.
        wanted: What `parse_map` returned; None for no map.

    Raises:
        SceneError: The scene has no place on the Earth, or none on that map.
    """
    if wanted is not None:
        crs = choose_map(wanted, scene.georeferencing, scene.shape, scene.scene_id)
        place_map_grid(scene.georeferencing, scene.shape, scene.spacing_m, crs, scene.scene_id)


def map_record(wanted: str | None, grid: MapGrid | None) -> dict[str, Any]:
    """Say which map copies were asked for, and which they lie on.

    Returns:
        `requested_geocode`, and `geocoded`: None, or `crs`, `shape`, and `transform`, six numbers row by row.
    """
    on_map = None
    if grid is not None:
        on_map = {"crs": grid.crs.to_string(), "shape": list(grid.shape), "transform": list(grid.transform)[:6]}
    return {"requested_geocode": wanted, "geocoded": on_map}


def write_geocoded(
    result: Result,
    maps: Maps,
    grid: MapGrid,
    paths: Mapping[str, Path],
    error_map_db: NDArray[np.float32],
    error_names: list[str],
    tags: Mapping[str, str],
) -> None:
    """Write the copies: the mask by the nearest pixel, the others as bilinear means over valid pixels.

    A pixel of the map is valid where the pixel of the scene that it lies in is valid. One raster after the other is
    made, so that no more than one of them is in memory.

    Args:
        result: What was found.
        maps: Its maps.
        grid: The map.
        paths: Where each of `GEOCODED` is to be written, by its name.
        error_map_db: Error map of the polarizations present, (C, H, W), dB.
        error_names: Descriptions of its bands.
        tags: Tags of every file.

    Raises:
        OutputError: If a file cannot be written.
        SceneError: If the scene has no place on the Earth.
    """
    anomaly_map = maps.scores.anomaly_map
    nodes = find_nodes(grid, result.grid.georeferencing, result.shape, result.scene.scene_id)
    error = _warped(grid, nodes, error_map_db)
    _write(paths["error_geocoded"], error, grid, tags, error_names)
    del error
    _write(paths["score_geocoded"], _warped(grid, nodes, anomaly_map[None]), grid, tags, ["anomaly_score"])
    codes = mask_codes(maps.rfi_mask, maps.grid.valid_mask)
    mask = np.empty(grid.shape, np.uint8)
    for band, rows, cols in positions(grid, nodes):
        mask[band] = nearest_values(codes, rows, cols, MASK_NODATA)
    write_cog(
        paths["mask_geocoded"],
        mask,
        grid.georeferencing,
        nodata=MASK_NODATA,
        tags=tags,
        band_names=["rfi_mask"],
        colormap=MASK_COLORMAP,
    )


def _warped(grid: MapGrid, nodes: Nodes, bands: NDArray[np.float32]) -> NDArray[np.float32]:
    found = np.empty((len(bands), *grid.shape), np.float32)
    for band, rows, cols in positions(grid, nodes):
        for target, source in zip(found, bands, strict=True):
            target[band] = bilinear_values(source, rows, cols)
    return found


def _write(path: Path, bands: NDArray[np.float32], grid: MapGrid, tags: Mapping[str, str], names: list[str]) -> None:
    write_cog(path, bands, grid.georeferencing, nodata=np.nan, tags=tags, band_names=names)
