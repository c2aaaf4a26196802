"""What the annotation of a single-look complex image tells: where its bursts lie in time and in the image.

Elements as in the Sentinel-1 Product Specification (S1-RS-MDA-52-7441), Level 1 product annotation data set: swath
timing (`swathTiming/burstList`), image information and product information.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np

from rfiscan.scenes.annotation import Annotation
from rfiscan.scenes.image_annotation import ImageAnnotation, image_annotation_of
from rfiscan.scenes.xml_values import parse_xml, required, to_time, whole_document
from rfiscan.sentinel1.debursting import Indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedBurst:
    """One burst.

    Attributes:
        azimuth_time: Zero-Doppler time of its first line, UTC.
        line: Its first line in the image.
        first_valid: First valid sample of each of its lines, shape (L,); -1 where the line has none.
        last_valid: Last valid sample of each line, shape (L,); -1 where the line has none.
    """

    azimuth_time: datetime
    line: int
    first_valid: Indexes
    last_valid: Indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class SlcImage:
    """The image of one sub-swath in one polarization.

    Attributes:
        label: How messages call its annotation.
        swath: Such as IW1, or S3 in stripmap.
        annotation: What any annotation of an image tells.
        line_interval_s: Zero-Doppler time from a line to the next.
        slant_range_s: Two-way slant range time of the first sample.
        sampling_hz: Samples of slant range time in a second.
        incidence_deg: Incidence angle in the middle of the swath.
        bursts: By time; stripmap has one, the whole image.
    """

    label: str
    swath: str
    annotation: ImageAnnotation
    line_interval_s: float
    slant_range_s: float
    sampling_hz: float
    incidence_deg: float
    bursts: tuple[TimedBurst, ...]

    @property
    def basic(self) -> Annotation:
        """Size, spacing and georeferencing of the image as it is stored."""
        return self.annotation.basic

    @property
    def polarization(self) -> str:
        """VV, VH, HH or HV."""
        return self.basic.polarization


def parse_slc_annotation(xml: bytes, label: str) -> SlcImage:
    """Parse the annotation of a single-look complex image.

    Args:
        xml: The file.
        label: How messages call it.

    Raises:
        SceneError: It is not a whole annotation of such an image.
    """
    with whole_document(label, "Sentinel-1 SLC annotation"):
        root = parse_xml(xml)
        information = "imageAnnotation/imageInformation/"
        annotation = image_annotation_of(root)
        lines, samples = annotation.basic.shape
        return SlcImage(
            label=label,
            swath=required(root, "adsHeader/swath", str),
            annotation=annotation,
            line_interval_s=_positive(root, information + "azimuthTimeInterval"),
            slant_range_s=_positive(root, information + "slantRangeTime"),
            sampling_hz=_positive(root, "generalAnnotation/productInformation/rangeSamplingRate"),
            incidence_deg=_incidence_deg(root, information + "incidenceAngleMidSwath"),
            bursts=_bursts(root, lines, samples),
        )


def _positive(root: Element, path: str) -> float:
    value = required(root, path, float)
    if not 0 < value < np.inf:
        msg = f"{path} is {value:g}"
        raise ValueError(msg)
    return value


def _incidence_deg(root: Element, path: str) -> float:
    angle_deg = _positive(root, path)
    if angle_deg >= 90:
        msg = f"{path} is {angle_deg:g}"
        raise ValueError(msg)
    return angle_deg


def _bursts(root: Element, lines: int, samples: int) -> tuple[TimedBurst, ...]:
    elements = list(root.iterfind("swathTiming/burstList/burst"))
    if not elements:  # stripmap
        start = required(root, "imageAnnotation/imageInformation/productFirstLineUtcTime", to_time)
        first, last = np.zeros(lines, np.int64), np.full(lines, samples - 1)
        return (TimedBurst(azimuth_time=start, line=0, first_valid=first, last_valid=last),)
    per_burst = required(root, "swathTiming/linesPerBurst", int)
    if per_burst * len(elements) > lines:
        msg = f"{len(elements)} bursts of {per_burst} lines do not fit into {lines} lines"
        raise ValueError(msg)
    bursts = [_burst(element, number * per_burst, per_burst, samples) for number, element in enumerate(elements)]
    return tuple(sorted(bursts, key=lambda burst: burst.azimuth_time))


def _burst(element: Element, line: int, lines: int, samples: int) -> TimedBurst:
    return TimedBurst(
        azimuth_time=required(element, "azimuthTime", to_time),
        line=line,
        first_valid=_samples(element, "firstValidSample", lines, samples),
        last_valid=_samples(element, "lastValidSample", lines, samples),
    )


def _samples(element: Element, name: str, lines: int, samples: int) -> Indexes:
    found = np.array(required(element, name, str).split(), np.int64)
    if found.size != lines:
        msg = f"{name} holds {found.size} values for {lines} lines"
        raise ValueError(msg)
    if found.max() >= samples:
        msg = f"{name} holds {found.max()}, where a line has {samples} samples"
        raise ValueError(msg)
    return found
