"""What rfiscan needs of a Sentinel-1 product annotation (annotation/*.xml)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from rasterio.control import GroundControlPoint

from rfiscan.scenes.georeferencing import MIN_GCPS, WGS84, Georeferencing
from rfiscan.scenes.scene import Swath
from rfiscan.scenes.xml_values import parse_xml, required, whole_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Metadata of one measurement.

    Attributes:
        product_type: "GRD" or "SLC".
        polarization: VV, VH, HH or HV.
        shape: (lines, samples).
        spacing_m: Pixel spacing (azimuth, range) in metres: (row, col).
        swaths: Sub-swaths of a merged product, else empty.
        georeferencing: GCPs of the geolocation grid.
    """

    product_type: str
    polarization: str
    shape: tuple[int, int]
    spacing_m: tuple[float, float]
    swaths: tuple[Swath, ...]
    georeferencing: Georeferencing


def parse_annotation(xml: bytes, label: str) -> Annotation:
    """Parse a product annotation.

    Args:
        xml: The file.
        label: How messages call it.

    Raises:
        SceneError: It is not a whole product annotation.
    """
    with whole_document(label, "Sentinel-1 annotation"):
        return annotation_of(parse_xml(xml))


def annotation_of(root: Element) -> Annotation:
    """Read a product annotation.

    Raises:
        ValueError: It lacks a value, or holds one of the wrong type.
    """
    information = "imageAnnotation/imageInformation/"
    return Annotation(
        product_type=required(root, "adsHeader/productType", str),
        polarization=required(root, "adsHeader/polarisation", str).upper(),
        shape=(
            required(root, information + "numberOfLines", int),
            required(root, information + "numberOfSamples", int),
        ),
        spacing_m=(
            required(root, information + "azimuthPixelSpacing", float),
            required(root, information + "rangePixelSpacing", float),
        ),
        swaths=tuple(_swath(merge) for merge in root.iterfind("swathMerging/swathMergeList/swathMerge")),
        georeferencing=_georeferencing(root),
    )


def _swath(merge: Element) -> Swath:
    bounds = list(merge.iterfind("swathBoundsList/swathBounds"))
    if not bounds:
        msg = "a swathMerge has no swathBounds"
        raise ValueError(msg)

    def all_of(name: str) -> list[int]:
        return [required(bound, name, int) for bound in bounds]

    return Swath(
        name=required(merge, "swath", str),
        first_row=min(all_of("firstAzimuthLine")),
        last_row=max(all_of("lastAzimuthLine")),
        first_col=min(all_of("firstRangeSample")),
        last_col=max(all_of("lastRangeSample")),
    )


def _georeferencing(root: Element) -> Georeferencing:
    gcps = tuple(
        GroundControlPoint(
            row=required(point, "line", float),
            col=required(point, "pixel", float),
            x=required(point, "longitude", float),
            y=required(point, "latitude", float),
            z=required(point, "height", float),
            id=str(number),
        )
        for number, point in enumerate(
            root.iterfind("geolocationGrid/geolocationGridPointList/geolocationGridPoint"), start=1
        )
    )
    if len(gcps) < MIN_GCPS:
        return Georeferencing(kind="none")
    return Georeferencing(kind="gcps", crs=WGS84, gcps=gcps)
