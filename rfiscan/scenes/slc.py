"""Scenes from Sentinel-1 SLC products: the images of all sub-swaths, detected, without burst seams, merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units
from rfiscan.scenes.calibrated import ImageCalibration, read_calibration
from rfiscan.scenes.merged_grid import Layer, merge_images
from rfiscan.scenes.merged_rows import MergedRows, Source
from rfiscan.scenes.network import is_remote
from rfiscan.scenes.polarizations import assign_slots
from rfiscan.scenes.product_files import ProductFiles
from rfiscan.scenes.raster_file import inspect_raster, safe_name
from rfiscan.scenes.rows import RasterBand
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.slc_annotation import SlcImage, parse_slc_annotation
from rfiscan.sentinel1.sigma_nought import Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """An image whose samples are there.

    Attributes:
        stem: Name of its files without suffix.
        image: Its annotation.
        band: Its samples.
    """

    stem: str
    image: SlcImage
    band: RasterBand


def open_slc(
    product: ProductFiles, measurements: Sequence[str], units: Units | None, *, calibrate: bool, denoise: bool
) -> Scene:
    """Open an SLC product of the modes IW, EW or stripmap.

    Its units are digital numbers, as those of a detected product: power is |z|^2, of one look.

    Args:
        product: Its files.
        measurements: Paths of its TIFFs in the product.
        units: What the user says that the values are.
        calibrate: Turn |z|^2 into sigma nought.
        denoise: Subtract the thermal noise, and turn the rest into sigma nought.

    Raises:
        SceneError: It is of another mode, lacks the annotation of a measurement or what calibration needs, or is
            damaged, or its values are said to be something else.
    """
    if units not in {None, Units.DN, Units.COMPLEX}:
        raise SceneError(f"{product.source}: holds complex samples, not {units}", hint="Leave out --units.")
    annotated = read_slc_annotations(product)
    found = [_measured(product, member, annotated) for member in measurements]
    grid = merge_images([one.image for one in found])
    by_label = {one.image.label: one for one in found}
    slots = assign_slots(list(dict.fromkeys(one.image.polarization for one in found)), product.source)
    sources: tuple[list[Source], list[Source]] = ([], [])
    levels: tuple[list[float], list[float]] = ([], [])
    warnings = [*slots.warnings, *_missing(product, annotated, found)]
    for layer in grid.layers:
        measured, slot = by_label[layer.image.label], slots.polarizations.index(layer.image.polarization)
        tables = _tables(product, layer, measured, denoise=denoise) if calibrate or denoise else None
        sources[slot].append(_source(layer, measured, None if tables is None else tables.calibration))
        if tables is not None:
            warnings += tables.doubts
            levels[slot].append(tables.noise_level)
    return Scene(
        scene_id=safe_name(product.name),
        sources=(product.source,),
        polarizations=slots.polarizations,
        shape=grid.shape,
        units=Units.SIGMA_NOUGHT if calibrate or denoise else Units.DN,
        spacing_m=grid.spacing_m,
        spacing_known=True,
        georeferencing=grid.georeferencing,
        swaths=grid.swaths,
        denoised=denoise,
        noise_levels=(_middle(levels[0]), _middle(levels[1])),
        warnings=tuple(warnings),
        remote=any(is_remote(one.band.path) for one in found),
        reader=MergedRows(sources, grid.shape[1]),
    )


def read_slc_annotations(product: ProductFiles) -> dict[str, SlcImage]:
    """Read the annotation of every image of an SLC product, by the name of its files without suffix.

    Raises:
        SceneError: One is damaged.
    """
    members = [PurePosixPath(member) for member in sorted(product.sizes)]
    return {
        member.stem: parse_slc_annotation(product.read(str(member)), f"{product.source}: {member}")
        for member in members
        if str(member.parent) == "annotation" and member.suffix == ".xml"
    }


def _measured(product: ProductFiles, member: str, annotated: Mapping[str, SlcImage]) -> _Measured:
    label = f"{product.source}: {member}"
    stem = PurePosixPath(member).stem
    image = annotated.get(stem)
    if image is None:
        raise SceneError(
            f"{label} has no annotation/{stem}.xml, without which its bursts cannot be told apart",
            hint="Download the whole product.",
        )
    if product.sizes[member] == 0:
        raise SceneError(f"{label} is empty (0 bytes)", hint="Download the whole product.")
    file = inspect_raster(product.gdal_name(member), label)
    if file.shape != image.basic.shape:
        held, said = (f"{rows} x {cols}" for rows, cols in (file.shape, image.basic.shape))
        raise SceneError(
            f"{label} has {held} pixels, where its annotation says {said}", hint="Download the whole product."
        )
    if not file.dtypes[0].startswith("complex"):
        raise SceneError(f"{label} holds {file.dtypes[0]}, not complex samples", hint="Download the product again.")
    return _Measured(stem=stem, image=image, band=file.bands[0])


def _missing(product: ProductFiles, annotated: Mapping[str, SlcImage], found: Sequence[_Measured]) -> list[str]:
    absent = sorted(annotated.keys() - {one.stem for one in found})
    if not absent:
        return []
    named = ", ".join(f"{annotated[stem].swath} {annotated[stem].polarization}" for stem in absent)
    return [f"{product.source}: holds no measurement of {named}, only the annotation"]


def _source(layer: Layer, measured: _Measured, calibration: Calibration | None) -> Source:
    return Source(
        band=measured.band,
        width=layer.image.basic.shape[1],
        col=layer.col,
        pieces=layer.pieces,
        calibration=calibration,
    )


def _tables(product: ProductFiles, layer: Layer, measured: _Measured, *, denoise: bool) -> ImageCalibration:
    def read(kind: str, _: str) -> tuple[bytes, str]:
        return _look_up_tables(product, measured.stem, kind)

    return read_calibration(read, layer.image.polarization, layer.image.basic.shape[1], denoise=denoise)


def _middle(levels: Sequence[float]) -> float:
    """Median of the noise of the sub-swaths of a polarization; 0 where there is none."""
    return float(np.median(levels)) if levels else 0.0


def _look_up_tables(product: ProductFiles, stem: str, kind: str) -> tuple[bytes, str]:
    """Return the file of look-up tables of an image, "calibration" or "noise", and how messages call it."""
    member = f"annotation/calibration/{kind}-{stem}.xml"
    if member not in product.sizes:
        needed_for = "calibrate" if kind == "calibration" else "denoise"
        raise SceneError(
            f"{product.source}: holds no {member}, which --{needed_for} needs",
            hint=f"Download the whole product, or do without: --no-{needed_for}.",
        )
    return product.read(member), f"{product.source}: {member}"
