"""find_product: the files of the product at a location, if there is one."""

from __future__ import annotations

from functools import lru_cache

from rfiscan.locations import Location, RemoteFile
from rfiscan.scenes.listed_files import PRODUCT_INFO, ListedFiles, remote_product
from rfiscan.scenes.product_files import ProductFiles, local_product
from rfiscan.scenes.recognition import Kind, recognise
from rfiscan.scenes.stac_item import json_product


def find_product(location: Location) -> ProductFiles | None:
    """Find the files of a product; None where something else lies.

    Args:
        location: Its folder, its manifest.safe, its zip, its productInfo.json or a STAC item of it, on this disk or
            elsewhere.

    Raises:
        SceneError: Nothing can be read there, or it is a damaged product, or JSON of something else.
    """
    kind = recognise(location)
    if kind is Kind.JSON:
        if isinstance(location, RemoteFile):
            return _item(location, 0)
        if location.name == PRODUCT_INFO:
            return local_product(location.parent)
        return _item(location, location.stat().st_mtime_ns)
    if kind is not Kind.PRODUCT:
        return None
    return remote_product(location) if isinstance(location, RemoteFile) else local_product(location)


@lru_cache(maxsize=2)
def _item(location: Location, changed_ns: int) -> ListedFiles:  # noqa: ARG001 - a changed file is another one
    return json_product(location)
