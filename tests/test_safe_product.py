"""Simulated products: readers take them for GRD products, and they hold the scene that they were made from."""

from __future__ import annotations

import hashlib
import re
from collections import namedtuple
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
import rasterio
from defusedxml.ElementTree import parse
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.errors import OutputError, ResourceError
from rfiscan.export import safe_product
from rfiscan.export.safe_calibration import SIGMA_NOUGHT_LUT
from rfiscan.export.safe_product import LOOKS, write_safe
from rfiscan.export.simulated_pass import elevation_deg, incidence_deg, simulated_gcps
from rfiscan.grids.multilook import Multilooker
from rfiscan.priors import bundled_priors
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene
from rfiscan.sentinel1.radar import MODES
from rfiscan.simulation import simulate_scene
from rfiscan.simulation.background import draw_noise_floor
from rfiscan.simulation.full_resolution import NOISE_CEILING, SPECKLE_ROWS, FullResolution, noise_floor

WORKING = (60, 90)
SHAPE = (298, 447)  # the last working pixels are cut
SPACING_M = 500.0
PIXEL_M = 100.0
FACTOR = 5


def simulated(seed=5, mode="IW", shape=WORKING):
    return simulate_scene(np.random.default_rng(seed), bundled_priors(), shape, mode=mode, spacing_m=SPACING_M)


def written(folder, scene, **options):
    return write_safe(folder, scene, **{"spacing_m": SPACING_M, "pixel_spacing_m": PIXEL_M, "shape": SHAPE} | options)


@pytest.fixture(scope="module")
def scene():
    """A scene with interference, strong in places, whose sub-swaths end at different rows."""
    scenes = (simulated(seed) for seed in range(100))
    return next(s for s in scenes if (s.excess_db > 3.0).sum() > 100 and len(set(s.layout.last_row)) > 1)


@pytest.fixture(scope="module")
def product(scene, tmp_path_factory):
    return written(tmp_path_factory.mktemp("product"), scene, seed=3)


def digital_numbers(product):
    """Digital numbers (2, H, W), co-pol first."""
    paths = sorted((product / "measurement").iterdir(), key=lambda path: path.stem[-1])
    bands = []
    for path in paths:
        with rasterio.open(path) as raster:
            bands.append(raster.read(1))
    return np.stack(bands).astype(np.float64)


def annotation(product, kind="s1a-iw-grd-vv"):
    return parse(next(product.glob(f"annotation/**/{kind}*.xml"))).getroot()


def vectors(element, path):
    return [np.array(found.text.split(), float) for found in element.iterfind(path)]


def values(element, path):
    return [found.text for found in element.iterfind(path)]


def averaged(power, valid):
    looks = Multilooker(power.shape[2], FACTOR, FACTOR)
    parts = [looks.push(power.astype(np.float32), valid), looks.finish()]
    return np.concatenate([part.power for part in parts], axis=1)


# what readers see


def test_open_scene_reads_what_was_written(scene, product):
    with open_scene(product) as opened:
        assert opened.polarizations == ("VV", "VH")
        assert opened.shape == SHAPE
        assert opened.units is Units.DN
        assert opened.spacing_m == (PIXEL_M, PIXEL_M)
        assert opened.georeferencing.kind == "gcps"
        assert not opened.warnings
        bounds = {(s.name, s.first_row, s.last_row, s.first_col, s.last_col) for s in opened.swaths}
        _, valid = opened.read_rows(0, SHAPE[0])
    expected = set()
    for swath in range(3):
        first, stop = scene.layout.swath_columns(swath)
        rows = scene.layout.first_row[swath] * FACTOR, min(scene.layout.last_row[swath] * FACTOR, SHAPE[0]) - 1
        name = f"IW{swath + 1 if scene.layout.near_is_left else 3 - swath}"
        expected.add((name, *rows, first * FACTOR, min(stop * FACTOR, SHAPE[1]) - 1))
    assert bounds == expected
    assert np.array_equal(valid, scene.valid_mask.repeat(FACTOR, 1).repeat(FACTOR, 2)[:, : SHAPE[0], : SHAPE[1]])


def test_gdal_opens_the_product_by_its_manifest(product):
    with rasterio.open(product / "manifest.safe") as gdal:
        assert gdal.driver == "SAFE"
        assert gdal.shape == SHAPE
        assert gdal.count == 2
        assert gdal.tags()["MODE"] == "IW"
        assert gdal.tags()["ORBIT_NUMBER"] == "0"
        assert any(name.startswith("SENTINEL1_CALIB") for name in gdal.subdatasets)
        names = [gdal.tags(band)["POLARIZATION"] for band in (1, 2)]
        by_name = dict(zip(names, gdal.read(), strict=True))
        annotated, crs = gdal.gcps
    assert np.array_equal(np.stack([by_name["VV"], by_name["VH"]]), digital_numbers(product))
    with rasterio.open(next((product / "measurement").glob("*vv*"))) as raster:
        own, own_crs = raster.gcps
    assert crs.to_epsg() == own_crs.to_epsg() == 4326
    assert len(own) == 210
    np.testing.assert_allclose(
        [(p.row, p.col, p.x, p.y) for p in annotated], [(p.row, p.col, p.x, p.y) for p in own], atol=1e-10
    )
    assert all(p.row == int(p.row) and p.col == int(p.col) for p in own)
    assert {(0.0, 0.0), (SHAPE[0] - 1.0, SHAPE[1] - 1.0)} <= {(p.row, p.col) for p in own}


def test_measurements_are_laid_out_as_esa_does(product):
    for path in (product / "measurement").iterdir():
        with rasterio.open(path) as raster:
            assert raster.dtypes == ("uint16",)
            assert raster.block_shapes == [(1, SHAPE[1])]
            assert raster.compression is None
            assert raster.transform.is_identity
            assert raster.nodata is None
            assert "not an observation" in raster.tags()["TIFFTAG_IMAGEDESCRIPTION"]


@pytest.mark.parametrize(
    ("mode", "pixel_m", "polarizations", "start"),
    [
        ("IW", 10.0, ("VV", "VH"), "S1A_IW_GRDH_1SDV"),
        ("EW", 40.0, ("HH", "HV"), "S1A_EW_GRDM_1SDH"),
        ("SM", 10.0, ("VV", "VH"), "S1A_S3_GRDH_1SDV"),
    ],
)
def test_names_follow_the_convention_and_no_real_product(tmp_path, mode, pixel_m, polarizations, start):
    scene = simulate_scene(
        np.random.default_rng(1), bundled_priors(), (32, 40), mode=mode, spacing_m=2 * pixel_m, contaminated=False
    )
    time = datetime(2001, 2, 3, 4, 5, 6)
    product = write_safe(
        tmp_path,
        scene,
        spacing_m=2 * pixel_m,
        pixel_spacing_m=pixel_m,
        polarizations=polarizations,
        start_time=time,
    )
    assert re.fullmatch(rf"{start}_20010203T040506_20010203T04050\d_000000_000000_[0-9A-F]{{4}}\.SAFE", product.name)
    swath = start[4:6].lower()
    pattern = rf"s1a-{swath}-grd-(vv|vh|hh|hv)-20010203t040506-20010203t04050\d-000000-000000-00[12]"
    stems = sorted(path.stem for path in (product / "measurement").iterdir())
    assert all(re.fullmatch(pattern, stem) for stem in stems)
    assert sorted(path.stem for path in (product / "annotation").glob("*.xml")) == stems
    with open_scene(product) as opened:
        assert opened.polarizations == polarizations
        known = [swath.name for swath in MODES[mode].swaths] if mode != "SM" else []
        assert {swath.name for swath in opened.swaths} <= set(known)
        assert bool(opened.swaths) == bool(known)
    with rasterio.open(product / "manifest.safe") as gdal:
        assert gdal.count == 2


def test_the_manifest_lists_every_file_as_it_is(product):
    manifest = parse(product / "manifest.safe").getroot()
    streams = {
        s.find("fileLocation").get("href"): s for s in manifest.iterfind("dataObjectSection/dataObject/byteStream")
    }
    files = {f"./{path.relative_to(product).as_posix()}": path for path in product.rglob("*") if path.is_file()}
    del files["./manifest.safe"]
    assert set(streams) == set(files)
    for name, path in files.items():
        assert int(streams[name].get("size")) == path.stat().st_size
        assert streams[name].findtext("checksum") == hashlib.md5(path.read_bytes()).hexdigest()


# where it lies


def test_the_product_lies_where_its_scene_lies(product):
    with open_scene(product) as opened:
        found = opened.georeferencing.rescaled(FACTOR, FACTOR)
    rows, cols = np.meshgrid([0.0, 13.7, 30.0, 59.0], [0.0, 33.3, 88.0], indexing="ij")
    expected = simulated_gcps(WORKING, SPACING_M).to_lonlat(cols, rows)
    np.testing.assert_allclose(
        found.to_lonlat(cols, rows), expected, atol=SPACING_M / 111e3 / 100
    )  # of a working pixel


def test_angles_are_those_of_an_annotation():
    """First and last point of the first line of S1A_IW_GRDH_..._861B."""
    incidence = incidence_deg([5.331366150969200e-03, 6.379661974910181e-03])
    np.testing.assert_allclose(incidence, [30.87040, 45.99404], atol=0.1)
    np.testing.assert_allclose(elevation_deg(incidence), [27.54812, 40.41539], atol=0.1)


def test_the_geolocation_grid_follows_range_and_time(scene, product):
    points = list(annotation(product).iterfind("geolocationGrid/geolocationGridPointList/geolocationGridPoint"))
    lines, pixels, slant, angle = (
        np.array([float(point.findtext(name)) for point in points])
        for name in ("line", "pixel", "slantRangeTime", "incidenceAngle")
    )
    times = [datetime.fromisoformat(point.findtext("azimuthTime")) for point in points]
    first_line = lines == 0
    order = np.argsort(pixels[first_line])
    rising = np.diff(slant[first_line][order])
    assert (rising > 0).all() if scene.layout.near_is_left else (rising < 0).all()
    assert np.argsort(slant[first_line]).tolist() == np.argsort(angle[first_line]).tolist()
    swaths = MODES["IW"].swaths
    assert swaths[0].slant_range_s[0] <= slant.min() < slant.max() <= swaths[-1].slant_range_s[1]
    interval_s = float(annotation(product).findtext("imageAnnotation/imageInformation/azimuthTimeInterval"))
    seconds = [(time - times[0]).total_seconds() for time in times]
    np.testing.assert_allclose(seconds, lines * interval_s, atol=2e-6)


def test_the_annotation_states_the_radar(product):
    root = annotation(product)
    found = {
        d.findtext("swath"): d for d in root.iterfind("generalAnnotation/downlinkInformationList/downlinkInformation")
    }
    assert list(found) == ["IW1", "IW2", "IW3"]
    first_sensing = []
    for swath in MODES["IW"].swaths:
        downlink = found[swath.name]
        assert float(downlink.findtext("prf")) == pytest.approx(swath.prf_hz)
        assert float(downlink.findtext("downlinkValues/txPulseRampRate")) == pytest.approx(swath.chirp_rate_hz_per_s)
        first, last = (datetime.fromisoformat(downlink.findtext(f"{end}LineSensingTime")) for end in ("first", "last"))
        assert first < last
        first_sensing.append((first - datetime(2000, 1, 1)).total_seconds())
        mid_s = 0.5 * sum(swath.slant_range_s)
        t0 = float(root.findtext("generalAnnotation/azimuthFmRateList/azimuthFmRate/t0"))
        polynomial = vectors(root, "generalAnnotation/azimuthFmRateList/azimuthFmRate/azimuthFmRatePolynomial")[0]
        rate = np.polynomial.Polynomial(polynomial)(mid_s - t0)
        assert rate == pytest.approx(-swath.doppler_rate_hz_per_s, rel=1e-6)
    cycle_s = MODES["IW"].cycle_s
    for swath, sensing in zip(MODES["IW"].swaths, first_sensing, strict=True):  # bursts take turns
        off = (sensing - first_sensing[0] - swath.sensing_offset_s) / cycle_s
        assert off == pytest.approx(round(off), abs=1e-3)


# what it holds


def test_averaged_back_it_is_the_scene(scene, product):
    """Each block's mean is the scene's power, within the error of the mean of as many pixels of speckle."""
    lut = vectors(
        annotation(product, "calibration-s1a-iw-grd-vv"), "calibrationVectorList/calibrationVector/sigmaNought"
    )
    assert np.ptp(lut) == 0
    dn = digital_numbers(product)
    valid = dn > 0
    ratio = averaged((dn / lut[0][0]) ** 2, valid) / scene.power
    whole = ratio[:, : SHAPE[0] // FACTOR, : SHAPE[1] // FACTOR]
    inside = scene.valid_mask[:, : whole.shape[1], : whole.shape[2]]
    error = 1 / np.sqrt(LOOKS * FACTOR**2)
    # where one bright pixel of a block outweighs the others, fewer of them average
    assert whole[inside].std() == pytest.approx(error, rel=0.25)
    assert abs(whole[inside].mean() - 1) < 5 * error / np.sqrt(inside.sum())
    assert np.abs(np.log(whole[inside])).max() < 8 * error


def smooth_scene(nodes, valid=None):
    """A scene without interference that holds these powers (2, H, W)."""
    power = np.asarray(nodes, np.float32)
    scene = simulate_scene(
        np.random.default_rng(0), bundled_priors(), power.shape[1:], mode="IW", contaminated=False, spacing_m=SPACING_M
    )
    valid = np.ones(power.shape, bool) if valid is None else valid
    return replace(scene, power=power, clean_power=power, valid_mask=valid)


@given(
    seed=st.integers(0, 2**31),
    working=st.tuples(st.integers(32, 40), st.integers(32, 40)),
    factor=st.integers(1, 9),
    cut=st.tuples(st.integers(0, 8), st.integers(0, 8)),
    invalid=st.booleans(),
)
@settings(deadline=None, max_examples=15)
def test_blocks_have_the_mean_of_their_working_pixel(seed, working, factor, cut, invalid):
    """Whatever the contrast, wherever the product ends, whatever lies in invalid pixels."""
    rng = np.random.default_rng(seed)
    nodes = 10 ** rng.uniform(-4, 1, (2, *working))
    valid = np.ones(nodes.shape, bool)
    if invalid:
        valid[:, :3] = valid[:, :, -5:] = False
        nodes[~valid] = np.nan
    shape = tuple(n * factor - min(c, factor - 1) for n, c in zip(working, cut, strict=True))
    pixels = FullResolution(smooth_scene(nodes, valid), factor=factor, shape=shape, looks=1e12, seed=0)
    for channel in (0, 1):
        power = pixels.power(channel, 0, shape[0]).astype(np.float64)
        assert power.shape == shape
        assert (power > 0).all()
        starts = [np.arange(0, length, factor) for length in shape]
        sums = np.add.reduceat(np.add.reduceat(power, starts[0], axis=0), starts[1], axis=1)
        counts = [np.diff(np.append(start, length)) for start, length in zip(starts, shape, strict=True)]
        means = sums / np.outer(*counts)
        np.testing.assert_allclose(means[valid[channel]], nodes[channel][valid[channel]], rtol=1e-3)


def test_between_working_pixels_power_changes_gently():
    """A plane stays a plane, without steps at the edges of blocks, but for the margin."""
    plane = np.broadcast_to(np.linspace(1.0, 2.0, 40), (2, 36, 40))
    pixels = FullResolution(smooth_scene(plane), factor=8, shape=(288, 320), looks=1e12, seed=0)
    steps = np.diff(pixels.power(0, 0, 288)[100, 16:-16].astype(np.float64))
    np.testing.assert_allclose(steps, (1 / 39) / 8, rtol=0.05)


def test_single_pixels_have_the_looks_of_a_product():
    pixels = FullResolution(smooth_scene(np.full((2, 40, 40), 0.1)), factor=8, shape=(320, 320), looks=LOOKS, seed=2)
    co, cross = (pixels.power(channel, 0, 320).astype(np.float64) for channel in (0, 1))
    for power in (co, cross):
        assert power.mean() ** 2 / power.var() == pytest.approx(LOOKS, rel=0.05)
        assert abs(np.corrcoef(power[:, :-1].ravel(), power[:, 1:].ravel())[0, 1]) < 0.02
        assert abs(np.corrcoef(power[:-SPECKLE_ROWS].ravel(), power[SPECKLE_ROWS:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(co.ravel(), cross.ravel())[0, 1]) < 0.02


@given(bounds=st.tuples(st.integers(0, 120), st.integers(0, 120)).filter(lambda b: b[0] != b[1]))
@settings(deadline=None, max_examples=12)
def test_rows_do_not_depend_on_what_they_are_asked_with(scene, bounds):
    pixels = FullResolution(scene, factor=2, shape=(120, 180), looks=LOOKS, seed=1)
    start, stop = sorted(bounds)
    assert np.array_equal(pixels.power(1, start, stop), pixels.power(1, 0, 120)[start:stop])


def test_interference_is_as_bright_as_the_truth_says(scene, product, tmp_path):
    clean = replace(scene, power=scene.clean_power)
    without = digital_numbers(written(tmp_path, clean, seed=3)) ** 2
    held = digital_numbers(product) ** 2
    blocks = [averaged(power, power > 0) for power in (held, without)]
    excess_db = 10 * np.log10(blocks[0] / blocks[1])
    strong = scene.valid_mask & (scene.excess_db > 3)
    weak = scene.valid_mask & (scene.excess_db < 0.01)
    assert strong.sum() > 20
    assert (excess_db[strong] > 1).mean() > 0.97
    assert np.median(np.abs(excess_db - scene.excess_db)[strong]) < 1.0
    assert np.abs(excess_db[weak]).max() < 0.5


def test_digital_numbers_are_at_the_level_of_real_products():
    scenes = [simulated(seed) for seed in range(6)]
    medians = [SIGMA_NOUGHT_LUT * np.sqrt(np.median(scene.power[0][scene.valid_mask[0]])) for scene in scenes]
    assert 60 < np.median(medians) < 350


# calibration and noise


@pytest.mark.parametrize("kind", ["calibration", "noise"])
@pytest.mark.parametrize("polarization", ["vv", "vh"])
def test_vectors_cover_all_lines_and_pixels(product, kind, polarization):
    root = annotation(product, f"{kind}-s1a-iw-grd-{polarization}")
    path, tables = {
        "calibration": ("calibrationVectorList/calibrationVector", ("sigmaNought", "betaNought", "gamma", "dn")),
        "noise": ("noiseRangeVectorList/noiseRangeVector", ("noiseRangeLut",)),
    }[kind]
    lines = [int(line) for line in values(root, f"{path}/line")]
    assert lines[0] == 0
    assert lines[-1] == SHAPE[0] - 1
    assert sorted(set(lines)) == lines
    for pixels in vectors(root, f"{path}/pixel"):
        assert pixels[0] == 0
        assert pixels[-1] == SHAPE[1] - 1
        assert (np.diff(pixels) > 0).all()
        for name in tables:
            for table in vectors(root, f"{path}/{name}"):
                assert table.shape == pixels.shape
                assert (table > 0).all()


def test_the_calibrations_differ_by_the_incidence_angle(product):
    root = annotation(product, "calibration-s1a-iw-grd-vv")
    path = "calibrationVectorList/calibrationVector/"
    sigma, beta, gamma = (vectors(root, path + name)[0] for name in ("sigmaNought", "betaNought", "gamma"))
    sine_sq, cosine_sq = (beta / sigma) ** 4, (gamma / sigma) ** 4
    np.testing.assert_allclose(sine_sq + cosine_sq, 1, atol=1e-5)
    angle = np.rad2deg(np.arcsin(np.sqrt(sine_sq)))
    assert angle.min() > 29
    assert angle.max() < 47


def test_azimuth_noise_blocks_are_the_sub_swaths(product):
    root = annotation(product, "noise-s1a-iw-grd-vh")
    blocks = list(root.iterfind("noiseAzimuthVectorList/noiseAzimuthVector"))
    merges = list(annotation(product).iterfind("swathMerging/swathMergeList/swathMerge"))
    names = ("firstAzimuthLine", "lastAzimuthLine", "firstRangeSample", "lastRangeSample")
    assert [[b.findtext(n) for n in ("swath", *names)] for b in blocks] == [
        [m.findtext("swath"), *(m.findtext(f"swathBoundsList/swathBounds/{n}") for n in names)] for m in merges
    ]
    for block in blocks:
        lines = vectors(block, "line")[0]
        assert lines[0] == int(block.findtext("firstAzimuthLine"))
        assert lines[-1] == int(block.findtext("lastAzimuthLine"))
        assert vectors(block, "noiseAzimuthLut")[0].shape == lines.shape


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_found_where_it_prevails(seed):
    rng = np.random.default_rng(seed)
    scene = simulate_scene(rng, bundled_priors(), (120, 200), mode="IW", contaminated=False)
    noise = draw_noise_floor(rng, scene.layout)[1]
    speckle = rng.gamma(500, 1 / 500, scene.power.shape)
    power = ((noise + 0.05 * np.median(noise)) * speckle).astype(np.float32)
    found = noise_floor(replace(scene, clean_power=power, power=power))
    columns = scene.valid_mask[1].any(axis=0)
    expected = np.minimum(np.median(noise, axis=0), NOISE_CEILING)[columns]
    error_db = 10 * np.log10(found[columns] / expected)
    assert np.abs(error_db).max() < 1.5
    assert error_db.std() < 0.5


# writing


def contents(product):
    return {path.relative_to(product): path.read_bytes() for path in product.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(scene, product, tmp_path):
    again = written(tmp_path / "again", scene, seed=3, band_rows=77)
    assert again.name == product.name
    assert contents(again) == contents(product)
    other = written(tmp_path / "other", scene, seed=4)
    assert other.name != product.name
    assert np.mean(digital_numbers(other) != digital_numbers(product)) > 0.5


def test_an_interrupted_product_leaves_nothing(scene, tmp_path):
    def interrupt(done, total):
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, scene, on_rows=interrupt)
    assert not list(tmp_path.iterdir())


def test_progress_reaches_the_end(scene, tmp_path):
    told = []
    written(tmp_path, scene, on_rows=lambda done, total: told.append((done, total)))
    assert told[-1] == (2 * SHAPE[0], 2 * SHAPE[0])
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_product_replaces_its_like_and_what_a_killed_run_left(scene, product, tmp_path):
    first = written(tmp_path, scene, seed=3)
    (first / "measurement" / "stray").touch()
    part = tmp_path / re.sub(r"_[0-9A-F]{4}\.SAFE$", "_0000.SAFE.part", first.name)
    (part / "measurement").mkdir(parents=True)
    (part / "measurement" / "half.tiff").touch()
    again = written(tmp_path, scene, seed=3)
    assert list(tmp_path.iterdir()) == [again]
    assert contents(again) == contents(product)


def test_a_folder_that_cannot_be_made_is_an_error(scene, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        written(tmp_path / "file" / "products", scene)


def test_a_disk_without_room_is_an_error_before_the_work(scene, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(safe_product.shutil, "disk_usage", lambda _path: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(ResourceError, match=r"needs .* GB"):
        written(tmp_path, scene)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [{"pixel_spacing_m": 30.0}, {"pixel_spacing_m": 1000.0}, {"shape": (590, 893)}, {"shape": (601, 893)}],
)
def test_what_does_not_fit_the_scene_is_refused(scene, tmp_path, options):
    with pytest.raises(ValueError, match=r"multiple|blocks"):
        written(tmp_path, scene, **options)
    assert not list(tmp_path.iterdir())
