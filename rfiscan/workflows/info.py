"""What a scene is, before anything is computed on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rfiscan import __version__
from rfiscan.errors import SceneError
from rfiscan.export.records import to_plain
from rfiscan.export.vectors import grid_corners, grid_footprint
from rfiscan.locations import Location, source_name
from rfiscan.model_files.model_card import ModelCard
from rfiscan.radiometry import Units
from rfiscan.scenes import Georeferencing, Scene, open_scene
from rfiscan.scenes.image_annotation import ImageAnnotation
from rfiscan.scenes.merged_grid import MODES_WITHOUT_A_GRID
from rfiscan.scenes.product import Product, read_product
from rfiscan.workflows.detecting.esa_verdict import verdict_record, why_no_verdict
from rfiscan.workflows.detecting.fitting import scene_warnings
from rfiscan.workflows.detecting.model_fit import fit_record
from rfiscan.workflows.detecting.nodata_share import nodata_share


@dataclass(frozen=True, slots=True, kw_only=True)
class _Annotated:
    """Size and spacing of a product as its annotation has them."""

    scene_id: str
    shape: tuple[int, int]
    spacing_m: tuple[float, float]


def describe_scene(
    paths: tuple[Location, ...],
    card: ModelCard,
    units: Units | None = None,
    pixel_spacing_m: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Say what a scene is, what ESA says of it, and whether a model fits it.

    Of a product whose measurements are absent or cannot be read, what its metadata tell is told.

    Args:
        paths: The file or folder of the scene, or its two single-polarization files.
        card: Of the model that is to fit.
        units: What the stored values are; None to recognise it.
        pixel_spacing_m: Pixel spacing (row, col) in metres of a scene that does not tell it.

    Returns:
        A record of plain JSON values: `scene`, `status`, `version`, `sources`, `product` (None where it is none),
        `measurements` (`state`: present, absent or unreadable; and `reason`), `polarizations`, `shape`, `units`,
        `spacing_m`, `spacing_known`, `georeferencing`, `corners_lonlat` (first row's left and right, last row's right
        and left), `footprint` (GeoJSON), `sub_swaths`, `nodata`, `fit`, `esa_rfi`, `esa_rfi_reason` and `warnings`.
        What is not known is None.

    Raises:
        SceneError: It is no scene, or it is a product whose annotation is damaged.
    """
    product = read_product(paths[0]) if len(paths) == 1 else None
    if product is not None and not product.measurements:
        what = _of_product(product, card, "absent", "the product holds no measurement TIFFs, only metadata")
    else:
        try:
            with open_scene(*paths, units=units, pixel_spacing_m=pixel_spacing_m) as scene:
                what = _of_scene(scene, card)
        except SceneError as error:
            if product is None or not product.images:
                raise
            what = _of_product(product, card, "unreadable", str(error))
    reason = why_no_verdict(product)
    return {
        key: to_plain(value)
        for key, value in {
            "scene": what.pop("scene"),
            "status": "done",
            "version": __version__,
            "sources": [source_name(str(path)) for path in paths],
            "product": None if product is None else _product_facts(product),
            **what,
            "esa_rfi": None if product is None or reason else verdict_record(product),
            "esa_rfi_reason": reason,
        }.items()
    }


def _of_scene(scene: Scene, card: ModelCard) -> dict[str, Any]:
    return {
        "scene": scene.scene_id,
        "measurements": {"state": "present", "reason": None},
        "polarizations": [name for name in scene.polarizations if name is not None],
        "shape": scene.shape,
        "units": scene.units.value,
        "spacing_m": scene.spacing_m,
        "spacing_known": scene.spacing_known,
        **_place(scene.georeferencing, scene.shape),
        "sub_swaths": [_swath(s.name, [s]) for s in scene.swaths],
        "nodata": None if scene.remote else nodata_share(scene),
        "fit": fit_record(scene, card, spacing_known=scene.spacing_known),
        "warnings": scene_warnings(scene),
    }


def _of_product(product: Product, card: ModelCard, state: str, reason: str) -> dict[str, Any]:
    """Describe a product by its metadata alone."""
    image = product.images[0] if product.images else None
    facts: dict[str, Any] = {
        "scene": product.name,
        "measurements": {"state": state, "reason": reason},
        "polarizations": list(dict.fromkeys(one.basic.polarization for one in product.images)),
        "shape": None,
        "units": None,
        "spacing_m": None,
        "spacing_known": False,
        **_place(Georeferencing(), (0, 0)),
        "sub_swaths": [],
        "nodata": None,
        "fit": None,
        "warnings": list(product.warnings),
    }
    if image is None:
        return facts
    kind = image.basic.product_type
    if kind not in {"GRD", "SLC"} or image.mode in MODES_WITHOUT_A_GRID:  # no one image that a record could tell of
        fit = {"model": card.name, "spacing_m": card.spacing_m, "fits": False}
        return {**facts, "fit": {**fit, "reason": f"a product of type {image.mode} {kind}, not of IW, EW or stripmap"}}
    extent = _Annotated(scene_id=product.name, shape=image.basic.shape, spacing_m=image.basic.spacing_m)
    return {
        **facts,
        "shape": image.basic.shape,
        "units": Units.DN.value,
        "spacing_m": image.basic.spacing_m,
        "spacing_known": True,
        **_place(image.basic.georeferencing, image.basic.shape),
        "sub_swaths": _sub_swaths(image),
        "fit": fit_record(extent, card, spacing_known=True),
    }


def _product_facts(product: Product) -> dict[str, Any]:
    image = product.images[0] if product.images else None
    facts: dict[str, Any] = {
        "name": product.name,
        "resolution": product.resolution,
        "ipf_version": product.ipf_version,
    }
    if image is None:
        return facts
    times = {"start_time": image.start_time, "stop_time": image.stop_time}
    return {
        **facts,
        "mission": image.mission,
        "mode": image.mode,
        "type": image.basic.product_type,
        "pass": image.pass_direction,
        "absolute_orbit": image.absolute_orbit,
        **{key: None if time is None else time.isoformat(timespec="microseconds") for key, time in times.items()},
        "line_interval_s": image.line_interval_s,
    }


def _sub_swaths(image: ImageAnnotation) -> list[dict[str, Any]]:
    names = dict.fromkeys(block.name for block in image.swath_blocks)
    return [_swath(name, [block for block in image.swath_blocks if block.name == name]) for name in names]


def _swath(name: str, blocks: Sequence[Any]) -> dict[str, Any]:
    return {
        "name": name,
        "rows": [min(block.first_row for block in blocks), max(block.last_row for block in blocks)],
        "cols": [min(block.first_col for block in blocks), max(block.last_col for block in blocks)],
    }


def _place(georeferencing: Georeferencing, shape: tuple[int, int]) -> dict[str, Any]:
    """Say how a grid lies on the Earth, and where its corners are."""
    corners = grid_corners(georeferencing, shape)
    return {
        "georeferencing": georeferencing.kind,
        "corners_lonlat": None if corners is None else corners.tolist(),
        "footprint": grid_footprint(georeferencing, shape),
    }
