"""Georeferencing: points of the grid lie where they should, on every grid made from it."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.windows import Window

from rfiscan.scenes.georeferencing import Georeferencing, earth_centred
from tests.make_scenes import gcp_grid, true_lonlat

SHAPE = (1500, 2500)


def by_gcps(**options):
    return Georeferencing(kind="gcps", crs=CRS.from_epsg(4326), gcps=tuple(gcp_grid(SHAPE, **options)))


def by_utm(pixel=20.0, crs="EPSG:32634", turn=0.0):
    transform = Affine(pixel, turn, 500_000, turn, -pixel, 4_200_000)
    return Georeferencing(kind="affine", crs=CRS.from_string(crs), transform=transform)


def metres_apart(a, b):
    return np.linalg.norm(earth_centred(*map(np.asarray, a)) - earth_centred(*map(np.asarray, b)), axis=-1)


POINTS = (np.array([0.0, 1250.3, 2500.0, 700.5]), np.array([0.0, 33.3, 1500.0, 1499.5]))


@pytest.mark.parametrize("origin", [(24.0, 38.0), (-70.0, -55.0), (-179.9, 10.0), (180.0, -65.0), (10.0, 84.0)])
def test_gcps_give_the_true_place_within_a_fraction_of_a_pixel(origin):
    found = by_gcps(origin=origin).to_lonlat(*POINTS)
    assert metres_apart(found, true_lonlat(*POINTS, origin=origin)).max() < 3
    assert (np.abs(found[0]) <= 180).all()


def test_scattered_gcps_are_used_by_a_spline():
    rng = np.random.default_rng(0)
    cols, rows = rng.uniform(0, 2500, 60), rng.uniform(0, 1500, 60)
    lon, lat = true_lonlat(cols, rows, origin=(180.0, 20.0))
    gcps = [GroundControlPoint(row=r, col=c, x=x, y=y) for r, c, x, y in zip(rows, cols, lon, lat, strict=True)]
    georeferencing = Georeferencing(kind="gcps", crs=CRS.from_epsg(4326), gcps=tuple(gcps))
    inside = (np.array([1000.0, 1500.5]), np.array([700.0, 800.0]))
    found = georeferencing.to_lonlat(*inside)
    assert metres_apart(found, true_lonlat(*inside, origin=(180.0, 20.0))).max() < 10


def test_jitter_in_gcp_rows_does_not_spoil_their_grid():
    jittered = tuple(
        GroundControlPoint(row=p.row + 1e-4 * (-1) ** i, col=p.col, x=p.x, y=p.y) for i, p in enumerate(by_gcps().gcps)
    )
    found = Georeferencing(kind="gcps", crs=CRS.from_epsg(4326), gcps=jittered).to_lonlat(*POINTS)
    assert metres_apart(found, by_gcps().to_lonlat(*POINTS)).max() < 0.1


def test_gcps_in_any_order_and_any_crs_give_the_same():
    gcps = by_gcps().gcps
    shuffled = Georeferencing(kind="gcps", crs=CRS.from_epsg(4326), gcps=gcps[::-1])
    np.testing.assert_allclose(shuffled.to_lonlat(*POINTS), by_gcps().to_lonlat(*POINTS), atol=1e-9)
    from rasterio.warp import transform

    xs, ys = transform("EPSG:4326", "EPSG:32634", [p.x for p in gcps], [p.y for p in gcps])
    projected = tuple(GroundControlPoint(row=p.row, col=p.col, x=x, y=y) for p, x, y in zip(gcps, xs, ys, strict=True))
    in_utm = Georeferencing(kind="gcps", crs=CRS.from_epsg(32634), gcps=projected)
    np.testing.assert_allclose(in_utm.to_lonlat(*POINTS), by_gcps().to_lonlat(*POINTS), atol=1e-7)


def test_affine_coordinates_equal_those_of_rasterio():
    from rasterio.warp import transform as warp

    georeferencing = by_utm(turn=3.0)
    xs, ys = zip(*(tuple(georeferencing.transform @ point) for point in zip(*POINTS, strict=True)), strict=True)
    np.testing.assert_allclose(georeferencing.to_lonlat(*POINTS), warp("EPSG:32634", "EPSG:4326", xs, ys))


def test_longitudes_beyond_the_antimeridian_are_wrapped():
    east = Georeferencing(kind="affine", crs=CRS.from_epsg(4326), transform=Affine(1, 0, 175, 0, -1, 10))
    lon, lat = east.to_lonlat([0, 10], [0, 10])
    np.testing.assert_allclose(lon, [175, -175])
    np.testing.assert_allclose(lat, [10, 0])


@pytest.mark.parametrize("make", [by_gcps, by_utm])
@settings(max_examples=30, deadline=None)
@given(
    factors=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    point=st.tuples(st.floats(0, 2500), st.floats(0, 1500)),
    offset=st.tuples(st.integers(0, 900), st.integers(0, 900)),
)
def test_rescaling_and_windowing_leave_ground_points_in_place(make, factors, point, offset):
    georeferencing = make()
    col, row = point
    expected = georeferencing.to_lonlat(col, row)
    scaled = georeferencing.rescaled(*factors).to_lonlat(col / factors[1], row / factors[0])
    moved = georeferencing.window(Window(*offset, 100, 100)).to_lonlat(col - offset[0], row - offset[1])
    np.testing.assert_allclose(scaled, expected, atol=1e-8)
    np.testing.assert_allclose(moved, expected, atol=1e-8)


def test_gcps_stay_gcps_with_their_names_and_heights():
    point = GroundControlPoint(row=100, col=50, x=1, y=2, z=3, id="7", info="x")
    source = Georeferencing(kind="gcps", crs=CRS.from_epsg(4326), gcps=(point,))
    scaled = source.rescaled(50, 25)
    assert scaled.kind == "gcps"
    (found,) = scaled.gcps
    assert (found.row, found.col, found.x, found.y, found.z, found.id, found.info) == (2, 2, 1, 2, 3, "7", "x")


@pytest.mark.parametrize(
    ("georeferencing", "expected"),
    [
        (by_gcps(spacing_m=10.0), (10.0, 10.0)),
        (by_gcps(spacing_m=40.0, origin=(179.9, 70.0)), (40.0, 40.0)),
        (by_utm(20.0), (20.0, 20.0)),
        (
            Georeferencing(kind="affine", crs=CRS.from_epsg(4326), transform=Affine(1e-4, 0, 10, 0, -1e-4, 60.075)),
            (11.14, 5.58),
        ),
        (
            Georeferencing(kind="affine", crs=CRS.from_epsg(3857), transform=Affine(20, 0, 0, 0, -20, 8.4e6)),
            (10.0, 10.0),
        ),
    ],
    ids=["gcps", "gcps at the antimeridian", "utm", "degrees", "web mercator at 60 degrees"],
)
def test_spacing_is_that_of_the_ground(georeferencing, expected):
    assert georeferencing.spacing_m(*SHAPE) == pytest.approx(expected, rel=0.02)


def test_a_map_grid_states_its_own_spacing_exactly():
    assert by_utm(20.0).spacing_m(*SHAPE) == (20.0, 20.0)


@pytest.mark.parametrize(
    "georeferencing",
    [
        Georeferencing(),
        Georeferencing(kind="affine", crs=None, transform=Affine(10, 0, 0, 0, -10, 0)),
        Georeferencing(kind="affine", crs=CRS.from_epsg(4326), transform=Affine(1, 0, 0, 0, 1, 0)),
        Georeferencing(kind="affine", crs=CRS.from_epsg(32633), transform=Affine(1e7, 0, 0, 0, -1e7, 0)),
        Georeferencing(
            kind="affine", crs=CRS.from_wkt('LOCAL_CS["x",UNIT["metre",1]]'), transform=Affine(10, 0, 0, 0, -10, 0)
        ),
    ],
    ids=["none", "no crs", "latitudes to 1500 degrees", "beyond the projection", "local crs"],
)
def test_without_a_place_on_the_earth_there_are_no_coordinates(georeferencing):
    assert georeferencing.to_lonlat(*POINTS) is None
    assert georeferencing.spacing_m(*SHAPE) is None
    georeferencing.rescaled(5, 5).window(Window(1, 1, 2, 2))
