"""Scenes from Sentinel-1 products: SAFE, COG_SAFE, or the layout of the AWS open-data mirror."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units
from rfiscan.scenes.annotation import Annotation, parse_annotation
from rfiscan.scenes.calibrated import calibrated
from rfiscan.scenes.geotiff import scene_of_rasters
from rfiscan.scenes.manifest import absence_warnings, read_manifest
from rfiscan.scenes.polarizations import named_in
from rfiscan.scenes.product_files import ProductFiles
from rfiscan.scenes.raster_file import RasterFile, inspect_raster, safe_name
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.slc import open_slc

_TIFF_SUFFIXES = (".tiff", ".tif")
_TYPE_IN_NAME = re.compile(r"^S1[A-Z]_(IW|EW|WV|S[1-6]|[A-Z0-9]{2})_([A-Z]{3})[FHM_]_")
_UNSUPPORTED = {
    "RAW": "of type RAW (level 0: echoes that are not focused)",
    "OCN": "of type OCN (level 2: wind, waves and currents)",
    "ETA": "of type ETA (timing corrections)",
    "WV": "of the wave mode (WV), separate images of 20 x 20 km",
}
_GIVE_ANOTHER = "Give the GRD or the SLC of the same acquisition."


def open_safe(product: ProductFiles, units: Units | None, *, calibrate: bool = False, denoise: bool = False) -> Scene:
    """Open a GRD or SLC product.

    Args:
        product: Its files.
        units: What the values are; None for what the product holds, digital numbers.
        calibrate: Turn digital numbers into sigma nought.
        denoise: Subtract the thermal noise, and turn the rest into sigma nought.

    Raises:
        SceneError: It is a product of another type, or lacks its measurements, or the annotation that calibration
            needs, or is damaged, or its values are said to be no digital numbers and are to be calibrated.
    """
    _require_supported_name(product)
    annotations = _annotations(product)
    members = _measurements(product)
    absences = absence_warnings(product, read_manifest(product))
    if "SLC" in {annotation.product_type for annotation in annotations.values()}:
        scene = open_slc(product, members, units, calibrate=calibrate, denoise=denoise)
        return replace(scene, warnings=scene.warnings + absences)
    _require_one_per_polarization(product, members)
    files = [_measurement(product, member, annotations) for member in members]
    known = next((annotation for _, annotation in files if annotation is not None), None)
    scene = scene_of_rasters(
        [file for file, _ in files], units=units, spacing_m=None if known is None else known.spacing_m
    )
    warnings = scene.warnings + (absences or _unannotated(product, files))
    if known is not None and scene.shape != known.shape:
        held, said = (f"{rows} x {cols}" for rows, cols in (scene.shape, known.shape))
        warnings += (f"{product.source}: its measurements have {held} pixels, where its annotation says {said}",)
    scene = replace(
        scene,
        scene_id=safe_name(product.name),
        sources=(product.source,),
        swaths=() if known is None else known.swaths,
        warnings=warnings,
    )
    if not (calibrate or denoise):
        return scene
    if scene.units is not Units.DN:
        raise SceneError(
            f"{product.source}: its values are {scene.units}, and only digital numbers are calibrated",
            hint="Leave out --units, or do without it: --no-calibrate.",
        )
    stems = [PurePosixPath(member).stem for member in members]
    return calibrated(scene, lambda kind, pol: _look_up_tables(product, stems, kind, pol), denoise=denoise)


def _look_up_tables(product: ProductFiles, stems: Sequence[str], kind: str, polarization: str) -> tuple[bytes, str]:
    """Return the file of look-up tables of a polarization, "calibration" or "noise", and how messages call it."""
    folder = "annotation/calibration/"
    names = [PurePosixPath(m).name for m in product.sizes if m.startswith(f"{folder}{kind}-") and m.endswith(".xml")]
    own = [f"{kind}-{stem}.xml" for stem in stems]
    found = sorted((name for name in names if named_in(name) == (polarization,)), key=lambda name: name not in own)
    if not found:
        needed_for = "calibrate" if kind == "calibration" else "denoise"
        raise SceneError(
            f"{product.source}: holds no {folder}{kind}-*.xml of {polarization}, which --{needed_for} needs",
            hint=f"Download the whole product, or do without: --no-{needed_for}.",
        )
    return product.read(folder + found[0]), f"{product.source}: {folder}{found[0]}"


def _annotations(product: ProductFiles) -> dict[str, Annotation]:
    """Return the annotations of the product by file stem."""
    members = [PurePosixPath(m) for m in product.sizes if m.startswith("annotation/") and m.endswith(".xml")]
    found = {
        member.stem: parse_annotation(product.read(str(member)), f"{product.source}: {member}")
        for member in sorted(members)
        if len(member.parts) == 2
    }
    kinds = {annotation.product_type for annotation in found.values()}
    if kinds - {"GRD"} and kinds != {"SLC"}:
        raise SceneError(
            f"{product.source}: is a product of type {', '.join(sorted(kinds))}, not GRD or SLC", hint=_GIVE_ANOTHER
        )
    return found


def _measurements(product: ProductFiles) -> list[str]:
    members = sorted(m for m in product.sizes if m.startswith("measurement/") and m.lower().endswith(_TIFF_SUFFIXES))
    if not members:
        raise SceneError(
            f"{product.source}: holds no measurement TIFFs, only metadata",
            hint="Download the whole product, or give its TIFFs themselves.",
        )
    return members


def _require_supported_name(product: ProductFiles) -> None:
    """Raise for a product whose name says that it is of a type or mode that holds no scene."""
    named = _TYPE_IN_NAME.match(product.name)
    told = None if named is None else _UNSUPPORTED.get(named[2]) or _UNSUPPORTED.get(named[1])
    if told is not None:
        raise SceneError(f"{product.source}: is a product {told}, not a scene", hint=_GIVE_ANOTHER)


def _require_one_per_polarization(product: ProductFiles, members: Sequence[str]) -> None:
    if len(members) > 2:
        raise SceneError(
            f"{product.source}: holds {len(members)} measurement TIFFs, where a GRD has one per polarization",
            hint="If it is an SLC, its annotation is missing: download the whole product.",
        )


def _unannotated(product: ProductFiles, files: Sequence[tuple[RasterFile, Annotation | None]]) -> tuple[str, ...]:
    """Say which measurements have no annotation, where no manifest tells what should be there."""
    stems = [file.plain_path.stem for file, annotation in files if annotation is None]
    if not stems:
        return ()
    named = " and ".join(f"annotation/{stem}.xml" for stem in stems)
    return (f"{product.source}: holds no {named}, which tells the sub-swaths: download the whole product",)


def _measurement(
    product: ProductFiles, member: str, annotations: Mapping[str, Annotation]
) -> tuple[RasterFile, Annotation | None]:
    label = f"{product.source}: {member}"
    if product.sizes[member] == 0:
        raise SceneError(f"{label} is empty (0 bytes)", hint="Download the whole product.")
    file = inspect_raster(product.gdal_name(member), label)
    stem = PurePosixPath(member).stem
    annotation = annotations.get(stem)
    if annotation is None:
        named = named_in(stem)
        annotation = next((a for a in annotations.values() if (a.polarization,) == named), None)
    if annotation is None:
        return file, None
    georeferencing = annotation.georeferencing if file.georeferencing.kind == "none" else file.georeferencing
    return replace(file, polarizations=(annotation.polarization,), georeferencing=georeferencing), annotation
