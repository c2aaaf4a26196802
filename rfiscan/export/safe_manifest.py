"""The manifest of a simulated product: which files it has, what each is, and the product in short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

import numpy as np

from rfiscan import __version__
from rfiscan.export.safe_facts import ORBIT, ProductFacts
from rfiscan.export.safe_xml import append, append_all, document, text_of
from rfiscan.export.simulated_pass import pass_lonlat

NAMESPACES = {
    "xmlns:gml": "http://www.opengis.net/gml",
    "xmlns:xfdu": "urn:ccsds:schema:xfdu:1",
    "xmlns:safe": "http://www.esa.int/safe/sentinel-1.0",
    "xmlns:s1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1",
    "xmlns:s1sarl1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1",
}
# What the manifest calls a kind of file, and the type of its content
SCHEMAS = {
    "product": ("s1Level1ProductSchema", "text/xml"),
    "calibration": ("s1Level1CalibrationSchema", "text/xml"),
    "noise": ("s1Level1NoiseSchema", "text/xml"),
    "measurement": ("s1Level1MeasurementSchema", "application/octet-stream"),
    "quicklook": ("s1Level1QuickLookSchema", "application/octet-stream"),
}
PREFIXES = {"product": "product", "calibration": "", "noise": "", "measurement": "", "quicklook": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFile:
    """One file of a product.

    Attributes:
        kind: A key of `SCHEMAS`.
        polarization: That it belongs to; None if to all.
        path: Relative to the product's folder.
        size: In bytes.
        md5: Of its content, in hexadecimal.
    """

    kind: str
    polarization: str | None
    path: PurePosixPath
    size: int
    md5: str

    @property
    def object_id(self) -> str:
        """Name of the file in the manifest: that of the file without punctuation, after its kind."""
        return PREFIXES[self.kind] + self.path.stem.replace("-", "")


def manifest_xml(facts: ProductFacts, files: Sequence[ProductFile]) -> bytes:
    """The manifest.

    Args:
        facts: Of the product.
        files: All other files of it.
    """
    level = f"sar/level-1/grd/standard/{facts.swath.lower()}dp"
    root = Element("xfdu:XFDU", NAMESPACES | {"version": f"esa/safe/sentinel-1.0/sentinel-1/{level}"})
    _package_map(root, facts, files)
    section = append(root, "metadataSection")
    for file in files:
        if file.kind not in ("measurement", "quicklook"):
            about = append(
                section,
                "metadataObject",
                ID=f"{file.object_id}Annotation",
                classification="DESCRIPTION",
                category="DMD",
            )
            append(about, "dataObjectPointer", dataObjectID=file.object_id)
    _processing(section, facts)
    _platform(section, facts)
    _orbit(section)
    _product_information(section, facts)
    _period_and_frame(section, facts)
    objects = append(root, "dataObjectSection")
    for file in files:
        schema, mime_type = SCHEMAS[file.kind]
        content = append(
            append(objects, "dataObject", ID=file.object_id, repID=schema),
            "byteStream",
            mimeType=mime_type,
            size=str(file.size),
        )
        append(content, "fileLocation", locatorType="URL", href=f"./{file.path}")
        append(content, "checksum", file.md5, checksumName="MD5")
    return document(root)


def _package_map(root: Element, facts: ProductFacts, files: Sequence[ProductFile]) -> None:
    package = append(
        append(root, "informationPackageMap"),
        "xfdu:contentUnit",
        unitType="SAFE Archive Information Package",
        textInfo=f"Sentinel-1 {facts.swath} Level-1 GRD Product, simulated",
        dmdID="acquisitionPeriod platform generalProductInformation measurementOrbitReference measurementFrameSet",
        pdiID="processing",
    )
    for file in files:
        schema, _ = SCHEMAS[file.kind]
        measured = file.kind in ("measurement", "quicklook")
        unit = append(
            package,
            "xfdu:contentUnit",
            unitType="Measurement Data Unit" if measured else "Metadata Unit",
            repID=schema,
        )
        if file.kind == "measurement":
            own = (other for other in files if other.polarization == file.polarization and other is not file)
            unit.set("dmdID", " ".join(f"{other.object_id}Annotation" for other in own))
        append(unit, "dataObjectPointer", dataObjectID=file.object_id)


def _wrapped(section: Element, name: str, text: str, category: str = "DMD") -> Element:
    """Append a metadata object, and return what takes its content."""
    kind = "DESCRIPTION" if category == "DMD" else "PROVENANCE"
    about = append(section, "metadataObject", ID=name, classification=kind, category=category)
    wrap = append(about, "metadataWrap", mimeType="text/xml", vocabularyName="SAFE", textInfo=text)
    return append(wrap, "xmlData")


def _processing(section: Element, facts: ProductFacts) -> None:
    """Who made it. The times are those of the scene, so that the same seed makes the same product."""
    processing = append(
        _wrapped(section, "processing", "Processing", "PDI"),
        "safe:processing",
        name="Simulation",
        start=text_of(facts.start_time),
        stop=text_of(facts.stop_time),
    )
    facility = append(processing, "safe:facility", name="rfiscan: simulated, not an observation")
    append(facility, "safe:software", name="rfiscan", version=__version__)


def _platform(section: Element, facts: ProductFacts) -> None:
    platform = append(_wrapped(section, "platform", "Platform Description"), "safe:platform")
    append_all(platform, {"safe:familyName": "SENTINEL-1", "safe:number": "A"})
    instrument = append(platform, "safe:instrument")
    append(instrument, "safe:familyName", "Synthetic Aperture Radar", abbreviation="SAR")
    mode = append(append(instrument, "safe:extension"), "s1sarl1:instrumentMode")
    append_all(mode, {"s1sarl1:mode": facts.mode.name, "s1sarl1:swath": facts.swath})


def _orbit(section: Element) -> None:
    orbit = append(_wrapped(section, "measurementOrbitReference", "Orbit Reference"), "safe:orbitReference")
    for end in ("start", "stop"):
        append(orbit, "safe:orbitNumber", ORBIT, type=end)
    properties = append(append(orbit, "safe:extension"), "s1:orbitProperties")
    append(properties, "s1:pass", "DESCENDING")


def _product_information(section: Element, facts: ProductFacts) -> None:
    information = append(
        _wrapped(section, "generalProductInformation", "General Product Information"),
        "s1sarl1:standAloneProductInformation",
    )
    append(information, "s1sarl1:missionDataTakeID", ORBIT)
    for polarization in facts.polarizations:
        append(information, "s1sarl1:transmitterReceiverPolarisation", polarization)
    append_all(
        information,
        {
            "s1sarl1:productClass": "S",
            "s1sarl1:productClassDescription": "SAR Standard L1 Product, simulated",
            "s1sarl1:productComposition": "Individual",
            "s1sarl1:productType": "GRD",
        },
    )


def _period_and_frame(section: Element, facts: ProductFacts) -> None:
    period = append(_wrapped(section, "acquisitionPeriod", "Acquisition Period"), "safe:acquisitionPeriod")
    append_all(period, {"safe:startTime": facts.start_time, "safe:stopTime": facts.stop_time})
    frame = append(append(_wrapped(section, "measurementFrameSet", "Frame Set"), "safe:frameSet"), "safe:frame")
    footprint = append(frame, "safe:footPrint", srsName="http://www.opengis.net/gml/srs/epsg.xml#4326")
    bottom, right = (length * facts.pixel_spacing_m for length in facts.shape)
    longitudes, latitudes = pass_lonlat(np.array([bottom, bottom, 0.0, 0.0]), np.array([0.0, right, right, 0.0]))
    corners = zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    append(footprint, "gml:coordinates", " ".join(f"{lat:.6f},{lon:.6f}" for lat, lon in corners))
