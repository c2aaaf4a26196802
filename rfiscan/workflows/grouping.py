"""Which files on a command line belong to one scene."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rfiscan.errors import SceneError
from rfiscan.locations import Location, RemoteFile, folder_of, gdal_name, locate

_CO_POL = {"vv": "vh", "hh": "hv"}
_POLARIZATION = re.compile(r"(?<![a-z])(vv|vh|hh|hv)(?![a-z])", re.IGNORECASE)
# ESA numbers the measurement files of a product: ...-00573b-001.tiff is VV, ...-00573b-002.tiff VH
_IMAGE_NUMBER = re.compile(r"(?<=-[0-9a-f]{6})-\d{3}(?=(?:-cog)?$)", re.IGNORECASE)


def group_scenes(paths: Sequence[str | Path | RemoteFile]) -> list[tuple[Location, ...]]:
    """Group files into scenes.

    Every path is a scene of its own, except that two TIFFs of one folder whose names differ in nothing but the
    polarization (`iw-vv.tiff` and `iw-vh.tiff`; the image number of ESA's measurement files aside) are one scene,
    co-pol first. A path given twice counts once.

    Args:
        paths: Files, folders and URLs, in the order of the command line.

    Returns:
        One tuple of one or two paths per scene, in the order in which the scenes first appear.
    """
    groups: dict[tuple[str, ...], list[Location]] = {}
    for path in dict.fromkeys(map(locate, paths)):
        key, polarization = _pair_key(path)
        group = groups.setdefault(key, [])
        if not group:
            group.append(path)
        elif polarization in _CO_POL:
            group.insert(0, path)
        else:
            group.append(path)
    return [scene for group in groups.values() for scene in _split(group)]


def require_present(paths: tuple[Location, ...]) -> None:
    """Raise before anything expensive starts if a file of a scene does not exist on this disk.

    Raises:
        SceneError: Names the first path that does not exist.
    """
    for path in paths:
        if isinstance(path, Path) and not path.exists():
            raise SceneError(f"{path}: does not exist", hint="Check the path.")


def _pair_key(path: Location) -> tuple[tuple[str, ...], str]:
    """Return a key that the two polarizations of one acquisition share, and the polarization ("" for none)."""
    tokens = _POLARIZATION.findall(path.stem)
    if path.suffix.lower() not in {".tif", ".tiff"} or len(tokens) != 1:
        return ("single", gdal_name(path)), ""
    polarization = tokens[0].lower()
    family = polarization if polarization in _CO_POL else {"vh": "vv", "hv": "hh"}[polarization]
    name = _IMAGE_NUMBER.sub("", _POLARIZATION.sub("*", path.stem)).lower()
    return ("pair", folder_of(path), name, path.suffix.lower(), family), polarization


def _split(group: list[Location]) -> list[tuple[Location, ...]]:
    """Keep a clean pair together; anything else that shares a key is taken apart, one scene each."""
    if len(group) <= 2 and len({_pair_key(path)[1] for path in group}) == len(group):
        return [tuple(group)]
    return [(path,) for path in group]
