"""Scenes that do not fit into memory: found and written is what would be found and written if they did."""

from __future__ import annotations

import errno
import json
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfiscan.__main__ import main
from rfiscan.errors import OutputError, ResourceError, SceneError
from rfiscan.export.streamed_rasters import RasterRows
from rfiscan.model_files.model_card import ModelCard
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.scenes.working_rows import WorkingRows
from rfiscan.scoring import ScoringSettings
from rfiscan.standardisation import Standardisation
from rfiscan.workflows import detect
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.detecting.memory_plan import MemoryPlan, plan_memory
from tests.flat_model import sea_power, write_scene
from tests.make_calibration import draw_tables
from tests.make_rfi import Annotated, bursts_of, rfi_xml
from tests.make_scenes import FIRST_LINE_TIME, make_quicklook_png, make_safe, speckled_dn

TILE = (24, 40)
MAY_DIFFER = {"timings_s", "peak_rss_mb", "streamed", "outputs", "detections", "severity", "scene_score"}


class Blurred:
    """Expects the mean of a tile's rows, which differs from tile to tile; what is above it speaks for interference."""

    backend, precision = "numpy", "f32"

    def __init__(self, *, weighs):
        self.weighs, self.fails_at, self.calls = weighs, None, 0

    def run(self, tiles, valid):
        self.calls += 1
        if self.fails_at is not None and self.calls > self.fails_at[0]:
            raise self.fails_at[1]
        mean = 0.8 * tiles.mean(axis=3, keepdims=True) + np.linspace(0, 0.1, TILE[1], dtype=np.float32)
        maps = [np.broadcast_to(mean, tiles.shape), 0.15 + 0.1 * valid]
        return [*maps, 2 * (tiles - mean) - 0.5 * tiles[:, ::-1]] if self.weighs else maps


def model_of(*, weighs):
    card = ModelCard(
        name="blurred",
        architecture="cae",
        settings={},
        evidence={} if weighs else None,
        spacing_m=500.0,
        tile_shape=TILE,
        standardisation=Standardisation(scale_db=2.0),
        scoring=ScoringSettings(min_area_px=4),
        thresholds={1e-4: 1.2, 1e-3: 0.7 if weighs else 1.0, 1e-2: 0.1},
    )
    return RunnableModel(
        name="blurred", path=Path("nowhere"), sha256="0" * 64, card=card, runtime=Blurred(weighs=weighs)
    )


@pytest.fixture
def plan(monkeypatch):
    """Chooses the path."""

    def choose(*, streamed, most_flagged_px=10**6):
        chosen = MemoryPlan(streamed=streamed, batch_tiles=3, most_flagged_px=most_flagged_px)
        monkeypatch.setattr(detect, "plan_memory", lambda *_: chosen)

    return choose


def sea(shape, *, stripe_db=8.0):
    power = sea_power((max(shape[0], 60), max(shape[1], 240)), stripe_db=stripe_db)[:, : shape[0], : shape[1]].copy()
    rows = slice(shape[0] // 2, shape[0] // 2 + 3)
    power[1, rows, : shape[1] // 2] *= 5
    power[0, rows, shape[1] // 3 : shape[1] // 2] *= 3
    return power


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def both(paths, model, folder, plan, **options):
    """Records of both paths; asserts that they and the files say the same."""
    records = []
    for streamed in (False, True):
        plan(streamed=streamed)
        out = folder / ("rows" if streamed else "whole")
        out.mkdir()
        records.append(detect_scene(paths, model, DetectOptions(out_dir=out, **options)))
    whole, rows = records
    assert (whole["streamed"], rows["streamed"]) == (False, True)
    assert list(whole) == list(rows)
    for key in whole.keys() - MAY_DIFFER:
        assert whole[key] == rows[key], key
    assert rows["severity"] == pytest.approx(whole["severity"], abs=1e-9)
    assert rows["scene_score"] == pytest.approx(whole["scene_score"], abs=1e-5)
    assert len(whole["detections"]) == len(rows["detections"])
    for expected, found in zip(whole["detections"], rows["detections"], strict=True):
        for key, value in expected.items():
            assert found[key] == (pytest.approx(value, abs=1e-4, nan_ok=True) if isinstance(value, float) else value)
    assert list(whole["outputs"]) == list(rows["outputs"])
    assert files_in(folder / "whole").keys() == files_in(folder / "rows").keys()
    for name, path in whole["outputs"].items():
        same_files(Path(path), Path(rows["outputs"][name]))
    return whole, rows


def same_files(path, other):
    if path.suffix == ".png":
        assert path.read_bytes() == other.read_bytes()
    if path.suffix != ".tif":
        return
    with rasterio.open(path) as expected, rasterio.open(other) as found:
        assert str(expected.profile) == str(found.profile)
        assert expected.tags() == found.tags()
        assert expected.descriptions == found.descriptions
        assert expected.overviews(1) == found.overviews(1)
        assert [(p.row, p.col, p.x, p.y) for p in expected.gcps[0]] == [(p.row, p.col, p.x, p.y) for p in found.gcps[0]]
        if expected.dtypes[0] == "uint8":
            assert expected.colormap(1) == found.colormap(1)
            np.testing.assert_array_equal(expected.read(), found.read())
        else:
            np.testing.assert_allclose(expected.read(), found.read(), atol=1e-5, rtol=1e-5)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.sampled_from([5, 23, 24, 25, 61, 140]), st.sampled_from([7, 40, 41, 130])),
    weighs=st.booleans(),
    border=st.sampled_from([0, 3, 30]),
    names=st.sampled_from([("VV", "VH"), ("VH",)]),
    placed_by=st.sampled_from(["affine", "gcps", "none"]),
    options=st.fixed_dictionaries({"overlap": st.sampled_from([0.0, 0.25, 0.6]), "per_tile": st.booleans()}),
)
def test_the_same_is_found_and_written(tmp_path_factory, plan, shape, weighs, border, names, placed_by, options):
    folder = tmp_path_factory.mktemp("scene")
    power = sea(shape)
    power[:, : min(border, shape[0] - 3)] = 0
    power[1, -1, :4] = 0
    power = power[2 - len(names) :]
    path = write_scene(folder / "sea.tif", power, names=names, placed_by=placed_by)
    both((path,), model_of(weighs=weighs), folder, plan, **options, formats=("csv", "coco"))


@pytest.mark.parametrize("weighs", [True, False])
def test_the_same_of_a_multilooked_scene_with_dark_borders(tmp_path, plan, weighs):
    fine = sea((150, 120)).repeat(3, axis=1).repeat(3, axis=2)[:, :-1, :-2]
    fine[:, :5] *= 1e-4
    fine[:, 220:230, :9] *= 1e-4
    path = write_scene(tmp_path / "fine.tif", fine, spacing_m=500 / 3, placed_by="gcps")
    whole, _ = both((path,), model_of(weighs=weighs), tmp_path, plan)
    assert whole["valid_share"] < 1
    assert whole["detections"]


def test_the_same_of_a_quick_look(tmp_path, plan):
    path = make_quicklook_png(tmp_path / "quick-look.png", shape=(70, 90))
    both((path,), model_of(weighs=True), tmp_path, plan)


@pytest.mark.parametrize("spacing_m", [pytest.param("native", marks=pytest.mark.slow), 200.0])
def test_the_same_of_a_calibrated_product_without_noise(tmp_path, plan, spacing_m):
    shape, rng = (130, 160), np.random.default_rng(5)
    dn = {pol: speckled_dn(shape, mean=1e4, seed=i) for i, pol in enumerate(("VV", "VH"))}
    tables = {pol: draw_tables(rng, shape) for pol in dn}
    safe = make_safe(tmp_path, shape=shape, dn=dn, tables=tables, layout="esa")
    whole, _ = both((safe,), model_of(weighs=True), tmp_path, plan, spacing_m=spacing_m, calibrate=True, denoise=True)
    assert whole["denoised"]


def test_the_same_beside_esas_annotation(tmp_path, plan):
    shape = (120, 260)
    dn = {name: np.sqrt(band).round().astype(np.uint16) for name, band in zip(("VV", "VH"), sea(shape), strict=True)}
    bursts = tuple(burst for name in ("IW1", "IW2", "IW3") for burst in bursts_of(name, FIRST_LINE_TIME, 4))
    xml = {"VV": rfi_xml("VV", Annotated(bursts=bursts))}
    orbit = (FIRST_LINE_TIME - timedelta(seconds=2000.0), 80)
    safe = make_safe(tmp_path, shape=shape, spacing_m=500.0, dn=dn, ipf="003.71", orbit=orbit, rfi=xml)
    whole, _ = both((safe,), model_of(weighs=True), tmp_path, plan)
    assert any(burst["flagged_share"] for burst in whole["esa_rfi"]["bursts"])
    assert whole["detections"][0]["bursts"]


@pytest.mark.parametrize("weighs", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device"), ValueError()])
def test_whatever_stops_the_networks_leaves_nothing_behind(tmp_path, plan, weighs, error):
    plan(streamed=True)
    model, out = model_of(weighs=weighs), tmp_path / "out"
    out.mkdir()
    model.runtime.fails_at = (4, error)
    path = write_scene(tmp_path / "sea.tif", sea((140, 130)))
    expected = ResourceError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        detect_scene((path,), model, DetectOptions(out_dir=out))
    assert not files_in(out)
    assert not _own_threads()


def _own_threads():
    return [
        thread for thread in threading.enumerate() if thread.name.startswith(("read", "score", "keep", "multilook"))
    ]


def test_an_error_of_the_reader_ends_the_run(tmp_path, plan, monkeypatch):
    plan(streamed=True)
    out = tmp_path / "out"
    out.mkdir()
    path, model = write_scene(tmp_path / "sea.tif", sea((140, 130))), model_of(weighs=True)
    real, calls = WorkingRows.bands, []

    def bands(self, *arguments, **options):
        calls.append(1)
        for band in real(self, *arguments, **options):
            if len(calls) > 1:
                yield tuple(array[:, :70] for array in band)
                raise SceneError("damaged")
            yield band

    monkeypatch.setattr(WorkingRows, "bands", bands)
    with pytest.raises(SceneError, match="damaged"):
        detect_scene((path,), model, DetectOptions(out_dir=out))
    assert not files_in(out)
    assert not _own_threads()


def test_an_error_of_the_writer_ends_the_run_and_keeps_what_an_earlier_one_left(tmp_path, plan, monkeypatch):
    plan(streamed=True)
    path, model = write_scene(tmp_path / "sea.tif", sea((200, 130))), model_of(weighs=True)
    out = tmp_path / "out"
    out.mkdir()
    detect_scene((path,), model, DetectOptions(out_dir=out))
    before = {name: file.read_bytes() for name, file in files_in(out).items()}

    def fail(self):
        raise OutputError("cannot be written")

    monkeypatch.setattr(RasterRows, "_flush", fail)
    with pytest.raises(OutputError):
        detect_scene((path,), model, DetectOptions(out_dir=out))
    assert {name: file.read_bytes() for name, file in files_in(out).items()} == before
    assert not _own_threads()


def test_too_many_flagged_pixels_are_refused(tmp_path, plan):
    plan(streamed=True, most_flagged_px=20)
    path = write_scene(tmp_path / "sea.tif", sea((140, 130)))
    with pytest.raises(ResourceError, match="flagged") as caught:
        detect_scene((path,), model_of(weighs=True), DetectOptions(out_dir=tmp_path, far=1e-2))
    assert caught.value.hint
    assert files_in(tmp_path).keys() == {"sea.tif"}


def test_a_map_is_refused_before_anything_is_read(tmp_path, plan, monkeypatch):
    plan(streamed=True)
    monkeypatch.setattr(detect, "streamed", lambda *_: pytest.fail("was read"))
    path = write_scene(tmp_path / "sea.tif", sea((140, 130)))
    with pytest.raises(ResourceError, match="geocode"):
        detect_scene((path,), model_of(weighs=True), DetectOptions(out_dir=tmp_path, geocode="utm"))


def test_finished_scenes_are_kept_whichever_way_they_went(tmp_path, plan):
    path, model = write_scene(tmp_path / "sea.tif", sea((60, 60))), model_of(weighs=True)
    out = tmp_path / "out"
    out.mkdir()
    plan(streamed=True)
    first = detect_scene((path,), model, DetectOptions(out_dir=out))
    plan(streamed=False)
    assert detect_scene((path,), model, DetectOptions(out_dir=out, skip_existing=True)) == first


def test_a_scene_is_streamed_only_if_it_does_not_fit():
    used_gb = psutil.Process().memory_info().rss / 1e9
    small, large, tile = (340, 500), (16_700, 25_000), (340, 500)
    assert not plan_memory(small, tile, 4, None).streamed
    assert not plan_memory(small, tile, 4, used_gb + 0.1).streamed
    plan = plan_memory(large, tile, 4, used_gb + 1.5)
    assert plan.streamed
    assert plan.batch_tiles >= 1
    assert plan.most_flagged_px > 1e-3 * large[0] * large[1]


@settings(max_examples=50, deadline=None)
@given(height=st.integers(1000, 200_000), width=st.integers(1000, 40_000), batch=st.integers(1, 16))
def test_the_least_limit_that_is_named_works(height, width, batch):
    with pytest.raises(ResourceError) as caught:
        plan_memory((height, width), (340, 500), batch, 0.1)
    least = float(caught.value.hint.split()[2])
    chosen = plan_memory((height, width), (340, 500), batch, least + 0.01)
    assert 1 <= chosen.batch_tiles <= batch
    more = plan_memory((height, width), (340, 500), batch, 4 * least)
    assert more.batch_tiles >= chosen.batch_tiles or not more.streamed


def test_the_command_takes_the_limit(tmp_path, model, capsys):
    path = write_scene(tmp_path / "sea.tif", sea((60, 250)))
    command = ["detect", str(path), "-m", model, "-o", str(tmp_path / "out"), "--backend", "torch", "--json"]
    assert main([*command, "--max-memory", "0.1"]) == 8
    out, err = capsys.readouterr()
    assert json.loads(out)["exit_code"] == 8
    assert "--max-memory" in err
    assert main([*command, "--max-memory", "64"]) == 0
    assert not json.loads(capsys.readouterr().out)["streamed"]


def test_options_reach_the_plan(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(detect, "plan_memory", lambda *a: asked.append(a) or MemoryPlan(streamed=True, batch_tiles=1))
    path = write_scene(tmp_path / "sea.tif", sea((60, 60), stripe_db=None))
    options = DetectOptions(out_dir=tmp_path, batch_tiles=7, max_memory_gb=3.0)
    with pytest.raises(ResourceError, match="flagged"):  # there is no room for any
        detect_scene((path,), model_of(weighs=True), replace(options, far=1e-2))
    assert asked == [((60, 60), TILE, 7, 3.0)]
