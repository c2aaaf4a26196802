"""Where in the repeating orbit a product was taken, as its manifest tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

from rfiscan.scenes.xml_values import to_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Orbit:
    """The orbit of a product.

    Attributes:
        node_time: When the satellite crossed the equator northwards, before the product began, UTC.
        relative: Relative orbit number, 1 to 175, at the start and at the stop of the product.
    """

    node_time: datetime
    relative: tuple[int, int]


def orbit_of(manifest: Element) -> Orbit | None:
    """Read the orbit from a manifest; None where it does not tell it whole.

    Args:
        manifest: Root of manifest.safe: Sentinel-1 Product Specification, S1-RS-MDA-52-7441, orbit reference.
    """
    relative: dict[str | None, str] = {}
    node = ""
    for element in manifest.iter():
        name = element.tag.rpartition("}")[2]
        if name == "relativeOrbitNumber":
            relative[element.get("type")] = (element.text or "").strip()
        elif name == "ascendingNodeTime":
            node = (element.text or "").strip()
    try:
        start, stop = int(relative["start"]), int(relative["stop"])
        return Orbit(node_time=to_time(node), relative=(start, stop))
    except (KeyError, ValueError):
        return None
