"""Scenes with their truth on disk: what is read back is what was simulated."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_allclose

from rfiscan.errors import OutputError
from rfiscan.export.simulated_pass import simulated_gcps
from rfiscan.export.truth_files import DN_LEVEL, MIN_RATIO_DB, Origin, dn_gain, write_scene_with_truth
from rfiscan.priors import bundled_priors
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.simulation import simulate_scene
from rfiscan.simulation.emitters import Emitter
from rfiscan.simulation.focusing import Waveform
from rfiscan.truth import find_truth, read_truth

SHAPE = (90, 150)


def simulate(seed=6, **choices):
    return simulate_scene(np.random.default_rng(seed), bundled_priors(), SHAPE, mode="IW", **choices)


def origin_of(name, **changes):
    values = {"name": name, "georeferencing": simulated_gcps(SHAPE, 500.0), "spacing_m": 500.0, "surface": "sea"}
    return Origin(**{**values, **changes})


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(), raster.nodata, raster.descriptions


def keys_of(value):
    if isinstance(value, dict):
        return [found for item in value.values() for found in keys_of(item)]
    if isinstance(value, list):
        return [found for item in value for found in keys_of(item)]
    return [value]


@pytest.fixture(scope="module")
def scene():
    return simulate(count=3, ibr_db=(15.0, 15.0))


@pytest.fixture(scope="module")
def written(scene, tmp_path_factory):
    """A contaminated scene, its folder and its record."""
    folder = tmp_path_factory.mktemp("truth") / "new"
    return scene, folder, write_scene_with_truth(folder, scene, origin_of("one", stratum={"kind": "pulsed"}))


def test_the_scene_is_its_amplitude_in_digital_numbers(written):
    scene, folder, record = written
    dn, nodata, names = read(folder / "one.tif")
    assert dn.dtype == np.uint16
    assert nodata == 0
    assert names == ("VV", "VH")
    assert np.array_equal(dn > 0, scene.valid_mask)
    gain = record["dn_per_amplitude"]
    exact = gain * np.sqrt(scene.power)
    inside = scene.valid_mask & (exact > 1) & (exact < 65535)
    assert np.abs(dn - exact)[inside].max() <= 0.5 + 1e-2
    median = np.median(gain * np.sqrt(scene.clean_power[0][scene.valid_mask[0]]))
    assert median == pytest.approx(DN_LEVEL)


def test_detect_reads_power_in_proportion(written):
    scene, folder, record = written
    with open_scene(folder / "one.tif") as opened:
        assert opened.units is Units.DN
        assert opened.spacing_m == pytest.approx((500, 500), rel=0.05)
        grid = read_working_grid(opened, 500.0)
    assert grid.factors == (1, 1)
    valid = grid.valid_mask
    assert (valid <= scene.valid_mask).all()
    assert valid.mean() > 0.9 * scene.valid_mask.mean()
    expected = record["dn_per_amplitude"] ** 2 * scene.power
    # half a number of at least some 30
    assert_allclose(grid.power[valid], expected[valid], rtol=0.05)
    assert (grid.power[valid] / expected[valid]).mean() == pytest.approx(1, abs=1e-3)


def test_the_mask_is_that_of_the_scene(written):
    scene, folder, record = written
    mask, nodata, _ = read(folder / "one_truth.tif")
    assert mask.dtype == np.uint8
    assert nodata == 255
    valid = scene.valid_mask.any(axis=0)
    assert np.array_equal(mask[0] == 255, ~valid)
    assert np.array_equal(mask[0] == 1, scene.rfi_mask)
    assert scene.rfi_mask.any()
    assert record["rfi_share"] == pytest.approx(scene.rfi_mask[valid].mean())


def test_stripes_and_interference_are_those_of_the_scene(written):
    scene, folder, record = written
    labels, _, _ = read(folder / "one_stripes.tif")
    assert labels.dtype == np.uint16
    assert np.array_equal(labels[0], scene.labels)
    bands, nodata, names = read(folder / "one_interference.tif")
    assert bands.dtype == np.float32
    assert np.isnan(nodata)
    assert names == ("VV power", "VH power", "VV ratio_db", "VH ratio_db")
    expected = np.where(scene.valid_mask, scene.interference * record["dn_per_amplitude"] ** 2, 0)
    assert_allclose(bands[:2], expected, rtol=1e-3)  # digits below are dropped
    shown = np.isfinite(bands[2:])
    assert_allclose(10 * np.log10(1 + 10 ** (bands[2:][shown] / 10)), scene.excess_db[shown], rtol=1e-3, atol=1e-3)
    # what is not shown brightens by less than the ratio that is left out
    assert scene.excess_db[~shown].max() <= 10 * np.log10(1 + 10 ** (MIN_RATIO_DB / 10)) + 1e-4
    assert bands[2:][shown].min() >= MIN_RATIO_DB - 0.1


def test_the_record_names_emitters_with_all_their_parameters(written):
    scene, folder, record = written
    stored = json.loads((folder / "one_truth.json").read_text())
    assert stored["scene"] == "one"
    assert (stored["mode"], stored["spacing_m"], stored["surface"]) == ("IW", 500.0, "sea")
    assert stored["real_background"] is False
    assert stored["stratum"] == {"kind": "pulsed"}
    assert len(stored["emitters"]) == len(scene.interferers) > 0
    for entry, interferer in zip(stored["emitters"], scene.interferers, strict=True):
        assert set(entry) == {field.name for field in dataclasses.fields(Emitter)} | {"power", "stripes"}
        assert set(entry["waveform"]) == {field.name for field in dataclasses.fields(Waveform)}
        assert entry["kind"] == interferer.emitter.kind
        assert entry["cross_over_co_db"] == pytest.approx(interferer.emitter.cross_over_co_db)
        labels = [stripe["label"] for stripe in entry["stripes"]]
        assert labels == [s.label for s in interferer.stripes if (scene.labels == s.label).any()]
        for stripe in entry["stripes"]:
            assert set(stripe) == {"label", "swath", "bbox_px", "visible_bbox_px", "ibr_db"}
            assert stripe["visible_bbox_px"] in (None, stripe["bbox_px"])
    assert {**record, "outputs": stored["outputs"]} == stored


def test_a_record_holds_no_paths_of_the_machine(written):
    _, folder, record = written
    text = (folder / "one_truth.json").read_text()
    assert str(folder) not in text
    stored = json.loads(text)
    assert not [value for value in keys_of(stored) if isinstance(value, str) and ("/" in value or "\\" in value)]
    assert set(stored["outputs"].values()) == {path.name for path in folder.glob("one*.tif")}
    assert record["outputs"] == {key: str(folder / name) for key, name in stored["outputs"].items()}


def test_records_are_json_though_a_beam_is_fixed(tmp_path):
    scene = simulate(count=1)
    (interferer,) = scene.interferers
    fixed = dataclasses.replace(interferer, emitter=dataclasses.replace(interferer.emitter, dwell_s=float("inf")))
    record = write_scene_with_truth(tmp_path, dataclasses.replace(scene, interferers=(fixed,)), origin_of("fixed"))
    assert json.loads(json.dumps(record, allow_nan=False))["emitters"][0]["dwell_s"] is None


def test_the_truth_is_what_evaluate_reads(written):
    scene, folder, _ = written
    (ref,) = find_truth(folder)
    truth = read_truth(ref)
    assert np.array_equal(truth.mask, scene.rfi_mask)
    assert np.array_equal(truth.labels, scene.labels)
    assert truth.surface == "sea"
    assert not truth.clean
    visible = (scene.excess_db >= 1.0) & scene.valid_mask
    assert (truth.masks_by_polarization != visible).mean() < 1e-3  # ratios are stored rounded
    assert [stripe.label for stripe in truth.stripes] == [s.label for i in scene.interferers for s in i.stripes]


def test_a_clean_scene_has_neither_stripes_nor_interference(tmp_path):
    record = write_scene_with_truth(tmp_path, simulate(contaminated=False), origin_of("clean"))
    assert {path.name for path in tmp_path.iterdir()} == {"clean.tif", "clean_truth.tif", "clean_truth.json"}
    assert record["emitters"] == []
    assert record["rfi_share"] == 0
    assert set(record["outputs"]) == {"scene", "truth"}
    assert not (read(tmp_path / "clean_truth.tif")[0] == 1).any()


def test_a_picture_stays_one(tmp_path, scene):
    levels = dataclasses.replace(
        scene, power=1e4 * scene.power / np.median(scene.power), clean_power=1e4 * scene.clean_power
    )
    record = write_scene_with_truth(tmp_path, levels, origin_of("look", picture=True, background="look"))
    assert record["real_background"] is True
    stored = np.load(tmp_path / "look.npy")
    assert stored.dtype == np.uint8
    expected = np.clip(np.round(np.sqrt(levels.power)), 1, 255) * levels.valid_mask
    assert np.array_equal(stored, expected.transpose(1, 2, 0))
    with open_scene(tmp_path / "look.npy") as opened:
        assert opened.units is Units.QUICKLOOK
        assert opened.shape == SHAPE


def test_a_product_gets_its_truth_alone(tmp_path, scene):
    record = write_scene_with_truth(tmp_path, scene, origin_of("one"), product=tmp_path / "one.SAFE")
    assert record["outputs"]["scene"] == str(tmp_path / "one.SAFE")
    assert not (tmp_path / "one.tif").exists()
    assert (tmp_path / "one_truth.tif").exists()


def test_the_gain_looks_at_cross_pol_where_there_is_no_co_pol(scene):
    valid = scene.valid_mask.copy()
    valid[0] = False
    gain = dn_gain(dataclasses.replace(scene, valid_mask=valid))
    assert np.median(gain * np.sqrt(scene.clean_power[1][valid[1]])) == pytest.approx(DN_LEVEL)


def test_the_same_scene_gives_the_same_bytes(written, tmp_path):
    scene, folder, _ = written
    write_scene_with_truth(tmp_path, scene, origin_of("one", stratum={"kind": "pulsed"}))
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_the_record_comes_last(tmp_path, scene):
    (tmp_path / "one_stripes.tif").mkdir()
    with pytest.raises(OutputError, match="one_stripes"):
        write_scene_with_truth(tmp_path, scene, origin_of("one"))
    assert not (tmp_path / "one_truth.json").exists()


def test_nothing_of_an_earlier_scene_outlives_it(tmp_path, scene):
    write_scene_with_truth(tmp_path, scene, origin_of("one"))
    assert (tmp_path / "one_stripes.tif").exists()
    (tmp_path / "one.npy").write_bytes(b"a picture of an earlier run")
    clean = dataclasses.replace(scene, interferers=(), labels=np.zeros_like(scene.labels))
    write_scene_with_truth(tmp_path, clean, origin_of("one"))
    assert {path.name for path in tmp_path.iterdir()} == {"one.tif", "one_truth.tif", "one_truth.json"}
