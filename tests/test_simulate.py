"""Simulated scenes on disk: detect reads them, their truth lies on them, and real scenes keep what they show."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from rfiscan.__main__ import main
from rfiscan.cli.simulate import IDLE
from rfiscan.errors import OutputError, SceneError, UsageError
from rfiscan.priors import bundled_priors
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.workflows.simulate import SimulateOptions, write_scenes
from tests.flat_model import save_flat_model, sea_power, write_scene
from tests.make_scenes import make_quicklook_npy

SHAPE = (96, 128)


def write(out_dir, **changes):
    """Write scenes; returns their records."""
    values = {"out_dir": out_dir, "priors": bundled_priors(), "shape": SHAPE}
    return list(write_scenes(SimulateOptions(**{**values, **changes})))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Three scenes and their records."""
    folder = tmp_path_factory.mktemp("simulated") / "new" / "folder"
    return folder, write(folder, count=3, seed=4)


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(), raster.gcps, raster.nodata, raster.descriptions


# simulated backgrounds


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


def test_a_record_is_what_is_stored_and_tells_of_files(written):
    folder, records = written
    assert [record["scene"] for record in records] == ["simulated_0000", "simulated_0001", "simulated_0002"]
    for record in records:
        stored = json.loads((folder / f"{record['scene']}_truth.json").read_text())
        assert {**record, "outputs": None} == {**stored, "outputs": None}
        assert all((folder / name).is_file() for name in stored["outputs"].values())
        for emitter in record["emitters"]:
            for stripe in emitter["stripes"]:
                x, y, width, height = stripe["bbox_px"]
                assert 0 <= x < x + width <= SHAPE[1]
                assert 0 <= y < y + height <= SHAPE[0]


def test_a_scene_depends_on_the_seed_and_its_number_alone(written, tmp_path):
    folder, _ = written
    write(tmp_path / "one", count=1, seed=4)
    write(tmp_path / "other", count=1, seed=5)
    for path in folder.glob("simulated_0000*"):
        assert (tmp_path / "one" / path.name).read_bytes() == path.read_bytes(), path.name
    first = read(folder / "simulated_0000.tif")[0]
    assert not np.array_equal(read(tmp_path / "other" / "simulated_0000.tif")[0], first)
    assert not np.array_equal(read(folder / "simulated_0001.tif")[0], first)


def test_files_do_not_depend_on_who_makes_them(written, tmp_path):
    folder, records = written
    assert write(tmp_path, count=3, seed=4, workers=2) == [
        {**record, "outputs": {key: value.replace(str(folder), str(tmp_path)) for key, value in outputs.items()}}
        for record in records
        for outputs in [record["outputs"]]
    ]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("mode", ["IW", "EW", "SM"])
def test_clean_scenes_hold_no_interference(tmp_path, mode):
    (record,) = write(tmp_path, seed=1, clean_share=1.0, mode=mode)
    assert record["emitters"] == []
    assert record["rfi_share"] == 0
    assert record["mode"] == mode
    assert not (read(tmp_path / "simulated_0000_truth.tif")[0] == 1).any()


def test_a_share_of_the_scenes_is_clean(tmp_path):
    records = write(tmp_path, count=20, seed=1, shape=(40, 60), clean_share=0.5)
    assert 4 <= sum(bool(record["emitters"]) for record in records) <= 16


def test_the_smallest_scenes_hold_data(tmp_path):
    records = write(tmp_path, count=30, shape=(32, 32))
    assert np.isfinite([record["rfi_share"] for record in records]).all()


@pytest.mark.parametrize("mode", ["IW", "EW", "SM"])
def test_a_product_has_its_truth_on_the_grid_that_detect_works_on(tmp_path, mode):
    (record,) = write(tmp_path, shape=(32, 40), mode=mode, product=True)
    assert record["scene"].startswith("S1A_S3_GRDH" if mode == "SM" else f"S1A_{mode}_GRD")
    with open_scene(record["outputs"]["scene"]) as scene:
        grid = read_working_grid(scene, 500.0)
        assert scene.mode == mode
        assert {swath.name for swath in scene.swaths} <= {f"{mode}{number}" for number in range(1, 6)}
    truth, _, _, _ = read(record["outputs"]["truth"])
    assert truth.shape == (1, *grid.power.shape[1:])
    assert grid.spacing_m == pytest.approx((record["spacing_m"],) * 2)
    # borders of a product are trimmed by a pixel or two
    assert ((truth[0] != 255) == grid.valid_mask.any(axis=0)).mean() > 0.9


def test_a_product_takes_the_next_whole_number_of_pixels(tmp_path):
    (record,) = write(tmp_path, shape=(32, 40), mode="IW", product=True, spacing_m=333.0)
    assert record["spacing_m"] == 330.0


def test_a_product_of_a_real_background_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--safe"):
        write(tmp_path / "out", product=True, background="scene.tif")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write(tmp_path / "file" / "scenes")


# real backgrounds


def injected_and_real(tmp_path, seed, clean_share=0.0):
    """Digital numbers of a scene with interference, of the scene before in the same units, and the interference."""
    power = sea_power(SHAPE, seed=seed)
    power[:, :, :6] = 0
    path = write_scene(tmp_path / "real.tif", power)
    (record,) = write(tmp_path / "out", seed=seed, background=path, clean_share=clean_share)
    dn = read(record["outputs"]["scene"])[0].astype(float)
    added = np.zeros_like(dn)
    if "interference" in record["outputs"]:
        added = read(record["outputs"]["interference"])[0][:2]
    return record, dn, record["dn_per_amplitude"] * read(path)[0].astype(float), added


@pytest.mark.parametrize("seed", range(4))
def test_interference_only_adds_power_to_a_real_scene(tmp_path, seed):
    record, dn, before, added = injected_and_real(tmp_path, seed)
    assert record["real_background"] is True
    assert record["background"] == "real"
    assert record["surface"] is None
    assert (dn >= before - 0.51).all()
    untouched = added == 0
    assert np.abs(dn - before)[untouched].max() <= 0.51
    assert np.array_equal(dn == 0, before == 0)


def test_some_interference_is_added_to_real_scenes(tmp_path):
    brightened = [
        (dn > 1.2 * before).any() for seed in range(6) for _, dn, before, _ in [injected_and_real(tmp_path, seed)]
    ]
    assert np.mean(brightened) > 0.5


def test_a_clean_real_scene_is_itself(tmp_path):
    _, dn, before, _ = injected_and_real(tmp_path, 0, clean_share=1.0)
    assert np.abs(dn - before).max() <= 0.51


def test_a_real_scene_keeps_its_place_and_its_polarizations(tmp_path):
    path = write_scene(tmp_path / "real.tif", sea_power(SHAPE), names=("HH", "HV"))
    (record,) = write(tmp_path / "out", background=path)
    with open_scene(path) as real, open_scene(record["outputs"]["scene"]) as scene:
        assert scene.polarizations == real.polarizations == ("HH", "HV")
        assert scene.spacing_m == pytest.approx(real.spacing_m)
        corners = np.array([0, SHAPE[1]]), np.array([0, SHAPE[0]])
        expected, got = (np.array(s.georeferencing.to_lonlat(*corners)) for s in (real, scene))
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("names", "both"), [(("VV",), ("VV", "VH")), (("HH",), ("HH", "HV")), (("HV",), ("HH", "HV"))])
def test_the_truth_of_one_polarization_is_what_it_shows(tmp_path, names, both):
    path = write_scene(tmp_path / "real.tif", sea_power(SHAPE)[: len(names)], names=names)
    for record in write(tmp_path / "out", background=path, count=6):
        dn, _, _, written_names = read(record["outputs"]["scene"])
        assert written_names == both
        assert [bool(channel.any()) for channel in dn] == [name in names for name in both]
        truth = read(record["outputs"]["truth"])[0][0]
        for emitter in record["emitters"]:
            for stripe in emitter["stripes"]:
                labelled = read(record["outputs"]["stripes"])[0][0] == stripe["label"]
                assert labelled.any()
                if stripe["visible_bbox_px"]:
                    assert (truth[labelled] == 1).all()


@pytest.mark.parametrize(("spacing_m", "shape"), [(1000.0, (48, 64)), (None, SHAPE)])
def test_a_real_scene_is_multilooked_to_the_spacing_asked_for(tmp_path, spacing_m, shape):
    path = write_scene(tmp_path / "real.tif", sea_power(SHAPE))
    (record,) = write(tmp_path / "out", background=path, spacing_m=spacing_m)
    assert read(record["outputs"]["scene"])[0].shape == (2, *shape)
    assert record["spacing_m"] == pytest.approx(spacing_m or 500.0)


def test_a_quick_look_stays_one(tmp_path):
    path = make_quicklook_npy(tmp_path / "look.npy", shape=SHAPE)
    before = np.load(path).astype(int)
    records = write(tmp_path / "out", background=path, count=4)
    for record in records:
        stored = np.load(record["outputs"]["scene"])
        assert stored.dtype == np.uint8
        with open_scene(record["outputs"]["scene"]) as scene:
            assert scene.units is Units.QUICKLOOK
        truth = read(record["outputs"]["truth"])[0][0]
        assert truth.shape == stored.shape[:2] == SHAPE
        added = np.zeros((2, *SHAPE))
        if "interference" in record["outputs"]:
            added = read(record["outputs"]["interference"])[0][:2]
        valid = truth != 255
        untouched = (added == 0).transpose(1, 2, 0) & valid[..., None]
        assert np.array_equal(stored[untouched], before[untouched])
        assert (stored[valid].astype(int) >= before[valid]).all()


def test_a_background_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "notes.tif").write_text("Dear diary")
    with pytest.raises(SceneError, match=r"notes\.tif"):
        write(tmp_path / "out", background=tmp_path / "notes.tif")
    assert not (tmp_path / "out").exists()


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
    code, out, err = command("-n", "4", "--size", "40", "60", "--json")
    assert code == 0, err
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["scene"] for record in records] == [f"simulated_{number:04d}" for number in range(4)]
    assert all((tmp_path / path).is_file() for record in records for path in record["outputs"].values())


def test_the_command_prints_a_table(command):
    code, out, _ = command("--size", "40", "60", "-o", "scenes")
    assert code == 0
    assert "simulated_0000" in out


def test_the_command_takes_priors_of_ones_own(command, tmp_path):
    from importlib.resources import files

    import yaml

    values = yaml.safe_load(files("rfiscan").joinpath("interference_priors.yaml").read_text())
    values["kinds"] = {"barrage": values["kinds"]["barrage"]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(values))
    code, out, err = command("--size", "40", "60", "-n", "4", "--priors", "own.yaml", "--json")
    assert code == 0, err
    kinds = {emitter["kind"] for line in out.splitlines() for emitter in json.loads(line)["emitters"]}
    assert kinds == {"barrage"}


def test_the_command_surveys_and_writes_nothing(command, tmp_path, monkeypatch):
    monkeypatch.setattr("rfiscan.workflows.survey.SHAPE", (80, 120))
    code, out, err = command("--survey", "-n", "6", "--json")
    assert code == 0, err
    assert json.loads(out)["height, median, px"].keys() == {"published", "simulated"}
    code, out, _ = command("--survey", "-n", "6")
    assert code == 0
    assert "published" in out
    assert not list(tmp_path.iterdir())


def test_detect_takes_what_simulate_wrote(command, tmp_path, capsys):
    command("--size", "96", "128", "-o", "scenes")
    model = save_flat_model(tmp_path / "flat")
    code = main(["detect", "--model", str(model), "--json", "scenes/simulated_0000.tif"])
    record = json.loads(capsys.readouterr().out)
    assert code == 0
    assert record["polarizations"] == ["VV", "VH"]
    assert record["georeferencing"] == "gcps"
    assert record["shape"] == list(SHAPE)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--size", "31", "200"), "32 rows"),
        (("--count", "0"), "--count"),
        (("--mode", "XX"), "--mode"),
        (("--clean-share", "2"), "--clean-share"),
        (("--workers", "0"), "--workers"),
        (("--benchmark", "v0"), "--benchmark"),
        (("--spacing", "-3"), "--spacing"),
        (("--spacing", "native"), "--background"),
        (("--background-dir", "."), "--benchmark"),
        (("--safe", "--background", "sea.tif"), "--safe"),
        (("--verbose", "--quiet"), "--quiet"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(command, tmp_path, args, word):
    code, out, err = command(*args)
    assert code == 2
    assert out == ""
    assert word in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def refused(command, tmp_path, code, *args):
    before = sorted(tmp_path.iterdir())
    size = () if {"--background", "--benchmark"} & set(args) else ("--size", "40", "60")
    ended, out, err = command(*size, *args)
    lines = err.splitlines()
    assert ended == code
    assert out == ""
    assert lines[0].startswith("error: ")
    assert len(lines) <= 2
    assert sorted(tmp_path.iterdir()) == before
    return err


def test_priors_that_are_none_end_with_4(command, tmp_path):
    (tmp_path / "own.yaml").write_text("kindz: {}")
    assert "own.yaml: kindz is not known" in refused(command, tmp_path, 4, "--priors", "own.yaml")
    assert "absent.yaml" in refused(command, tmp_path, 4, "--priors", "absent.yaml")


@pytest.mark.parametrize("name", ["absent.tif", "notes.tif"])
def test_a_background_that_is_none_ends_with_5(command, tmp_path, name):
    (tmp_path / "notes.tif").write_text("Dear diary")
    assert name in refused(command, tmp_path, 5, "--background", name)


def test_a_benchmark_without_backgrounds_in_its_folder_ends_with_5(command, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(command, tmp_path, 5, "--benchmark", "v1", "--background-dir", "empty")


def test_the_command_says_when_it_cannot_write(command, tmp_path):
    (tmp_path / "file").touch()
    assert "file/scenes" in refused(command, tmp_path, 7, "-o", "file/scenes")


VALUES = {
    "benchmark": "v1",
    "survey": "",
    "background": "scene.tif",
    "count": "1",
    "seed": "0",
    "mode": "EW",
    "clean_share": "0",
    "size": "340 500",
    "priors": "own.yaml",
    "spacing": "500",
    "safe": "",
    "workers": "1",
    "out": "simulated",
    "passes": "1",
    "background_dir": "scenes",
}
"""A value for each option that is not for every use; the default where there is one: what is typed counts."""


@pytest.mark.parametrize(("leading", "idle"), [(one, other) for one in IDLE for other in IDLE[one].split()])
def test_an_option_that_would_be_ignored_is_refused(command, tmp_path, leading, idle):
    typed = [("--" + name.replace("_", "-"), *VALUES[name].split()) for name in (leading, idle)]
    code, out, err = command(*typed[0], *typed[1])
    assert code == 2
    assert out == ""
    assert all(option in err for option, *_ in typed)
    assert not list(tmp_path.iterdir())
