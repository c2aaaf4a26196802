"""Products in sigma nought: what annotation says, pixel by pixel, and what becomes of it on the working grid."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.errors import SceneError
from rfiscan.export.safe_calibration import SIGMA_NOUGHT_LUT
from rfiscan.export.safe_product import LOOKS, write_safe
from rfiscan.priors import bundled_priors
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.scenes.annotation import parse_annotation
from rfiscan.scenes.calibration_annotation import parse_calibration, parse_noise
from rfiscan.scenes.working_grid import meeting_columns
from rfiscan.scenes.xml_values import parse_xml, required
from rfiscan.sentinel1.sigma_nought import FLOOR, Calibration, SigmaNoughtGain, ThermalNoise
from rfiscan.simulation import simulate_scene
from rfiscan.simulation.full_resolution import noise_floor
from tests.make_calibration import (
    Tables,
    calibration_xml,
    constant_tables,
    draw_tables,
    naive_sigma_nought,
    noise_xml,
)
from tests.make_scenes import make_affine_tiff, make_grd_tiffs, make_quicklook_png, make_safe, speckled_dn, zip_safe

SHAPE = (120, 160)
BOTH = ("VV", "VH")
MOST_DB = 0.01


def all_rows(scene):
    with scene:
        return scene.read_rows(0, scene.shape[0])


def draw_product(folder, *, seed=0, layout="esa", early=False, polarizations=BOTH):
    """A product with random tables; returns its folder, its tables and its digital numbers by polarization."""
    rng = np.random.default_rng(seed)
    tables = {pol: draw_tables(rng, SHAPE, blocks=not early) for pol in polarizations}
    dn = {pol: speckled_dn(SHAPE, mean=1e4, seed=seed + i) for i, pol in enumerate(polarizations)}
    safe = make_safe(
        folder, shape=SHAPE, dn=dn, tables=tables, layout=layout, early_noise=early, polarizations=polarizations
    )
    return safe, tables, dn


def difference_db(found, expected):
    """Largest difference in dB, of pixels above noise; the others must agree as numbers."""
    assert (np.sign(found) == np.sign(expected)).all()
    return float(np.abs(10 * np.log10(found / expected)).max())


# what rows hold


@pytest.mark.parametrize("denoise", [False, True])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("layout", ["esa", "aws"])
def test_a_thousand_pixels_are_what_the_plain_computation_gives(tmp_path, layout, early, denoise):
    safe, tables, dn = draw_product(tmp_path, layout=layout, early=early)
    power, valid = all_rows(open_scene(safe, calibrate=True, denoise=denoise))
    assert valid.all()
    rng = np.random.default_rng(1)
    rows, cols = rng.integers(0, SHAPE[0], 1000), rng.integers(0, SHAPE[1], 1000)
    for slot, pol in enumerate(BOTH):
        expected = naive_sigma_nought(dn[pol][rows, cols], tables[pol], rows, cols, denoise=denoise)
        assert difference_db(power[slot, rows, cols], expected) < MOST_DB


def test_a_zip_holds_its_tables_too(tmp_path):
    safe, _, _ = draw_product(tmp_path)
    expected, _ = all_rows(open_scene(safe, denoise=True))
    for path in (safe / "manifest.safe", zip_safe(safe)):
        found, _ = all_rows(open_scene(path, denoise=True))
        np.testing.assert_array_equal(found, expected)


def test_noise_is_removed_from_calibrated_scenes_only(tmp_path):
    safe, _, _ = draw_product(tmp_path)
    scenes = {key: open_scene(safe, **dict.fromkeys(key, True)) for key in [(), ("calibrate",), ("denoise",)]}
    assert [scene.units for scene in scenes.values()] == [Units.DN, Units.SIGMA_NOUGHT, Units.SIGMA_NOUGHT]
    assert [scene.denoised for scene in scenes.values()] == [False, False, True]
    both, _ = all_rows(open_scene(safe, calibrate=True, denoise=True))
    np.testing.assert_array_equal(all_rows(scenes["denoise",])[0], both)


def test_bands_of_rows_are_parts_of_the_whole(tmp_path):
    safe, _, _ = draw_product(tmp_path)
    expected, _ = all_rows(open_scene(safe, denoise=True))
    with open_scene(safe, denoise=True) as scene:
        for start, stop in [(0, 1), (37, 80), (1, 120), (119, 120)]:
            np.testing.assert_allclose(scene.read_rows(start, stop)[0], expected[:, start:stop], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("polarization", ["VH", "HH"])
def test_one_polarization_needs_its_own_tables_only(tmp_path, polarization):
    safe, tables, dn = draw_product(tmp_path, polarizations=[polarization])
    power, valid = all_rows(open_scene(safe, denoise=True))
    slot = int(polarization == "VH")
    assert valid[slot].all()
    assert not valid[1 - slot].any()
    expected = naive_sigma_nought(
        dn[polarization][5], tables[polarization], [5] * SHAPE[1], range(SHAPE[1]), denoise=True
    )
    assert difference_db(power[slot, 5], expected) < MOST_DB


def test_borders_stay_invalid_whatever_the_noise(tmp_path):
    tables = dict.fromkeys(BOTH, constant_tables(SHAPE, noise=1e3))
    _, valid = all_rows(open_scene(make_safe(tmp_path, shape=SHAPE, tables=tables, border_px=7), denoise=True))
    assert not valid[:, :, :7].any()
    assert valid[:, :, 7:].all()


# what becomes of it on the working grid


def test_pixels_below_zero_count_in_the_mean(tmp_path):
    """Cut at zero, the mean of speckle less nearly all of its mean would be several times too high."""
    dn = {pol: speckled_dn(SHAPE, mean=1e4, seed=i) for i, pol in enumerate(BOTH)}
    tables = dict.fromkeys(BOTH, constant_tables(SHAPE, amplitude=500.0, noise=0.9e4))
    with open_scene(make_safe(tmp_path, shape=SHAPE, dn=dn, tables=tables), denoise=True) as scene:
        single, _ = scene.read_rows(0, SHAPE[0])
        grid = read_working_grid(scene, 200)
    assert (single < 0).mean() > 0.3
    blocks = (np.stack([dn[pol] for pol in BOTH]).astype(float) ** 2).reshape(2, 6, 20, 8, 20).mean(axis=(2, 4))
    level = 0.9e4 / 500**2
    assert scene.noise_levels == pytest.approx((level, level))
    np.testing.assert_allclose(grid.power, (blocks - 0.9e4) / 500**2 + level, rtol=1e-3)
    assert grid.valid_mask.all()
    assert grid.floored_share == (0.0, 0.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), noise=st.floats(200.0, 9e3))
def test_noise_that_is_the_same_everywhere_leaves_the_working_grid_alone(seed, noise):
    dn = {pol: speckled_dn(SHAPE, mean=1e4, seed=seed + i) for i, pol in enumerate(BOTH)}
    tables = dict.fromkeys(BOTH, constant_tables(SHAPE, noise=noise))
    with tempfile.TemporaryDirectory() as folder:
        product = make_safe(Path(folder), shape=SHAPE, dn=dn, tables=tables)
        with open_scene(product, calibrate=True) as before, open_scene(product, denoise=True) as after:
            grids = [read_working_grid(scene, 200) for scene in (before, after)]
    np.testing.assert_allclose(grids[1].power, grids[0].power, rtol=1e-4)
    np.testing.assert_array_equal(grids[1].valid_mask, grids[0].valid_mask)


def test_what_noise_leaves_below_the_floor_is_lifted_and_stays_valid(tmp_path):
    level = np.full(SHAPE, 100, np.uint16)
    level[40:80, 50:110] = 90  # away from the borders, where what is dark is trimmed
    dn = dict.fromkeys(BOTH, level)
    tables = {"VV": constant_tables(SHAPE, noise=0.0), "VH": constant_tables(SHAPE, noise=95.0**2)}
    with open_scene(make_safe(tmp_path, shape=SHAPE, dn=dn, tables=tables), denoise=True) as scene:
        grid = read_working_grid(replace(scene, noise_levels=(0.0, 0.0)), 100)
    assert grid.valid_mask.all()
    assert (grid.power >= np.float32(FLOOR)).all()
    dark = np.zeros((12, 16), bool)
    dark[4:8, 5:11] = True
    np.testing.assert_array_equal(grid.power[1, dark], np.float32(FLOOR))
    np.testing.assert_allclose(grid.power[1, ~dark], (100**2 - 95**2) / 600**2, rtol=1e-5)
    assert grid.floored_share == (0.0, dark.mean())


def test_a_polarization_that_was_not_recorded_is_not_lifted(tmp_path):
    dn = {"VV": speckled_dn(SHAPE), "VH": np.zeros(SHAPE, np.uint16)}
    tables = dict.fromkeys(BOTH, constant_tables(SHAPE, noise=10.0))
    with open_scene(make_safe(tmp_path, shape=SHAPE, dn=dn, tables=tables), denoise=True) as scene:
        grid = read_working_grid(scene, 100)
    assert grid.valid_mask[0].all()
    assert not grid.valid_mask[1].any()
    assert np.isnan(grid.power[1]).all()


def test_digital_numbers_are_not_floored(tmp_path):
    power = np.full((2, *SHAPE), 1e-7, np.float32) * np.arange(1, 161)
    path = make_affine_tiff(tmp_path / "power.tif", power.astype(np.float32), descriptions=["VV", "VH"])
    with open_scene(path, units=Units.POWER) as scene:
        assert read_working_grid(scene, None).power.min() == pytest.approx(1e-7)
    with open_scene(path, units=Units.SIGMA_NOUGHT) as scene:
        assert read_working_grid(scene, None).power.min() == np.float32(FLOOR)


# what cannot be calibrated, or hardly


def test_products_without_tables_say_what_is_missing(tmp_path):
    safe, _, _ = draw_product(tmp_path)
    next((safe / "annotation/calibration").glob("noise-*-vh-*")).unlink()
    assert open_scene(safe, calibrate=True).units is Units.SIGMA_NOUGHT
    with pytest.raises(SceneError, match=r"noise-\*\.xml of VH") as caught:
        open_scene(safe, denoise=True)
    assert "--no-denoise" in caught.value.hint
    next((safe / "annotation/calibration").glob("calibration-*-vv-*")).unlink()
    with pytest.raises(SceneError, match=r"calibration-\*\.xml of VV") as caught:
        open_scene(safe, calibrate=True)
    assert "--no-calibrate" in caught.value.hint
    assert open_scene(safe).units is Units.DN


@pytest.mark.parametrize("denoise", [False, True])
def test_what_is_no_product_is_not_calibrated(tmp_path, denoise):
    tiffs = make_grd_tiffs(tmp_path)
    for paths in ([tiffs["VV"]], list(tiffs.values()), [make_quicklook_png(tmp_path / "look.png")]):
        with pytest.raises(SceneError, match="no Sentinel-1 product") as caught:
            open_scene(*paths, calibrate=True, denoise=denoise)
        assert "--no-calibrate" in caught.value.hint


def test_only_digital_numbers_are_calibrated(tmp_path):
    safe, _, _ = draw_product(tmp_path)
    assert open_scene(safe, units=Units.DN, calibrate=True).units is Units.SIGMA_NOUGHT
    with pytest.raises(SceneError, match="power"):
        open_scene(safe, units=Units.POWER, calibrate=True)


@pytest.mark.parametrize(("noise", "told"), [(0.0, "zero"), (1e-8, "next to nothing"), (1e6, "too much"), (1e3, None)])
def test_noise_that_cannot_be_right_is_told(tmp_path, noise, told):
    tables = {"VV": constant_tables(SHAPE, noise=1e3), "VH": constant_tables(SHAPE, noise=noise)}
    safe = make_safe(tmp_path, shape=SHAPE, tables=tables, early_noise=True)
    assert open_scene(safe, calibrate=True).warnings == ()
    warnings = open_scene(safe, denoise=True).warnings
    assert len(warnings) == (told is not None)
    assert all(told in warning and "-vh-" in warning for warning in warnings)


# annotation


def test_both_layouts_of_noise_come_back_as_written():
    tables = draw_tables(np.random.default_rng(4), (50, 60))
    for early in (False, True):
        found = parse_noise(noise_xml(tables, early=early).encode(), "x")
        assert_same(found.vectors, tables.noise)
        assert_same(found.blocks, [] if early else tables.blocks)
    assert_same(parse_calibration(calibration_xml(tables).encode(), "x"), tables.sigma_nought)


def assert_same(found, written):
    assert len(found) == len(written)
    for one, other in zip(found, written, strict=True):
        for name in type(other).__slots__:
            if isinstance(getattr(other, name), np.ndarray):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-8)
            else:
                assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("<line>", "<lines>", "mismatched"),
        ("<line>0</line>", "", "line is missing"),
        ("<line>0</line>", "<line>first</line>", "first"),
        (">0 159<", ">0<", "2 values for 1 of pixel"),
        (">0 159<", ">159 0<", "does not ascend"),
        (">0 159<", ">0 far<", "far"),
        ("6.000000000e+02", "nan", "no finite numbers"),
        ("6.000000000e+02", "0.0", "not above zero"),
        ("calibrationVectorList", "noiseVectorList", "calibrationVectorList/calibrationVector is missing"),
        ("<calibration>", '<!DOCTYPE a [<!ENTITY b "cccc">]><calibration>&b;', "Entit"),
    ],
)
def test_damaged_tables_are_told_with_a_way_out(old, new, told):
    xml = calibration_xml(constant_tables(SHAPE))
    assert old in xml
    with pytest.raises(SceneError, match=told) as caught:
        parse_calibration(xml.replace(old, new).encode(), "calibration-x.xml")
    assert str(caught.value).startswith("calibration-x.xml")
    assert caught.value.hint


@pytest.mark.parametrize("tag", ["noiseRangeVectorList", "noiseRangeLut", "noiseAzimuthLut", "firstAzimuthLine"])
def test_damaged_noise_is_told(tag):
    xml = noise_xml(draw_tables(np.random.default_rng(4), (50, 60)))
    with pytest.raises(SceneError, match="missing"):
        parse_noise(xml.replace(tag, "x").encode(), "noise-x.xml")


# simulated products, and real annotation

SPACING_M, PIXEL_M, FACTOR = 500.0, 100.0, 5


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    scene = simulate_scene(
        np.random.default_rng(5), bundled_priors(), (60, 90), mode="IW", spacing_m=SPACING_M, contaminated=False
    )
    scene = replace(scene, power=scene.power + 0.05, clean_power=scene.clean_power + 0.05)  # so that dn are large
    folder = tmp_path_factory.mktemp("product")
    return scene, write_safe(folder, scene, spacing_m=SPACING_M, pixel_spacing_m=PIXEL_M, seed=3)


def test_a_simulated_product_calibrates_to_the_sigma_nought_of_its_scene(simulated):
    scene, product = simulated
    with open_scene(product, calibrate=True) as opened, open_scene(product) as plain:
        power, valid = opened.read_rows(0, 100)
        np.testing.assert_allclose(power[valid], plain.read_rows(0, 100)[0][valid] / SIGMA_NOUGHT_LUT**2, rtol=1e-6)
        grid = read_working_grid(opened, SPACING_M)
    ratio = grid.power[grid.valid_mask] / scene.power[grid.valid_mask]
    error = 1 / np.sqrt(LOOKS * FACTOR**2)
    assert ratio.std() == pytest.approx(error, rel=0.25)
    assert abs(ratio.mean() - 1) < 5 * error / np.sqrt(ratio.size)


def test_denoising_a_simulated_product_takes_away_the_noise_that_it_states(simulated):
    scene, product = simulated
    with open_scene(product, calibrate=True) as before, open_scene(product, denoise=True) as after:
        with_noise, without = (read_working_grid(opened, SPACING_M) for opened in (before, after))
        assert not after.warnings
    both = with_noise.valid_mask & without.valid_mask
    levels = np.array(after.noise_levels)[:, None, None]
    removed, stated = with_noise.power.astype(float) - (without.power - levels), noise_floor(scene)
    np.testing.assert_allclose(after.noise_levels, np.median(stated), rtol=0.1)
    assert both.all(axis=0).mean() > 0.8
    for channel, mask in zip(removed, both, strict=True):
        for col in np.flatnonzero(mask.any(axis=0)):
            assert np.median(channel[mask[:, col], col]) == pytest.approx(stated[col], rel=0.05)


REAL = [("6D00", (16712, 25560)), ("861B", (19488, 25117)), ("0664", (19497, 25117)), ("BB15", (10708, 10487))]


@pytest.mark.real
@pytest.mark.parametrize(("product", "shape"), REAL)
def test_a_thousand_pixels_of_real_tables(real_data, product, shape):
    """Calibration against scipy on its regular grid, noise pixel by pixel."""
    from scipy.interpolate import RegularGridInterpolator

    folder = next(real_data.glob(f"safe/*{product}*")) / "annotation/calibration"
    rng = np.random.default_rng(2)
    rows, cols = np.sort(rng.integers(0, shape[0], 1000)), rng.integers(0, shape[1], 1000)
    for calibration_path in folder.glob("calibration-*"):
        noise_path = calibration_path.with_name(calibration_path.name.replace("calibration", "noise"))
        sigma = parse_calibration(calibration_path.read_bytes(), calibration_path.name)
        noise = parse_noise(noise_path.read_bytes(), noise_path.name)
        grid = RegularGridInterpolator(
            ([v.line for v in sigma], sigma[0].pixels), np.stack([v.values for v in sigma]), bounds_error=False
        )
        amplitude = grid((rows, cols))
        tables = Tables(sigma_nought=list(sigma), noise=list(noise.vectors), blocks=list(noise.blocks))
        plain = naive_sigma_nought(np.full(1000, 200.0), tables, rows, cols, denoise=True)
        calibration = Calibration(
            gain=SigmaNoughtGain(sigma, shape[1]), noise=ThermalNoise(noise.vectors, noise.blocks, shape[1])
        )
        found, gain = np.empty(1000), np.empty(1000)
        for index, (row, col) in enumerate(zip(rows, cols, strict=True)):
            power = np.full((1, shape[1]), 200.0**2, np.float32)
            calibration.apply(power, int(row))
            found[index] = power[0, col]
            unit = np.ones((1, shape[1]), np.float32)
            calibration.gain.multiply(unit, int(row))
            gain[index] = unit[0, col]
        assert difference_db(gain, amplitude**-2) < MOST_DB
        assert difference_db(found, plain) < MOST_DB


@pytest.mark.real
def test_noise_of_a_real_product_is_whole_where_its_second_sub_swath_begins(real_data):
    """IW2 of 861B begins at line 717; the range vectors before it are zero there, the next one is at line 1344."""
    path = next(real_data.glob("safe/*861B*/annotation/calibration/noise-*-vh-*"))
    noise = parse_noise(path.read_bytes(), path.name)
    power = np.zeros((1200, 25117), np.float32)
    ThermalNoise(noise.vectors, noise.blocks, 25117).subtract(power, 700)
    inside = -power[17:, 9000:17000].mean(axis=1)
    assert inside.min() > 0.85 * inside.max() > 500


@pytest.mark.real
@pytest.mark.parametrize("product", ["861B", "0664"])
def test_denoising_takes_the_steps_out_of_a_real_calm_sea(real_data, product):
    """VH of a quick-look, put back on the scale of digital numbers by the mean that the annotation states."""
    folder = next(real_data.glob(f"safe/*{product}*"))
    tables = {}
    for kind, parse in (("calibration", parse_calibration), ("noise", parse_noise)):
        path = next(folder.glob(f"annotation/calibration/{kind}-*-vh-*"))
        tables[kind] = parse(path.read_bytes(), path.name)
    path = next(folder.glob("annotation/*-vh-*"))
    annotation = parse_annotation(path.read_bytes(), path.name)
    power = quicklook_power(folder / "preview/quick-look.png", path)

    height, width = annotation.shape
    gain, noise = tables["calibration"], tables["noise"]
    to_sigma_nought = {
        "before": Calibration(gain=SigmaNoughtGain(gain, width), noise=None),
        "after": Calibration(gain=SigmaNoughtGain(gain, width), noise=ThermalNoise(noise.vectors, noise.blocks, width)),
    }
    rows = np.arange(40, len(power), 3)  # from where all three sub-swaths have begun
    columns = ((np.arange(width) + 0.5) * power.shape[1] / width).astype(int)
    levels = {}
    for when, calibration in to_sigma_nought.items():
        lines = power[rows][:, columns]
        for line, row in zip(lines, rows, strict=True):
            calibration.apply(line[None], int((row + 0.5) * height / len(power)))
        levels[when] = np.median(lines, axis=0)

    for seam in meeting_columns(annotation.swaths):
        at = int(seam)
        before, after = (
            abs(float(np.median(level[at + 150 : at + 650]) - np.median(level[at - 650 : at - 150])))
            for level in levels.values()
        )
        assert after < 0.4 * before
    inner = slice(500, -500)
    assert levels["after"][inner].std() < 0.35 * levels["before"][inner].std()


def quicklook_power(picture, annotation):
    """dn^2 (H, W) of VH: the green channel times what makes its mean square that of the whole image."""
    with rasterio.open(picture) as file:
        level = file.read(2).astype(np.float32)
    image = "imageAnnotation/imageInformation/imageStatistics/"
    root = parse_xml(annotation.read_bytes())
    mean, spread = (required(root, f"{image}{name}/re", float) for name in ("outputDataMean", "outputDataStdDev"))
    return level**2 * np.float32((mean**2 + spread**2) / np.mean(level[level > 0] ** 2))
