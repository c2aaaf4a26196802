"""Scenes on a map: every pixel where the scene's own georeferencing has it, and files that say so."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.crs import CRS
from rasterio.warp import transform as warp_points
from rio_cogeo.cogeo import cog_validate
from scipy.ndimage import map_coordinates

from rfiscan.__main__ import main
from rfiscan.errors import SceneError, UsageError
from rfiscan.export.rasters import MASK_COLORMAP
from rfiscan.grids.resampling import bilinear_values, nearest_values
from rfiscan.model_files.checkpoint import load_model
from rfiscan.scenes.georeferencing import Georeferencing, control_points, earth_centred
from rfiscan.scenes.map_choice import choose_map, parse_map
from rfiscan.scenes.map_grid import find_nodes, place_map_grid, positions
from rfiscan.scenes.product import read_product
from rfiscan.workflows.detect import DetectOptions, detect_scene
from tests.flat_model import STRIPE, sea_power, write_scene
from tests.make_scenes import true_lonlat

WGS84 = CRS.from_epsg(4326)
SHAPE = (120, 260)
COARSE, COARSE_M = (60, 130), 1000.0
REAL = {"0664": "S1A_IW_GRDH_1SDV_20221002T205126*", "6D00": "*6D00.SAFE", "BB15": "S1A_EW*BB15"}


def radar_grid(shape=SHAPE, origin=(24.0, 38.0), spacing_m=500.0):
    """Control points of a descending pass, mirrored and bent, ten rows of 21."""
    rows, cols = np.meshgrid(np.linspace(0, shape[0], 10), np.linspace(0, shape[1], 21), indexing="ij")
    return control_points(rows, cols, *true_lonlat(cols, rows, spacing_m=spacing_m, origin=origin))


def polar_grid(lat_deg, shape=SHAPE, spacing_m=500.0):
    """Control points around a point of the meridian 20 E, laid out on a plane that touches the Earth there."""
    crs = CRS.from_proj4(f"+proj=laea +lat_0={lat_deg} +lon_0=20 +datum=WGS84")
    rows, cols = np.meshgrid(np.linspace(0, shape[0], 10), np.linspace(0, shape[1], 21), indexing="ij")
    x, y = spacing_m * (cols - shape[1] / 2), -spacing_m * (rows - shape[0] / 2)
    lon, lat = warp_points(crs, WGS84, x.ravel(), y.ravel())
    return control_points(rows, cols, lon, lat)


def on_the_ground(crs, x, y):
    lon, lat = warp_points(crs, WGS84, np.ravel(x), np.ravel(y))
    return earth_centred(np.array(lon), np.array(lat))


def distances_m(grid, georeferencing, shape):
    """How far from its place on the map the point of the scene lies that each pixel inside of the scene shows."""
    found = [np.zeros(0)]
    for band, rows, cols in positions(grid, find_nodes(grid, georeferencing, shape, "scene")):
        with np.errstate(invalid="ignore"):
            j, i = np.nonzero((rows >= 0) & (rows <= shape[0]) & (cols >= 0) & (cols <= shape[1]))
        x = grid.transform.c + grid.transform.a * (i + 0.5)
        y = grid.transform.f + grid.transform.e * (j + band.start + 0.5)
        shown = earth_centred(*georeferencing.to_lonlat(cols[j, i], rows[j, i]))
        found.append(np.linalg.norm(on_the_ground(grid.crs, x, y) - shown, axis=1))
    return np.concatenate(found)


@pytest.mark.parametrize("origin", [(24.0, 38.0), (-179.6, 51.0), (179.9, -0.1), (10.0, -60.0)])
@pytest.mark.parametrize("wanted", ["utm", "EPSG:4326"])
def test_pixels_show_the_point_of_the_scene_that_lies_there(wanted, origin):
    check_map(wanted, origin)


@pytest.mark.parametrize("wanted", ["EPSG:3857", "EPSG:3035", "EPSG:2278", "EPSG:4258"])
def test_any_map_will_do_that_holds_the_scene(wanted):
    """Its pixels may be larger than metres on the ground, have feet for units, or another datum."""
    check_map(wanted, (-97.0, 29.0) if wanted == "EPSG:2278" else (24.0, 38.0))


def check_map(wanted, origin):
    georeferencing = radar_grid(COARSE, origin, COARSE_M)
    crs = choose_map(wanted, georeferencing, COARSE, "scene")
    grid = place_map_grid(georeferencing, COARSE, (COARSE_M, COARSE_M), crs, "scene")
    off_m = distances_m(grid, georeferencing, COARSE)
    assert off_m.max() < 5.0
    pixel_m2 = np.prod(COARSE) * COARSE_M**2 / off_m.size
    assert pixel_m2 == pytest.approx(COARSE_M**2, rel=0.05), "pixels are about as large as the scene's own"
    assert np.prod(grid.shape) < 3 * np.prod(COARSE)


def test_control_points_that_form_no_grid_are_met_too():
    whole = radar_grid(COARSE, (24.0, 38.0), COARSE_M)
    georeferencing = replace(whole, gcps=whole.gcps[:100] + whole.gcps[101:])
    assert (whole.is_control_grid, georeferencing.is_control_grid) == (True, False)
    crs = choose_map("utm", georeferencing, COARSE, "scene")
    grid = place_map_grid(georeferencing, COARSE, (COARSE_M, COARSE_M), crs, "scene")
    assert distances_m(grid, georeferencing, COARSE).max() < 5.0


def test_a_map_that_tears_the_scene_apart_is_refused():
    georeferencing = radar_grid(COARSE, (-179.6, 51.0), COARSE_M)
    with pytest.raises(SceneError, match="tears it apart") as error:
        place_map_grid(georeferencing, COARSE, (COARSE_M, COARSE_M), CRS.from_epsg(3857), "scene")
    assert "utm" in error.value.hint


@pytest.mark.parametrize(("lat_deg", "code"), [(90.0, 3413), (88.5, 3413), (-90.0, 3031), (-80.4, 3031)])
def test_scenes_near_a_pole_get_a_polar_map(lat_deg, code):
    georeferencing = polar_grid(lat_deg, COARSE, COARSE_M)
    crs = choose_map("utm", georeferencing, COARSE, "scene")
    assert crs.to_epsg() == code
    grid = place_map_grid(georeferencing, COARSE, (COARSE_M, COARSE_M), crs, "scene")
    off_m = distances_m(grid, georeferencing, COARSE)
    assert off_m.size > 0.9 * np.prod(COARSE)
    assert off_m.max() < 5.0


def test_a_scene_around_a_pole_has_no_place_among_longitudes():
    with pytest.raises(SceneError, match="pole") as error:
        place_map_grid(polar_grid(90.0), SHAPE, (500.0, 500.0), WGS84, "scene")
    assert "utm" in error.value.hint


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [(24.0, 38.0, 32635), (-180.0, 10.0, 32601), (179.99, -10.0, 32760), (5.99, 50.0, 32631), (6.01, 50.0, 32632)],
)
def test_utm_is_the_zone_of_the_middle(lon, lat, code):
    georeferencing = Georeferencing(kind="affine", crs=WGS84, transform=Affine(1e-4, 0, lon, 0, -1e-4, lat))
    assert choose_map("utm", georeferencing, (2, 2), "scene").to_epsg() == code


def test_maps_are_called_by_code_or_by_utm():
    assert parse_map("4326") == parse_map("EPSG:4326") == parse_map(" epsg:4326 ") == "EPSG:4326"
    assert parse_map("UTM") == "utm"
    for wrong in ("", "33N", "EPSG:", "999999", "4978", "EPSG:5773", "-4326"):
        with pytest.raises(UsageError, match="--geocode") as error:
            parse_map(wrong)
        assert error.value.hint


def test_a_projected_scene_is_warped_pixel_by_pixel():
    """An oracle: every pixel of the map projected to the scene's own map, whose transform is undone."""
    transform = Affine(500.0, 30.0, 5e5, 20.0, -500.0, 4.2e6)
    georeferencing = Georeferencing(kind="affine", crs=CRS.from_epsg(32634), transform=transform)
    values = np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint8)
    grid = place_map_grid(georeferencing, SHAPE, (500.0, 500.0), WGS84, "scene")
    found = np.full(grid.shape, 255, np.uint8)
    for band, rows, cols in positions(grid, find_nodes(grid, georeferencing, SHAPE, "scene")):
        found[band] = nearest_values(values, rows, cols, 255)
    j, i = (axis.ravel() + 0.5 for axis in np.mgrid[: grid.shape[0], : grid.shape[1]])
    lon, lat = grid.transform.c + grid.transform.a * i, grid.transform.f + grid.transform.e * j
    x, y = (np.array(axis) for axis in warp_points(WGS84, georeferencing.crs, lon, lat))
    undone = np.linalg.solve([[500.0, 30.0], [20.0, -500.0]], [x - 5e5, y - 4.2e6])
    col, row = np.floor(undone).astype(int)
    inside = (row >= 0) & (row < SHAPE[0]) & (col >= 0) & (col < SHAPE[1])
    expected = np.full(found.size, 255, np.uint8)
    expected[inside] = values[row[inside], col[inside]]
    assert (found.ravel() == expected).mean() > 0.999
    assert (found != 255).sum() > 0.9 * values.size


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("factor", [50, pytest.param(10, marks=pytest.mark.slow)])
def test_real_geolocation_grids_are_met_within_a_thirtieth_of_a_pixel(real_data, name, factor):
    basic = read_product(next((real_data / "safe").glob(REAL[name]))).images[0].basic
    georeferencing = basic.georeferencing.rescaled(factor, factor)
    shape = tuple(-(-size // factor) for size in basic.shape)
    spacing_m = tuple(factor * pixel_m for pixel_m in basic.spacing_m)
    grid = place_map_grid(georeferencing, shape, spacing_m, choose_map("utm", georeferencing, shape, name), name)
    off_m = distances_m(grid, georeferencing, shape)
    assert off_m.max() < max(5.0, spacing_m[0] / 30)
    assert off_m.size == pytest.approx(np.prod(shape), rel=0.05)


# values

grids = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7), elements=st.floats(-9, 9, width=32)
)


@given(values=grids, data=st.data())
@settings(deadline=None)
def test_bilinear_means_are_those_of_scipy_and_stay_within_their_neighbours(values, data):
    at = hnp.arrays(np.float64, 20, elements=st.floats(0, 1, exclude_max=True))
    rows, cols = (size * data.draw(at) for size in values.shape)
    found = bilinear_values(values, rows, cols)
    inner = (rows >= 0.5) & (rows <= values.shape[0] - 0.5) & (cols >= 0.5) & (cols <= values.shape[1] - 0.5)
    expected = map_coordinates(
        values.astype(np.float64), [rows[inner] - 0.5, cols[inner] - 0.5], order=1, mode="nearest"
    )
    np.testing.assert_allclose(found[inner], expected, atol=1e-4)
    assert found.min() >= values.min() - 1e-4
    assert found.max() <= values.max() + 1e-4


@given(values=grids, data=st.data())
@settings(deadline=None)
def test_invalid_pixels_stay_invalid_and_colour_no_other(values, data):
    hidden = data.draw(hnp.arrays(bool, values.shape))
    rows, cols = (axis.ravel() + 0.3 for axis in np.mgrid[-1 : values.shape[0] + 1, -1 : values.shape[1] + 1])
    found = bilinear_values(np.where(hidden, np.nan, np.sign(values) * 0 + 4).astype(np.float32), rows, cols)
    codes = nearest_values(np.where(hidden, 255, 0).astype(np.uint8), rows, cols, 255)
    np.testing.assert_array_equal(np.isnan(found), codes == 255)
    np.testing.assert_allclose(found[codes == 0], 4.0, rtol=1e-6)


def test_what_lies_nowhere_has_no_value():
    rows, cols = np.array([np.nan, 0.5, -1e9]), np.array([0.5, np.nan, 0.5])
    assert nearest_values(np.zeros((2, 2), np.uint8), rows, cols, 255).tolist() == [255] * 3
    assert np.isnan(bilinear_values(np.zeros((2, 2), np.float32), rows, cols)).all()


# the command


@pytest.fixture(scope="module")
def found(tmp_path_factory, model):
    """The record of a scene with control points and a stripe, laid on a map; the scene, and its options."""
    folder = tmp_path_factory.mktemp("geocoded")
    (folder / "out").mkdir()
    scene = write_scene(folder / "sea.tif", sea_power(SHAPE, stripe_db=6), placed_by="gcps")
    options = DetectOptions(out_dir=folder / "out", geocode="utm")
    return detect_scene((scene,), load_model(model), options), scene, options


def test_copies_on_a_map_are_valid_and_hold_what_the_rasters_hold(found):
    record, _, options = found
    copies = {name: path for name, path in record["outputs"].items() if name.endswith("_geocoded")}
    assert set(copies) == {"error_geocoded", "score_geocoded", "mask_geocoded"}
    for name, path in copies.items():
        assert path == str((options.out_dir / f"sea_{name}.tif").absolute())
        assert cog_validate(path, strict=True)[0]
        with rasterio.open(path) as copy, rasterio.open(record["outputs"][name.removesuffix("_geocoded")]) as raster:
            assert copy.crs.to_string() == record["geocoded"]["crs"] == "EPSG:32631"
            assert copy.shape == tuple(record["geocoded"]["shape"])
            assert list(copy.transform)[:6] == record["geocoded"]["transform"]
            assert copy.transform.a == -copy.transform.e == pytest.approx(np.sqrt(np.prod(record["spacing_m"])))
            assert copy.descriptions == raster.descriptions
            assert copy.dtypes == raster.dtypes
            assert copy.tags()["RFISCAN_MODEL"] == "flat"
            assert not copy.gcps[0]
    with rasterio.open(copies["mask_geocoded"]) as mask, rasterio.open(copies["score_geocoded"]) as score:
        codes, values = mask.read(1), score.read(1)
        assert mask.nodata == 255
        colours = mask.colormap(1)
    assert {code: colours[code] for code in MASK_COLORMAP} == dict(MASK_COLORMAP)
    assert set(np.unique(codes)) == {0, 1, 255}
    np.testing.assert_array_equal(np.isnan(values), codes == 255)
    flagged = np.prod([part.stop - part.start for part in STRIPE])
    assert (codes == 1).sum() == pytest.approx(flagged, rel=0.4)


def test_the_stripe_on_the_map_lies_in_its_outline(found):
    record, _, _ = found
    with rasterio.open(record["outputs"]["mask_geocoded"]) as mask:
        codes, transform, crs = mask.read(1), mask.transform, mask.crs
    with open(record["outputs"]["geojson"], encoding="utf-8") as file:  # noqa: PTH123 - a path of the record
        shapes = [feature["geometry"] for feature in json.load(file)["features"]]
    outlines = [rasterio.warp.transform_geom(WGS84, crs, shape) for shape in shapes]
    drawn = rasterio.features.rasterize(outlines, codes.shape, transform=transform)
    assert ((codes == 1) != (drawn == 1)).sum() < 0.02 * (codes == 1).sum()


def test_a_run_without_a_map_leaves_no_copy_and_finished_ones_are_kept_for_the_same_map_only(found, model, tmp_path):
    _, scene, options = found
    options = replace(options, out_dir=tmp_path)
    trained = load_model(model)
    bare = detect_scene((scene,), trained, replace(options, geocode=None))
    assert (bare["requested_geocode"], bare["geocoded"]) == (None, None)
    kept = replace(options, skip_existing=True)
    first = detect_scene((scene,), trained, kept)
    assert first["geocoded"]["crs"] == "EPSG:32631"
    assert detect_scene((scene,), trained, kept) == first
    assert detect_scene((scene,), trained, replace(kept, geocode=None)) == first, "it holds all that is asked for"
    assert detect_scene((scene,), trained, replace(kept, geocode="EPSG:4326"))["geocoded"]["crs"] == "EPSG:4326"
    detect_scene((scene,), trained, replace(options, geocode=None))
    assert not list(tmp_path.glob("*_geocoded.tif"))


def test_a_scene_without_a_place_is_refused_before_it_is_read(model, tmp_path, monkeypatch):
    scene = write_scene(tmp_path / "sea.tif", sea_power(SHAPE), placed_by="nothing")
    monkeypatch.setattr("rfiscan.workflows.detect.read_working_grid", None)
    with pytest.raises(SceneError, match="no georeferencing") as error:
        detect_scene((scene,), load_model(model), DetectOptions(out_dir=tmp_path, geocode="utm"))
    assert "--geocode" in error.value.hint


@pytest.mark.parametrize("wrong", ["33N", "999999"])
def test_the_command_refuses_what_is_no_map_before_any_work(tmp_path, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    scene = write_scene(tmp_path / "sea.tif", sea_power((60, 80)))
    assert main(["detect", str(scene), "--geocode", wrong]) == 2
    assert not (tmp_path / "rfiscan_out").exists()
