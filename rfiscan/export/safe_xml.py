"""Elements of the XML files of a product."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
from numpy.typing import ArrayLike

from rfiscan.export.safe_facts import MISSION, ORBIT, ProductFacts

Value = str | int | float | datetime


def text_of(value: Value) -> str:
    """A value as products write it: numbers with 15 decimals, times to the microsecond."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return f"{value:.15e}" if isinstance(value, float) else str(value)


def append(parent: Element, tag: str, value: Value | None = None, **attributes: str) -> Element:
    """Append an element, with a value if it has one, and return it."""
    element = SubElement(parent, tag, attributes)
    if value is not None:
        element.text = text_of(value)
    return element


def append_all(parent: Element, values: Mapping[str, Value]) -> None:
    """Append an element for each value, by tag."""
    for tag, value in values.items():
        append(parent, tag, value)


def append_list(parent: Element, tag: str, count: int) -> Element:
    """Append a list of elements, which states how many it has, and return it."""
    return append(parent, tag, count=str(count))


def append_vector(parent: Element, tag: str, values: ArrayLike) -> None:
    """Append a vector of numbers: integers as such, others with six decimals."""
    numbers = np.asarray(values)
    form = "{:d}" if numbers.dtype.kind in "iu" else "{:.6e}"
    append_list(parent, tag, numbers.size).text = " ".join(form.format(number) for number in numbers.tolist())


def header(root: Element, facts: ProductFacts, polarization: str) -> None:
    """Append the header that annotation, calibration and noise share."""
    append_all(
        append(root, "adsHeader"),
        {
            "missionId": MISSION,
            "productType": "GRD",
            "polarisation": polarization,
            "mode": facts.mode.name,
            "swath": facts.swath,
            "startTime": facts.start_time,
            "stopTime": facts.stop_time,
            "absoluteOrbitNumber": ORBIT,
            "missionDataTakeId": ORBIT,
            "imageNumber": f"{facts.polarizations.index(polarization) + 1:03d}",
        },
    )


def document(root: Element) -> bytes:
    """The XML file of an element, indented."""
    indent(root)
    content: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return content + b"\n"
