"""Scenes from Sentinel-1 products: a SAFE folder, its zip, or the layout of the AWS open-data mirror."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units
from rfiscan.scenes.annotation import Annotation, parse_annotation
from rfiscan.scenes.calibrated import calibrated
from rfiscan.scenes.geotiff import scene_of_rasters
from rfiscan.scenes.polarizations import named_in
from rfiscan.scenes.raster_file import RasterFile, inspect_raster, safe_name
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.slc import open_slc

_MANIFEST = "manifest.safe"
_TIFF_SUFFIXES = (".tiff", ".tif")
_TYPE_IN_NAME = re.compile(r"^S1[A-Z]_(IW|EW|WV|S[1-6]|[A-Z0-9]{2})_([A-Z]{3})[FHM_]_")
_UNSUPPORTED = {
    "RAW": "of type RAW (level 0: echoes that are not focused)",
    "OCN": "of type OCN (level 2: wind, waves and currents)",
    "ETA": "of type ETA (timing corrections)",
    "WV": "of the wave mode (WV), separate images of 20 x 20 km",
}
_GIVE_ANOTHER = "Give the GRD or the SLC of the same acquisition."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """The files of a product, wherever they lie.

    Attributes:
        source: What the user gave.
        name: Name of the product's folder.
        sizes: Bytes of each file, by its path in the product.
        folder: Prefix that makes GDAL names of these paths.
        archive: The zip they lie in, None if in a folder.
        prefix: Path of the product in the zip.
    """

    source: Path
    name: str
    sizes: Mapping[str, int]
    folder: str
    archive: Path | None = None
    prefix: str = ""

    def read(self, member: str) -> bytes:
        try:
            if self.archive is None:
                return (self.source / member).read_bytes()
            with zipfile.ZipFile(self.archive) as archive:
                return archive.read(self.prefix + member)
        except (OSError, zipfile.BadZipFile) as error:
            raise SceneError(f"{self.source}: its {member} cannot be read: {error}") from error


def looks_like_product(folder: Path) -> bool:
    """Tell whether a folder is a Sentinel-1 product, complete or not."""
    return any((folder / name).exists() for name in (_MANIFEST, "annotation", "measurement"))


def find_product(path: Path) -> _Product:
    """Find the files of a product: its folder, its manifest.safe, or its zip.

    Raises:
        SceneError: It is a zip that is damaged, or does not hold one product.
    """
    return _in_zip(path) if path.is_file() and path.name != _MANIFEST else _in_folder(path)


def open_safe(path: Path, units: Units | None, *, calibrate: bool = False, denoise: bool = False) -> Scene:
    """Open a GRD or SLC product.

    Args:
        path: Its folder, its manifest.safe, or its zip.
        units: What the values are; None for what the product holds, digital numbers.
        calibrate: Turn digital numbers into sigma nought.
        denoise: Subtract the thermal noise, and turn the rest into sigma nought.

    Raises:
        SceneError: It is a product of another type, or lacks its measurements, or the annotation that calibration
            needs, or is damaged, or its values are said to be no digital numbers and are to be calibrated.
    """
    product = find_product(path)
    _require_supported_name(product)
    annotations = _annotations(product)
    members = _measurements(product)
    if "SLC" in {annotation.product_type for annotation in annotations.values()}:
        return open_slc(product, members, units, calibrate=calibrate, denoise=denoise)
    _require_one_per_polarization(product, members)
    files = [_measurement(product, member, annotations) for member in members]
    known = next((annotation for _, annotation in files if annotation is not None), None)
    scene = scene_of_rasters(
        [file for file, _ in files], units=units, spacing_m=None if known is None else known.spacing_m
    )
    warnings = scene.warnings
    if known is not None and scene.shape != known.shape:
        held, said = (f"{rows} x {cols}" for rows, cols in (scene.shape, known.shape))
        warnings += (f"{path}: its measurements have {held} pixels, where its annotation says {said}",)
    scene = replace(
        scene,
        scene_id=safe_name(product.name),
        sources=(str(path),),
        swaths=() if known is None else known.swaths,
        warnings=warnings,
    )
    if not (calibrate or denoise):
        return scene
    if scene.units is not Units.DN:
        raise SceneError(
            f"{path}: its values are {scene.units}, and only digital numbers are calibrated",
            hint="Leave out --units, or do without it: --no-calibrate.",
        )
    stems = [PurePosixPath(member).stem for member in members]
    return calibrated(scene, lambda kind, pol: _look_up_tables(product, stems, kind, pol), denoise=denoise)


def _look_up_tables(product: _Product, stems: Sequence[str], kind: str, polarization: str) -> tuple[bytes, str]:
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


def _in_folder(path: Path) -> _Product:
    folder = path.parent if path.name == _MANIFEST else path
    members = (member for member in folder.rglob("*") if member.is_file())
    sizes = {member.relative_to(folder).as_posix(): member.stat().st_size for member in members}
    name = folder.resolve().name.removesuffix(".SAFE")
    return _Product(source=folder, name=name, sizes=sizes, folder=f"{folder}/")


def _in_zip(path: Path) -> _Product:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    except (OSError, zipfile.BadZipFile) as error:
        raise SceneError(f"{path}: is not a whole zip file: {error}", hint="Download it again.") from error
    parts = (PurePosixPath(name).parts for name in sizes)
    tops = {"/".join(p[:i]) for p in parts for i, part in enumerate(p) if part in (_MANIFEST, "measurement")}
    if not tops:
        raise SceneError(f"{path}: holds no Sentinel-1 product", hint="Give the zip of a SAFE folder.")
    if len(tops) > 1:
        raise SceneError(f"{path}: holds {len(tops)} products", hint="Unpack it and give them one by one.")
    prefix = f"{top}/" if (top := tops.pop()) else ""
    name = PurePosixPath(top).name.removesuffix(".SAFE") or path.stem.removesuffix(".SAFE")
    return _Product(
        source=path,
        name=name,
        sizes={member.removeprefix(prefix): size for member, size in sizes.items() if member.startswith(prefix)},
        folder=f"/vsizip/{{{path.absolute()}}}/{prefix}",
        archive=path,
        prefix=prefix,
    )


def _annotations(product: _Product) -> dict[str, Annotation]:
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


def _measurements(product: _Product) -> list[str]:
    members = sorted(m for m in product.sizes if m.startswith("measurement/") and m.lower().endswith(_TIFF_SUFFIXES))
    if not members:
        raise SceneError(
            f"{product.source}: holds no measurement TIFFs, only metadata",
            hint="Download the whole product, or give its TIFFs themselves.",
        )
    return members


def _require_supported_name(product: _Product) -> None:
    """Raise for a product whose name says that it is of a type or mode that holds no scene."""
    named = _TYPE_IN_NAME.match(product.name)
    told = None if named is None else _UNSUPPORTED.get(named[2]) or _UNSUPPORTED.get(named[1])
    if told is not None:
        raise SceneError(f"{product.source}: is a product {told}, not a scene", hint=_GIVE_ANOTHER)


def _require_one_per_polarization(product: _Product, members: Sequence[str]) -> None:
    if len(members) > 2:
        raise SceneError(
            f"{product.source}: holds {len(members)} measurement TIFFs, where a GRD has one per polarization",
            hint="If it is an SLC, its annotation is missing: download the whole product.",
        )


def _measurement(
    product: _Product, member: str, annotations: Mapping[str, Annotation]
) -> tuple[RasterFile, Annotation | None]:
    label = f"{product.source}: {member}"
    if product.sizes[member] == 0:
        raise SceneError(f"{label} is empty (0 bytes)", hint="Download the whole product.")
    file = inspect_raster(f"{product.folder}{member}", label)
    stem = PurePosixPath(member).stem
    annotation = annotations.get(stem)
    if annotation is None:
        named = named_in(stem)
        annotation = next((a for a in annotations.values() if (a.polarization,) == named), None)
    if annotation is None:
        return file, None
    georeferencing = annotation.georeferencing if file.georeferencing.kind == "none" else file.georeferencing
    return replace(file, polarizations=(annotation.polarization,), georeferencing=georeferencing), annotation
