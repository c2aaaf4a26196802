"""What rfiscan needs of a Sentinel-1 product annotation (annotation/*.xml)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from rasterio.control import GroundControlPoint

from rfiscan.errors import SceneError
from rfiscan.scenes.georeferencing import MIN_GCPS, WGS84, Georeferencing
from rfiscan.scenes.scene import Swath

T = TypeVar("T")


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
    try:
        root = fromstring(xml)
        information = "imageAnnotation/imageInformation/"
        return Annotation(
            product_type=_value(root, "adsHeader/productType", str),
            polarization=_value(root, "adsHeader/polarisation", str).upper(),
            shape=(
                _value(root, information + "numberOfLines", int),
                _value(root, information + "numberOfSamples", int),
            ),
            spacing_m=(
                _value(root, information + "azimuthPixelSpacing", float),
                _value(root, information + "rangePixelSpacing", float),
            ),
            swaths=tuple(_swath(merge) for merge in root.iterfind("swathMerging/swathMergeList/swathMerge")),
            georeferencing=_georeferencing(root),
        )
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise SceneError(
            f"{label}: is not a whole Sentinel-1 annotation: {error}", hint="Download the product again."
        ) from error


def _swath(merge: Element) -> Swath:
    bounds = list(merge.iterfind("swathBoundsList/swathBounds"))
    if not bounds:
        msg = "a swathMerge has no swathBounds"
        raise ValueError(msg)

    def all_of(name: str) -> list[int]:
        return [_value(bound, name, int) for bound in bounds]

    return Swath(
        name=_value(merge, "swath", str),
        first_row=min(all_of("firstAzimuthLine")),
        last_row=max(all_of("lastAzimuthLine")),
        first_col=min(all_of("firstRangeSample")),
        last_col=max(all_of("lastRangeSample")),
    )


def _georeferencing(root: Element) -> Georeferencing:
    gcps = tuple(
        GroundControlPoint(
            row=_value(point, "line", float),
            col=_value(point, "pixel", float),
            x=_value(point, "longitude", float),
            y=_value(point, "latitude", float),
            z=_value(point, "height", float),
            id=str(number),
        )
        for number, point in enumerate(
            root.iterfind("geolocationGrid/geolocationGridPointList/geolocationGridPoint"), start=1
        )
    )
    if len(gcps) < MIN_GCPS:
        return Georeferencing(kind="none")
    return Georeferencing(kind="gcps", crs=WGS84, gcps=gcps)


def _value(element: Element, path: str, convert: Callable[[str], T]) -> T:
    text = element.findtext(path)
    if text is None or not text.strip():
        msg = f"{path} is missing"
        raise ValueError(msg)
    return convert(text.strip())
