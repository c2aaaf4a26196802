"""Incidence angles: those of the annotation at its points, bilinear between them."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.scenes.image_annotation import parse_image_annotation
from rfiscan.scenes.incidence import IncidenceGrid, incidence_of

SIDES = st.integers(2, 5)


def annotated(points):
    root = Element("product")
    grid = SubElement(SubElement(root, "geolocationGrid"), "geolocationGridPointList")
    for line, pixel, angle in points:
        point = SubElement(grid, "geolocationGridPoint")
        for name, value in (("line", line), ("pixel", pixel), ("incidenceAngle", angle)):
            if value is not None:
                SubElement(point, name).text = repr(value)
    return root


@settings(deadline=None)  # the first call imports scipy
@given(rows=SIDES, cols=SIDES, seed=st.integers(0, 999))
def test_a_plane_of_angles_comes_back_everywhere_and_stays_constant_beyond(rows, cols, seed):
    rng = np.random.default_rng(seed)
    lines, pixels = (np.cumsum(rng.integers(1, 500, count)) for count in (rows, cols))
    slope = rng.uniform(-0.01, 0.01, 2)
    angle = lambda line, pixel: 30.0 + slope[0] * line + slope[1] * pixel  # noqa: E731
    points = [(int(line), int(pixel), float(angle(line, pixel))) for line in lines for pixel in pixels]
    rng.shuffle(points)
    grid = incidence_of(annotated([(int(a), int(b), c) for a, b, c in points]))
    at = rng.uniform(-100, 2600, (2, 40))
    inside = np.clip(at[0], lines[0], lines[-1]), np.clip(at[1], pixels[0], pixels[-1])
    np.testing.assert_allclose(grid.at(*at), angle(*inside), rtol=1e-9)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0, 0, 30.0), (0, 9, 31.0)],
        [(0, 0, 30.0), (0, 9, 31.0), (9, 0, 30.0)],
        [(0, 0, 30.0), (0, 9, 31.0), (9, 0, 30.0), (9, 9, None)],
    ],
    ids=["none", "one line", "a corner missing", "an angle missing"],
)
def test_what_is_no_complete_grid_tells_no_angle(points):
    assert incidence_of(annotated(points)) is None


@pytest.mark.real
@pytest.mark.parametrize(("product", "least", "largest"), [("861B", 30.0, 46.5), ("6D00", 30.0, 46.5)])
def test_half_of_the_points_of_a_real_product_give_the_others(real_data, product, least, largest):
    path = next(real_data.glob(f"safe/*{product}*/annotation/*-vv-*"))
    grid = parse_image_annotation(path.read_bytes(), path.name).incidence
    assert least < grid.angles_deg.min() < grid.angles_deg.max() < largest
    assert (np.diff(grid.angles_deg, axis=1) > 0).all()  # from near to far range
    half = IncidenceGrid(grid.lines, grid.pixels[::2], grid.angles_deg[:, ::2])
    found = half.at(*np.meshgrid(grid.lines, grid.pixels, indexing="ij"))
    np.testing.assert_allclose(found, grid.angles_deg, atol=0.05)
