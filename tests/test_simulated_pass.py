"""Passes that simulated scenes are seen from."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.export.simulated_pass import orbit_heading_deg, pass_lonlat, pass_over
from rfiscan.locating.positions import directions, plane_through

quick = settings(max_examples=50, deadline=None)


@quick
@given(
    place=st.tuples(st.floats(-180, 180), st.floats(-81, 81)),
    at_m=st.tuples(st.floats(0, 170e3), st.floats(0, 250e3)),
    point_m=st.tuples(st.floats(-50e3, 220e3), st.floats(-50e3, 300e3)),
    ascending=st.booleans(),
)
def test_places_go_to_the_grid_and_back(place, at_m, point_m, ascending):
    orbit = pass_over(place, at_m, ascending=ascending)
    assert orbit.grid_m(*place) == pytest.approx(at_m, abs=1e-3)
    assert orbit.grid_m(*orbit.lonlat(*point_m)) == pytest.approx(point_m, abs=1e-3)
    assert (np.cos(np.radians(orbit.heading_deg)) > 0) == ascending


@pytest.mark.parametrize(("latitude", "heading"), [(0.0, -12.0), (52.0, -15.7), (70.0, -25.8)])
def test_headings_are_those_of_sentinel_1(latitude, heading):
    assert orbit_heading_deg(latitude, ascending=True) == pytest.approx(heading, abs=1.0)
    assert orbit_heading_deg(latitude, ascending=False) == pytest.approx(-180.0 - heading, abs=1.0)


def test_beyond_the_turn_of_the_orbit_it_flies_west():
    assert abs(orbit_heading_deg(89.0, ascending=True) + 90.0) < 2.0


def test_gcps_lie_where_the_pass_says():
    orbit = pass_over((179.9, 10.0), (80e3, 120e3), ascending=True)
    rows, cols = np.array([0.0, 17.3, 340.0]), np.array([500.0, 250.2, 0.0])
    lon, lat = orbit.gcps((340, 500), 500.0).to_lonlat(cols, rows)
    expected = orbit.lonlat(rows * 500.0, cols * 500.0)
    np.testing.assert_allclose((lon - expected[0] + 180) % 360 - 180, 0, atol=1e-3)
    np.testing.assert_allclose(lat, expected[1], atol=1e-3)


def test_the_usual_pass_is_what_it_was():
    """Benchmarks are frozen with it."""
    lon, lat = pass_lonlat(100e3, 200e3)
    assert (float(lon), float(lat)) == pytest.approx((4.9086873, 51.4266726), abs=1e-6)


@pytest.mark.parametrize("place", [(8.0, 52.0), (180.0, -70.0)])
def test_rows_lie_in_planes_through_the_middle_of_the_earth(place):
    """As those of products do: of four real ones, no row of the geolocation grid strays by more than a metre."""
    orbit = pass_over(place, (80e3, 120e3), ascending=True)
    for row_m in (0.0, 80e3, 170e3):
        points = directions(*orbit.lonlat(np.full(9, row_m), np.linspace(0.0, 250e3, 9)))
        assert plane_through(points, points[0])[1] < 0.01


@pytest.mark.real
def test_rows_and_headings_of_real_products_are_such(real_data):
    checked = 0
    for path in sorted(real_data.glob("safe/S1A_IW_GRDH*/annotation/*.xml")):
        text = path.read_text(encoding="utf-8")
        heading, direction = (re.search(f"<{name}>(.*?)<", text) for name in ("platformHeading", "pass"))
        grid = re.findall(r"<line>(.*?)</line>\s*<pixel>.*?</pixel>\s*<latitude>(.*?)</l.*?\s*<longitude>(.*?)</", text)
        if heading is None or direction is None or not grid:
            continue
        line, lat, lon = np.array(grid, float).T
        expected = orbit_heading_deg(float(np.median(lat)), ascending=direction[1] == "Ascending")
        assert float(heading[1]) == pytest.approx(expected, abs=0.5)
        for number in np.unique(line):
            points = directions(lon[line == number], lat[line == number])
            assert plane_through(points, points[0])[1] < 5.0
        checked += 1
    assert checked
