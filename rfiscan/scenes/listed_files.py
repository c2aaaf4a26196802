"""Products that cannot be listed as a folder can: over the network, a file in them tells which files there are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException

from rfiscan.errors import SceneError
from rfiscan.locations import Location, RemoteFile, gdal_name
from rfiscan.scenes.manifest import listed_hrefs
from rfiscan.scenes.product_files import MANIFEST
from rfiscan.scenes.remote import read_start, read_whole
from rfiscan.scenes.xml_values import parse_xml

PRODUCT_INFO = "productInfo.json"
"""What the open-data mirror on AWS adds to each product; its `filenameMap` goes from ESA's file names to its own."""

_PRODUCT_NAME = re.compile(r"S1[A-Z]_\w+")
_ZIP_NAME_AT = 30  # PKWARE, APPNOTE.TXT, 4.3.7: where the name is in the header of a zip's first file,
_ZIP_NAME_LENGTH_AT = 26  # and where its length


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFiles:
    """The files of a product, each somewhere of its own; see `rfiscan.scenes.product_files.ProductFiles`.

    What was read is kept: a scene and its metadata are two readers of the same files.

    Attributes:
        source: What the user gave, without secrets.
        name: Name of the product.
        members: Where each file is, by its path in the product.
    """

    source: str
    name: str
    members: Mapping[str, Location]
    _kept: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def sizes(self) -> Mapping[str, None]:
        """The files by their path in the product; how long they are is not told."""
        return dict.fromkeys(self.members)

    def read(self, member: str) -> bytes:
        """Return what a file holds."""
        if member not in self._kept:
            self._kept[member] = read_whole(self.members[member])
        return self._kept[member]

    def gdal_name(self, member: str) -> str:
        """Return the name by which GDAL opens a file; it may hold secrets."""
        return gdal_name(self.members[member])


@lru_cache(maxsize=2)
def remote_product(file: RemoteFile) -> ListedFiles:
    """List the files of a product over the network.

    Args:
        file: Its manifest.safe or productInfo.json, its zip, or its folder.

    Raises:
        SceneError: It is no product, or cannot be reached.
    """
    if file.name in {MANIFEST, PRODUCT_INFO}:
        return _by_list(file, str(file))
    if is_product_folder(file):
        return _by_list(file.below(MANIFEST), str(file))
    return _in_zip(file)


def product_info_files(found: Mapping[str, Any], file: RemoteFile, source: str) -> ListedFiles:
    """List the files of a product of the AWS open-data mirror.

    Args:
        found: Its productInfo.json.
        file: Where that is.
        source: What the user gave, without secrets.

    Raises:
        SceneError: It tells no files.
    """
    names = found.get("filenameMap")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise SceneError(f"{source}: tells no files of a product", hint=f"Give the {MANIFEST} of the product.")
    name = str(found.get("id") or RemoteFile(file.folder).name)
    return ListedFiles(source=source, name=name, members={own: file.beside(own) for own in names.values()})


def is_product_folder(file: RemoteFile) -> bool:
    """Tell whether an address is that of a product's folder: by its name, and because there is no file of that name."""
    if str(file).endswith("/") or file.name.endswith(".SAFE"):
        return True
    if not _PRODUCT_NAME.fullmatch(file.name):
        return False
    try:
        return not read_start(file)
    except SceneError:
        return True


def _by_list(file: RemoteFile, source: str) -> ListedFiles:
    """List the files by the manifest, or by productInfo.json: in a mirror that has it, files have other names."""
    if file.name == PRODUCT_INFO or not RemoteFile(file.folder).name.endswith(".SAFE"):
        info = file if file.name == PRODUCT_INFO else file.beside(PRODUCT_INFO)
        try:
            return product_info_files(_json(read_whole(info), str(info)), info, source)
        except SceneError:
            if file.name == PRODUCT_INFO:
                raise
    return _by_manifest(file, source)


def _by_manifest(manifest: RemoteFile, source: str) -> ListedFiles:
    """List what the manifest lists."""
    text = read_whole(manifest)
    try:
        root = parse_xml(text)
    except (ParseError, DefusedXmlException) as error:
        raise SceneError(f"{manifest}: is no manifest of a product: {error}", hint="Check the address.") from error
    paths = [str(PurePosixPath(href)) for href in listed_hrefs(root)]
    members = {path: manifest.beside(path) for path in paths}
    name = RemoteFile(manifest.folder).name.removesuffix(".SAFE")
    return ListedFiles(source=source, name=name, members={MANIFEST: manifest, **members}, _kept={MANIFEST: text})


def _in_zip(file: RemoteFile) -> ListedFiles:
    """List the files of a zip by the manifest in it; the name of its first file tells the folder that they are in."""
    start = read_start(file)
    length = int.from_bytes(start[_ZIP_NAME_LENGTH_AT : _ZIP_NAME_LENGTH_AT + 2], "little")
    first = start[_ZIP_NAME_AT : _ZIP_NAME_AT + length].decode(errors="replace")
    top = first.partition("/")[0]
    if not first.startswith(f"{top}/") or "\0" in first:
        raise SceneError(f"{file}: holds no Sentinel-1 product", hint="Give the zip of a SAFE folder.")
    try:
        listed = _by_manifest(file.inside(f"{top}/{MANIFEST}"), str(file))
    except SceneError as error:
        raise SceneError(
            f"{file}: its {top}/{MANIFEST} cannot be read; the zip is damaged, or of something else than a product",
            hint="Give the zip of a SAFE folder.",
        ) from error
    return replace(listed, name=top.removesuffix(".SAFE"))


def _json(text: bytes, label: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SceneError(f"{label}: is no whole JSON file: {error}", hint="Download it again.") from error
    if not isinstance(found, dict):
        raise SceneError(f"{label}: is JSON, but no STAC item", hint="Give a STAC item of a GRD product.")
    return found
