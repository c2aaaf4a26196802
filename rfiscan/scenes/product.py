"""What a Sentinel-1 product tells of itself, with or without its measurements."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from rfiscan.errors import SceneError
from rfiscan.locations import Location
from rfiscan.scenes.finding import find_product
from rfiscan.scenes.image_annotation import ImageAnnotation, parse_image_annotation
from rfiscan.scenes.manifest import absence_warnings, read_manifest
from rfiscan.scenes.merged_grid import MODES_WITHOUT_A_GRID, merge_images
from rfiscan.scenes.orbit import Orbit, orbit_of
from rfiscan.scenes.polarizations import slot_of
from rfiscan.scenes.product_files import ProductFiles
from rfiscan.scenes.rfi_annotation import RfiAnnotation, parse_rfi_annotation
from rfiscan.scenes.slc_annotation import parse_slc_annotation

FIRST_IPF_WITH_RFI = (3, 40)
"""DI-MPC-OTH-0540, "Sentinel-1: Using the RFI annotations": written from this version of the processor on."""

_RFI_FOLDER = "annotation/rfi"
# mission, mode, type, resolution, level, class, polarization: Sentinel-1 Product Specification, section 4.1
_NAME = re.compile(r"^(S1[A-Z])_(IW|EW|WV|S[1-6])_([A-Z]{3})([FHM_])_(\d)([SA])(SH|SV|DH|DV|HH|HV|VV|VH)_")
_VERSION = re.compile(r"0*(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as its metadata have it.

    Attributes:
        name: Name of its folder, without .SAFE.
        source: What the user gave.
        resolution: Resolution class that the name tells: F, H or M; None if it tells none.
        ipf_version: Of ESA's processor, such as 3.52; None where the manifest does not tell it.
        orbit: Where in the repeating orbit; None where the manifest does not tell it.
        images: Annotation of each image, co-pol first. Of an SLC, each polarization has one image, that of the merged
            grid (see `rfiscan.scenes.merged_grid`), but in the wave mode.
        rfi: ESA's interference annotation by polarization, co-pol first; may be empty.
        no_rfi_reason: Why `rfi` is empty; "" where it is not.
        measurements: Paths of the measurement TIFFs in the product.
        warnings: Which files of its images are not there.
    """

    name: str
    source: str
    resolution: str | None
    ipf_version: str | None
    orbit: Orbit | None
    images: tuple[ImageAnnotation, ...]
    rfi: Mapping[str, RfiAnnotation]
    no_rfi_reason: str
    measurements: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def read_product(path: Location) -> Product | None:
    """Read the metadata of a product; None if the path is no product.

    A damaged interference annotation does not hide the rest: `Product.no_rfi_reason` says so.

    Args:
        path: What `find_product` takes.

    Raises:
        SceneError: A file of it cannot be read, or an annotation of an image is damaged.
    """
    files = find_product(path)
    if files is None:
        return None
    manifest = read_manifest(files)
    ipf_version = None if manifest is None else _ipf_version(manifest)
    try:
        rfi, reason = read_rfi(files), ""
    except SceneError as error:
        rfi, reason = {}, str(error)
    named = _NAME.match(files.name)
    return Product(
        name=files.name,
        source=files.source,
        resolution=None if named is None or named[4] == "_" else named[4],
        ipf_version=ipf_version,
        orbit=None if manifest is None else orbit_of(manifest),
        images=_images(files),
        rfi=rfi,
        no_rfi_reason="" if rfi else reason or _why_absent(ipf_version),
        measurements=_measurements(files),
        warnings=absence_warnings(files, manifest),
    )


def read_rfi(files: ProductFiles) -> dict[str, RfiAnnotation]:
    """Read ESA's interference annotation, by polarization, co-pol first; empty where the product has none.

    Both the names of ESA's products (rfi-s1a-iw-grd-vv-...-001.xml) and those of the open-data mirror on AWS
    (rfi-iw-vv.xml) are known; the polarization is the one that the file states. Of a product with a file per sub-swath
    (SLC), the reports are put together.

    Raises:
        SceneError: A file is damaged.
    """
    parsed = [parse_rfi_annotation(files.read(m), f"{files.source}: {m}") for m in _xml_in(files, _RFI_FOLDER)]
    found: dict[str, RfiAnnotation] = {}
    for annotation in sorted(parsed, key=lambda one: slot_of(one.header.polarization)):
        polarization = annotation.header.polarization
        found[polarization] = _joined(found[polarization], annotation) if polarization in found else annotation
    return found


def _joined(a: RfiAnnotation, b: RfiAnnotation) -> RfiAnnotation:
    return RfiAnnotation(
        header=a.header,
        mitigation=a.mitigation if a.is_mitigated else b.mitigation,
        noise_reports=a.noise_reports + b.noise_reports,
        burst_reports=a.burst_reports + b.burst_reports,
        block_reports=a.block_reports + b.block_reports,
    )


def _images(files: ProductFiles) -> tuple[ImageAnnotation, ...]:
    members = _xml_in(files, "annotation")
    found = [parse_image_annotation(files.read(m), f"{files.source}: {m}") for m in members]
    if found and all(one.basic.product_type == "SLC" and one.mode not in MODES_WITHOUT_A_GRID for one in found):
        found = _merged(files, members)
    return tuple(sorted(found, key=lambda image: slot_of(image.basic.polarization)))


def _merged(files: ProductFiles, members: Sequence[str]) -> list[ImageAnnotation]:
    """Return one image a polarization, merged of those that have samples, or of all in a product of metadata alone."""
    measured = {PurePosixPath(member).stem for member in _measurements(files)}
    chosen = [member for member in members if PurePosixPath(member).stem in measured] or members
    images = [parse_slc_annotation(files.read(m), f"{files.source}: {m}") for m in chosen]
    grid = merge_images(images)
    return [grid.annotation_of(name) for name in dict.fromkeys(image.polarization for image in images)]


def _measurements(files: ProductFiles) -> tuple[str, ...]:
    return tuple(sorted(m for m in files.sizes if re.fullmatch(r"measurement/.+\.tiff?", m.lower())))


def _xml_in(files: ProductFiles, folder: str) -> list[str]:
    members = (PurePosixPath(member) for member in sorted(files.sizes))
    return [str(m) for m in members if m.suffix == ".xml" and str(m.parent) == folder]


def _ipf_version(manifest: Element) -> str | None:
    """Return the version of the processor that made the product: the first that the manifest names, the last step."""
    for element in manifest.iter():
        if element.tag.rpartition("}")[2] == "software" and "IPF" in element.get("name", ""):
            version = _VERSION.fullmatch(element.get("version", "").strip())
            return None if version is None else f"{version[1]}.{version[2]}"
    return None


def _why_absent(ipf_version: str | None) -> str:
    first = ".".join(map(str, FIRST_IPF_WITH_RFI))
    if ipf_version is None:
        return f"no annotation: the product holds none, and does not tell its IPF version (ESA writes it from {first})"
    if tuple(map(int, ipf_version.split("."))) < FIRST_IPF_WITH_RFI:
        return f"no annotation: IPF {ipf_version} is older than {first}"
    return f"no annotation: the product lacks {_RFI_FOLDER}, which IPF {ipf_version} writes"
