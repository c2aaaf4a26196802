"""Products as servers have them: listed in their manifest, as COG_SAFE, in the layout of AWS, as STAC items."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rasterio.shutil

from tests.make_scenes import PRODUCT


def list_in_manifest(safe: Path) -> Path:
    """Write the files of a product into its manifest, as ESA does; returns the manifest."""
    manifest = safe / "manifest.safe"
    files = sorted(path.relative_to(safe) for path in safe.rglob("*") if path.is_file() and path != manifest)
    objects = "".join(
        f'<dataObject ID="o{number}"><byteStream mimeType="application/octetstream" size="1">'
        f'<fileLocation locatorType="URL" href="./{path.as_posix()}"/></byteStream></dataObject>'
        for number, path in enumerate(files)
    )
    text, tag = manifest.read_text(), "</xfdu:XFDU>" if "</xfdu:XFDU>" in manifest.read_text() else "</XFDU>"
    text = text.replace("Sentinel-1 GRD", "").replace(tag, f"<dataObjectSection>{objects}</dataObjectSection>{tag}")
    manifest.write_text(text)
    return manifest


def list_in_product_info(folder: Path) -> Path:
    """Write productInfo.json of the AWS layout; its manifest lists ESA's names, which are not there."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    esa = {name.replace("iw-", "s1a-iw-grd-"): name for name in names if name != "productInfo.json"}
    info = folder / "productInfo.json"
    info.write_text(json.dumps({"id": folder.name, "productType": "GRD", "filenameMap": esa, "version": 3}))
    return info


def as_cog_safe(safe: Path) -> Path:
    """Turn a product into COG_SAFE: tiled and compressed TIFFs with overviews and nodata 0, and names with -cog.

    After "Handling Sentinel-1 COG_SAFE products", documentation of the Copernicus Data Space Ecosystem.
    """
    target = safe.with_name(safe.name.replace(".SAFE", "_COG.SAFE"))
    for path in sorted(path for path in safe.rglob("*") if path.is_file()):
        new = target / path.relative_to(safe)
        new.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".xml":
            shutil.copy(path, new.with_name(f"{path.stem}-cog.xml"))
        elif path.suffix == ".tiff":
            options = {"BLOCKSIZE": "128", "COMPRESS": "ZSTD", "OVERVIEW_RESAMPLING": "RMS", "OVERVIEW_COUNT": "2"}
            with rasterio.open(path) as source, rasterio.MemoryFile() as memory:
                profile = {**source.profile, "nodata": 0, "gcps": source.gcps[0], "crs": source.gcps[1]}
                profile.pop("transform")
                with memory.open(**profile) as copy:
                    copy.write(source.read())
                cog = new.with_name(f"{path.stem}-cog.tiff")
                rasterio.shutil.copy(memory.name, cog, driver="COG", **options)
        else:
            shutil.copy(path, new)
    return target


def stac_item(safe: Path, href: Callable[[str], str], *, manifest_key: str = "safe-manifest") -> dict[str, Any]:
    """Return a STAC item of a product, with the keys of the Planetary Computer and Earth Search.

    Args:
        safe: The product.
        href: From the path of a file in it to its href.
        manifest_key: "safe_manifest" for that of the Copernicus Data Space.
    """
    assets: dict[str, Any] = {
        manifest_key: {"href": href("manifest.safe"), "type": "application/xml", "roles": ["metadata"]},
        "thumbnail": {"href": href("preview/quick-look.png"), "type": "image/png", "roles": ["thumbnail"]},
    }
    for path in sorted(safe.rglob("*")):
        member = path.relative_to(safe)
        polarization = next((p for p in ("vv", "vh", "hh", "hv") if f"-{p}" in path.stem), None)
        if polarization is None or "rfi" in member.parts:
            continue
        if path.suffix == ".tiff":
            key, kind = polarization, "image/tiff; application=geotiff"
        else:
            schema = path.name.partition("-")[0] if member.parts[1] == "calibration" else "product"
            key, kind = f"schema-{schema}-{polarization}", "application/xml"
        roles = ["data"] if path.suffix == ".tiff" else ["metadata"]
        assets[key] = {"href": href(member.as_posix()), "type": kind, "roles": roles}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": PRODUCT,
        "properties": {"datetime": "2024-02-03T04:31:21Z", "sar:product_type": "GRD"},
        "geometry": None,
        "links": [],
        "assets": assets,
    }
