"""`rfiscan info`: what a scene is, what ESA says of it, whether a model fits; of whatever detect opens."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.__main__ import main
from rfiscan.cli.info_tables import info_table
from rfiscan.model_files.card_file import read_card
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.workflows.detecting.model_fit import fit_record
from rfiscan.workflows.detecting.nodata_share import SAMPLED_ROWS, nodata_share
from rfiscan.workflows.info import describe_scene
from tests.make_remote import list_in_manifest
from tests.make_rfi import Annotated, bursts_of, rfi_xml
from tests.make_scenes import (
    FIRST_LINE_TIME,
    PRODUCT,
    gcp_grid,
    make_affine_tiff,
    make_grd_tiffs,
    make_quicklook_npy,
    make_quicklook_png,
    make_safe,
    speckled_dn,
    true_lonlat,
    write_tiff,
    zip_safe,
)
from tests.make_slc import SLC_PRODUCT, make_slc

ROOT = Path(__file__).parents[1]
SHAPE = (120, 160)
KEYS = {
    "scene", "status", "version", "sources", "product", "measurements", "polarizations", "shape", "units", "spacing_m",
    "spacing_known", "georeferencing", "corners_lonlat", "footprint", "sub_swaths", "nodata", "fit", "esa_rfi",
    "esa_rfi_reason", "warnings",
}  # fmt: skip


@pytest.fixture(scope="module")
def card(model):
    return read_card(Path(model))


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys):
    """Run `rfiscan info` in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run_info(*args):
        code = main(["info", "--model", model, *[str(arg) for arg in args]])
        return code, *capsys.readouterr()

    return run_info


def rfi(**facts):
    return {
        name: rfi_xml(name, Annotated(bursts=bursts_of("IW2", FIRST_LINE_TIME, 3, **facts), mitigation="Time"))
        for name in ("VV", "VH")
    }


@pytest.mark.parametrize(("value", "spacing_m"), [("250", [250.0, 250.0]), ("50,41.5", [50.0, 41.5])])
def test_the_pixel_spacing_of_a_picture_can_be_told(run, tmp_path, value, spacing_m):
    scene = make_quicklook_npy(tmp_path / "s.npy", shape=SHAPE)
    code, out, err = run(scene, "--json", "--pixel-spacing", value)
    assert (code, json.loads(out)["spacing_m"]) == (0, spacing_m)
    assert "500 m" not in err


# records


def inputs_of_every_kind(folder):
    safe = make_safe(folder / "safe", shape=SHAPE)
    pair = make_grd_tiffs(folder / "pair", shape=SHAPE)
    return {
        "product": (safe,),
        "manifest": (safe / "manifest.safe",),
        "zip": (zip_safe(safe),),
        "mirror": (make_safe(folder / "aws", shape=SHAPE, layout="aws"),),
        "pair": (pair["VV"], pair["VH"]),
        "affine": (make_affine_tiff(folder / "affine.tif", shape=SHAPE),),
        "png": (make_quicklook_png(folder / "quick.png", shape=SHAPE),),
        "npy": (make_quicklook_npy(folder / "quick.npy", shape=SHAPE),),
    }


def test_everything_that_detect_opens_is_described_as_it_is_opened(tmp_path, card):
    for name, paths in inputs_of_every_kind(tmp_path).items():
        record = describe_scene(paths, card)
        assert record.keys() == KEYS, name
        json.dumps(record, allow_nan=False)
        with open_scene(*paths) as scene:
            assert record["scene"] == scene.scene_id
            assert record["shape"] == list(scene.shape) == list(SHAPE)
            assert record["polarizations"] == ["VV", "VH"]
            assert record["units"] == scene.units.value
            assert record["spacing_m"] == list(scene.spacing_m)
            assert record["spacing_known"] == scene.spacing_known == (name not in {"png", "npy"})
            assert record["georeferencing"] == scene.georeferencing.kind
            assert [swath["name"] for swath in record["sub_swaths"]] == [swath.name for swath in scene.swaths]
        assert (record["product"] is not None) == (name in {"product", "manifest", "zip", "mirror"})
        assert (record["corners_lonlat"] is None) == (name in {"png", "npy"})
        assert record["measurements"] == {"state": "present", "reason": None}


def test_corners_are_where_the_pixels_are(tmp_path, card):
    record = describe_scene((make_safe(tmp_path, shape=SHAPE),), card)
    rows, cols = SHAPE
    expected = np.column_stack(true_lonlat([0, cols, cols, 0], [0, 0, rows, rows]))
    np.testing.assert_allclose(record["corners_lonlat"], expected, atol=2e-5)
    (ring,) = record["footprint"]["coordinates"]
    assert ring[0] == ring[-1]
    assert {tuple(point) for point in ring} == {tuple(point) for point in record["corners_lonlat"]}


def test_footprint_at_the_antimeridian_has_two_parts(tmp_path, card):
    gcps = gcp_grid(SHAPE, spacing_m=500.0, origin=(-179.9, 10.0))
    write_tiff(tmp_path / "iw-vv.tif", speckled_dn(SHAPE), gcps=gcps, crs="EPSG:4326")
    footprint = describe_scene((tmp_path / "iw-vv.tif",), card)["footprint"]
    assert footprint["type"] == "MultiPolygon"
    lons = [[lon for lon, _ in part[0]] for part in footprint["coordinates"]]
    assert all(max(part) - min(part) < 90 for part in lons)


def test_product_tells_what_it_is(tmp_path, card):
    record = describe_scene((make_safe(tmp_path, shape=SHAPE, ipf="003.71", rfi=rfi(noise=True)),), card)
    product = record["product"]
    assert (product["name"], product["mode"], product["type"]) == (PRODUCT, "IW", "GRD")
    assert (product["resolution"], product["pass"], product["ipf_version"]) == ("H", "Descending", "3.71")
    assert product["start_time"] == FIRST_LINE_TIME.isoformat()
    esa = record["esa_rfi"]
    assert record["esa_rfi_reason"] is None
    assert esa["mitigated"]
    assert esa["bursts_with_rfi"] == len(esa["bursts"]) == 3
    assert esa["polarizations"]["VV"] == {
        "mitigation": "Time", "noise_reports": 3, "noise_reports_with_rfi": 3, "burst_reports": 3, "block_reports": 0,
    }  # fmt: skip
    report = esa["bursts"][1]["reports"]["VH"]
    assert report["in_out_band_power_ratio"] == 1.05
    assert report["noise"][0]["max_rfi_psd"] == 34.59219


@pytest.mark.parametrize("layout", ["esa", "aws"])
def test_metadata_alone_tell_what_the_whole_product_tells(tmp_path, card, layout):
    whole = describe_scene((make_safe(tmp_path / "a", shape=SHAPE, layout=layout),), card)
    path = make_safe(tmp_path / "b", shape=SHAPE, layout=layout, measurements=False)
    bare = describe_scene((path,), card)
    assert bare["measurements"]["state"] == "absent"
    assert bare["nodata"] is None
    same = KEYS - {"measurements", "nodata", "warnings"}
    assert {key: bare[key] for key in same} == {key: whole[key] for key in same}


def test_measurements_that_cannot_be_read_are_said_so(tmp_path, card):
    safe = make_safe(tmp_path, shape=SHAPE)
    victim = min((safe / "measurement").iterdir())
    victim.write_bytes(b"")
    record = describe_scene((safe,), card)
    assert record["measurements"]["state"] == "unreadable"
    assert victim.name in record["measurements"]["reason"]
    assert record["shape"] == list(SHAPE)


def test_an_absent_polarization_is_a_warning_of_info_and_detect(run, tmp_path, model, capsys):
    safe = make_safe(tmp_path, shape=SHAPE)
    list_in_manifest(safe)
    next(safe.glob("measurement/*-vh-*")).unlink()
    code, out, err = run(safe, "--json")
    assert code == 0
    assert "the manifest lists measurement/" in err
    assert any("the manifest lists measurement/" in warning for warning in json.loads(out)["warnings"])
    assert main(["detect", str(safe), "--model", model, "--json", "--quiet"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert any("the manifest lists measurement/" in warning for warning in record["warnings"])


def test_a_product_of_another_type_does_not_fit(tmp_path, card):
    safe = make_slc(tmp_path, name=SLC_PRODUCT.replace("_IW_", "_WV_"), mode="WV")
    record = describe_scene((safe,), card)
    assert (record["product"]["mode"], record["product"]["type"]) == ("WV", "SLC")
    assert not record["fit"]["fits"]
    assert "WV SLC" in record["fit"]["reason"]


def test_an_slc_product_is_told_as_its_merged_grid(tmp_path, card):
    whole = describe_scene((make_slc(tmp_path / "a"),), card)
    assert whole["product"]["type"] == "SLC"
    assert whole["shape"] == [153, 153]
    assert whole["units"] == "dn"
    assert [swath["name"] for swath in whole["sub_swaths"]] == ["IW1", "IW2", "IW3"]
    assert whole["fit"]["fits"]
    assert "SLC" in info_table(whole)
    bare = describe_scene((make_slc(tmp_path / "b", measurements=False),), card)
    assert bare["measurements"]["state"] == "absent"
    told = ("shape", "spacing_m", "spacing_known", "units", "polarizations", "georeferencing", "corners_lonlat")
    assert {key: bare[key] for key in told} == {key: whole[key] for key in told}
    assert {s["name"]: s["rows"] for s in bare["sub_swaths"]} == {s["name"]: s["rows"] for s in whole["sub_swaths"]}


# nodata


@pytest.mark.parametrize("rows", [SHAPE[0], 5])
def test_the_nodata_share_of_a_small_scene_is_exact(tmp_path, rows):
    dn = {name: speckled_dn((rows, 160), seed=i, border_px=13) for i, name in enumerate(("VV", "VH"))}
    dn["VV"][2, 50:90] = 0  # of one polarization: no nodata
    with open_scene(make_safe(tmp_path, shape=(rows, 160), dn=dn)) as scene:
        found = nodata_share(scene)
    assert found == {"share": pytest.approx(13 / 160), "rows_read": rows, "estimate": False}


@given(cut=st.integers(0, 1000), border=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_estimate_of_a_large_scene_is_near(cut, border):
    height, width = 5000, 1000

    class Rows:
        reads = 0

        def read_rows(self, start, stop):
            Rows.reads += stop - start
            valid = np.ones((2, stop - start, width), bool)
            valid[:, np.arange(start, stop) < cut] = False
            valid[:, :, :border] = False
            return np.zeros(valid.shape, np.float32), valid

    scene = Rows()
    scene.shape = (height, width)
    found = nodata_share(scene)
    assert found["estimate"]
    assert found["rows_read"] == Rows.reads == SAMPLED_ROWS
    truth = 1 - (1 - cut / height) * (1 - border / width)
    assert found["share"] == pytest.approx(truth, abs=0.5 / SAMPLED_ROWS + 1e-9)


# does the model fit


@pytest.mark.parametrize("spacing_m", [10.0, 40.0, 200.0, 500.0, 740.0])
def test_a_fitting_model_gets_the_grid_that_is_said(tmp_path, card, spacing_m):
    path = make_safe(tmp_path, shape=SHAPE, spacing_m=spacing_m)
    fit = describe_scene((path,), card)["fit"]
    assert fit["fits"]
    assert fit["spacing_m"] == card.spacing_m
    with open_scene(path) as scene:
        grid = read_working_grid(scene, card.spacing_m)
    assert f"{grid.power.shape[1]} x {grid.power.shape[2]} at {grid.spacing_m[0]:.4g} m" in fit["reason"]


def test_a_scene_coarser_than_the_model_does_not_fit(tmp_path, card):
    fit = describe_scene((make_safe(tmp_path, shape=SHAPE, spacing_m=760.0),), card)["fit"]
    assert not fit["fits"]
    assert "760 m apart" in fit["reason"]
    assert "trained at 500 m" in fit["reason"]


def test_a_scene_of_values_below_zero_is_not_said_to_fit(run, tmp_path):
    values = np.full((2, *SHAPE), -9999, np.float32)
    values[:, :, 40:] = np.random.default_rng(0).normal(-15, 2, (2, SHAPE[0], SHAPE[1] - 40))
    code, out, err = run(make_affine_tiff(tmp_path / "a.tif", values, descriptions=["VV", "VH"]))
    assert code == 5
    assert not out
    assert "taken for power" in err
    assert "--units db" in err


@pytest.mark.parametrize(("shape", "holds"), [((169, 600), False), ((400, 249), False), ((170, 250), True)])
def test_a_scene_much_smaller_than_a_tile_is_told_that_false_alarm_rates_do_not_hold(tmp_path, card, shape, holds):
    path = make_affine_tiff(tmp_path / "a.tif", shape=shape, pixel=500.0)
    fit = describe_scene((path,), card)["fit"]
    assert "padded by reflection" in fit["reason"]
    assert ("false-alarm rates do not hold" in fit["reason"]) != holds


def test_a_scene_that_does_not_fit_into_memory_does_not_fit(card, monkeypatch, tmp_path):
    with open_scene(make_safe(tmp_path, shape=SHAPE)) as scene:
        free = psutil.virtual_memory()._replace(available=0)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
        fit = fit_record(scene, card, spacing_known=True)
    assert not fit["fits"]
    assert "memory" in fit["reason"]


def test_an_assumed_spacing_is_said(tmp_path, card):
    fit = describe_scene((make_quicklook_npy(tmp_path / "a.npy"),), card)["fit"]
    assert fit["fits"]
    assert "assumed" in fit["reason"]


# the command


def test_the_table_says_what_people_ask(run, tmp_path):
    code, out, _ = run(make_safe(tmp_path, shape=SHAPE, ipf="003.71", rfi=rfi(noise=True, time=30.0)))
    assert code == 0
    lines = {line[:16].strip(): line[16:] for line in out.splitlines()}
    assert PRODUCT in out
    assert "IW GRD, resolution H" in out
    assert "VV+VH" in out
    assert "ground control points" in out
    assert "interference in 3 of 3 noise measurements; mitigated: Time" in out
    assert "3 of 3 with interference: IW2 #1 (noise VV+VH, time VV+VH)" in out
    assert "fits: 50 x 50 pixels are averaged" in out
    assert "0.0 %" in lines["nodata"]
    assert "measurements" not in lines


def test_metadata_alone_end_with_0_and_a_sentence(run, tmp_path):
    code, out, err = run(make_safe(tmp_path, measurements=False, ipf="002.70"))
    assert code == 0
    assert "absent: the product holds no measurement TIFFs, only metadata" in out
    assert "unknown: no annotation: IPF 2.70 is older than 3.40" in out
    assert "nodata" not in out
    assert not err


def test_json_is_one_record_a_line_and_a_failure_does_not_stop_the_others(run, tmp_path):
    (tmp_path / "empty.tif").write_bytes(b"")
    scenes = [make_safe(tmp_path), tmp_path / "empty.tif", make_quicklook_png(tmp_path / "quick.png")]
    code, out, err = run(*scenes, "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 9
    assert [record["status"] for record in records] == ["done", "failed", "done"]
    assert records[1]["exit_code"] == 5
    assert "[2/3]" in err
    assert records[0].keys() == KEYS


def test_two_tiffs_of_an_acquisition_are_one_scene(run, tmp_path):
    pair = make_grd_tiffs(tmp_path / "pair")
    code, out, _ = run(*pair.values(), "--json")
    assert code == 0
    (record,) = [json.loads(line) for line in out.splitlines()]
    assert record["polarizations"] == ["VV", "VH"]


@pytest.mark.parametrize("argument", ["archive", "archive/*", "@list.txt", "-"])
def test_folders_globs_lists_and_standard_input_are_taken_as_detect_takes_them(run, tmp_path, monkeypatch, argument):
    for name in ("one", "two"):
        make_quicklook_npy(tmp_path / "archive" / f"{name}.npy", shape=SHAPE)
    (tmp_path / "list.txt").write_text("archive/one.npy\narchive/two.npy\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("archive\n"))
    code, out, _ = run(argument, "--json")
    assert (code, [json.loads(line)["scene"] for line in out.splitlines()]) == (0, ["one", "two"])


@pytest.mark.parametrize("damage", ["missing", "zero", "text", "annotation", "model"])
def test_errors_end_with_their_exit_code(run, tmp_path, damage):
    path, more = tmp_path / "scene.tif", []
    if damage == "zero":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("no scene")
    elif damage == "annotation":
        path = make_safe(tmp_path)
        victim = min((path / "annotation").glob("*.xml"))
        victim.write_text(victim.read_text()[:200])
    elif damage == "model":
        path, more = make_quicklook_npy(tmp_path / "a.npy"), ["--model", tmp_path / "no_model"]
    code, out, err = run(path, *more)
    assert code == 5
    assert not out
    assert "Traceback" not in err
    assert ("no_model" if damage == "model" else victim.name if damage == "annotation" else path.name) in err


def test_quiet_leaves_the_table_only(run, tmp_path):
    code, out, err = run(make_quicklook_npy(tmp_path / "a.npy"), "--quiet")
    assert code == 0
    assert out
    assert not err


def test_info_needs_no_torch(tmp_path, model):
    path = make_safe(tmp_path, ipf="003.71", rfi=rfi())
    code = (
        "import sys; from rfiscan.__main__ import main;"
        f"code = main(['info', {str(path)!r}, '--model', {model!r}]); print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert done.stdout.splitlines()[-1] == "0 False"


# real products


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("*0664.SAFE", ["S1A IW GRD, resolution H", "3.52", "absent", "interference in 2 of 38", "TimeFrequency"]),
        ("*861B.SAFE", ["S1A IW GRD, resolution H", "3.52", "absent", "none of 33 with interference", "nothing taken"]),
        ("*6D00.SAFE", ["S1A IW GRD, resolution H", "2.70", "absent", "unknown: no annotation: IPF 2.70 is older"]),
        ("*BB15", ["S1A EW GRD, resolution M", "3.52", "cannot be read", "HH+HV", "none of 110 with interference"]),
    ],
)
def test_real_products_without_measurements(real_data, run, name, said):
    code, out, _ = run(next(real_data.glob(f"safe/{name}")))
    assert code == 0
    assert all(text in " ".join(out.split()) for text in said)
    assert "fits" in out


@pytest.mark.real
def test_real_geotiffs_and_pictures(real_data, card):
    pair = tuple(real_data / "geotiff/FD5B_grd_gcps" / f"iw-{name}.tiff" for name in ("vv", "vh"))
    record = describe_scene(pair, card)
    assert record["polarizations"] == ["VV", "VH"]
    assert record["georeferencing"] == "gcps"
    assert 0 < record["nodata"]["share"] < 0.1  # its borders are zero
    for path in sorted((real_data / "quicklook").rglob("*.png")):
        record = describe_scene((path,), card)
        assert record["georeferencing"] == "none"
        assert record["fit"]["fits"]
        assert record["esa_rfi"] is None
