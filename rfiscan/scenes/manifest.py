"""manifest.safe: what a product says of itself, and which of the files that it lists are not there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException

from rfiscan.errors import SceneError
from rfiscan.scenes.product_files import MANIFEST, ProductFiles
from rfiscan.scenes.xml_values import parse_xml

_MOST_NAMED = 4
_OF_AN_IMAGE = re.compile(r"(?:^|/)(measurement/[^/]+\.tiff?|annotation/[^/]+\.xml)$", re.IGNORECASE)
# what tells the images of a product apart, whatever the names are otherwise: iw-vv.tiff in the mirror, -cog.tiff
_WHICH_IMAGE = re.compile(r"(?<![a-z0-9])(?:[ie]w\d|vv|vh|hh|hv)(?![a-z0-9])")


def read_manifest(files: ProductFiles) -> Element | None:
    """Read the manifest of a product; None where there is none, or it is damaged: no value of a pixel depends on it."""
    if MANIFEST not in files.sizes:
        return None
    try:
        return parse_xml(files.read(MANIFEST))
    except (ParseError, DefusedXmlException, SceneError):
        return None


def listed_hrefs(manifest: Element) -> list[str]:
    """Return where the files are: SAFE Core Specifications, dataObjectSection: byteStream/fileLocation/@href."""
    hrefs = (element.get("href") for element in manifest.iter() if element.tag.rpartition("}")[2] == "fileLocation")
    return [href for href in hrefs if href]


def absence_warnings(files: ProductFiles, manifest: Element | None) -> tuple[str, ...]:
    """Name the measurements and product annotations that the manifest lists and that are not there.

    Where there is no measurement at all, none is named: that is a product of metadata alone.

    Args:
        files: Of the product.
        manifest: Its manifest; None where it has none.

    Returns:
        One sentence, or none.
    """
    if manifest is None:
        return ()
    there = {_image_of(member) for member in _of_images(files.sizes)}
    folders = {"annotation", *(folder for folder, *_ in there)}
    listed = sorted(set(_of_images(listed_hrefs(manifest))))
    absent = [member for member in listed if _image_of(member) not in there and _image_of(member)[0] in folders]
    if not absent:
        return ()
    more = f" and {len(absent) - _MOST_NAMED} more files" if len(absent) > _MOST_NAMED else ""
    are = "is" if len(absent) == 1 else "are"
    return (
        f"{files.source}: the manifest lists {', '.join(absent[:_MOST_NAMED])}{more}, which {are} not there: "
        "download the whole product",
    )


def _of_images(paths: Iterable[str]) -> Iterator[str]:
    """Yield the path in the product of what is a measurement or a product annotation; hrefs may be absolute."""
    for path in paths:
        found = _OF_AN_IMAGE.search(path.replace("\\", "/"))
        if found:
            yield found[1]


def _image_of(member: str) -> tuple[str, ...]:
    """Return folder, sub-swath and polarization of a measurement or product annotation, as far as its name has them."""
    path = PurePosixPath(member)
    return (path.parent.name, *(_WHICH_IMAGE.findall(path.stem.lower()) or [path.stem]))
