"""Bad input ends with one clear line, the right exit code, and nothing half written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from rfiscan.__main__ import main
from tests.flat_model import sea_power, write_scene

ROOT = Path(__file__).parents[1]
SHAPE = (120, 260)


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys):
    """Run `rfiscan detect` beside its input; returns exit code and the lines of stderr."""
    monkeypatch.chdir(tmp_path)

    def run_detect(*args, model=model):
        code = main(["detect", "--quiet", "--model", model, *[str(arg) for arg in args]])
        out, err = capsys.readouterr()
        assert not out
        return code, err.splitlines()

    return run_detect


def fails_well(ended, code, *words):
    """One line that says what and where, at most one more with a hint; no output folder."""
    assert ended[0] == code
    lines = ended[1]
    assert 1 <= len(lines) <= 2
    assert lines[0].startswith("error: ")
    assert all(line.startswith("hint: ") for line in lines[1:])
    for word in words:
        assert word.lower() in lines[0].lower()
    assert not Path("rfiscan_out").exists()


def write_float(path, values, **profile):
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1], width=values.shape[2], dtype="float32",
        crs="EPSG:32631", transform=Affine(500, 0, 5e5, 0, -500, 6e6), **profile
    ) as raster:  # fmt: skip
        raster.write(values.astype(np.float32))
    return path


def photo():
    """Blue sky above green hills, (3, 100, 120) uint8: red, green and blue go up and down together, mostly."""
    rng = np.random.default_rng(0)
    light = rng.normal(0, 20, (100, 120)) + rng.normal(0, 6, (3, 100, 120))
    sky = np.arange(100)[:, None] < 40 + 10 * np.sin(np.arange(120) / 15)
    colours = np.where(sky, [[[120]], [[160]], [[230]]], [[[70]], [[120]], [[50]]])
    return (colours + light).clip(0, 255).astype(np.uint8)


def test_missing_file(run):
    fails_well(run("nowhere.tif"), 5, "nowhere.tif", "does not exist")


def test_one_of_a_pair_missing(run, tmp_path):
    write_scene(tmp_path / "iw-vv.tiff", sea_power(SHAPE)[:1], names=("VV",))
    fails_well(run("iw-vv.tiff", "iw-vh.tiff"), 5, "iw-vh.tiff", "does not exist")


def test_zero_byte_tiff(run, tmp_path):
    (tmp_path / "empty.tif").write_bytes(b"")
    fails_well(run("empty.tif"), 5, "empty.tif", "empty")


@pytest.mark.parametrize("kept", [4, 100, 0.5, 0.98])
def test_truncated_tiff(run, tmp_path, kept):
    path = write_scene(tmp_path / "cut.tif", sea_power((600, 700)))
    data = path.read_bytes()
    path.write_bytes(data[: kept if kept > 1 else int(kept * len(data))])
    fails_well(run("cut.tif"), 5, "cut.tif")


def test_safe_without_measurements(run, tmp_path):
    folder = tmp_path / "S1A_IW_GRDH_1SDV_20220501T000000_20220501T000025_043000_052000_ABCD.SAFE"
    (folder / "annotation").mkdir(parents=True)
    (folder / "manifest.safe").write_text("<xfdu/>")
    fails_well(run(folder), 5, folder.name, "measurement")


def test_folder_that_is_no_product(run, tmp_path):
    (tmp_path / "photos").mkdir()
    fails_well(run("photos"), 5, "photos")


@pytest.mark.parametrize("name", ["notes.txt", "notes.tif", "notes.png", "notes.zip", "notes.npy"])
def test_text_file(run, tmp_path, name):
    (tmp_path / name).write_text("Dear diary,\n")
    fails_well(run(name), 5, name)


@pytest.mark.parametrize("driver", ["PNG", "GTiff", "JPEG"])
def test_rgb_photo(run, tmp_path, driver):
    path = tmp_path / "photo.bin"
    with rasterio.open(path, "w", driver=driver, count=3, height=100, width=120, dtype="uint8") as raster:
        raster.write(photo())
    fails_well(run("photo.bin"), 5, "photo.bin")


@pytest.mark.parametrize("value", [0, -9999])
def test_scene_of_nodata(run, tmp_path, value):
    write_float(tmp_path / "void.tif", np.full((2, *SHAPE), value), nodata=value)
    fails_well(run("void.tif"), 5, "void.tif", "no valid pixel")


def test_nan_everywhere(run, tmp_path):
    write_float(tmp_path / "nan.tif", np.full((2, *SHAPE), np.nan))
    fails_well(run("nan.tif"), 5, "nan.tif", "no valid pixel")


def test_polarizations_of_different_size(run, tmp_path):
    write_scene(tmp_path / "iw-vv.tiff", sea_power(SHAPE)[:1], names=("VV",))
    write_scene(tmp_path / "iw-vh.tiff", sea_power((SHAPE[0] + 1, SHAPE[1]))[1:], names=("VH",))
    fails_well(run("iw-vv.tiff", "iw-vh.tiff"), 5, "size", "iw-vv.tiff", "iw-vh.tiff")


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 9), (339, 499)])
def test_scene_smaller_than_a_tile_works(model, tmp_path, monkeypatch, capsys, shape):
    monkeypatch.chdir(tmp_path)
    power = sea_power((400, 600))[:, : shape[0], : shape[1]]
    write_scene(tmp_path / "small.tif", power)
    assert main(["detect", "small.tif", "--model", model]) == 0
    err = capsys.readouterr().err
    assert "padded by reflection" in err
    assert ("false-alarm rates do not hold" in err) == (shape != (339, 499))
    assert (tmp_path / "rfiscan_out" / "small.json").exists()


@pytest.mark.parametrize(
    "damage", ["absent", "file", "empty folder", "no weights", "bad weights", "bad card", "no name"]
)
def test_model_that_is_not_one(run, tmp_path, model, damage):
    write_scene(tmp_path / "sea.tif", sea_power(SHAPE))
    bad = tmp_path / "bad"
    if damage == "file":
        bad.write_text("no model")
    elif damage == "empty folder":
        bad.mkdir()
    elif damage != "absent":
        shutil.copytree(model, bad)
        if damage == "no weights":
            (bad / "model.safetensors").unlink()
        elif damage == "bad weights":
            (bad / "model.safetensors").write_bytes(b"junk" * 100)
        else:
            card = (bad / "model.yaml").read_text()
            (bad / "model.yaml").write_text(
                ": junk [" if damage == "bad card" else card.replace("architecture: cae", "")
            )
    fails_well(run("sea.tif", model=str(bad)), 5, "bad")


def test_output_folder_that_is_a_file(run, tmp_path):
    write_scene(tmp_path / "sea.tif", sea_power(SHAPE))
    (tmp_path / "taken").write_text("precious")
    fails_well(run("sea.tif", "-o", "taken"), 7, "taken", "file")
    assert (tmp_path / "taken").read_text() == "precious"


def test_output_folder_below_a_file(run, tmp_path):
    write_scene(tmp_path / "sea.tif", sea_power(SHAPE))
    (tmp_path / "taken").write_text("precious")
    fails_well(run("sea.tif", "-o", "taken/out"), 7, "taken")


def test_output_folder_that_cannot_be_written_stops_before_the_model_is_loaded(run, tmp_path, monkeypatch):
    write_scene(tmp_path / "sea.tif", sea_power(SHAPE))
    monkeypatch.setattr("rfiscan.runtimes.loading.load_runnable", lambda *_, **__: pytest.fail("was loaded"))
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a folder that not even root may write to")
    fails_well(run("sea.tif", "-o", "/proc/rfiscan"), 7, "/proc/rfiscan")


def test_output_that_cannot_be_replaced_leaves_no_record(run, tmp_path):
    write_scene(tmp_path / "sea.tif", sea_power(SHAPE))
    (tmp_path / "out" / "sea_score.tif").mkdir(parents=True)
    code, lines = run("sea.tif", "-o", "out")
    assert code == 7
    assert "sea_score.tif" in lines[0]
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"sea_error.tif", "sea_score.tif"}


def test_ctrl_c_ends_with_130_and_leaves_whole_files_only(model, tmp_path):
    scenes = [write_scene(tmp_path / f"sea_{n}.tif", sea_power((700, 1000), seed=n)) for n in range(40)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rfiscan", "detect", *map(str, scenes), "--model", model, "--json", "--per-tile"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # shells ignore SIGINT for what they run behind, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - the child has one thread
    ) as run:
        first = run.stdout.readline()
        time.sleep(0.3)
        run.send_signal(signal.SIGINT)
        rest, err = run.communicate(timeout=300)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted" in err
    out = tmp_path / "rfiscan_out"
    assert not list(out.rglob("*.part"))
    done = {path.stem for path in out.glob("*.json")}
    printed = [first, *rest.splitlines()]
    assert len(printed) <= len(done) <= len(printed) + 1 < len(scenes)  # the signal may come between file and line
    for path in out.rglob("*.tif"):
        with rasterio.open(path) as raster:
            raster.read()
