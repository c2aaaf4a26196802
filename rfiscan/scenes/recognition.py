"""What lies at a location, by its first bytes, not by its name."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from rfiscan.errors import SceneError
from rfiscan.locations import Location, RemoteFile
from rfiscan.scenes.listed_files import is_product_folder
from rfiscan.scenes.product_files import MANIFEST, looks_like_product
from rfiscan.scenes.remote import START_BYTES, read_start


class Kind(StrEnum):
    """What can lie somewhere; the text is what messages call it."""

    PRODUCT = "a product"
    JSON = "a JSON file"
    PNG = "a PNG picture"
    JPEG = "a JPEG picture"
    NPY = "a NumPy array"
    RASTER = "a raster"
    FOLDER = "a folder"
    TEXT = "a text file"
    UNKNOWN = "a file of unknown kind"


_BY_START = (
    (b"PK", Kind.PRODUCT),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"\x89PNG", Kind.PNG),
    (b"\x93NUMPY", Kind.NPY),
    *((magic, Kind.RASTER) for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)


def recognise(location: Location) -> Kind:
    """Tell what lies at a location.

    Raises:
        SceneError: Nothing lies there, or it cannot be read, or is empty.
    """
    if isinstance(location, Path) and location.is_dir():
        return Kind.PRODUCT if looks_like_product(location) else Kind.FOLDER
    if isinstance(location, RemoteFile) and is_product_folder(location):
        return Kind.PRODUCT
    start = _start(location)
    if not start:
        raise SceneError(f"{location}: is empty (0 bytes)", hint="Download or copy it again.")
    return Kind.PRODUCT if location.name == MANIFEST else _kind_of(start, location)


def _kind_of(start: bytes, location: Location) -> Kind:
    known = next((kind for magic, kind in _BY_START if start.startswith(magic)), None)
    if known is not None:
        return known
    if b"<VRTDataset" in start or (isinstance(location, Path) and _has_envi_header(location)):
        return Kind.RASTER
    if not _is_text(start):
        return Kind.UNKNOWN
    return Kind.JSON if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else Kind.TEXT


def _start(location: Location) -> bytes:
    if isinstance(location, RemoteFile):
        return read_start(location)
    if not location.exists():
        raise SceneError(f"{location}: does not exist", hint="Check the path.")
    try:
        with location.open("rb") as file:
            return file.read(START_BYTES)
    except OSError as error:
        raise SceneError(f"{location}: cannot be read: {error.strerror}", hint="Check its permissions.") from error


def _has_envi_header(path: Path) -> bool:
    headers: Sequence[Path] = (path.with_suffix(".hdr"), path.with_name(path.name + ".hdr"))
    return any(header.is_file() for header in headers)


def _is_text(start: bytes) -> bool:
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4  # a character cut in two
    return b"\0" not in start
