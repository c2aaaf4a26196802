"""Many scenes on many workers, with a real scheduler and real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from rfiscan.__main__ import main
from rfiscan.errors import MissingExtraError, ResourceError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.runtimes.loading import load_runnable
from rfiscan.workflows import cluster
from rfiscan.workflows.batch import detect_scenes
from rfiscan.workflows.cluster import connect, detect_on_cluster
from rfiscan.workflows.detect import DetectOptions
from tests.make_scenes import make_quicklook_png, make_safe
from tests.told import Told

ROOT = Path(__file__).parents[1]
SCENES = 6
NAME = "S1A_IW_GRDH_1SDV_2024020{n}T043109_2024020{n}T043134_052345_06543F_1A2B"


@pytest.fixture
def scenes(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    return [(make_quicklook_png(folder / f"scene{number}.png", seed=number),) for number in range(SCENES)]


@pytest.fixture
def options(tmp_path):
    (tmp_path / "out").mkdir()
    return DetectOptions(out_dir=tmp_path / "out")


@pytest.fixture
def start(tmp_path):
    """Starts a scheduler and workers, and stops them at the end."""
    marks = tmp_path / "marks"
    marks.mkdir()
    file = tmp_path / "scheduler.json"
    environment = os.environ | {"RFISCAN_TEST_MARKS": str(marks), "RFISCAN_TEST_SECONDS": "1.5", "OMP_NUM_THREADS": "1"}
    with ExitStack() as stack:

        def run(module, *arguments):
            command = [sys.executable, "-m", f"distributed.cli.{module}", "--scheduler-file", str(file), *arguments]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started = subprocess.Popen(command, cwd=ROOT, env=environment, **quiet)
            stack.callback(started.wait)
            stack.callback(started.kill)
            return started

        scheduler = run("dask_scheduler", "--port", "0", "--no-dashboard")
        arguments = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--preload", str(ROOT / "tests/slow_worker.py"))
        workers = [run("dask_worker", *arguments) for _ in range(2)]
        wait_until(file.exists)
        yield scheduler, workers, str(file), marks


def wait_until(is_so, timeout_s=60.0):
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_without_dask_the_extra_is_named(monkeypatch, tmp_path, capsys, model):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match="need Dask"):
        cluster.require_dask()
    scene = make_quicklook_png(tmp_path / "scene.png")
    assert main(["detect", str(scene), "--model", model, "-o", str(tmp_path / "out"), "--jobs", "2"]) == 3
    assert "rfiscan[dask]" in capsys.readouterr().err


@pytest.mark.slow
def test_workers_give_what_one_process_gives(scenes, options, model, tmp_path):
    trained = load_model(model)
    alone = {o.record["scene"]: o.record for o in detect_scenes(scenes, trained, options)}
    (tmp_path / "many").mkdir()
    with connect(2, None) as client:
        others = DetectOptions(out_dir=tmp_path / "many")
        outcomes = list(detect_on_cluster([*scenes, (tmp_path / "absent.png",)], trained, others, client))
    failed = [o for o in outcomes if o.error is not None]
    together = {o.record["scene"]: o.record for o in outcomes if o.error is None}
    assert [(o.record["exit_code"], o.record["scene"]) for o in failed] == [(5, "absent")]
    assert together.keys() == alone.keys()
    for name, record in together.items():
        same = {"detections", "severity", "flagged_share", "input_state", "warnings"}
        assert {key: record[key] for key in same} == {key: alone[name][key] for key in same}
        assert json.loads(Path(record["outputs"]["record"]).read_text()) == record
    assert not list((tmp_path / "many").glob(".*"))
    assert (tmp_path / "many").samefile(Path(next(iter(together.values()))["outputs"]["mask"]).parent)


@pytest.mark.slow
def test_products_share_the_item_of_their_model_and_the_catalogue(options, model, tmp_path):
    products = [(make_safe(tmp_path, name=NAME.format(n=n), shape=(40, 60), spacing_m=500.0),) for n in range(1, 9)]
    reporter = Told()
    with connect(2, None) as client:
        outcomes = list(detect_on_cluster(products, load_runnable(model), options, client, reporter))
    assert [outcome.error for outcome in outcomes] == [None] * 8
    assert not list(options.out_dir.glob("*.part*"))
    items = {path.name for path in options.out_dir.glob("*.stac.json")}
    links = json.loads((options.out_dir / "catalog.json").read_text())["links"]
    assert {link["href"].removeprefix("./") for link in links if link["rel"] == "item"} == items
    assert len(items) == 9
    assert len(reporter.warnings) == sum(len(outcome.record["warnings"]) for outcome in outcomes) >= 8


@pytest.mark.slow
def test_scenes_of_one_name_are_refused_on_other_workers_too(scenes, options, model, tmp_path):
    (tmp_path / "twin").mkdir()
    twin = make_quicklook_png(tmp_path / "twin" / "scene0.png", seed=9)
    with connect(2, None) as client:
        outcomes = list(detect_on_cluster([scenes[0], (twin,)], load_model(model), options, client))
    assert sorted(outcome.record["status"] for outcome in outcomes) == ["done", "failed"]
    assert any("is called scene0 too" in str(outcome.error) for outcome in outcomes)


@pytest.mark.slow
def test_the_scene_of_a_killed_worker_is_done_by_another_and_none_is_lost_or_done_twice(scenes, options, model, start):
    _, workers, file, marks = start
    with connect(1, file) as client:
        client.wait_for_workers(2, timeout=120)
        running = detect_on_cluster(scenes, load_model(model), options, client)
        outcomes = [next(running)]
        begun = len(list(marks.glob(f"{workers[0].pid}-*")))
        wait_until(lambda: len(list(marks.glob(f"{workers[0].pid}-*"))) > begun)
        os.kill(workers[0].pid, signal.SIGKILL)
        outcomes += running
    assert sorted(outcome.record["scene"] for outcome in outcomes) == [f"scene{n}" for n in range(SCENES)]
    assert all(outcome.error is None for outcome in outcomes)
    assert len(list(marks.iterdir())) == SCENES + 1  # one was begun twice, and no finished one was begun again
    assert all(Path(path).exists() for outcome in outcomes for path in outcome.record["outputs"].values())


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_the_run_and_keeps_what_is_done(scenes, options, model, start):
    scheduler, _, file, _ = start
    done = []
    with connect(1, file) as client:
        client.wait_for_workers(2, timeout=120)
        running = detect_on_cluster(scenes, load_model(model), options, client)
        done.append(next(running).record)
        scheduler.kill()
        with pytest.raises(ResourceError, match="connection to the Dask scheduler is lost") as caught:
            done += [outcome.record for outcome in running]
    assert len(done) < SCENES
    assert "--skip-existing" in caught.value.hint
    assert all(Path(record["outputs"]["record"]).exists() for record in done)


@pytest.mark.slow
def test_a_batch_system_that_ends_the_run_finds_nothing_left_behind(scenes, options, model):
    command = [sys.executable, "-m", "rfiscan", "detect", str(scenes[0][0].parent), "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(
        [*command, "--model", model, "-o", str(options.out_dir)], stderr=subprocess.PIPE, text=True, env=environment
    )
    wait_until(lambda: any(options.out_dir.glob("*_mask.tif")))
    run.terminate()
    err = run.communicate(timeout=60)[1]
    assert run.returncode == 75
    assert f"of {SCENES} scenes had ended" in err
    assert "resource_tracker" not in err
    assert not [*options.out_dir.glob(".*"), *options.out_dir.glob("*.part")]


def test_no_scheduler_is_an_error_in_seconds(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with pytest.raises(ResourceError, match="no Dask scheduler can be reached"), connect(1, "tcp://127.0.0.1:1"):
        pass
