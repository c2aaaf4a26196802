"""Scenes from Sentinel-1 SLC products: the images of all sub-swaths, detected, without burst seams, merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units
from rfiscan.scenes.calibrated import read_calibration
from rfiscan.scenes.merged_grid import Layer, merge_images
from rfiscan.scenes.merged_rows import MergedRows, Source
from rfiscan.scenes.polarizations import assign_slots
from rfiscan.scenes.raster_file import inspect_raster, safe_name
from rfiscan.scenes.rows import RasterBand
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.slc_annotation import SlcImage, parse_slc_annotation


class MeasuredProduct(Protocol):
    """The files of a product, wherever they lie."""

    @property
    def source(self) -> object:
        """What the user gave."""

    @property
    def name(self) -> str:
        """Name of the product."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file, by its path in the product."""

    @property
    def folder(self) -> str:
        """Prefix that makes GDAL names of these paths."""

    def read(self, member: str) -> bytes:
        """Return what a file holds."""


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
    product: MeasuredProduct, measurements: Sequence[str], units: Units | None, *, calibrate: bool, denoise: bool
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
    slots = assign_slots(list(dict.fromkeys(one.image.polarization for one in found)), str(product.source))
    sources: tuple[list[Source], list[Source]] = ([], [])
    warnings = [*slots.warnings, *_missing(product, annotated, found)]
    for layer in grid.layers:
        measured = by_label[layer.image.label]
        source, doubts = _source(product, layer, measured, calibrate=calibrate, denoise=denoise)
        sources[slots.polarizations.index(layer.image.polarization)].append(source)
        warnings += doubts
    return Scene(
        scene_id=safe_name(product.name),
        sources=(str(product.source),),
        polarizations=slots.polarizations,
        shape=grid.shape,
        units=Units.SIGMA_NOUGHT if calibrate or denoise else Units.DN,
        spacing_m=grid.spacing_m,
        spacing_known=True,
        georeferencing=grid.georeferencing,
        swaths=grid.swaths,
        denoised=denoise,
        warnings=tuple(warnings),
        reader=MergedRows(sources, grid.shape[1]),
    )


def read_slc_annotations(product: MeasuredProduct) -> dict[str, SlcImage]:
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


def _measured(product: MeasuredProduct, member: str, annotated: Mapping[str, SlcImage]) -> _Measured:
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
    file = inspect_raster(f"{product.folder}{member}", label)
    if file.shape != image.basic.shape:
        held, said = (f"{rows} x {cols}" for rows, cols in (file.shape, image.basic.shape))
        raise SceneError(
            f"{label} has {held} pixels, where its annotation says {said}", hint="Download the whole product."
        )
    if not file.dtypes[0].startswith("complex"):
        raise SceneError(f"{label} holds {file.dtypes[0]}, not complex samples", hint="Download the product again.")
    return _Measured(stem=stem, image=image, band=file.bands[0])


def _missing(product: MeasuredProduct, annotated: Mapping[str, SlcImage], found: Sequence[_Measured]) -> list[str]:
    absent = sorted(annotated.keys() - {one.stem for one in found})
    if not absent:
        return []
    named = ", ".join(f"{annotated[stem].swath} {annotated[stem].polarization}" for stem in absent)
    return [f"{product.source}: holds no measurement of {named}, only the annotation"]


def _source(
    product: MeasuredProduct, layer: Layer, measured: _Measured, *, calibrate: bool, denoise: bool
) -> tuple[Source, list[str]]:
    width = layer.image.basic.shape[1]
    calibration, doubts = None, list[str]()
    if calibrate or denoise:

        def read(kind: str, _: str) -> tuple[bytes, str]:
            return _look_up_tables(product, measured.stem, kind)

        calibration, doubts = read_calibration(read, layer.image.polarization, width, denoise=denoise)
    source = Source(band=measured.band, width=width, col=layer.col, pieces=layer.pieces, calibration=calibration)
    return source, doubts


def _look_up_tables(product: MeasuredProduct, stem: str, kind: str) -> tuple[bytes, str]:
    """Return the file of look-up tables of an image, "calibration" or "noise", and how messages call it."""
    member = f"annotation/calibration/{kind}-{stem}.xml"
    if member not in product.sizes:
        needed_for = "calibrate" if kind == "calibration" else "denoise"
        raise SceneError(
            f"{product.source}: holds no {member}, which --{needed_for} needs",
            hint=f"Download the whole product, or do without: --no-{needed_for}.",
        )
    return product.read(member), f"{product.source}: {member}"
