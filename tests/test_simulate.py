"""Simulated scenes on disk: detect reads them, and their truth lies on them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from rfiscan.__main__ import main
from rfiscan.errors import OutputError
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.simulation import simulate_scene
from rfiscan.workflows.simulate import DN_LEVEL, to_dn, write_scenes
from tests.flat_model import save_flat_model

SHAPE = (96, 128)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Three scenes and their records."""
    folder = tmp_path_factory.mktemp("simulated") / "new" / "folder"
    return folder, write_scenes(folder, count=3, seed=4, shape=SHAPE)


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(), raster.gcps, raster.nodata, raster.descriptions


def test_a_scene_is_read_as_what_it_is(written):
    folder, records = written
    for record in records:
        with open_scene(folder / f"{record['scene']}.tif") as scene:
            assert scene.polarizations == ("VV", "VH")
            assert scene.shape == SHAPE
            assert scene.units is Units.DN
            assert scene.georeferencing.kind == "gcps"
            assert scene.spacing_known
            assert scene.spacing_m == pytest.approx((500, 500), rel=0.05)
            assert not scene.warnings
            grid = read_working_grid(scene, 500.0)
        assert grid.factors == (1, 1)
        assert grid.valid_mask.any()


def test_truth_lies_on_its_scene(written):
    folder, records = written
    for record in records:
        dn, gcps, nodata, names = read(folder / f"{record['scene']}.tif")
        truth, truth_gcps, truth_nodata, _ = read(folder / f"{record['scene']}_truth.tif")
        assert nodata == 0
        assert truth_nodata == 255
        assert names == ("VV", "VH")
        assert truth.shape == (1, *SHAPE)
        assert set(np.unique(truth)) <= {0, 1, 255}
        assert np.array_equal(truth[0] == 255, (dn == 0).all(axis=0))
        assert [(p.row, p.col, p.x, p.y) for p in gcps[0]] == [(p.row, p.col, p.x, p.y) for p in truth_gcps[0]]
        assert gcps[1] == truth_gcps[1]
        valid = truth[0] != 255
        assert record["rfi_share"] == pytest.approx((truth[0][valid] == 1).mean())


def test_a_record_tells_of_files_and_emitters(written):
    folder, records = written
    assert [record["scene"] for record in records] == ["simulated_0000", "simulated_0001", "simulated_0002"]
    for record in records:
        assert json.loads((folder / f"{record['scene']}_truth.json").read_text()) == json.loads(json.dumps(record))
        assert {folder / f"{record['scene']}.tif", folder / f"{record['scene']}_truth.tif"} == {
            type(folder)(path) for path in record["outputs"].values()
        }
        for emitter in record["emitters"]:
            x, y, width, height = emitter["bbox_px"]
            assert 0 <= x < x + width <= SHAPE[1]
            assert 0 <= y < y + height <= SHAPE[0]
    assert len(list(folder.iterdir())) == 9


def test_a_scene_depends_on_the_seed_and_its_number_alone(written, tmp_path):
    folder, _ = written
    write_scenes(tmp_path / "one", count=1, seed=4, shape=SHAPE)
    write_scenes(tmp_path / "other", count=1, seed=5, shape=SHAPE)
    first = read(folder / "simulated_0000.tif")[0]
    assert np.array_equal(read(tmp_path / "one" / "simulated_0000.tif")[0], first)
    assert not np.array_equal(read(tmp_path / "other" / "simulated_0000.tif")[0], first)
    assert not np.array_equal(read(folder / "simulated_0001.tif")[0], first)


@pytest.mark.parametrize("mode", ["IW", "EW", "SM"])
def test_clean_scenes_hold_no_interference(tmp_path, mode):
    (record,) = write_scenes(tmp_path, count=1, seed=1, shape=SHAPE, clean_share=1.0, mode=mode)
    assert record["emitters"] == []
    assert record["rfi_share"] == 0
    assert record["mode"] == mode
    assert not (read(tmp_path / "simulated_0000_truth.tif")[0] == 1).any()


def test_a_share_of_the_scenes_is_clean(tmp_path):
    records = write_scenes(tmp_path, count=20, seed=1, shape=(40, 60), clean_share=0.5)
    assert 4 <= sum(record["rfi_share"] > 0 or bool(record["emitters"]) for record in records) <= 16


def test_digital_numbers_lie_at_the_level_of_real_products():
    scene = simulate_scene(np.random.default_rng(2), SHAPE)
    dn = to_dn(scene)
    assert dn.dtype == np.uint16
    assert np.array_equal(dn > 0, scene.valid_mask)
    assert np.median(dn[0][scene.valid_mask[0]]) == pytest.approx(DN_LEVEL, rel=0.02)
    inside = scene.valid_mask & (dn > 10) & (dn < 65535)
    ratio = dn[inside].astype(float) ** 2 / scene.power[inside]
    assert ratio == pytest.approx(np.median(ratio), rel=0.15)


def test_the_smallest_scenes_hold_data(tmp_path):
    records = write_scenes(tmp_path, count=40, seed=0, shape=(32, 32))
    assert np.isfinite([record["rfi_share"] for record in records]).all()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        write_scenes(tmp_path / "file" / "scenes", count=1, seed=0, shape=SHAPE)


# the command


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run_simulate(*args):
        code = main(["simulate", *args])
        return code, *capsys.readouterr()

    return run_simulate


def test_the_command_prints_a_record_for_each_scene(command, tmp_path):
    code, out, err = command("-n", "2", "--size", "96", "128", "--seed", "4", "--json")
    assert code == 0, err
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["scene"] for record in records] == ["simulated_0000", "simulated_0001"]
    assert (tmp_path / records[1]["outputs"]["scene"]).is_file()


def test_the_command_prints_a_table(command):
    code, out, _ = command("--size", "40", "60", "-o", "scenes")
    assert code == 0
    assert "simulated_0000" in out


def test_detect_takes_what_simulate_wrote(command, tmp_path, capsys):
    command("--size", "96", "128", "-o", "scenes")
    model = save_flat_model(tmp_path / "flat")
    code = main(["detect", "--model", str(model), "--json", "scenes/simulated_0000.tif"])
    record = json.loads(capsys.readouterr().out)
    assert code == 0
    assert record["polarizations"] == ["VV", "VH"]
    assert record["georeferencing"] == "gcps"
    assert record["shape"] == list(SHAPE)


@pytest.mark.parametrize("args", [("--size", "31", "200"), ("--count", "0"), ("--mode", "XX"), ("--clean-share", "2")])
def test_the_command_refuses_what_makes_no_sense(command, tmp_path, args):
    code, out, _ = command(*args)
    assert code == 2
    assert out == ""
    assert not list(tmp_path.iterdir())


def test_the_command_says_when_it_cannot_write(command, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = command("-o", "file/scenes", "--size", "96", "128")
    assert code == 7
    assert "file/scenes" in err
