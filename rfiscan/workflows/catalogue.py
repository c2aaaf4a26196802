"""Finished scenes in a static STAC catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rfiscan.export.atomic import remove_earlier
from rfiscan.export.stac import CATALOGUE_ID, STAC_SUFFIX, Acquisition, catalogue, stac_item, write_stac
from rfiscan.export.vectors import grid_footprint
from rfiscan.scenes.product import Product
from rfiscan.workflows.result import Result


def write_stac_item(record: dict[str, Any], result: Result, product: Product | None, path: Path) -> None:
    """Write the STAC item of a finished scene.

    Args:
        record: Its record, with all outputs in it.
        result: What was computed.
        product: The product that the scene is of.
        path: File to write.

    Raises:
        OutputError: If it cannot be written.
    """
    acquisition = acquisition_of(product)
    if acquisition is None:
        return
    georeferencing = result.grid.georeferencing
    epsg = georeferencing.crs.to_epsg() if georeferencing.kind == "affine" and georeferencing.crs is not None else None
    write_stac(path, stac_item(record, acquisition, grid_footprint(georeferencing, result.shape), epsg))


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
    )


def write_catalogue(out_dir: Path) -> None:
    """Write ``catalog.json`` over the STAC items in a folder; one that others wrote there stays as it is.

    Raises:
        OutputError: If it cannot be written.
    """
    path = out_dir / "catalog.json"
    items = sorted(item.name for item in out_dir.glob(f"*{STAC_SUFFIX}"))
    if path.exists() and not _is_own(path):
        return
    if items:
        write_stac(path, catalogue(items))
    else:
        remove_earlier(path)


def _is_own(path: Path) -> bool:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and (found.get("type"), found.get("id")) == ("Catalog", CATALOGUE_ID)
