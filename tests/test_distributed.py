"""Several processes train what one process trains; they stop together, and one of them writes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rfiscan.config.text import dump_config
from rfiscan.errors import ConfigError, ModelError, OutputError, ResourceError
from rfiscan.model_files.card_file import CARD
from rfiscan.model_files.checkpoint import load_model, load_state
from rfiscan.workflows.train import reopen_run, resume_training
from rfiscan.workflows.training.building import pick_device
from rfiscan.workflows.training.stepping import require_tiles
from rfiscan.workflows.training.training_state import last_state
from rfiscan.workflows.training.world import ALONE, World, one_voice, started_world
from tests.test_train import CAE, MAE, make_config, rows
from tests.two_processes import take_steps

pytestmark = pytest.mark.usefixtures("one_thread")

HERE = Path(__file__).parents[1]
SMALL = {"data__validation_tiles": 3, "data__calibration_tiles": 3, "data__pool": 3, "data__renew_every": 1}
ODD = SMALL | {"optimiser__batch": 5, "seed": 0, "optimiser__method": "adamw"}  # processes get tiles in other numbers
MUON = "by products of bfloat16"
RUNS = {
    "cae, then evidence alone": make_config(CAE, optimiser__steps=5, optimiser__evidence_share=0.4, **ODD),
    MUON: make_config(CAE, optimiser__steps=5, optimiser__evidence_share=0.4, **ODD | {"optimiser__method": "muon"}),
}
SLOW_RUNS = {
    "mae on plain tiles, by number": make_config(MAE, objective="plain", data__drawing="by_number", **ODD),
    "mae": make_config(MAE, **ODD),
    "cae by squares, by number": make_config(CAE, loss="mse", data__drawing="by_number", **ODD),
    "cae that keeps its statistics": make_config(CAE, optimiser__steps=5, optimiser__statistics_share=0.4, **ODD),
    "mae in parts": make_config(MAE, optimiser__accumulate=2, optimiser__evidence_share=0, **ODD),
}


def start(*command, **environment):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "200", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command)], cwd=HERE, env=environment, text=True, stdout=-1, stderr=-1
    )


def torchrun(*command):
    """Run a module in two processes."""
    return start("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", *command)


def two_processes(*command, **environment):
    """Run a module in two processes as torchrun does, but let each end by itself: exit codes, and what each said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", **environment}
    started = [start(*command, RANK=rank, LOCAL_RANK=rank, **shared) for rank in "01"]
    try:
        said = [one.communicate(timeout=300) for one in started]
    finally:
        for one in started:
            one.kill()
    return [one.returncode for one in started], [out for out, _ in said], [err for _, err in said]


def write_config(config, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "given.yaml").write_text(dump_config(config))
    return folder / "given.yaml"


# the same as one process


def run_both(runs, folder):
    paths = [write_config(config, folder / str(number)) for number, config in enumerate(runs.values())]
    codes, _, errs = two_processes("tests.two_processes", folder / "made.pt", *paths)
    assert codes == [0, 0], errs
    ranks = torch.load(folder / "made.pt")
    return {name: (take_steps(path), *made) for name, path, *made in zip(runs, paths, *ranks, strict=True)}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What some steps of one process gave, and each of two."""
    return run_both(RUNS, tmp_path_factory.mktemp("both"))


def assert_same(one, two, rounding=1e-6):
    """Tolerance: losses to rounding; weights and statistics to 10 times that of their largest."""
    assert one["losses"].numpy() == pytest.approx(two["losses"].numpy(), rel=rounding)
    assert float(one["validation"]) == pytest.approx(float(two["validation"]), rel=10 * rounding)
    for name, value in one.items():
        if name.startswith(("network.", "evidence.")):
            scale = value.abs().max().item() + 1e-3
            assert value.numpy() == pytest.approx(two[name].numpy(), abs=10 * rounding * scale), name


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_learns(both, name):
    one, two, _ = both[name]
    assert len(set(one["losses"].tolist())) == 5
    # Muon rounds to 1 / 256, of steps that are a hundredth of the weights; else single precision
    assert_same(one, two, rounding=1e-4 if name == MUON else 1e-6)


@pytest.mark.parametrize("name", RUNS)
def test_processes_end_up_with_the_same_weights_and_random_numbers(both, name):
    one, two, other = both[name]
    assert all(torch.equal(two[key], other[key]) for key in two)
    assert torch.equal(one["torch_rng"], two["torch_rng"])
    assert torch.equal(one["stream"], two["stream"])


@pytest.mark.slow
def test_so_do_other_ways_of_training(tmp_path):
    made = run_both(SLOW_RUNS, tmp_path)
    for name, (one, two, other) in made.items():
        assert all(torch.equal(two[key], other[key]) for key in two), name
        if name != "mae in parts":
            assert_same(one, two)
    # the evidence network has statistics of batches, here of a part of both processes; the masked one has none
    one, two, _ = made["mae in parts"]
    for name in (name for name in one if name.startswith("network.")):
        assert one[name].numpy() == pytest.approx(two[name].numpy(), abs=1e-5), name


# the command


@pytest.fixture(scope="module")
def run_of_two(tmp_path_factory):
    config = make_config(CAE, optimiser__steps=6, validate_every=3, **ODD)
    folder = tmp_path_factory.mktemp("runs")
    started = torchrun("rfiscan", "train", write_config(config, folder), "-o", folder / "run", "--json")
    out, err = started.communicate(timeout=300)
    return folder / "run", started.returncode, out, err


@pytest.mark.slow
def test_the_command_gives_one_model_told_once(run_of_two):
    run_dir, code, out, err = run_of_two
    assert code == 0, err
    assert json.loads(out)["model"] == str(run_dir / "model")
    assert err.count("step 6: loss") == 1
    assert err.count("on cpu, 2 processes") == 1
    model = load_model(run_dir / "model")
    assert not any(key.startswith("module.") for key in model.network.state_dict())
    assert model.card.thresholds
    written = rows(run_dir)
    assert [row["step"] for row in written] == [3, 6]
    assert all(row["tiles_per_s"] > 0 and row["peak_rss_mb"] > 0 for row in written)
    assert written[0]["left_s"] > written[1]["left_s"] == 0


@pytest.mark.slow
def test_two_processes_calibrate_as_one_does(run_of_two, tmp_path):
    run_dir = shutil.copytree(run_of_two[0], tmp_path / "run")
    by_two = (run_dir / "model" / CARD).read_text()
    reopen_run(run_dir).finish()
    assert (run_dir / "model" / CARD).read_text() == by_two


@pytest.mark.slow
def test_one_process_goes_on_where_two_stopped(run_of_two):
    run_dir, *_ = run_of_two
    resume_training(run_dir, changes=["optimiser.steps=8"])
    assert [row["step"] for row in rows(run_dir)] == [3, 6, 8]


@pytest.mark.slow
def test_two_processes_that_are_told_to_stop_keep_one_state_and_go_on(tmp_path):
    config = make_config(MAE, optimiser__steps=40, validate_every=10, **ODD)
    given, run_dir, whole = write_config(config, tmp_path), tmp_path / "run", tmp_path / "whole"
    started = torchrun("rfiscan", "train", given, "-o", run_dir)
    wait_for(run_dir / "metrics.csv")
    started.send_signal(signal.SIGTERM)
    _, err = started.communicate(timeout=120)
    assert err.count("its state is kept in") == 1
    _, values = load_state(last_state(run_dir))
    assert 10 <= values["step"] < 40
    codes, _, errs = two_processes("rfiscan", "train", "--resume", run_dir)
    assert codes == [0, 0], errs
    assert f"resumed after step {values['step']}" in errs[0]
    codes, _, errs = two_processes("rfiscan", "train", given, "-o", whole)
    assert codes == [0, 0], errs
    (one, _), (other, _) = (load_state(last_state(folder)) for folder in (run_dir, whole))
    assert all(torch.equal(one[key], other[key]) for key in one)


def wait_for(path, seconds=240):
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"no {path}"
        time.sleep(0.1)


FAULT = """
import os, signal, sys
from rfiscan import __main__
from rfiscan.errors import ResourceError
from rfiscan.workflows.training import trainer as module

rank, kind = int(os.environ["RANK"]), os.environ["FAULT"]
evidence_loss = module.evidence_loss

def faulty(*args):
    if rank == 1 and kind == "no number":
        return float("nan") * evidence_loss(*args)
    if rank == 1 and kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if rank == 1 and kind == "no memory":
        raise ResourceError("no memory here")
    return evidence_loss(*args)

module.evidence_loss = faulty
sys.exit(__main__.main())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "told", "codes"),
    [
        ("no number", ["error: the loss is nan at step 0", ""], [8, 8]),
        ("killed", ["error: process 0 of this training has lost another one", ""], [8, -signal.SIGKILL]),
        ("no memory", ["error: process 0 of this training has lost another one", "error: no memory here"], [8, 8]),
    ],
)
def test_what_befalls_one_process_ends_all(tmp_path, kind, told, codes):
    (tmp_path / "faulty.py").write_text(FAULT)
    given = write_config(make_config(CAE, **ODD), tmp_path)
    ended, outs, errs = two_processes(
        "faulty", "train", given, "-o", tmp_path / "run", PYTHONPATH=f"{tmp_path}:{HERE}", FAULT=kind
    )
    assert ended == codes, errs
    assert outs == ["", ""]
    for expected, err in zip(told, errs, strict=True):
        assert expected in err
        assert err.count("error: ") == bool(expected), err


@pytest.mark.slow
def test_what_all_processes_refuse_is_told_once(tmp_path):
    given = write_config(make_config(CAE, **SMALL | {"optimiser__batch": 1}), tmp_path)
    codes, _, errs = two_processes("rfiscan", "train", given, "-o", tmp_path / "run")
    assert codes == [4, 4], errs
    assert "too few tiles for 2 processes" in errs[0]
    assert errs[1] == ""
    assert not (tmp_path / "run").exists()
    given = write_config(make_config(CAE, **ODD), tmp_path)
    codes, _, errs = two_processes("rfiscan", "train", given, "-o", tmp_path)
    assert codes == [7, 7], errs
    assert "is not empty" in errs[0]
    assert errs[1] == ""


# parts of it


def test_a_process_alone_exchanges_nothing(monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert started_world() == ALONE
    assert ALONE.sum([1.5, 2]) == [1.5, 2]
    assert ALONE.any(True)
    assert not ALONE.any(False)
    assert ALONE.gather("own") == ["own"]
    assert ALONE.by_writer(lambda: 3) == 3
    assert ALONE.each_share([1, 2, 3], lambda items: [10 * item for item in items]) == [10, 20, 30]


@pytest.fixture
def second(monkeypatch):
    """The environment that torchrun gives the second of three processes."""
    names = {"MASTER_ADDR": "localhost", "MASTER_PORT": "1", "RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "1"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)


def test_torchrun_says_which_process_this_is(second):
    assert started_world() == World(rank=1, size=3)
    assert not started_world().is_writer


@pytest.mark.parametrize(("error", "told"), [(ConfigError, True), (ModelError, True), (ResourceError, False)])
def test_only_what_all_processes_meet_is_left_to_the_first_one(second, error, told):
    with pytest.raises(error) as caught, one_voice():
        raise error("no")
    assert caught.value.told is told


def test_an_error_that_is_raised_at_once_everywhere_is_told_by_the_first():
    assert not World(0, 2).agreed(OutputError("no")).told
    assert World(1, 2).agreed(OutputError("no")).told


def test_a_step_needs_a_tile_for_every_part():
    require_tiles(6, 2, World(0, 3))
    with pytest.raises(ConfigError, match="too few tiles for 3 processes in 2 parts") as caught:
        require_tiles(5, 2, World(0, 3))
    assert "6 or more" in caught.value.hint


def test_every_process_takes_a_gpu_of_its_own(second, monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda", 1)
    assert taken == [1, 1]
    assert pick_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ResourceError, match="process 2 of this machine finds no GPU"):
        pick_device("auto")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert pick_device("auto") == torch.device("cuda")
