"""Finished scenes in a static STAC catalogue."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rfiscan.atomic import remove_earlier
from rfiscan.export.stac import CATALOGUE_ID, STAC_SUFFIX, Acquisition, catalogue, stac_item, write_stac
from rfiscan.export.stac_model import MODEL_PREFIX, model_item, model_item_name
from rfiscan.export.vectors import grid_footprint
from rfiscan.model_files.stored_model import StoredModel
from rfiscan.scenes.product import Product
from rfiscan.workflows.detecting.result import Result


def stac_outputs(out_dir: Path, scene_id: str, product: Product | None, model: StoredModel) -> dict[str, str]:
    """Return the paths of the STAC items of a scene and of its model, by name; empty where the scene gets none.

    Args:
        out_dir: Folder of the outputs.
        scene_id: Name of the scene.
        product: The product that the scene is of.
        model: What looked at it.
    """
    if acquisition_of(product) is None:
        return {}
    items = {"stac": f"{scene_id}{STAC_SUFFIX}", "stac_model": model_item_name(model.name, model.sha256)}
    return {name: str((out_dir / item).absolute()) for name, item in items.items()}


def write_stac_items(record: dict[str, Any], result: Result, product: Product | None, model: StoredModel) -> None:
    """Write the STAC items of a finished scene and of the model, if the scene gets one.

    Args:
        record: Its record, with all outputs in it, those of `stac_outputs` among them.
        result: What was computed.
        product: The product that the scene is of.
        model: What looked at it.

    Raises:
        OutputError: If one cannot be written.
    """
    acquisition = acquisition_of(product)
    if acquisition is None:
        return
    georeferencing = result.grid.georeferencing
    epsg = georeferencing.crs.to_epsg() if georeferencing.kind == "affine" and georeferencing.crs is not None else None
    path, model_path = Path(record["outputs"]["stac"]), Path(record["outputs"]["stac_model"])
    footprint = grid_footprint(georeferencing, result.shape)
    # the scene's item first: whoever writes the catalogue meanwhile removes models that none refers to
    write_stac(path, stac_item(record, acquisition, footprint, epsg, f"./{model_path.name}"))
    about = model_item(model.card, model.path, model.sha256, model.parameter_count(), version("torch"))
    write_stac(model_path, about, shared=True)


def acquisition_of(product: Product | None) -> Acquisition | None:
    """When and how a product was taken; None if it is none, or does not tell when: items have a time."""
    image = product.images[0] if product is not None and product.images else None
    if image is None or image.start_time is None or image.stop_time is None:
        return None
    return Acquisition(
        start_time=image.start_time,
        stop_time=image.stop_time,
        mission=image.mission,
        mode=image.mode,
        pass_direction=image.pass_direction,
        absolute_orbit=image.absolute_orbit,
        relative_orbit=None if product is None or product.orbit is None else product.orbit.relative[0],
        node_time=None if product is None or product.orbit is None else product.orbit.node_time,
    )


def write_catalogue(out_dir: Path) -> None:
    """Write ``catalog.json`` over the STAC items in a folder; one that others wrote there stays as it is.

    Items of models that no scene refers to any more go.

    Raises:
        OutputError: If it cannot be written.
    """
    path = out_dir / "catalog.json"
    found = sorted(out_dir.glob(f"*{STAC_SUFFIX}"))
    if path.exists() and not _is_own(path):
        return
    models = [item for item in found if item.name.startswith(MODEL_PREFIX)]
    scenes = [item for item in found if item not in models]
    links = {link for scene in scenes for link in _links(scene)}
    for model in [model for model in models if f"./{model.name}" not in links]:
        remove_earlier(model)
        models.remove(model)
    if scenes:
        write_stac(path, catalogue([item.name for item in (*scenes, *models)]), shared=True)
    else:
        remove_earlier(path)


def _links(item: Path) -> list[str]:
    """Where an item links to."""
    links = _read(item).get("links")
    return [str(link.get("href")) for link in links or () if isinstance(link, dict)] if isinstance(links, list) else []


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_own(path: Path) -> bool:
    found = _read(path)
    return (found.get("type"), found.get("id")) == ("Catalog", CATALOGUE_ID)
