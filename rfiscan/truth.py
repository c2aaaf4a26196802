"""Evaluation data: scenes whose interference is known, listed cheaply first and read one at a time.

Two kinds are read. A folder that `rfiscan simulate` wrote holds ``NAME_truth.json`` beside every scene, with masks and
labels as rasters. A COCO file (images, annotations with bbox) holds boxes that people drew over pictures: it says
where stripes are, but not which pixels are bright, so that there is no pixel mask.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.errors import SceneError, UsageError
from rfiscan.scenes.raster_values import read_raster_values, require_raster

SCENE_SUFFIXES = (".tif", ".npy", ".png", ".SAFE")
RECORD_ENDING = "_truth.json"
MASK_NODATA = 255
RATIO_BANDS = slice(2, 4)
"""Bands of ``NAME_interference.tif`` with the interference-to-background ratio of VV and VH in dB."""
UNKNOWN_KIND = "unknown"
STRONG_DB = 3.0
"""Brightening from which interference is called strong: half of what one sees there is its own power."""
HALO_DB = 0.1
"""Brightening from which a pixel is not clean; it is true from the `visible_db` of its record on, and halo between."""

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRef:
    """A scene of an evaluation, and where its truth is; nothing but a listing has been read.

    Attributes:
        scene_id: Its name, unique within the data.
        scene_path: What `open_scene` opens.
        image_id: Its number in a COCO results file: the one of the COCO file, else its place in the folder from 1.
        category_id: The number of interference there.
        record_path: ``NAME_truth.json``; None where the truth is boxes only.
        boxes: The boxes; empty for a clean scene, None where ``record_path`` tells.
    """

    scene_id: str
    scene_path: Path
    image_id: int
    category_id: int = 1
    record_path: Path | None = None
    boxes: tuple[Box, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """One stripe of interference: what an emitter leaves in one sub-swath.

    Attributes:
        label: Its number in `Truth.labels`, from 1.
        kind: Kind of the emitter; `UNKNOWN_KIND` for a drawn box.
        swath: Sub-swath; empty where unknown.
        ibr_db: Peak ratio of interference to background in the stronger polarization; NaN where unknown.
        cross_over_co_db: How much stronger the emitter is in cross-pol than in co-pol; NaN where unknown.
        bbox_px: Box around its labelled pixels.
        visible_bbox_px: Box around its visible pixels; None where none is visible.
    """

    label: int
    kind: str
    swath: str
    ibr_db: float
    cross_over_co_db: float
    bbox_px: Box
    visible_bbox_px: Box | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What ``NAME_truth.json`` tells; see `Truth`."""

    visible_db: float
    surface: str | None
    background: str | None
    clean: bool
    stripes: tuple[Stripe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is known of one scene; H x W is the grid of the scene.

    Attributes:
        shape: (H, W); None where the truth is boxes only.
        mask: True = interference brightens the pixel visibly, (H, W); None where the truth is boxes only.
        strong_mask: True = it brightens the pixel by at least `STRONG_DB`, (H, W); None likewise.
        halo_mask: True = it brightens the pixel by at least `HALO_DB`, but not visibly, (H, W); None likewise.
        masks_by_polarization: The same as the mask, of each polarization, (2, H, W); None likewise.
        known: False where the truth says nothing, such as nodata, (H, W); None likewise.
        labels: Number of the stripe of each pixel, 0 = none, (H, W); None likewise.
        stripes: The stripes, visible or not.
        surface: "sea", "coast" or "land"; None where unknown.
        background: Name of the real scene behind it, which other scenes may share; None if there is none.
        clean: True = no interference at all, visible or not.
    """

    shape: tuple[int, int] | None = None
    mask: NDArray[np.bool_] | None = None
    strong_mask: NDArray[np.bool_] | None = None
    halo_mask: NDArray[np.bool_] | None = None
    masks_by_polarization: NDArray[np.bool_] | None = None
    known: NDArray[np.bool_] | None = None
    labels: NDArray[np.uint16] | None = None
    stripes: tuple[Stripe, ...]
    surface: str | None = None
    background: str | None = None
    clean: bool

    @property
    def visible_stripes(self) -> tuple[Stripe, ...]:
        """The stripes of which anything can be seen."""
        return tuple(stripe for stripe in self.stripes if stripe.visible_bbox_px is not None)


def find_truth(data: Path, images_dir: Path | None = None) -> list[TruthRef]:
    """List the scenes of an evaluation, in an order that does not change.

    Args:
        data: A folder with ``NAME_truth.json`` files, or a COCO file.
        images_dir: Folder of the pictures that a COCO file names; None for the folder of the file.

    Raises:
        SceneError: If there is no evaluation data, or a scene is missing.
        UsageError: If ``images_dir`` is given with a folder, or is none.
    """
    if not data.exists():
        raise SceneError(f"{data}: does not exist", hint="Give a folder of simulate, or a COCO file.")
    if data.is_dir():
        if images_dir is not None:
            raise UsageError("--images belongs to a COCO file; a folder holds its own scenes")
        return _list_folder(data)
    if images_dir is not None and not images_dir.is_dir():
        raise UsageError(f"--images {images_dir}: is not a folder")
    return _list_coco(data, images_dir or data.parent)


def read_truth(ref: TruthRef) -> Truth:
    """Read the truth of one scene.

    Raises:
        SceneError: If a file of it is missing, damaged, or does not fit the others.
    """
    if ref.record_path is None:
        return Truth(stripes=tuple(_drawn(i, box) for i, box in enumerate(ref.boxes or (), 1)), clean=not ref.boxes)
    facts = _read_facts(ref.record_path)
    codes = _layer(ref, "truth")[0]
    mask = codes == 1
    by_polarization = np.zeros((2, *mask.shape), bool)
    strong, touched = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    labels = np.zeros(mask.shape, np.uint16)
    if not facts.clean:
        ratio_db = _layer(ref, "interference")[RATIO_BANDS]
        by_polarization = visible(ratio_db, facts.visible_db)
        strong, touched = (np.asarray(visible(ratio_db, least_db).any(axis=0)) for least_db in (STRONG_DB, HALO_DB))
        labels = _layer(ref, "stripes")[0].astype(np.uint16)
    for name, layer in (("interference", by_polarization[0]), ("stripes", labels)):
        if layer.shape != mask.shape:
            raise SceneError(f"{_layer_path(ref, name)}: has {layer.shape} pixels, the truth mask {mask.shape}")
    return Truth(
        shape=(mask.shape[0], mask.shape[1]),
        mask=mask,
        strong_mask=strong,
        halo_mask=touched & ~mask,
        masks_by_polarization=by_polarization,
        known=codes != MASK_NODATA,
        labels=labels,
        stripes=facts.stripes,
        surface=facts.surface,
        background=facts.background,
        clean=facts.clean,
    )


def check_truth(ref: TruthRef) -> None:
    """Prove that the truth of a scene is there and can be read, by its record and the headers of its rasters.

    Raises:
        SceneError: If a file of it is missing or damaged.
    """
    if ref.record_path is None:
        return
    clean = _read_facts(ref.record_path).clean
    for name in ("truth",) if clean else ("truth", "interference", "stripes"):
        require_raster(_layer_path(ref, name))


def visible(ratio_db: NDArray[np.floating[Any]], visible_db: float) -> NDArray[np.bool_]:
    """Tell where interference of a ratio to the background brightens a pixel by at least ``visible_db``.

    Powers add: the brightening is 10 log10(1 + 10^(ratio / 10)).

    Args:
        ratio_db: Any shape; NaN = no interference.
        visible_db: > 0.
    """
    least_db = 10 * math.log10(10 ** (visible_db / 10) - 1)
    with np.errstate(invalid="ignore"):
        seen: NDArray[np.bool_] = ratio_db >= least_db
    return seen


def _list_folder(folder: Path) -> list[TruthRef]:
    records = sorted(folder.glob(f"*{RECORD_ENDING}"))
    if not records:
        raise SceneError(
            f"{folder}: holds no evaluation data (NAME{RECORD_ENDING} beside each scene)",
            hint="Make some with: rfiscan simulate --out FOLDER",
        )
    refs, missing = [], []
    for number, record in enumerate(records, 1):
        name = record.name.removesuffix(RECORD_ENDING)
        scene = next((folder / f"{name}{s}" for s in SCENE_SUFFIXES if (folder / f"{name}{s}").exists()), None)
        if scene is None:
            missing.append(f"{folder / name}.tif")
        else:
            refs.append(TruthRef(scene_id=name, scene_path=scene, image_id=number, record_path=record))
    if missing:
        raise SceneError(f"{_absent(missing)}, but the truth is there", hint="Copy the folder whole.")
    return refs


def _list_coco(path: Path, images_dir: Path) -> list[TruthRef]:
    content = _read_json(path)
    try:
        categories = [int(category["id"]) for category in content.get("categories", [])] or [1]
        boxes: dict[int, list[Box]] = defaultdict(list)
        for entry in content["annotations"]:
            if not entry.get("iscrowd", 0):
                x, y, width, height = (float(value) for value in entry["bbox"])
                boxes[int(entry["image_id"])].append((x, y, width, height))
        images = [(int(image["id"]), str(image["file_name"])) for image in content["images"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SceneError(
            f"{path}: is no COCO file ({type(error).__name__}: {error})",
            hint="It must hold images (id, file_name) and annotations (image_id, bbox).",
        ) from error
    if not images:
        raise SceneError(f"{path}: names no images")
    refs = [
        TruthRef(
            scene_id=Path(name).with_suffix("").as_posix(),
            scene_path=images_dir / name,
            image_id=number,
            category_id=categories[0],
            boxes=tuple(boxes[number]),
        )
        for number, name in images
    ]
    missing = [str(ref.scene_path) for ref in refs if not ref.scene_path.exists()]
    if missing:
        raise SceneError(f"{_absent(missing)}, but named in {path.name}", hint="Say where with --images FOLDER.")
    return refs


def _absent(names: list[str]) -> str:
    return f"{', '.join(names)}: {'does' if len(names) == 1 else 'do'} not exist"


def _read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SceneError(
            f"{path}: is no JSON file: {error}", hint="Give a folder of simulate, or a COCO file."
        ) from error


def _read_facts(path: Path) -> _Facts:
    record = _read_json(path)
    try:
        return _Facts(
            visible_db=float(record["visible_db"]),
            surface=record.get("surface"),
            background=record.get("background"),
            clean=not record["emitters"],
            stripes=tuple(_stripe(emitter, entry) for emitter in record["emitters"] for entry in emitter["stripes"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SceneError(
            f"{path}: is no truth record of this version ({type(error).__name__}: {error})",
            hint="Make the scenes anew with rfiscan simulate.",
        ) from error


def _layer_path(ref: TruthRef, name: str) -> Path:
    return ref.scene_path.with_name(f"{ref.scene_id}_{name}.tif")


def _layer(ref: TruthRef, name: str) -> NDArray[Any]:
    return read_raster_values(_layer_path(ref, name))


def _stripe(emitter: dict[str, Any], entry: dict[str, Any]) -> Stripe:
    seen = entry["visible_bbox_px"]
    return Stripe(
        label=int(entry["label"]),
        kind=str(emitter["kind"]),
        swath=str(entry["swath"]),
        ibr_db=float(entry["ibr_db"]),
        cross_over_co_db=float(emitter["cross_over_co_db"]),
        bbox_px=_box(entry["bbox_px"]),
        visible_bbox_px=None if seen is None else _box(seen),
    )


def _box(values: list[float]) -> Box:
    x, y, width, height = values
    return (float(x), float(y), float(width), float(height))


def _drawn(label: int, box: Box) -> Stripe:
    return Stripe(
        label=label,
        kind=UNKNOWN_KIND,
        swath="",
        ibr_db=math.nan,
        cross_over_co_db=math.nan,
        bbox_px=box,
        visible_bbox_px=box,
    )
