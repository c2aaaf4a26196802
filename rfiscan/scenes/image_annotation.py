"""More of a product annotation: what the image is, when its lines were seen, which pixels each sub-swath fills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

from rfiscan.scenes.annotation import Annotation, annotation_of
from rfiscan.scenes.scene import Swath
from rfiscan.scenes.xml_values import optional, parse_xml, required, to_time, whole_document


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnnotation:
    """What the annotation of one image tells; None, or empty, where it does not.

    Azimuth time increases from line to line, in ascending and in descending passes alike.

    Attributes:
        basic: Size, spacing, sub-swaths and georeferencing.
        mission: Such as S1A.
        mode: Acquisition mode: IW, EW, S1 to S6, WV.
        swath: Such as IW of a merged product, IW1 of one sub-swath.
        pass_direction: Ascending or Descending.
        absolute_orbit: Number of the orbit.
        start_time: First zero-Doppler time, UTC.
        stop_time: Last zero-Doppler time, UTC.
        first_line_time: Zero-Doppler time of the first line, UTC.
        last_line_time: Zero-Doppler time of the last line, UTC.
        line_interval_s: Zero-Doppler time from one line to the next.
        swath_blocks: The rectangles of pixels that sub-swaths fill, several a sub-swath, from swathMerging.
        rfi_mitigation_performed: When the processor was to take interference out: Never, Always, BasedOnNoiseMeas.
        rfi_mitigation_domain: How it was to: Time, Frequency or TimeAndFrequency.
        burst_lag_s: How long after the time of its first line a burst is laid down from on, where another one goes
            before it; 0 in products of detected images.
    """

    basic: Annotation
    mission: str | None
    mode: str | None
    swath: str | None
    pass_direction: str | None
    absolute_orbit: int | None
    start_time: datetime | None
    stop_time: datetime | None
    first_line_time: datetime | None
    last_line_time: datetime | None
    line_interval_s: float | None
    swath_blocks: tuple[Swath, ...]
    rfi_mitigation_performed: str | None
    rfi_mitigation_domain: str | None
    burst_lag_s: float = 0.0


def parse_image_annotation(xml: bytes, label: str) -> ImageAnnotation:
    """Parse a product annotation.

    Args:
        xml: The file.
        label: How messages call it.

    Raises:
        SceneError: It is not a whole product annotation.
    """
    with whole_document(label, "Sentinel-1 annotation"):
        return image_annotation_of(parse_xml(xml))


def image_annotation_of(root: Element) -> ImageAnnotation:
    """Read a product annotation.

    Raises:
        ValueError: It lacks a value, or holds one of the wrong type.
    """
    image = "imageAnnotation/imageInformation/"
    processing = "imageAnnotation/processingInformation/"
    return ImageAnnotation(
        basic=annotation_of(root),
        mission=optional(root, "adsHeader/missionId", str),
        mode=optional(root, "adsHeader/mode", str),
        swath=optional(root, "adsHeader/swath", str),
        pass_direction=optional(root, "generalAnnotation/productInformation/pass", str),
        absolute_orbit=optional(root, "adsHeader/absoluteOrbitNumber", int),
        start_time=optional(root, "adsHeader/startTime", to_time),
        stop_time=optional(root, "adsHeader/stopTime", to_time),
        first_line_time=optional(root, image + "productFirstLineUtcTime", to_time),
        last_line_time=optional(root, image + "productLastLineUtcTime", to_time),
        line_interval_s=_line_interval_s(root),
        swath_blocks=tuple(
            _block(required(merge, "swath", str), bounds)
            for merge in root.iterfind("swathMerging/swathMergeList/swathMerge")
            for bounds in merge.iterfind("swathBoundsList/swathBounds")
        ),
        rfi_mitigation_performed=optional(root, processing + "rfiMitigationPerformed", str),
        rfi_mitigation_domain=optional(root, processing + "rfiMitigationDomain", str),
    )


def _line_interval_s(root: Element) -> float | None:
    interval_s = optional(root, "imageAnnotation/imageInformation/azimuthTimeInterval", float)
    if interval_s is not None and not interval_s > 0:
        msg = f"azimuthTimeInterval is {interval_s:g} s"
        raise ValueError(msg)
    return interval_s


def _block(name: str, bounds: Element) -> Swath:
    return Swath(
        name=name,
        first_row=required(bounds, "firstAzimuthLine", int),
        last_row=required(bounds, "lastAzimuthLine", int),
        first_col=required(bounds, "firstRangeSample", int),
        last_col=required(bounds, "lastRangeSample", int),
    )
