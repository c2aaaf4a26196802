"""The record of one scene: what was found, how, and where it lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rfiscan import __version__
from rfiscan.export.records import to_plain
from rfiscan.export.vectors import detection_properties, footprints
from rfiscan.locations import source_name
from rfiscan.workflows.detecting.fitting import is_padded, polarization_names
from rfiscan.workflows.detecting.result import Request, Result

BEFORE_THESE_KEYS = {"calibrated": False, "denoised": False, "precision": "f32"}
"""What records say that were written before there were choices, and lack these keys."""


def record_path(out_dir: Path, scene_id: str) -> Path:
    """Return where the record of a scene is; the scene is done when it exists."""
    return out_dir / f"{scene_id}.json"


def finished_record(
    out_dir: Path,
    scene_id: str,
    request: Request,
    *,
    per_tile: bool,
    formats: tuple[str, ...] = (),
    geocode: str | None = None,
) -> dict[str, Any] | None:
    """Return the record of an earlier run if it is done, asked for the same, and all its outputs still exist.

    Args:
        out_dir: Folder of the outputs.
        scene_id: Name of the scene.
        request: Model and options of this run.
        per_tile: Whether this run wants one raster per tile.
        formats: Further formats that this run wants.
        geocode: Map that this run wants copies on, as `parse_map` returns it; None for no copies.
    """
    try:
        record = json.loads(record_path(out_dir, scene_id).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("status") != "done":
        return None
    made_with = {**BEFORE_THESE_KEYS, **record}
    if any(made_with.get(key) != value for key, value in asdict(request).items()):
        return None
    outputs: dict[str, str] = record.get("outputs", {})
    lacking = [name for name in formats if name not in outputs]
    lacking += ["tiles"] * (per_tile and not any(name.startswith("tile_") for name in outputs))
    lacking += ["map"] * (geocode is not None and record.get("requested_geocode") != geocode)
    complete = not lacking and outputs and all(Path(path).exists() for path in outputs.values())
    return record if complete else None


def scene_record(
    result: Result,
    outputs: dict[str, str],
    timings_s: dict[str, float],
    peak_rss_mb: float | None,
    warnings: list[str],
    beside: Mapping[str, Any],
) -> dict[str, Any]:
    """Say in plain JSON values what was found, how, and where it lies.

    Args:
        result: What was computed.
        outputs: Path of each output by name.
        timings_s: Seconds by stage, with the total.
        peak_rss_mb: Largest resident memory of the process so far, in MB.
        warnings: What the user was warned of.
        beside: What `compare_with_esa` and `map_record` say.

    Returns:
        The record of one scene; keys are only ever added from version to version.
    """
    scene, grid = result.scene, result.grid
    names = polarization_names(scene.polarizations)
    record: dict[str, Any] = {
        "scene": scene.scene_id,
        "status": "done",
        "version": __version__,
        "sources": [source_name(source) for source in scene.sources],
        **asdict(result.request),
        "backend": result.backend,
        "streamed": result.streamed,
        "spacing_m": [round(spacing_m, 6) for spacing_m in grid.spacing_m],
        "spacing_known": scene.spacing_known,
        "units": scene.units.value,
        "georeferencing": grid.georeferencing.kind,
        "polarizations": [name for name in scene.polarizations if name is not None],
        "shape": list(result.shape),
        "seams_px": list(grid.seams_px),
        "padded": is_padded(result.shape, result.tile_shape),
        "centre_db": dict(zip(names, result.centre_db, strict=True)),
        "valid_share": result.shares.valid,
        "severity": result.severity,
        "scene_score": result.scene_score,
        "scene_far": result.scene_far,
        "flagged_share": result.shares.flagged,
        "flagged_share_by_polarization": dict(zip(names, result.shares.by_polarization, strict=True)),
        "detections": [
            {**detection_properties(detection), "footprint": geometry}
            for detection, geometry in zip(
                result.detections, footprints(result.detections, grid.georeferencing), strict=True
            )
        ],
        **beside,
        "outputs": outputs,
        "timings_s": timings_s,
        "peak_rss_mb": None if peak_rss_mb is None else round(peak_rss_mb, 1),
        "warnings": warnings,
    }
    return {key: to_plain(value) for key, value in record.items()}
