"""Lines of position: where they cross is where the emitter stands, anywhere on the Earth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.locating.positions import (
    COMMON_M,
    RADIUS_M,
    SCALES_M,
    Spread,
    crossings,
    directions,
    east_north,
    error_ellipse,
    fix_place,
    log_density,
    lonlat_of,
    outline,
    plane_through,
    precision,
    spread_of,
)
from rfiscan.scenes.georeferencing import earth_centred

quick = settings(max_examples=50, deadline=None)
places = st.tuples(st.floats(-180, 180), st.floats(-85, 85))
TIGHT = (0.98, 0.01, 0.01)


def lines_at(place, bearings_deg, off_m):
    """Normals of lines that pass a place at distances, their positive sides to the right of their bearings."""
    axes = east_north(place)
    normals = []
    for bearing, off in zip(np.radians(bearings_deg), off_m, strict=True):
        right = np.array([np.cos(bearing), -np.sin(bearing)]) @ axes
        normals.append(right * np.cos(off / RADIUS_M) - place * np.sin(off / RADIUS_M))
    return np.array(normals)


def metres_apart(one, other):
    return float(np.linalg.norm(np.asarray(one) - np.asarray(other)) * RADIUS_M)


@quick
@given(place=places)
def test_directions_are_those_of_the_ellipsoid(place):
    point = earth_centred(*map(np.array, place))
    np.testing.assert_allclose(directions(*place), point / np.linalg.norm(point), atol=1e-12)
    lon, lat = lonlat_of(directions(*place))
    assert (lon - place[0] + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)
    assert lat == pytest.approx(place[1], abs=1e-9)


@quick
@given(place=places)
def test_east_and_north_are_where_longitude_and_latitude_grow(place):
    east, north = east_north(directions(*place))
    assert (directions(place[0] + 1e-4, place[1]) - directions(*place)) @ east > 0
    assert (directions(place[0], place[1] + 1e-4) - directions(*place)) @ north > 0
    np.testing.assert_allclose(np.array([east, north]) @ directions(*place), 0, atol=1e-12)


@pytest.mark.parametrize("z", [1.0, -1.0])
def test_a_pole_has_axes_too(z):
    axes = east_north(np.array([0.0, 0.0, z]))
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)
    assert np.cross(axes[0], axes[1]) @ [0, 0, z] == pytest.approx(1)


@quick
@given(place=places, bearing=st.floats(0, 180), between=st.floats(12, 168))
def test_two_lines_cross_where_they_meet_and_not_at_the_other_side_of_the_earth(place, bearing, between):
    place = directions(*place)
    one, other = lines_at(place, [bearing, bearing + between], [0.0, 0.0])
    near = place + 0.05 * east_north(place)[0]
    assert metres_apart(crossings(one, other, near), place) < 1


def test_a_plane_goes_through_its_points_and_points_ahead():
    points = directions(np.linspace(179, -178 + 360, 5), np.full(5, 30.0))
    ahead = directions(180.0, 31.0)
    normal, off_m = plane_through(points, ahead)
    assert normal @ ahead > 0
    assert off_m == pytest.approx(np.abs(points @ normal).max() * RADIUS_M)
    assert plane_through(points[[0, -1]], ahead)[1] < 0.01


@quick
@given(place=places, seed=st.integers(0, 999), count=st.integers(2, 8))
def test_lines_without_errors_give_the_place(place, seed, count):
    rng = np.random.default_rng(seed)
    place = directions(*place)
    bearings = np.append([75.0, 105.0], rng.choice([76.0, 104.0], count - 2))
    normals = lines_at(place, bearings, np.zeros(count))
    start = place + 0.02 * rng.normal(size=2) @ east_north(place)
    found = fix_place(normals, np.tile((0.4, 0.4, 0.2), (count, 1)), start / np.linalg.norm(start))
    assert metres_apart(found.direction, place) < 1
    assert found.chi2 < 1e-4


def test_one_scale_is_plain_least_squares():
    rng = np.random.default_rng(3)
    place = directions(12.0, 45.0)
    bearings, off_m = [76.0, 104.0, 75.0, 105.0, 104.5], rng.normal(0.0, 300.0, 5)
    normals = lines_at(place, bearings, off_m)
    shares = np.tile((1.0 - 2e-12, 1e-12, 1e-12), (5, 1))
    found = fix_place(normals, shares, place)
    design = normals @ east_north(place).T
    expected, *_ = np.linalg.lstsq(design, -normals @ place * RADIUS_M, rcond=None)
    np.testing.assert_allclose(east_north(place) @ (found.direction - place) * RADIUS_M, expected, atol=1.0)
    np.testing.assert_allclose(found.covariance_m2, np.linalg.inv(design.T @ design) * SCALES_M[0] ** 2, rtol=0.01)


def test_a_line_that_stands_aside_counts_little():
    place = directions(12.0, 45.0)
    bearings = [76.0, 76.0, 76.0, 104.0, 104.0]
    normals = lines_at(place, bearings, [0.0, 50.0, 9000.0, -30.0, 20.0])
    found = fix_place(normals, np.tile((0.5, 0.3, 0.2), (5, 1)), place)
    assert metres_apart(found.direction, place) < 500
    weights = precision(found.residuals_m, np.tile((0.5, 0.3, 0.2), (5, 1)))
    assert weights[2] < 0.01 * weights[:2].min()


@quick
@given(shares=st.sampled_from([(0.1, 0.45, 0.45), (0.66, 0.14, 0.2), TIGHT]))
def test_densities_are_densities(shares):
    step_m = 20.0
    grid_m = np.arange(-80e3, 80e3, step_m)
    total = np.exp(log_density(grid_m[:, None], np.array([shares]))).sum() * step_m
    assert total == pytest.approx(1, abs=1e-6)


def test_the_spread_of_normal_errors_is_known_in_closed_form():
    place = directions(12.0, 45.0)
    normals = lines_at(place, [76.0, 104.0], [0.0, 0.0])
    shares = np.tile((1.0 - 2e-12, 1e-12, 1e-12), (2, 1))
    spread = spread_of(normals, shares, fix_place(normals, shares, place))
    design = normals @ east_north(place).T
    covariance = np.linalg.inv(design.T @ design) * SCALES_M[0] ** 2
    np.testing.assert_allclose(spread.covariance_m2, covariance + COMMON_M**2 * np.eye(2), rtol=0.05, atol=1.0)
    assert spread.squared == pytest.approx(5.99, rel=0.08)
    assert spread.log_area == pytest.approx(-np.log(np.sin(np.radians(28.0))), abs=0.05)


def test_ellipses_hold_emitters_as_often_as_they_say():
    """Errors drawn from the mixture itself: 95 % of the true places lie within."""
    rng = np.random.default_rng(0)
    place, shares = directions(12.0, 45.0), np.tile((0.35, 0.47, 0.18), (4, 1))
    axes, held, count = east_north(place), 0, 400
    for _ in range(count):
        off_m = rng.normal(size=4) * rng.choice(SCALES_M, 4, p=shares[0])
        normals = lines_at(place, [76.0, 104.0, 75.5, 104.5], off_m)
        found = fix_place(normals, shares, place)
        spread = spread_of(normals, shares, found)
        off = axes @ (place - found.direction) * RADIUS_M
        held += off @ np.linalg.solve(spread.covariance_m2, off) <= spread.squared
    assert 0.92 <= held / count <= 0.98


@quick
@given(major=st.floats(1e3, 1e5), ratio=st.floats(0.05, 0.9), turn=st.floats(0, 179.9), place=places)
def test_the_outline_of_an_ellipse_is_one(major, ratio, turn, place):
    bearing = np.radians(turn)
    axis = np.array([np.sin(bearing), np.cos(bearing)])
    covariance = major**2 * np.outer(axis, axis) + (ratio * major) ** 2 * (np.eye(2) - np.outer(axis, axis))
    ellipse = error_ellipse(Spread(log_area=0.0, covariance_m2=covariance, squared=1.0))
    assert ellipse.semi_major_m == pytest.approx(major, rel=1e-6)
    assert ellipse.semi_minor_m == pytest.approx(ratio * major, rel=1e-6)
    assert abs((ellipse.orientation_deg - turn + 90) % 180 - 90) < 0.01
    centre = directions(*place)
    lon, lat = outline(centre, ellipse)
    assert (lon[0], lat[0]) == pytest.approx((lon[-1], lat[-1]), abs=1e-9)
    points = directions(lon, lat)
    off = points @ east_north(centre).T / (points @ centre)[:, None] * RADIUS_M
    np.testing.assert_allclose(np.sum(off @ np.linalg.inv(covariance) * off, axis=1), 1.0, rtol=1e-3)
    x, y = off.T
    assert np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0  # counter-clockwise, as RFC 7946 wants it


def test_an_ellipse_lies_along_the_lines_that_cross_at_a_small_angle():
    place = directions(0.0, 0.0)
    normals = lines_at(place, [78.0, 102.0], [0.0, 0.0])
    shares = np.tile(TIGHT, (2, 1))
    spread = spread_of(normals, shares, fix_place(normals, shares, place))
    common_m2 = COMMON_M**2 * 5.99 / spread.squared * np.eye(2)
    ellipse = error_ellipse(replace(spread, covariance_m2=spread.covariance_m2 - common_m2))
    assert ellipse.orientation_deg == pytest.approx(90.0, abs=2.0)
    assert ellipse.semi_major_m / ellipse.semi_minor_m == pytest.approx(1 / np.tan(np.radians(12.0)), rel=0.15)
