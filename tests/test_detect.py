"""detect_scene: from a scene to its files and its record."""

from __future__ import annotations

import errno
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan import __version__
from rfiscan.errors import ModelFitError, OutputError, ResourceError, SceneError, UsageError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.model_files.model_card import NullCalibration
from rfiscan.radiometry import Units
from rfiscan.tiling.tiles import plan_windows
from rfiscan.workflows import detect
from rfiscan.workflows.batch import detect_scenes, failed_record, output_folder
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.detecting import outputs
from rfiscan.workflows.detecting.memory_plan import MemoryPlan
from rfiscan.workflows.grouping import group_scenes
from rfiscan.workflows.resources import peak_rss_mb
from tests.flat_model import SPACING_M, STRIPE, save_flat_model, sea_power, write_scene

KEYS = {
    "scene", "status", "model", "far", "threshold", "spacing_m", "units", "georeferencing", "polarizations", "shape",
    "severity", "scene_score", "scene_far", "flagged_share",
    "detections", "outputs", "timings_s", "peak_rss_mb", "warnings", "version",
}  # fmt: skip
ROOT = Path(__file__).parents[1]
SHAPE = (360, 520)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return load_model(save_flat_model(tmp_path_factory.mktemp("models") / "flat"))


@pytest.fixture
def scene(tmp_path):
    return write_scene(tmp_path / "sea.tif", sea_power(SHAPE, stripe_db=6))


@pytest.fixture
def options(tmp_path):
    (tmp_path / "out").mkdir()
    return DetectOptions(out_dir=tmp_path / "out")


class Listener:
    """A reporter that remembers."""

    def __init__(self):
        self.notes, self.warnings, self.steps = [], [], []

    def begin(self, part, parts):
        pass

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)

    def progress(self, stage, done, total):
        self.steps.append((stage, done, total))


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_stripe_is_found_where_it_is(scene, model, options):
    record = detect_scene((scene,), model, options)
    (detection,) = record["detections"]
    x, y, width, height = detection["bbox_px"]
    rows, cols = STRIPE
    assert abs(y - rows.start) <= 2
    assert abs(y + height - rows.stop) <= 2
    assert abs(x - cols.start) <= 4
    assert abs(x + width - cols.stop) <= 4
    assert detection["polarizations"] == ["VH"]
    assert detection["peak_excess_db"] == pytest.approx(6, abs=1.5)
    assert detection["footprint"]["type"] == "Polygon"
    assert record["flagged_share"] == pytest.approx(8 * 120 / (SHAPE[0] * SHAPE[1]), rel=0.4)
    assert record["flagged_share_by_polarization"]["VV"] == 0
    assert record["flagged_share_by_polarization"]["VH"] == pytest.approx(record["flagged_share"])
    assert 0 < record["severity"] <= 1


def test_a_clean_scene_has_no_detection(tmp_path, model, options):
    record = detect_scene((write_scene(tmp_path / "sea.tif", sea_power(SHAPE)),), model, options)
    assert record["detections"] == []
    assert record["flagged_share"] == 0
    assert record["severity"] == 0


def test_all_outputs_are_written_and_nothing_else(scene, model, options):
    record = detect_scene((scene,), model, options)
    wanted = {"sea_error.tif", "sea_score.tif", "sea_mask.tif", "sea_rfi.geojson", "sea_quicklook.png", "sea.json"}
    assert names_in(options.out_dir) == wanted
    assert {Path(path).name for path in record["outputs"].values()} == wanted
    assert all(Path(path).is_absolute() for path in record["outputs"].values())


def test_every_key_of_the_record_is_explained(scene, model, options):
    record = detect_scene((scene,), model, options)
    explained = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "record.md").read_text(encoding="utf-8")))
    failed = failed_record((scene,), SceneError("empty"))
    assert record.keys() | record["detections"][0].keys() | failed.keys() <= explained


def test_the_record_says_what_the_design_promises(scene, model, options):
    record = detect_scene((scene,), model, options)
    assert record.keys() >= KEYS
    assert record == json.loads((options.out_dir / "sea.json").read_text())
    assert record["status"] == "done"
    assert record["version"] == __version__
    assert record["model"] == "flat"
    assert record["units"] == "dn"
    assert record["georeferencing"] == "affine"
    assert record["polarizations"] == ["VV", "VH"]
    assert record["shape"] == list(SHAPE)
    assert record["spacing_m"] == [SPACING_M, SPACING_M]
    assert record["sources"] == ["sea.tif"]
    assert record["timings_s"].keys() == {"read", "reconstruct", "score", "write", "total"}
    assert record["timings_s"]["total"] >= sum(v for k, v in record["timings_s"].items() if k != "total") - 0.01
    assert record["peak_rss_mb"] > 0


def test_every_raster_tells_how_it_was_made(scene, model, options):
    record = detect_scene((scene,), model, replace(options, per_tile=True))
    rasters = [path for path in record["outputs"].values() if path.endswith(".tif")]
    assert len(rasters) > 3
    for path in rasters:
        with rasterio.open(path) as raster:
            tags = raster.tags()
        assert tags["RFISCAN_VERSION"] == __version__
        assert tags["RFISCAN_MODEL"] == "flat"
        assert tags["RFISCAN_MODEL_SHA256"] == model.sha256
        assert float(tags["RFISCAN_THRESHOLD"]) == pytest.approx(record["threshold"])
        assert float(tags["RFISCAN_FAR"]) == options.far
        assert tags["RFISCAN_SOURCE"] == "sea.tif"
        assert tags["RFISCAN_SPACING_M"] == "500,500"


@pytest.mark.parametrize("placed_by", ["affine", "gcps", "none"])
def test_georeferencing_is_kept_in_kind(tmp_path, model, options, placed_by):
    path = write_scene(tmp_path / "sea.tif", sea_power(SHAPE, stripe_db=6), placed_by=placed_by)
    record = detect_scene((path,), model, replace(options, per_tile=True))
    assert record["georeferencing"] == placed_by
    assert (record["detections"][0]["footprint"] is None) == (placed_by == "none")
    for name, output in record["outputs"].items():
        if output.endswith(".tif"):
            with rasterio.open(output) as raster:
                gcps, _ = raster.gcps
                assert bool(gcps) == (placed_by == "gcps"), name
                assert (raster.crs is not None) == (placed_by == "affine"), name


def test_mask_and_score_agree_and_invalid_pixels_are_marked(tmp_path, model, options):
    power = sea_power(SHAPE, stripe_db=6)
    power[:, :, :30] = 0
    record = detect_scene((write_scene(tmp_path / "sea.tif", power),), model, options)
    with rasterio.open(record["outputs"]["mask"]) as raster:
        mask = raster.read(1)
    with rasterio.open(record["outputs"]["score"]) as raster:
        score = raster.read(1)
    assert set(np.unique(mask)) == {0, 1, 255}
    assert (mask[:, :30] == 255).all()
    np.testing.assert_array_equal(mask == 255, np.isnan(score))
    assert (score[mask == 1] > record["threshold"]).all()
    assert record["flagged_share"] == pytest.approx((mask == 1).sum() / (mask != 255).sum())


def test_tile_rasters_are_cuts_of_the_error_map(scene, model, options):
    record = detect_scene((scene,), model, replace(options, per_tile=True))
    with rasterio.open(record["outputs"]["error"]) as raster:
        error_map, transform = raster.read(), raster.transform
    windows = plan_windows(*SHAPE, model.card.tile_shape, options.overlap)
    tiles = {name: path for name, path in record["outputs"].items() if name.startswith("tile_")}
    assert len(tiles) == len(windows) > 1
    found = set()
    for path in tiles.values():
        with rasterio.open(path) as raster:
            col, row = ~transform @ (raster.transform.c, raster.transform.f)
            tile = raster.read()
        window = next(w for w in windows if (w.row_off, w.col_off) == (round(row), round(col)))
        np.testing.assert_array_equal(tile, error_map[:, *window.slices])
        found.add(window)
    assert found == set(windows)
    assert Path(tiles["tile_r00_c00"]).name == "sea_r00_c00_error.tif"


def test_tiles_of_an_earlier_run_do_not_stay(scene, model, options):
    detect_scene((scene,), model, replace(options, per_tile=True))
    other = options.out_dir / "tiles" / "sea_2_r00_c00_error.tif"
    other.write_bytes(b"of another scene")
    detect_scene((scene,), model, options)
    assert names_in(options.out_dir / "tiles") == {other.name}


@pytest.mark.parametrize("broken", ["write_cog", "write_geojson", "write_quicklook"])
def test_the_record_of_an_earlier_run_never_outlives_a_failed_one(scene, model, options, monkeypatch, broken):
    detect_scene((scene,), model, options)

    def fail(*args, **kwargs):
        raise OutputError("cannot be written")

    monkeypatch.setattr(outputs, broken, fail)
    with pytest.raises(OutputError):
        detect_scene((scene,), model, options)
    assert not (options.out_dir / "sea.json").exists()
    assert not [name for name in names_in(options.out_dir) if name.endswith(".part")]


@pytest.mark.parametrize("way", ["in memory", "streamed"])
def test_a_scene_of_one_polarization_is_judged_by_the_calibration_for_it(tmp_path, model, options, monkeypatch, way):
    own = NullCalibration(thresholds={1e-4: 2.4, 1e-3: 2.2, 1e-2: 2.1}, scene_scores={1.0: -1.0, 0.5: 99.0})
    careful = replace(model, card=replace(model.card, alone={"cross": own}))
    if way == "streamed":
        monkeypatch.setattr(
            detect, "plan_memory", lambda *_: MemoryPlan(streamed=True, batch_tiles=1, most_flagged_px=10_000)
        )
    power = sea_power(SHAPE, stripe_db=6)
    alone = write_scene(tmp_path / "iw-vh.tif", power[1:], names=("VH",))
    record = detect_scene((alone,), careful, options)
    assert record["threshold"] == 2.2
    assert 0.5 < record["scene_far"] < 1
    both = detect_scene((write_scene(tmp_path / "both.tif", power),), careful, options)
    assert both["threshold"] == model.threshold(1e-3)
    assert both["scene_far"] is None


def test_an_absent_polarization_is_absent_everywhere(tmp_path, model, options):
    path = write_scene(tmp_path / "iw-vh.tif", sea_power(SHAPE, stripe_db=6)[1:], names=("VH",))
    listener = Listener()
    record = detect_scene((path,), model, options, listener)
    assert record["polarizations"] == ["VH"]
    assert record["flagged_share_by_polarization"]["VV"] is None
    assert record["flagged_share_by_polarization"]["VH"] > 0
    assert record["centre_db"]["VV"] is None
    assert any("VV is absent" in warning for warning in record["warnings"])
    assert record["warnings"] == listener.warnings
    with rasterio.open(record["outputs"]["error"]) as raster:
        assert raster.descriptions == ("error_VH_db",)


def test_a_scene_smaller_than_a_tile_works_and_says_so(tmp_path, model, options):
    record = detect_scene((write_scene(tmp_path / "sea.tif", sea_power((90, 260), stripe_db=6)),), model, options)
    assert record["padded"]
    assert any("padded by reflection" in warning for warning in record["warnings"])
    assert len(record["detections"]) == 1


def test_a_finer_scene_is_multilooked_to_the_spacing_of_the_model(tmp_path, model, options):
    fine = sea_power(SHAPE, stripe_db=6).repeat(2, axis=1).repeat(2, axis=2)
    record = detect_scene((write_scene(tmp_path / "fine.tif", fine, spacing_m=250),), model, options)
    assert record["shape"] == list(SHAPE)
    assert record["spacing_m"] == [SPACING_M, SPACING_M]
    with rasterio.open(record["outputs"]["mask"]) as raster:
        assert raster.transform.a == SPACING_M


def test_a_picture_is_multilooked_by_the_spacing_that_the_user_tells(tmp_path, model, options):
    power = sea_power((SHAPE[0] * 4, SHAPE[1] * 2), stripe_db=6)
    np.save(tmp_path / "fine.npy", np.moveaxis(power, 0, -1))
    known = replace(options, pixel_spacing_m=(125.0, 250.0), units=Units.POWER)
    record = detect_scene((tmp_path / "fine.npy",), model, known)
    assert record["shape"] == list(SHAPE)
    assert record["spacing_m"] == [SPACING_M, SPACING_M]
    assert record["requested_pixel_spacing"] == [125.0, 250.0]
    assert record["spacing_known"]
    assert not any("spacing" in warning for warning in record["warnings"])
    reporter = Listener()
    again = replace(known, skip_existing=True)
    assert detect_scene((tmp_path / "fine.npy",), model, again, reporter) == record
    assert any("finished earlier" in note for note in reporter.notes)
    other = detect_scene((tmp_path / "fine.npy",), model, replace(again, pixel_spacing_m=None))
    assert other["shape"] == [4 * SHAPE[0], 2 * SHAPE[1]]
    assert any("--pixel-spacing" in warning for warning in other["warnings"])


def test_a_file_that_tells_its_spacing_is_believed(scene, model, options):
    record = detect_scene((scene,), model, replace(options, pixel_spacing_m=(10.0, 10.0)))
    assert record["shape"] == list(SHAPE)
    assert record["spacing_m"] == [SPACING_M, SPACING_M]
    assert any("--pixel-spacing is not used" in warning for warning in record["warnings"])


@pytest.mark.parametrize(("spacing", "shape"), [("native", SHAPE), (500.0, (180, 260))])
def test_the_spacing_can_be_chosen(tmp_path, model, options, spacing, shape):
    path = write_scene(tmp_path / "fine.tif", sea_power(SHAPE), spacing_m=250)
    record = detect_scene((path,), model, replace(options, spacing_m=spacing))
    assert record["shape"] == list(shape)
    assert record["requested_spacing"] == spacing
    doubted = any("trained at 500 m" in warning for warning in record["warnings"])
    assert doubted == (spacing == "native")


def test_a_scene_too_coarse_for_the_model_is_refused_unless_a_spacing_is_chosen(tmp_path, model, options):
    path = write_scene(tmp_path / "coarse.tif", sea_power(SHAPE), spacing_m=800)
    with pytest.raises(ModelFitError, match="800 m"):
        detect_scene((path,), model, options)
    assert names_in(options.out_dir) == set()
    assert detect_scene((path,), model, replace(options, spacing_m="native"))["status"] == "done"


def test_a_grid_that_does_not_fit_into_memory_is_refused_before_it_is_read(scene, model, options, monkeypatch):
    free = psutil.virtual_memory()._replace(available=1_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(detect, "read_working_grid", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(ResourceError, match="GB"):
        detect_scene((scene,), model, replace(options, spacing_m="native"))


@pytest.mark.parametrize(
    "shortage", [MemoryError(), OSError(errno.ENOSPC, "No space left on device"), RuntimeError("can't allocate memory")]
)
def test_a_shortage_is_told_as_one(scene, model, options, monkeypatch, shortage):
    def fail(*args, **kwargs):
        raise shortage

    monkeypatch.setattr(detect, "expect", fail)
    with pytest.raises(ResourceError) as caught:
        detect_scene((scene,), model, options)
    assert caught.value.hint
    assert names_in(options.out_dir) == set()


def test_other_failures_are_not_taken_for_a_shortage(scene, model, options, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr(detect, "expect", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        detect_scene((scene,), model, options)


def test_a_rate_outside_the_calibration_is_refused(scene, model, options):
    with pytest.raises(UsageError, match="calibrated"):
        detect_scene((scene,), model, replace(options, far=1e-9))


def test_progress_is_told_and_never_runs_backwards(scene, model, options):
    listener = Listener()
    detect_scene((scene,), model, options, listener)
    stages = list(dict.fromkeys(stage for stage, _, _ in listener.steps))
    assert stages == ["reading", "reconstructing", "writing"]
    for wanted in stages:
        shares = [done / total for stage, done, total in listener.steps if stage == wanted]
        assert shares == sorted(shares)
        assert shares[-1] == 1
    (note,) = listener.notes
    assert "VV+VH" in note
    assert "units dn" in note


def test_finished_scenes_are_kept_only_if_nothing_changed(scene, model, options, monkeypatch):
    first = detect_scene((scene,), model, options)
    again = replace(options, skip_existing=True)
    assert detect_scene((scene,), model, again) == first
    assert detect_scene((scene,), model, options)["timings_s"] != first["timings_s"]
    assert detect_scene((scene,), model, replace(again, far=1e-2))["far"] == 1e-2
    assert "tile_r00_c00" in detect_scene((scene,), model, replace(again, far=1e-2, per_tile=True))["outputs"]
    assert Path(detect_scene((scene,), model, replace(again, far=1e-2, formats=("csv",)))["outputs"]["csv"]).exists()
    plain = detect_scene((scene,), model, options)
    assert not list(Path(plain["outputs"]["mask"]).parent.glob("*.csv")), "what lies there is of one run"
    Path(first["outputs"]["mask"]).unlink()
    assert Path(detect_scene((scene,), model, replace(again, far=1e-2))["outputs"]["mask"]).exists()


def test_a_batch_goes_on_after_a_failure_and_never_overwrites_a_scene(tmp_path, model, options):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    good = write_scene(tmp_path / "a" / "sea.tif", sea_power(SHAPE, stripe_db=6))
    bad = tmp_path / "broken.tif"
    bad.write_bytes(b"")
    twin = write_scene(tmp_path / "b" / "sea.tif", sea_power(SHAPE))
    outcomes = list(detect_scenes([(bad,), (good,), (twin,)], model, options))
    assert [outcome.record["status"] for outcome in outcomes] == ["failed", "done", "failed"]
    assert outcomes[0].record["exit_code"] == 5
    assert outcomes[2].record["exit_code"] == 7
    assert json.loads((options.out_dir / "sea.json").read_text())["detections"]


def test_an_output_folder_that_stays_empty_is_not_left_behind(tmp_path):
    with output_folder(tmp_path / "new" / "out") as folder:
        assert folder.is_dir()
    assert not (tmp_path / "new" / "out").exists()
    (tmp_path / "old").mkdir()
    with output_folder(tmp_path / "old"):
        pass
    assert (tmp_path / "old").is_dir()


def test_peak_memory_counts_what_was_used():
    before = peak_rss_mb()
    block = np.ones(40_000_000, np.float64)
    assert peak_rss_mb() >= before
    assert peak_rss_mb() >= block.nbytes / 1e6


PAIRS = [
    ("iw-vv.tiff", "iw-vh.tiff"),
    ("ew-hh.tiff", "ew-hv.tiff"),
    ("S1A_VV_20220501.tif", "S1A_VH_20220501.tif"),
    (
        "s1a-iw-grd-vv-20150203t043109-20150203t043134-004453-00573b-001.tiff",
        "s1a-iw-grd-vh-20150203t043109-20150203t043134-004453-00573b-002.tiff",
    ),
]
SINGLES = ["iw-vv.png", "product.SAFE", "both.tif", "vv_and_vh.tif", "x-vv-hh.tif"]


@pytest.mark.parametrize(("co_pol", "cross_pol"), PAIRS)
def test_two_polarizations_of_an_acquisition_are_one_scene(co_pol, cross_pol):
    folder = Path("data")
    wanted = [(folder / co_pol, folder / cross_pol)]
    assert group_scenes([folder / co_pol, folder / cross_pol]) == wanted
    assert group_scenes([folder / cross_pol, folder / co_pol]) == wanted
    assert group_scenes([folder / co_pol]) == [(folder / co_pol,)]


@pytest.mark.parametrize(
    "names",
    [
        ("a/iw-vv.tiff", "b/iw-vh.tiff"),
        ("iw-vv.tiff", "ew-vh.tiff"),
        ("iw-vv.tiff", "iw-hv.tiff"),
        ("iw-vv.tiff", "iw-hh.tiff"),
        ("iw-vv-001.tiff", "iw-vh-002.tiff"),
        ("iw-vv.tiff", "iw-vh.tif"),
        ("iw-vv.png", "iw-vh.png"),
    ],
)
def test_what_does_not_belong_together_stays_apart(names):
    paths = [Path(name) for name in names]
    assert group_scenes(paths) == [(path,) for path in paths]


@settings(max_examples=50, deadline=None)
@given(names=st.permutations([name for pair in PAIRS for name in pair] + SINGLES), repeated=st.integers(0, 12))
def test_grouping_keeps_every_path_once_whatever_the_order(names, repeated):
    paths = [Path(name) for name in names]
    groups = group_scenes([*paths, paths[repeated]])
    assert sorted(path for group in groups for path in group) == sorted(paths)
    assert {group for group in groups if len(group) == 2} == {(Path(co), Path(cross)) for co, cross in PAIRS}
