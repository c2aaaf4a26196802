"""From the records of scenes to lines of position."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.errors import SceneError
from rfiscan.locating.heard_rows import HeardStripe, Hearing, hearings, row_centre
from rfiscan.locating.lines_of_position import Lines, Scenes
from rfiscan.locating.positions import RADIUS_M, SCALES_M, directions, plane_through
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.raster_file import read_boxes

POINTS = 9
"""Places of a row that its plane is fitted to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardScene:
    """A scene that can be used, and where it heard emitters.

    Attributes:
        name: Of the scene.
        georeferencing: Of its working grid, by control points.
        shape: (H, W) of the working grid.
        row_m: Metres between its rows.
        edges_px: Columns at which sub-swaths begin and end, ascending, n + 1.
        hearings: Where it heard emitters.
    """

    name: str
    georeferencing: Georeferencing
    shape: tuple[int, int]
    row_m: float
    edges_px: tuple[int, ...]
    hearings: tuple[Hearing, ...]


def heard_scene(record: Mapping[str, Any], folder: Path) -> HeardScene:
    """Measure in which rows a scene heard emitters.

    Args:
        record: Of the scene, as `detect` wrote it.
        folder: Where to look for its rasters if they are no longer where they were written.

    Raises:
        SceneError: The scene lies on a map, or nowhere, or its rasters cannot be read.
    """
    name = record["scene"]
    kind = record.get("georeferencing")
    if kind != "gcps":
        where = "is on a map grid, whose rows are not the radar's" if kind == "affine" else "has no georeferencing"
        raise SceneError(f"{name}: {where}")
    boxes = [_inside(detection["bbox_px"], record["shape"]) for detection in record["detections"]]
    file, values = read_boxes(str(_raster(record, folder)), boxes)
    georeferencing, shape = file.georeferencing, file.shape
    if georeferencing.kind != "gcps" or georeferencing.to_lonlat([0, shape[1]], [0, shape[0]]) is None:
        raise SceneError(f"{name}: its error map has no control points on the Earth")
    row_m = float(record["spacing_m"][0])
    edges_px = (0, *(int(seam) for seam in record.get("seams_px", ())), shape[1])
    stripes = []
    for index, (detection, box, excess_db) in enumerate(zip(record["detections"], boxes, values, strict=True)):
        x, y, width, height = box
        centre = row_centre(excess_db)
        stripes.append(
            HeardStripe(
                index=index,
                row_m=row_m * (y + (0.5 * height if centre is None else centre)),
                rows_m=(row_m * y, row_m * (y + height)),
                swath=int(np.clip(np.searchsorted(edges_px, x + 0.5 * width) - 1, 0, len(edges_px) - 2)),
                excess_db=float(detection["peak_excess_db"] or 0.0),
                shown=_shown(detection["polarizations"]),
            )
        )
    return HeardScene(
        name=name,
        georeferencing=georeferencing,
        shape=shape,
        row_m=row_m,
        edges_px=edges_px,
        hearings=tuple(hearings(stripes)),
    )


def _shown(polarizations: Sequence[str]) -> tuple[bool, bool]:
    """Whether co-pol and cross-pol show a stripe."""
    cross = any(re.fullmatch("VH|HV", name) for name in polarizations)
    return any(re.fullmatch("VV|HH", name) for name in polarizations) or not cross, cross


def _inside(bbox_px: Sequence[int], shape: Sequence[int]) -> tuple[int, int, int, int]:
    x, y, width, height = (int(value) for value in bbox_px)
    return x, y, min(width, int(shape[1]) - x), min(height, int(shape[0]) - y)


def _raster(record: Mapping[str, Any], folder: Path) -> Path:
    """The scene's error map: where it was written, or under the folder if that was moved."""
    written = Path(record["outputs"]["error"])
    if written.is_file():
        return written
    moved = next(iter(sorted(folder.rglob(written.name))), None)
    if moved is None:
        raise SceneError(f"{record['scene']}: its error map {written.name} is gone")
    return moved


def scene_geometry(scenes: Sequence[HeardScene], beyond_m: float) -> Scenes:
    """Where scenes lie.

    Args:
        scenes: The scenes.
        beyond_m: How far beyond the ends of a row an emitter may stand.
    """
    found = [_frame(scene) for scene in scenes]
    swath_m = np.array([frame.swath_m for frame in found])
    return Scenes(
        first=np.array([frame.first for frame in found]),
        last=np.array([frame.last for frame in found]),
        middle=np.array([frame.middle for frame in found]),
        toward=np.array([frame.toward for frame in found]),
        swath_m=swath_m,
        reach_m=swath_m + np.array([-beyond_m, beyond_m]),
        ascending=np.array([frame.ascending for frame in found]),
        height_m=np.array([scene.shape[0] * scene.row_m for scene in scenes]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    middle: NDArray[np.float64]
    toward: NDArray[np.float64]
    swath_m: tuple[float, float]
    ascending: bool


def _frame(scene: HeardScene) -> _Frame:
    height, width = scene.shape
    ends = _row(scene, 0.0), _row(scene, float(height))
    left, middle, right = _places(scene, np.array([0.0, width / 2, width]), np.full(3, height / 2))
    toward = right - (right @ middle) * middle
    toward /= np.linalg.norm(toward)
    along = [float(np.arctan2(place @ toward, place @ middle) * RADIUS_M) for place in (left, right)]
    ahead = _places(scene, np.full(2, width / 2), np.array([0.0, height]))
    return _Frame(
        first=ends[0],
        last=ends[1],
        middle=middle,
        toward=toward,
        swath_m=(along[0], along[1]),
        ascending=bool(ahead[1, 2] > ahead[0, 2]),
    )


def lines_of(scenes: Sequence[HeardScene], geometry: Scenes) -> Lines:
    """The lines of position of all hearings, in their order, scene by scene.

    Args:
        scenes: The scenes.
        geometry: From `scene_geometry`.
    """
    rows = [(number, scene, heard) for number, scene in enumerate(scenes) for heard in scene.hearings]
    number = np.array([row[0] for row in rows], np.intp)
    share = np.array(
        [np.array(scene.edges_px[heard.swath : heard.swath + 2]) / scene.shape[1] for _, scene, heard in rows]
    ).reshape(-1, 2)
    swath_m = geometry.swath_m[number]
    return Lines(
        normals=np.array([_row(scene, heard.row_m / scene.row_m) for _, scene, heard in rows]).reshape(-1, 3),
        shares=np.array([heard.shares for *_, heard in rows]).reshape(-1, len(SCALES_M)),
        scene=number,
        likely_m=swath_m[:, :1] + share * (swath_m[:, 1:] - swath_m[:, :1]),
        excess_db=np.array([heard.excess_db for *_, heard in rows]),
        shown=np.array([heard.shown for *_, heard in rows], bool).reshape(-1, 2),
    )


def _row(scene: HeardScene, row: float) -> NDArray[np.float64]:
    """Normal of the plane through a row, towards later ones."""
    width = scene.shape[1]
    points = _places(scene, np.linspace(0.0, width, POINTS), np.full(POINTS, row))
    ahead = _places(scene, np.array([width / 2, width / 2]), np.array([row, row + scene.shape[0]]))
    return plane_through(points, ahead[1])[0]


def _places(scene: HeardScene, cols: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lonlat = scene.georeferencing.to_lonlat(cols, rows)
    if lonlat is None:
        raise SceneError(f"{scene.name}: its control points leave the Earth")
    return directions(*lonlat)
