"""Where emitters stand, by the stripes of ascending and descending passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rfiscan import __version__
from rfiscan.errors import SceneError
from rfiscan.export.emitter_files import line_geometry, point_geometry, polygon_geometry, write_emitters
from rfiscan.export.records import to_plain
from rfiscan.locating.association import Fix, associate
from rfiscan.locating.heard_rows import Hearing
from rfiscan.locating.lines_of_position import Lines, Scenes
from rfiscan.locating.one_direction import Band, bands
from rfiscan.locating.positions import PROBABILITY, RADIUS_M, east_north, error_ellipse, lonlat_of, outline
from rfiscan.workflows.locate_lines import HeardScene, heard_scene, lines_of, scene_geometry
from rfiscan.workflows.reporting import SILENT, Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class LocateOptions:
    """What the user chose.

    Attributes:
        min_passes: Scenes that must show an emitter, >= 1; a crossing takes two in any case.
        beyond_km: How far beyond the ends of a swath an emitter may stand.
    """

    min_passes: int = 2
    beyond_km: float = 30.0


def locate_emitters(
    records: Sequence[Mapping[str, Any]], folder: Path, options: LocateOptions, reporter: Reporter = SILENT
) -> list[dict[str, Any]]:
    """Find out where emitters stand.

    Args:
        records: Of finished scenes, as `read_records` gives them.
        folder: Where they lie; their rasters are looked for there if they were moved.
        options: What the user chose.
        reporter: Is warned of scenes that cannot be used, and of what the others lack.

    Returns:
        Emitters: first those that lines of different directions fix, ``kind`` "point", the best supported first; then
        those that one direction heard, ``kind`` "line". Plain values with ``geometry`` and ``ellipse``; see
        docs/locating.md.

    Raises:
        SceneError: If no scene can be used.
    """
    scenes = _usable(records, folder, reporter)
    geometry = scene_geometry(scenes, options.beyond_km * 1000.0)
    lines = lines_of(scenes, geometry)
    if geometry.ascending.all() or not geometry.ascending.any():
        direction = "ascending" if geometry.ascending.all() else "descending"
        reporter.warn(f"all scenes are of {direction} passes: their lines hardly cross, and no place can be told")
    fixes = [fix for fix in associate(lines, geometry) if len(fix.members) >= options.min_passes]
    taken = {line for fix in fixes for line in fix.members}
    left = [line for line in range(len(lines.scene)) if line not in taken]
    wide = [band for band in bands(lines, geometry, left) if len(band.members) >= options.min_passes]
    hearings = [(scene.name, heard) for scene in scenes for heard in scene.hearings]
    alone = len(left) - sum(len(band.members) for band in wide)
    if alone:
        reporter.note(f"{alone} of {len(hearings)} stripes fit no others and are left out")
    found = [(_point(fix), fix.members) for fix in fixes] + [(_line(band), band.members) for band in wide]
    return [
        {"id": number, **emitter, **_heard(members, hearings, lines, geometry)}
        for number, (emitter, members) in enumerate(found, start=1)
    ]


def write_located(emitters: Sequence[Mapping[str, Any]], out_dir: Path) -> dict[str, str]:
    """Write what `locate_emitters` found; see `write_emitters`."""
    return write_emitters(out_dir, emitters, {"version": __version__})


def _usable(records: Sequence[Mapping[str, Any]], folder: Path, reporter: Reporter) -> list[HeardScene]:
    """The scenes of records that have rows of a radar, each once."""
    scenes: dict[str, HeardScene] = {}
    for number, record in enumerate(records, start=1):
        if record["scene"] in scenes:
            reporter.warn(f"{record['scene']} is there more than once: the first one counts")
            continue
        try:
            scenes[record["scene"]] = heard_scene(record, folder)
        except SceneError as error:
            reporter.warn(f"{error}: left out")
        reporter.progress("reading", number, len(records))
    if not scenes:
        raise SceneError(
            f"{folder}: no scene can be used: locate needs rows of the radar, placed by control points",
            hint="Run `rfiscan detect` on GRD or SLC products, not on terrain-corrected images or pictures.",
        )
    return list(scenes.values())


def _point(fix: Fix) -> dict[str, Any]:
    ellipse = error_ellipse(fix.spread)
    longitude, latitude = (float(degrees) for degrees in lonlat_of(fix.place.direction))
    return {
        "kind": "point",
        "longitude_deg": round(longitude, 6),
        "latitude_deg": round(latitude, 6),
        "semi_major_m": round(ellipse.semi_major_m, 1),
        "semi_minor_m": round(ellipse.semi_minor_m, 1),
        "orientation_deg": round(ellipse.orientation_deg, 2),
        "probability": PROBABILITY,
        "chi2": round(fix.place.chi2, 3),
        "log_odds": round(fix.score, 3),
        "ambiguous": fix.alternatives > 0,
        "alternatives": fix.alternatives,
        "geometry": point_geometry(longitude, latitude),
        "ellipse": polygon_geometry(*outline(fix.place.direction, ellipse)),
    }


def _line(band: Band) -> dict[str, Any]:
    """What is known of an emitter on a line: half its length, and half the width within which it stands."""
    longitudes, latitudes = lonlat_of(band.path)
    ends = band.path[[0, -1]]
    middle = len(band.path) // 2
    length_m = float(np.linalg.norm(ends[1] - ends[0])) * RADIUS_M
    return {
        "kind": "line",
        "longitude_deg": round(float(longitudes[middle]), 6),
        "latitude_deg": round(float(latitudes[middle]), 6),
        "semi_major_m": round(0.5 * length_m, 1),
        "semi_minor_m": round(band.half_width_m, 1),
        "orientation_deg": round(_bearing_deg(band), 2),
        "probability": PROBABILITY,
        "chi2": round(band.chi2, 3),
        "log_odds": None,
        "ambiguous": True,
        "alternatives": None,
        "geometry": line_geometry(longitudes, latitudes),
        "ellipse": None,
    }


def _bearing_deg(band: Band) -> float:
    """Direction of a line at its middle, clockwise from north, in [0, 180)."""
    middle = len(band.path) // 2
    east, north = east_north(band.path[middle]) @ (band.path[middle + 1] - band.path[middle - 1])
    return float(np.degrees(np.arctan2(east, north))) % 180.0


def _heard(
    members: tuple[int, ...], hearings: Sequence[tuple[str, Hearing]], lines: Lines, scenes: Scenes
) -> dict[str, Any]:
    """Which stripes of which scenes are of an emitter."""
    ascending = int(scenes.ascending[lines.scene[list(members)]].sum())
    heard = [hearings[line] for line in members]
    plain: dict[str, Any] = to_plain(
        {
            "passes": len(members),
            "ascending": ascending,
            "descending": len(members) - ascending,
            "polarizations": [
                name for slot, name in enumerate(("co", "cross")) if any(each.shown[slot] for _, each in heard)
            ],
            "peak_excess_db": max(each.excess_db for _, each in heard),
            "stripes": [{"scene": name, "index": index} for name, each in heard for index in each.stripes],
        }
    )
    return plain
