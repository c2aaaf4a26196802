"""GeoTIFFs: which band is which polarization, what its numbers are, which pixels count, and where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.scenes.georeferencing import earth_centred
from rfiscan.scenes.polarizations import named_in, told_by_product_name
from rfiscan.scenes.raster_file import safe_name
from tests.make_scenes import (
    make_affine_tiff,
    make_grd_tiffs,
    speckled_dn,
    speckled_power,
    true_lonlat,
    write_tiff,
)

SHAPE = (120, 160)


def all_rows(scene):
    with scene:
        return scene.read_rows(0, scene.shape[0])


def test_two_files_in_either_order(tmp_path):
    paths = make_grd_tiffs(tmp_path / "take7", shape=SHAPE)
    first, second = open_scene(paths["VV"], paths["VH"]), open_scene(paths["VH"], paths["VV"])
    assert first.scene_id == second.scene_id == "take7_iw"
    assert first.sources == second.sources == (str(paths["VV"]), str(paths["VH"]))
    assert first.polarizations == second.polarizations == ("VV", "VH")
    np.testing.assert_array_equal(all_rows(first)[0], all_rows(second)[0])
    assert not first.warnings


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Szene ä 1", "Szene_ä_1"),
        ("Szene o\u0308 1", "Szene_ö_1"),
        ("Сцена 7", "Сцена_7"),
        ("場面-1", "場面-1"),
        ("हिन्दी", "हिन्दी"),
        ("../a\\b:c*?\0\n\u2028\u202e\udce4.SAFE", "a_b_c_.SAFE"),
        ("a  b_-_c", "a_b_-_c"),
        ("._", "scene"),
    ],
)
def test_names_keep_letters_and_digits_of_any_script_and_nothing_that_files_may_not_have(text, name):
    assert safe_name(text) == name


@given(st.text(max_size=30))
def test_names_are_safe_for_files_and_stay_as_they_are(text):
    name = safe_name(text)
    assert name == safe_name(name)
    assert name.isprintable()
    assert not set(name) & set('/\\:*?"<>|%#[]{} ')
    assert Path(name).name == name
    assert name.encode()


@pytest.mark.parametrize(
    ("names", "polarizations"),
    [
        (("a_VH.tif", "a_VV.tif"), ("VV", "VH")),
        (("s1a-iw-grd-hv-2024-002.tiff", "s1a-iw-grd-hh-2024-001.tiff"), ("HH", "HV")),
        (("sigma0.vh.tif", "sigma0.vv.tif"), ("VV", "VH")),
    ],
)
def test_polarization_from_file_names(tmp_path, names, polarizations):
    paths = [write_tiff(tmp_path / name, speckled_dn(SHAPE)) for name in names]
    assert open_scene(*paths).polarizations == polarizations


def test_polarization_from_tags_and_descriptions(tmp_path):
    tagged = write_tiff(tmp_path / "one.tif", speckled_dn(SHAPE), tags={"POLARIZATION": "VH"})
    described = write_tiff(tmp_path / "two.tif", speckled_dn(SHAPE), descriptions=["Amplitude_VV"])
    assert open_scene(tagged, described).polarizations == ("VV", "VH")


def test_two_files_that_tell_nothing_are_co_pol_and_cross_pol_with_a_warning(tmp_path):
    paths = [write_tiff(tmp_path / name, speckled_dn(SHAPE, seed=i)) for i, name in enumerate(["p.tif", "q.tif"])]
    scene = open_scene(*paths)
    assert scene.polarizations == ("VV", "VH")
    assert any("polarization" in warning for warning in scene.warnings)


def test_one_file_that_tells_determines_the_other(tmp_path):
    paths = [write_tiff(tmp_path / name, speckled_dn(SHAPE)) for name in ("unknown.tif", "known_hh.tif")]
    scene = open_scene(*paths)
    assert scene.polarizations == ("HH", "HV")
    assert scene.warnings


@pytest.mark.parametrize(
    ("name", "descriptions", "polarizations", "warned"),
    [
        ("scene.tif", ("VV", "VH"), ("VV", "VH"), False),
        ("scene.tif", ("Sigma0_VH", "Sigma0_VV"), ("VV", "VH"), False),
        ("scene_hh_hv.tif", (), ("HH", "HV"), False),
        ("S1A_IW_GRDH_1SDH_20240203T043109_x.tif", (), ("HH", "HV"), False),
        ("scene.tif", (), ("VV", "VH"), True),
    ],
)
def test_one_file_of_two_bands(tmp_path, name, descriptions, polarizations, warned):
    values = np.stack([speckled_dn(SHAPE, seed=1), speckled_dn(SHAPE, seed=2)])
    scene = open_scene(make_affine_tiff(tmp_path / name, values, descriptions=descriptions))
    assert scene.polarizations == polarizations
    assert bool(scene.warnings) == warned
    power, _ = all_rows(scene)
    swapped = bool(descriptions) and "VH" in descriptions[0]
    np.testing.assert_allclose(power[int(swapped)], values[0].astype(float) ** 2)


def test_further_bands_are_left_out_where_descriptions_tell_the_polarizations(tmp_path):
    values = np.random.default_rng(0).random((3, *SHAPE)).astype(np.float32)
    scene = open_scene(make_affine_tiff(tmp_path / "power.tif", values, descriptions=["angle", "VH", "VV"]))
    assert scene.polarizations == ("VV", "VH")
    assert any("only its bands" in warning for warning in scene.warnings)
    np.testing.assert_allclose(all_rows(scene)[0], values[[2, 1]])


def test_single_cross_pol_lies_in_its_own_slot(tmp_path):
    scene = open_scene(make_grd_tiffs(tmp_path, polarizations=["VH"], shape=SHAPE)["VH"])
    assert scene.polarizations == (None, "VH")
    _, valid = all_rows(scene)
    assert not valid[0].any()
    assert valid[1].all()


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet="abvhx09_-. ", max_size=12), st.sampled_from(["vv", "VH", "hh", "HV"]))
def test_a_polarization_is_a_word_of_its_own(text, token):
    assert token.upper() in named_in(f"{text}_{token}-{text}")
    assert not named_in(f"grdh{token}x")


def test_product_names_tell_polarizations():
    assert told_by_product_name("/a/S1A_EW_GRDM_1SDH_20221130T014342_BB15.SAFE/preview/quick-look.png") == ("HH", "HV")
    assert told_by_product_name("S1A_IW_SLC__1SSV_2014.tif") == ("VV",)
    assert told_by_product_name("/data/1SDV/scene.tif") == ("VV", "VH")
    assert told_by_product_name("sea.tif") == ()


def sigma_nought():
    return speckled_power(SHAPE, mean=0.05)


@pytest.mark.parametrize(
    ("name", "values", "units", "warned"),
    [
        ("a_vv.tif", lambda: speckled_dn(SHAPE), Units.DN, False),
        ("a_vv.tif", lambda: speckled_dn(SHAPE).astype(np.uint8), Units.QUICKLOOK, False),
        ("a_vv.tif", sigma_nought, Units.POWER, True),
        ("sigma0_vv_db.tif", lambda: 10 * np.log10(sigma_nought()), Units.DB, False),
        ("a_vv.tif", lambda: 10 * np.log10(sigma_nought()), Units.DB, True),
        ("gain_db_vv.tif", lambda: 40 + 10 * np.log10(sigma_nought()), Units.DB, False),
        ("amplitude_linear_vv.tif", lambda: np.sqrt(sigma_nought()), Units.AMPLITUDE, False),
        ("linear_vv.tif", sigma_nought, Units.POWER, False),
        ("a_vv.tif", lambda: (1 + 2j) * np.sqrt(sigma_nought()), Units.COMPLEX, False),
    ],
)
def test_units_are_recognised_and_a_guess_is_told(tmp_path, name, values, units, warned):
    scene = open_scene(make_affine_tiff(tmp_path / name, values().astype(values().dtype.newbyteorder("="))))
    assert scene.units is units
    assert any("--units" in warning for warning in scene.warnings) == warned


def test_units_can_be_overridden(tmp_path):
    path = make_affine_tiff(tmp_path / "a_vv.tif", np.sqrt(sigma_nought()))
    scene = open_scene(path, units=Units.AMPLITUDE)
    assert not scene.warnings
    np.testing.assert_allclose(all_rows(scene)[0][0], sigma_nought(), rtol=1e-5)


def test_descriptions_and_tags_tell_units(tmp_path):
    by_description = make_affine_tiff(tmp_path / "a.tif", sigma_nought(), descriptions=["Sigma0_VV_db"])
    by_tag = make_affine_tiff(tmp_path / "b_vv.tif", sigma_nought(), tags={"UNITS": "dB"})
    assert open_scene(by_description).units is open_scene(by_tag).units is Units.DB


def decibels_with_a_border(value):
    values = 10 * np.log10(np.stack([speckled_power(SHAPE, mean=mean) for mean in (0.05, 0.01)]))
    values[:, :, :40] = value
    return values


@pytest.mark.parametrize("units", [None, Units.POWER, Units.AMPLITUDE, Units.SIGMA_NOUGHT])
@pytest.mark.parametrize("kind", ["tif", "npy"])
def test_values_below_zero_are_not_taken_for_power(tmp_path, units, kind):
    path, values = tmp_path / f"a.{kind}", decibels_with_a_border(-9999)
    if kind == "npy":
        np.save(path, np.moveaxis(values, 0, -1))
    else:
        make_affine_tiff(path, values, descriptions=["VV", "VH"])
    with pytest.raises(SceneError, match=f"taken for {units or Units.POWER}, .* below zero") as caught:
        open_scene(path, units=units)
    assert "--units db" in caught.value.hint
    power, valid = all_rows(open_scene(path, units=Units.DB))
    assert not valid[:, :, :40].any()
    assert valid[:, :, 40:].all()
    assert (power[valid] > 0).all()


@pytest.mark.parametrize("kind", ["tif", "npy"])
def test_integers_below_zero_are_not_taken_for_digital_numbers(tmp_path, kind):
    path, values = tmp_path / f"a_vv.{kind}", np.round(10 * np.log10(sigma_nought())).astype(np.int16)
    if kind == "npy":
        np.save(path, values)
    else:
        make_affine_tiff(path, values)
    with pytest.raises(SceneError, match=r"taken for dn, .* below zero") as caught:
        open_scene(path)
    assert "--units db" in caught.value.hint
    assert open_scene(path, units=Units.DB).units is Units.DB


def test_a_border_of_integers_below_zero_is_told_unless_it_is_nodata(tmp_path):
    values = speckled_dn(SHAPE).astype(np.int16)
    values[:, :40] = -9999
    (warning,) = open_scene(make_affine_tiff(tmp_path / "a_vv.tif", values)).warnings
    assert "25 % of the values are below zero, which dn never is" in warning
    assert "--units" in warning
    assert not open_scene(make_affine_tiff(tmp_path / "b_vv.tif", values, nodata=-9999)).warnings


def test_a_border_below_zero_is_told(tmp_path):
    values = sigma_nought()
    values[:, :40] = -9999
    (_, warning) = open_scene(make_affine_tiff(tmp_path / "a_vv.tif", values)).warnings
    assert "25 % of the values are below zero" in warning
    assert "--units" in warning
    denoised = make_affine_tiff(tmp_path / "linear_vv.tif", sigma_nought() - 0.04)
    assert not open_scene(denoised).warnings


def test_a_scene_without_a_positive_value_names_its_units(tmp_path):
    path = make_affine_tiff(tmp_path / "linear_vv.tif", -0.5 * np.ones(SHAPE, np.float32))
    with open_scene(path) as scene, pytest.raises(SceneError, match="taken for power, holds no valid pixel") as caught:
        read_working_grid(scene, 500)
    assert "--units db" in caught.value.hint


def test_scale_and_offset_of_a_band_are_applied(tmp_path):
    power = np.stack([speckled_power(SHAPE, mean=mean) for mean in (0.05, 0.01)])
    values = np.round((10 * np.log10(power) + 60) * 100).astype(np.uint16)
    values[:, :, :10] = 0
    values[1, 5, 20:30] = 65535
    names = ["VV", "VH"]
    path = make_affine_tiff(
        tmp_path / "a.tif", values, descriptions=names, nodata=65535, scales=(0.01, 0.01), offsets=(-60, -60)
    )
    for scene in (open_scene(path), open_scene(path, units=Units.DB)):
        assert scene.units is Units.DB
        found, valid = all_rows(scene)
        assert not valid[:, :, :10].any()
        assert not valid[1, 5, 20:30].any()
        assert valid[:, :, 10:].sum() == 2 * 120 * 150 - 10
        np.testing.assert_allclose(found[valid], power[valid], rtol=3e-3)


def test_each_band_has_its_own_scale_and_offset(tmp_path):
    values = np.stack([speckled_dn(SHAPE, seed=1), speckled_dn(SHAPE, seed=2)]).astype(np.int16)
    path = make_affine_tiff(tmp_path / "linear.tif", values, descriptions=["VH", "VV"], scales=(2, 1), offsets=(0, 3))
    scene = open_scene(path)
    assert scene.units is Units.POWER
    np.testing.assert_allclose(all_rows(scene)[0], [values[1] + 3.0, values[0] * 2.0])


def test_a_declared_zero_is_nodata_in_a_band_with_an_offset(tmp_path):
    values = np.array([[[0, 0, 4000]], [[0, 3000, 3000]]], np.uint16)
    options = {"descriptions": ["VV", "VH"], "nodata": 0, "scales": (0.01, 0.01), "offsets": (-60, -60)}
    _, valid = all_rows(open_scene(make_affine_tiff(tmp_path / "a.tif", values, **options), units=Units.DB))
    np.testing.assert_array_equal(valid, [[[False, False, True]], [[False, True, True]]])


def test_complex_integers_are_read_as_power(tmp_path):
    values = (np.arange(12).reshape(3, 4) * (1 - 1j)).astype(np.complex64)
    path = write_tiff(tmp_path / "slc_vv.tif", values)
    power, valid = all_rows(open_scene(path))
    np.testing.assert_allclose(power[0], 2.0 * np.arange(12).reshape(3, 4) ** 2)
    assert valid[0].sum() == 11


def test_black_lines_between_bursts_are_invalid_and_doubled_ones_are_told(tmp_path):
    values = np.full((40, 30), 3 - 4j, np.complex64)
    values[18:22] = 0
    bursts = write_tiff(tmp_path / "s1a-iw2-slc-vv-20240203t043109-001.tiff", values)
    described = write_tiff(tmp_path / "a_vv.tiff", values, tags={"TIFFTAG_IMAGEDESCRIPTION": "Sentinel-1A IW SLC L1"})
    stripmap = write_tiff(tmp_path / "s1a-s3-slc-vv-20240203t043109-001.tiff", values)
    for path, told in ((bursts, True), (described, True), (stripmap, False)):
        scene = open_scene(path)
        assert any("the end of each twice" in warning for warning in scene.warnings) is told
        power, valid = all_rows(scene)
        assert not valid[0, 18:22].any()
        assert valid[0].sum() == 36 * 30
        assert (power[valid] == 25).all()


def test_zero_in_all_polarizations_is_border_and_zero_in_one_is_dark(tmp_path):
    dn = {"VV": np.array([[0, 5, 0, 7]], np.uint16), "VH": np.array([[0, 0, 3, 4]], np.uint16)}
    values = np.stack([dn["VV"], dn["VH"]])
    for nodata in (None, 0):
        path = write_tiff(tmp_path / f"{nodata}.tif", values, descriptions=["VV", "VH"], nodata=nodata)
        power, valid = all_rows(open_scene(path))
        np.testing.assert_array_equal(valid, [[[False, True, True, True]]] * 2)
        assert power[1, 0, 1] == 0


def test_nodata_nan_and_infinity_are_invalid_in_their_own_polarization(tmp_path):
    values = np.array([[[0.1, -99, np.nan, np.inf]], [[0.1, 0.2, 0.3, 0.4]]], np.float32)
    path = make_affine_tiff(tmp_path / "power.tif", values, descriptions=["VV", "VH"], nodata=-99)
    _, valid = all_rows(open_scene(path))
    np.testing.assert_array_equal(valid, [[[True, False, False, False]], [[True] * 4]])


def test_spacing_from_affine_gcps_or_nothing(tmp_path):
    by_affine = open_scene(make_affine_tiff(tmp_path / "a.tif", pixel=20))
    assert by_affine.spacing_m == (20.0, 20.0)
    by_gcps = open_scene(make_grd_tiffs(tmp_path, spacing_m=40)["VV"])
    assert by_gcps.spacing_m == pytest.approx((40, 40), rel=0.02)
    by_nothing = open_scene(write_tiff(tmp_path / "b_vv.tif", speckled_dn(SHAPE)))
    assert by_nothing.spacing_m == (500.0, 500.0)
    assert by_gcps.spacing_known
    assert not by_nothing.spacing_known
    assert any("500 m" in warning for warning in by_nothing.warnings)


def test_rows_outside_the_scene_are_refused(tmp_path):
    with open_scene(make_affine_tiff(tmp_path / "a.tif")) as scene, pytest.raises(ValueError, match="rows"):
        scene.read_rows(100, 121)


@pytest.mark.parametrize("profile", [{"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}, {}])
def test_bands_of_rows_equal_the_whole(tmp_path, profile):
    with open_scene(make_affine_tiff(tmp_path / "a.tif", **profile)) as scene:
        whole = scene.read_rows(0, 120)
        parts = [scene.read_rows(start, min(start + 7, 120)) for start in range(0, 120, 7)]
    for index in range(2):
        np.testing.assert_array_equal(np.concatenate([part[index] for part in parts], axis=1), whole[index])


def test_progress_counts_rows_to_the_end(tmp_path):
    seen = []
    with open_scene(make_affine_tiff(tmp_path / "a.tif")) as scene:
        read_working_grid(scene, 100, on_rows=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (120, 120)
    assert seen == sorted(seen)


def test_native_spacing_keeps_every_pixel(tmp_path):
    path = make_affine_tiff(tmp_path / "a.tif")
    with open_scene(path) as scene:
        grid = read_working_grid(scene, None)
        power, valid = scene.read_rows(0, 120)
    assert grid.factors == (1, 1)
    np.testing.assert_allclose(grid.power[valid], power[valid], rtol=1e-6)


def metres_apart(a, b):
    return np.linalg.norm(earth_centred(*map(np.asarray, a)) - earth_centred(*map(np.asarray, b)), axis=-1)


def block_centres(shape):
    rows, cols = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    return cols.ravel(), rows.ravel()


@pytest.mark.parametrize("kind", ["gcps", "affine"])
def test_a_bright_point_stays_on_its_ground_point(tmp_path, kind):
    """What lights up on the working grid lies where it lies in the input, within half a working pixel."""
    dn = speckled_dn((600, 800), mean=100)
    dn[333:337, 517:521] = 60_000
    if kind == "gcps":
        path = make_grd_tiffs(tmp_path, shape=dn.shape, polarizations=["VV"], dn={"VV": dn})["VV"]
        place = true_lonlat(519, 335)
    else:
        path = make_affine_tiff(tmp_path / "a_vv.tif", dn, pixel=10)
        place = open_scene(path).georeferencing.to_lonlat(519, 335)
    with open_scene(path) as scene:
        grid = read_working_grid(scene, 100)
    assert grid.georeferencing.kind == kind
    row, col = np.unravel_index(np.nanargmax(grid.power[0]), grid.power[0].shape)
    found = grid.georeferencing.to_lonlat(col + 0.5, row + 0.5)
    assert metres_apart(found, place) <= np.hypot(50, 50)


@pytest.mark.parametrize("kind", ["gcps", "affine"])
def test_working_pixels_and_source_pixels_agree_on_the_ground(tmp_path, kind):
    shape = (333, 517)
    if kind == "gcps":
        path = make_grd_tiffs(tmp_path, shape=shape)["VV"]
    else:
        path = make_affine_tiff(tmp_path / "a.tif", shape=shape, pixel=10)
    with open_scene(path) as scene:
        grid = read_working_grid(scene, 70)
    cols, rows = block_centres(grid.power.shape[1:])
    on_grid = grid.georeferencing.to_lonlat(cols, rows)
    in_source = scene.georeferencing.to_lonlat(cols * grid.factors[1], rows * grid.factors[0])
    assert metres_apart(on_grid, in_source).max() < 1
    if kind == "gcps":
        truth = true_lonlat(cols * grid.factors[1], rows * grid.factors[0])
        assert metres_apart(on_grid, truth).max() < 0.5 * grid.spacing_m[0]


@pytest.mark.real
def test_real_ground_control_points_stay_on_their_pixels(real_data):
    folder = real_data / "geotiff/FD5B_grd_gcps"
    with open_scene(folder / "iw-vh.tiff", folder / "iw-vv.tiff") as scene:
        grid = read_working_grid(scene, 500)
    assert scene.polarizations == ("VV", "VH")
    assert scene.spacing_m == pytest.approx((203, 200), rel=0.02)
    assert grid.georeferencing.kind == "gcps"
    assert len(grid.georeferencing.gcps) == 210
    for source in scene.georeferencing.gcps:
        found = grid.georeferencing.to_lonlat(source.col / grid.factors[1], source.row / grid.factors[0])
        assert metres_apart(found, (source.x, source.y)) < 0.5 * min(grid.spacing_m)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "polarizations", "units", "spacing"),
    [
        ("geocoded/amplitude_linear_vv_epsg4326.tif", ("VV", None), Units.AMPLITUDE, (17.1, 14.6)),
        ("geocoded/backscatter_db_vv_utm31n.tif", ("VV", None), Units.DB, (20, 20)),
        ("single_pol/stripmap_vh_gcps_nodata0.tiff", (None, "VH"), Units.DN, (203, 200)),
        ("complex/slc_complex_int16_gcps.tif", ("VV", None), Units.COMPLEX, (249.7, 84.1)),
    ],
)
def test_real_geotiffs(real_data, name, polarizations, units, spacing):
    with open_scene(real_data / "geotiff" / name) as scene:
        grid = read_working_grid(scene, 500)
    assert scene.polarizations == polarizations
    assert scene.units is units
    assert scene.spacing_m == pytest.approx(spacing, rel=0.02)
    present = [name is not None for name in polarizations]
    assert [bool(mask.any()) for mask in grid.valid_mask] == present
    assert np.isfinite(grid.power[grid.valid_mask]).all()
