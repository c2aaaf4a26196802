"""The calibration and the noise of a simulated product: annotation/calibration/*.xml."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from rfiscan.export.safe_facts import ProductFacts
from rfiscan.export.safe_xml import append, append_all, append_list, append_vector, document, header
from rfiscan.export.simulated_pass import incidence_deg

SIGMA_NOUGHT_LUT = 600.0
"""A in sigma nought = dn^2 / A^2: the middle of its 662 to 559 from near to far range in S1A_IW_GRDH_..._861B."""
VECTOR_STEP_PX = 40
VECTOR_STEP_ROWS = 672
NOISE_STEP_ROWS = 10
"""Steps of the vectors in S1A_IW_GRDH_..._861B."""


def calibration_xml(facts: ProductFacts, polarization: str) -> bytes:
    """The calibration of one polarization: sigma nought by one constant, the others from it by the incidence angle.

    Gamma nought is sigma nought / cos, beta nought is sigma nought / sin of the incidence angle; the tables hold
    what digital numbers are divided by, so its square root.
    """
    root = Element("calibration")
    header(root, facts, polarization)
    append(append(root, "calibrationInformation"), "absoluteCalibrationConstant", 1.0)
    pixels = _steps(0, facts.shape[1] - 1, VECTOR_STEP_PX)
    angle = np.deg2rad(incidence_deg(facts.slant_range_s(pixels)))
    constant = np.full(len(pixels), SIGMA_NOUGHT_LUT)
    lines = _steps(0, facts.shape[0] - 1, VECTOR_STEP_ROWS)
    vectors = append_list(root, "calibrationVectorList", len(lines))
    for line in lines.tolist():
        vector = append(vectors, "calibrationVector")
        append_all(vector, {"azimuthTime": facts.time_of(line), "line": line})
        append_vector(vector, "pixel", pixels)
        append_vector(vector, "sigmaNought", constant)
        append_vector(vector, "betaNought", SIGMA_NOUGHT_LUT * np.sqrt(np.sin(angle)))
        append_vector(vector, "gamma", SIGMA_NOUGHT_LUT * np.sqrt(np.cos(angle)))
        append_vector(vector, "dn", constant)
    return document(root)


def noise_xml(facts: ProductFacts, polarization: str, noise: NDArray[np.floating]) -> bytes:
    """The noise of one polarization, in the layout of processor version 2.90 and later.

    Args:
        facts: Of the product.
        polarization: One of its polarizations.
        noise: Noise-equivalent sigma nought of each column of the working grid, shape (W,). It is the same in every
            row: the azimuth vectors are 1, as the rise of noise between bursts is not known of a scene.
    """
    root = Element("noise")
    header(root, facts, polarization)
    pixels = _steps(0, facts.shape[1] - 1, VECTOR_STEP_PX)
    in_dn = _at_pixels(facts, noise, pixels) * SIGMA_NOUGHT_LUT**2
    lines = _steps(0, facts.shape[0] - 1, VECTOR_STEP_ROWS)
    vectors = append_list(root, "noiseRangeVectorList", len(lines))
    for line in lines.tolist():
        vector = append(vectors, "noiseRangeVector")
        append_all(vector, {"azimuthTime": facts.time_of(line), "line": line})
        append_vector(vector, "pixel", pixels)
        append_vector(vector, "noiseRangeLut", in_dn)
    bounds = facts.swath_bounds()
    blocks = append_list(root, "noiseAzimuthVectorList", len(bounds))
    for swath in bounds:
        block = append(blocks, "noiseAzimuthVector")
        append_all(
            block,
            {
                "swath": swath.radar.name,
                "firstAzimuthLine": swath.first_row,
                "firstRangeSample": swath.first_col,
                "lastAzimuthLine": swath.last_row,
                "lastRangeSample": swath.last_col,
            },
        )
        rows = _steps(swath.first_row, swath.last_row, NOISE_STEP_ROWS)
        append_vector(block, "line", rows)
        append_vector(block, "noiseAzimuthLut", np.ones(len(rows)))
    return document(root)


def _steps(first: int, last: int, step: int) -> NDArray[np.int64]:
    """Whole numbers from the first to the last, which both belong to it."""
    return np.unique(np.append(np.arange(first, last, step), last)).astype(np.int64)


def _at_pixels(facts: ProductFacts, noise: NDArray[np.floating], pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The noise (W,) of working columns at pixels, interpolated inside sub-swaths and not across their edges."""
    centres = (np.arange(len(noise)) + 0.5) * facts.factor - 0.5
    values: NDArray[np.float64] = np.interp(pixels, centres, noise)
    for swath in facts.swath_bounds():
        inside = (pixels >= swath.first_col) & (pixels <= swath.last_col)
        own = (centres >= swath.first_col) & (centres <= swath.last_col)
        if own.any():
            values[inside] = np.interp(pixels[inside], centres[own], noise[own])
    return values
