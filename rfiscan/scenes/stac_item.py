"""Products given as STAC items: which asset is which file of a GRD product.

Known are the catalogues that have Sentinel-1 GRD: Microsoft's Planetary Computer and Element 84's Earth Search (keys
`vv`, `vh`, `hh`, `hv`, `schema-product-vv`, `schema-calibration-vv`, `schema-noise-vv`, `safe-manifest`; files named as
in the AWS mirror, or as ESA does) and the Copernicus Data Space (the same keys, but `safe_manifest`; COG_SAFE files on
S3, with the web as an alternate). Others are understood as far as they name their files as products do.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rfiscan.errors import SceneError
from rfiscan.locations import Location, RemoteFile, locate
from rfiscan.scenes.listed_files import ListedFiles, product_info_files
from rfiscan.scenes.polarizations import named_in
from rfiscan.scenes.product_files import MANIFEST
from rfiscan.scenes.remote import read_whole

_S3_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_NO_SIGN_REQUEST",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
"""Any of these in the environment says that S3 can be read; GDAL user manual, "/vsis3/"."""

_RFI_FOLDER = "annotation/rfi/"
_GRD_NAME = re.compile(r"^S1[A-Z]_(?:IW|EW|WV|S[1-6])_GRD[FHM]_")
_KINDS = (("calibration", "annotation/calibration/"), ("noise", "annotation/calibration/"), ("rfi", _RFI_FOLDER))
_GIVE = "Give a STAC item of a Sentinel-1 GRD product."


def json_product(location: Location) -> ListedFiles:
    """List the files of a product that a JSON file tells of: a STAC item, or productInfo.json of the AWS mirror.

    Raises:
        SceneError: It is no such file, or the item is of no GRD product, or its assets are of another kind.
    """
    try:
        found = json.loads(read_whole(location))
    except ValueError as error:
        raise SceneError(f"{location}: is no whole JSON file: {error}", hint=_GIVE) from error
    if not isinstance(found, dict):
        raise SceneError(f"{location}: is JSON, but no STAC item", hint=_GIVE)
    if "filenameMap" in found and isinstance(location, RemoteFile):
        return product_info_files(found, location, str(location))
    _require_item(found, str(location))
    return _listed(found, location)


def _require_item(found: Mapping[str, Any], label: str) -> None:
    if found.get("type") == "FeatureCollection":
        count = len(found.get("features") or ())
        raise SceneError(f"{label}: is a collection of {count} features, not one STAC item", hint=_GIVE)
    if found.get("type") in {"Catalog", "Collection"} and "stac_version" in found:
        raise SceneError(f"{label}: is a STAC {str(found['type']).lower()}, not an item", hint=_GIVE)
    if found.get("type") != "Feature" or "stac_version" not in found:
        raise SceneError(f"{label}: is JSON, but no STAC item", hint=_GIVE)
    if not isinstance(found.get("assets"), dict) or not isinstance(found.get("properties"), dict):
        raise SceneError(f"{label}: is no whole STAC item: it lacks assets or properties", hint=_GIVE)
    properties = found["properties"]
    kind = str(properties.get("sar:product_type") or properties.get("product:type") or "")
    if (kind and "GRD" not in kind.upper()) or not (kind or _GRD_NAME.match(str(found.get("id")))):
        what = f"type {kind}" if kind else "a type that it does not tell"
        raise SceneError(
            f"{label}: is an item of {what}, not of a GRD product",
            hint="Give an item of a GRD product, or the TIFFs of this one themselves.",
        )


def _listed(item: Mapping[str, Any], location: Location) -> ListedFiles:
    members: dict[str, Location] = {}
    for key, asset in item["assets"].items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
            continue
        file = _file_of(asset, location)
        member = _member(key, asset, file)
        if member is not None:
            members.setdefault(member, file)
    measurements = [member for member in members if member.startswith("measurement/")]
    if not measurements:
        raise SceneError(
            f"{location}: has no asset that is a TIFF of VV, VH, HH or HV: it has {_keys(item['assets'])}", hint=_GIVE
        )
    for member in measurements:
        members.update(_beside_measurement(member, members))
    name = str(item.get("id") or location.stem).removesuffix(".SAFE")
    return ListedFiles(source=str(location), name=name, members=members)


def _member(key: str, asset: Mapping[str, Any], file: Location) -> str | None:
    """Return the path in a product of what an asset is; None for what is of no use.

    The file's name tells more than the key does: there are items whose `schema-product-vv` is rfi-iw-vv.xml.
    """
    if file.name == MANIFEST:
        return MANIFEST
    polarization = _polarization(key, asset, file)
    suffix = file.suffix.lower()
    if polarization is None:
        return None
    named = file.name if named_in(file.stem) else f"{file.stem}-{polarization.lower()}{file.suffix}"
    if suffix in {".tif", ".tiff"}:
        return None if "thumbnail" in _roles(asset) or "overview" in _roles(asset) else f"measurement/{named}"
    return _annotation(key, file.name, named) if suffix == ".xml" else None


def _annotation(key: str, name: str, named: str) -> str:
    for kind, folder in _KINDS:
        if name.startswith(f"{kind}-"):
            return folder + named
    for kind, folder in _KINDS:
        if kind in key.lower():
            return f"{folder}{kind}-{named}"
    return f"annotation/{named}"


def _polarization(key: str, asset: Mapping[str, Any], file: Location) -> str | None:
    """Return the one polarization that an asset is of, by its file name, its key or what it says itself."""
    stated = asset.get("sar:polarizations")
    own = tuple(str(name).upper() for name in stated) if isinstance(stated, list) else ()
    return next((found[0] for found in (named_in(file.stem), named_in(key), own) if len(found) == 1), None)


def _roles(asset: Mapping[str, Any]) -> list[Any]:
    roles = asset.get("roles")
    return roles if isinstance(roles, list) else []


def _file_of(asset: Mapping[str, Any], location: Location) -> Location:
    """Return where an asset is: where its href says, or one of its alternates if that can be read and the href cannot.

    Alternate Assets Extension: asset["alternate"][name]["href"].
    """
    alternates = asset.get("alternate")
    others = alternates.values() if isinstance(alternates, dict) else ()
    hrefs = [asset["href"], *(other.get("href") for other in others if isinstance(other, dict))]
    files = [_resolved(href, location) for href in hrefs if isinstance(href, str)]
    with_s3 = any(name in os.environ for name in _S3_CREDENTIALS)
    return next((file for file in files if with_s3 == _is_s3(file)), files[0]) if len(files) > 1 else files[0]


def _is_s3(file: Location) -> bool:
    return isinstance(file, RemoteFile) and file.gdal_name.startswith("/vsis3/")


def _resolved(href: str, location: Location) -> Location:
    if re.match(r"^[a-z0-9+]{2,}://|^/vsi", href, re.IGNORECASE):
        return locate(href)
    if isinstance(location, RemoteFile):
        return location.at_root(href) if href.startswith("/") else location.beside(href)
    return location.parent / href


def _beside_measurement(member: str, members: Mapping[str, Location]) -> Iterator[tuple[str, Location]]:
    """Yield files that items leave out but that are known to lie beside a measurement, as in every product."""
    file, stem = members[member], PurePosixPath(member).stem
    if PurePosixPath(str(file)).parent.name != "measurement":
        return
    annotation = f"annotation/{stem}.xml"
    of_same = [m for m in members if re.fullmatch(r"annotation/[^/]+\.xml", m) and named_in(m) == named_in(stem)]
    if not of_same:
        yield annotation, _sibling(file, f"../{annotation}")
    rfi = f"{_RFI_FOLDER}rfi-{stem}.xml"
    if rfi not in members and _lists_rfi(members.get(MANIFEST)):
        yield rfi, _sibling(file, f"../{rfi}")


def _lists_rfi(manifest: Location | None) -> bool:
    try:
        return manifest is not None and _RFI_FOLDER.encode() in read_whole(manifest)
    except SceneError:
        return False  # no value of a pixel depends on it


def _sibling(file: Location, relative: str) -> Location:
    return file.beside(relative) if isinstance(file, RemoteFile) else Path(os.path.normpath(file.parent / relative))


def _keys(assets: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, assets))) or "none"
