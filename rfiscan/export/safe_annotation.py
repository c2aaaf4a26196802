"""The annotation of a simulated product: annotation/*.xml."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from rfiscan import __version__
from rfiscan.export.safe_facts import ProductFacts, SwathBounds
from rfiscan.export.safe_xml import append, append_all, append_list, document, header
from rfiscan.export.simulated_pass import HEADING_DEG, elevation_deg, incidence_deg, product_gcps
from rfiscan.sentinel1.radar import LIGHT_M_PER_S, WAVELENGTH_M

AZIMUTH_LOOKS = {"IW": 1, "EW": 3, "SM": 6}
RANGE_LOOKS = {"IW": 5, "EW": 6, "SM": 6}
"""Looks of swathProcParams in IW GRDH (861B) and in EW1 of EW GRDM (BB15); of SM GRDH those of ESA's Sentinel-1 SAR
user guide, resolutions of Level-1 ground range detected products."""

ELLIPSOID: dict[str, str | float] = {
    "ellipsoidName": "WGS84",
    "ellipsoidSemiMajorAxis": 6_378_137.0,
    "ellipsoidSemiMinorAxis": 6_356_752.314245,
}


def annotation_xml(facts: ProductFacts, polarization: str) -> bytes:
    """The annotation of one polarization.

    It holds what a reader of geometry, timing and sub-swaths asks for: adsHeader, productInformation,
    downlinkInformationList, azimuthFmRateList, imageInformation, swathProcParamsList, geolocationGrid and swathMerging.
    Orbit, attitude, noise packets, Doppler centroids, antenna patterns and quality figures are left out: nothing was
    measured that they could tell of.
    """
    root = Element("product")
    header(root, facts, polarization)
    general = append(root, "generalAnnotation")
    _product_information(general, facts)
    _downlink_information(general, facts)
    _azimuth_fm_rate(general, facts)
    image = append(root, "imageAnnotation")
    _image_information(image, facts)
    _processing_information(image, facts)
    _geolocation_grid(root, facts)
    _swath_merging(root, facts)
    return document(root)


def _product_information(general: Element, facts: ProductFacts) -> None:
    append_all(
        append(general, "productInformation"),
        {
            "pass": "Descending",
            "platformHeading": HEADING_DEG,
            "projection": "Ground Range",
            "radarFrequency": LIGHT_M_PER_S / WAVELENGTH_M,
            "azimuthSteeringRate": facts.mode.swaths[0].steering_deg_per_s,
        },
    )


def _downlink_information(general: Element, facts: ProductFacts) -> None:
    bounds = facts.swath_bounds()
    downlinks = append_list(general, "downlinkInformationList", len(bounds))
    for swath in bounds:
        radar = swath.radar
        downlink = append(downlinks, "downlinkInformation")
        append_all(
            downlink,
            {
                "swath": radar.name,
                "azimuthTime": facts.time_of(swath.first_row),
                "firstLineSensingTime": swath.sensing[0],
                "lastLineSensingTime": swath.sensing[1],
                "prf": radar.prf_hz,
            },
        )
        values = append(downlink, "downlinkValues")
        append_all(
            values,
            {
                "pri": 1.0 / radar.prf_hz,
                "txPulseLength": radar.chirp_length_s,
                "txPulseStartFrequency": -0.5 * radar.bandwidth_hz,
                "txPulseRampRate": radar.chirp_rate_hz_per_s,
            },
        )
        window = append(append_list(values, "swlList", 1), "swl")
        append_all(window, {"azimuthTime": facts.time_of(swath.first_row), "value": radar.window_s})


def _azimuth_fm_rate(general: Element, facts: ProductFacts) -> None:
    """Doppler rate as a polynomial of slant range time through those of the sub-swaths, at the first and last row."""
    swaths = facts.mode.swaths
    origin_s = swaths[0].slant_range_s[0]
    middles = [0.5 * sum(swath.slant_range_s) - origin_s for swath in swaths]
    rates = [-swath.doppler_rate_hz_per_s for swath in swaths]
    degree = min(2, len(swaths) - 1)
    coefficients = np.zeros(3)
    coefficients[: degree + 1] = np.polynomial.Polynomial.fit(middles, rates, degree, domain=[-1, 1]).coef
    found = append_list(general, "azimuthFmRateList", 2)
    for time in (facts.start_time, facts.stop_time):
        rate = append(found, "azimuthFmRate")
        append_all(rate, {"azimuthTime": time, "t0": float(origin_s)})
        polynomial = append_list(rate, "azimuthFmRatePolynomial", 3)
        polynomial.text = " ".join(f"{value:.15e}" for value in coefficients)


def _image_information(image: Element, facts: ProductFacts) -> None:
    rows, cols = facts.shape
    middle_deg = float(incidence_deg(facts.slant_range_s(cols / 2.0)))
    append_all(
        append(image, "imageInformation"),
        {
            "productFirstLineUtcTime": facts.start_time,
            "productLastLineUtcTime": facts.stop_time,
            "productComposition": "Individual",
            "slantRangeTime": float(facts.slant_range_s([0, cols]).min()),
            "pixelValue": "Detected",
            "outputPixels": "16 bit Unsigned Integer",
            "rangePixelSpacing": float(facts.pixel_spacing_m),
            "azimuthPixelSpacing": float(facts.pixel_spacing_m),
            "azimuthTimeInterval": facts.row_interval_s,
            "azimuthFrequency": 1.0 / facts.row_interval_s,
            "numberOfSamples": cols,
            "numberOfLines": rows,
            "incidenceAngleMidSwath": middle_deg,
        },
    )


def _processing_information(image: Element, facts: ProductFacts) -> None:
    processing = append(image, "processingInformation")
    append_all(
        processing,
        {
            "srgrConversionApplied": "true",
            "detectionPerformed": "true",
            "thermalNoiseCorrectionPerformed": "false",
            "rfiMitigationPerformed": "Never",
            "applicationLutId": f"rfiscan {__version__}, simulated",
        },
    )
    bounds = facts.swath_bounds()
    swaths = append_list(processing, "swathProcParamsList", len(bounds))
    for swath in bounds:
        _processing_of(append(swaths, "swathProcParams"), facts, swath)
    append_all(processing, ELLIPSOID)


def _processing_of(parent: Element, facts: ProductFacts, swath: SwathBounds) -> None:
    radar, mode = swath.radar, facts.mode.name
    append(parent, "swath", radar.name)
    bands = (
        ("rangeProcessing", radar.bandwidth_hz, RANGE_LOOKS[mode], None),
        ("azimuthProcessing", radar.azimuth_bandwidth_hz, AZIMUTH_LOOKS[mode], radar.azimuth_hamming),
    )
    for tag, bandwidth_hz, looks, coefficient in bands:
        band = append(parent, tag)
        if coefficient is not None:
            append_all(band, {"windowType": "Hamming", "windowCoefficient": coefficient})
        append_all(band, {"totalBandwidth": bandwidth_hz, "processingBandwidth": bandwidth_hz, "numberOfLooks": looks})


def _geolocation_grid(root: Element, facts: ProductFacts) -> None:
    gcps = product_gcps(facts.shape, facts.pixel_spacing_m).gcps
    slant_s = facts.slant_range_s([gcp.col for gcp in gcps])
    incidence = incidence_deg(slant_s)
    angles = zip(slant_s.tolist(), incidence.tolist(), elevation_deg(incidence).tolist(), strict=True)
    points = append_list(append(root, "geolocationGrid"), "geolocationGridPointList", len(gcps))
    for gcp, (slant, angle, elevation) in zip(gcps, angles, strict=True):
        append_all(
            append(points, "geolocationGridPoint"),
            {
                "azimuthTime": facts.time_of(gcp.row),
                "slantRangeTime": slant,
                "line": int(gcp.row),
                "pixel": int(gcp.col),
                "latitude": gcp.y,
                "longitude": gcp.x,
                "height": 0.0,
                "incidenceAngle": angle,
                "elevationAngle": elevation,
            },
        )


def _swath_merging(root: Element, facts: ProductFacts) -> None:
    """Bounds of the sub-swaths, which a product of one alone does not state."""
    bounds = facts.swath_bounds() if len(facts.mode.swaths) > 1 else ()
    merges = append_list(append(root, "swathMerging"), "swathMergeList", len(bounds))
    for swath in bounds:
        merge = append(merges, "swathMerge")
        append(merge, "swath", swath.radar.name)
        append_all(
            append(append_list(merge, "swathBoundsList", 1), "swathBounds"),
            {
                "azimuthTime": facts.time_of(swath.first_row),
                "firstAzimuthLine": swath.first_row,
                "firstRangeSample": swath.first_col,
                "lastAzimuthLine": swath.last_row,
                "lastRangeSample": swath.last_col,
            },
        )
