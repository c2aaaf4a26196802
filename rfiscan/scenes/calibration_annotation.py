"""The look-up tables of a Sentinel-1 product: annotation/calibration/calibration-*.xml and noise-*.xml.

Elements as in the Sentinel-1 Product Specification (calibration and noise annotation data sets). Noise has one table of
range vectors in products of processors before 2.90 (`noiseVectorList`), and range and azimuth vectors since
(`noiseRangeVectorList`, `noiseAzimuthVectorList`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from numpy.typing import NDArray

from rfiscan.errors import SceneError
from rfiscan.sentinel1.sigma_nought import AzimuthBlock, LutVector

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseTables:
    """Thermal noise of one polarization in units of dn^2.

    Attributes:
        vectors: The range table.
        blocks: The azimuth table; empty in products of processors before 2.90.
    """

    vectors: tuple[LutVector, ...]
    blocks: tuple[AzimuthBlock, ...]


def parse_calibration(xml: bytes, label: str) -> tuple[LutVector, ...]:
    """Parse the sigmaNought table of a calibration annotation.

    Args:
        xml: The file.
        label: How messages call it.

    Raises:
        SceneError: It is not a whole calibration annotation, or holds values that are not above zero.
    """
    return _parsed(xml, label, _calibration, "calibration")


def parse_noise(xml: bytes, label: str) -> NoiseTables:
    """Parse a noise annotation of either layout.

    Args:
        xml: The file.
        label: How messages call it.

    Raises:
        SceneError: It is not a whole noise annotation.
    """
    return _parsed(xml, label, _noise, "noise")


def _parsed(xml: bytes, label: str, read: Callable[[Element], T], kind: str) -> T:
    try:
        return read(fromstring(xml))
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise SceneError(
            f"{label}: is not a whole {kind} annotation of Sentinel-1: {error}",
            hint="Download the product again, or do without it: --no-calibrate, or --no-denoise if it is the noise.",
        ) from error


def _calibration(root: Element) -> tuple[LutVector, ...]:
    vectors = _vectors(root, "calibrationVectorList/calibrationVector", "sigmaNought")
    if any((vector.values <= 0).any() for vector in vectors):
        msg = "sigmaNought holds values that are not above zero"
        raise ValueError(msg)
    return vectors


def _noise(root: Element) -> NoiseTables:
    if root.find("noiseRangeVectorList") is None:
        return NoiseTables(vectors=_vectors(root, "noiseVectorList/noiseVector", "noiseLut"), blocks=())
    return NoiseTables(
        vectors=_vectors(root, "noiseRangeVectorList/noiseRangeVector", "noiseRangeLut"),
        blocks=tuple(_block(vector) for vector in root.iterfind("noiseAzimuthVectorList/noiseAzimuthVector")),
    )


def _vectors(root: Element, path: str, values: str) -> tuple[LutVector, ...]:
    vectors = []
    for element in root.iterfind(path):
        pixels, table = _table(element, "pixel", values)
        vectors.append(LutVector(line=_whole(element, "line"), pixels=pixels, values=table))
    if not vectors:
        msg = f"{path} is missing"
        raise ValueError(msg)
    return tuple(vectors)


def _block(element: Element) -> AzimuthBlock:
    lines, table = _table(element, "line", "noiseAzimuthLut")
    return AzimuthBlock(
        swath=(element.findtext("swath") or "").strip(),
        first_line=_whole(element, "firstAzimuthLine"),
        last_line=_whole(element, "lastAzimuthLine"),
        first_pixel=_whole(element, "firstRangeSample"),
        last_pixel=_whole(element, "lastRangeSample"),
        lines=lines,
        values=table,
    )


def _table(element: Element, places: str, values: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places, ascending, and the value at each."""
    at, found = (np.array(_text(element, name).split(), np.float64) for name in (places, values))
    if len(at) != len(found):
        msg = f"{values} holds {len(found)} values for {len(at)} of {places}"
        raise ValueError(msg)
    if not (np.isfinite(at).all() and np.isfinite(found).all()):
        msg = f"{values} holds values that are no finite numbers"
        raise ValueError(msg)
    if (np.diff(at) <= 0).any():
        msg = f"{places} does not ascend"
        raise ValueError(msg)
    return at, found


def _whole(element: Element, name: str) -> int:
    return int(_text(element, name))


def _text(element: Element, name: str) -> str:
    text = element.findtext(name)
    if text is None or not text.strip():
        msg = f"{name} is missing"
        raise ValueError(msg)
    return text.strip()
