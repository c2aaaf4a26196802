"""A training run that was stopped and resumed is the run that was not stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rfiscan.__main__ import main
from rfiscan.config.sources import load_config
from rfiscan.errors import ConfigError, ModelError, ResumableError
from rfiscan.model_files.checkpoint import load_state, save_state
from rfiscan.workflows import train as train_module
from rfiscan.workflows.stop_signals import STOP_SIGNALS
from rfiscan.workflows.train import resume_training, stop_on_signals, train_network
from rfiscan.workflows.training.trainer import Trainer
from rfiscan.workflows.training.training_state import last_state
from tests.test_train import CAE_NOW_MAE_SLOW, CONFIGS, make_config, rows

SHORT = {
    "optimiser__steps": 16,
    "validate_every": 6,
    "data__validation_tiles": 2,
    "data__calibration_tiles": 3,
    "threads": 1,
}
SIGNALLED_IN_STEP = """
import os, signal, sys
from pathlib import Path
from rfiscan.config.sources import load_config
from rfiscan.errors import ResumableError
from rfiscan.workflows import train
from rfiscan.workflows.training.trainer import Trainer

class Killed(Trainer):
    def train_step(self):
        if self.step == int(sys.argv[3]):
            os.kill(os.getpid(), int(sys.argv[4]))
        return super().train_step()

train.Trainer = Killed
try:
    train.train_network(load_config(Path(sys.argv[1])), Path(sys.argv[2]))
except ResumableError as error:
    print(error, error.hint)
    sys.exit(error.exit_code)
"""


def signalled(config, run_dir, step, number):
    """Train in a process that gets a signal in a step."""
    command = [sys.executable, "-c", SIGNALLED_IN_STEP, str(config), str(run_dir), str(step), str(int(number))]
    root = Path(__file__).parents[1]
    return subprocess.run(command, cwd=root, timeout=300, check=False, capture_output=True, text=True)


def same_state(a, b):
    (one, values), (other, same) = (load_state(last_state(run_dir)) for run_dir in (a, b))
    del values["elapsed_s"], same["elapsed_s"]
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one) and values == same


def metrics(run_dir):
    of_the_machine = {"elapsed_s", "tiles_per_s", "left_s", "peak_rss_mb"}
    return [{key: value for key, value in row.items() if key not in of_the_machine} for row in rows(run_dir)]


def train_with(trainer_class, config, run_dir):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "Trainer", trainer_class)
        train_network(config, run_dir)


@pytest.fixture(scope="module", params=CAE_NOW_MAE_SLOW)
def whole(request, tmp_path_factory):
    """A configuration, and the folder of a whole run of it."""
    config = make_config(CONFIGS[request.param], **SHORT)
    run_dir = tmp_path_factory.mktemp("runs") / request.param
    train_network(config, run_dir)
    return config, run_dir


def test_a_killed_run_goes_on_bit_for_bit(whole, tmp_path):
    _, run_dir = whole
    stopped = tmp_path / "killed"
    ended = signalled(run_dir / "config.yaml", stopped, 9, signal.SIGKILL)
    assert ended.returncode == -signal.SIGKILL
    assert [row["step"] for row in metrics(stopped)] == [6]
    resume_training(stopped)
    assert same_state(stopped, run_dir)
    assert metrics(stopped) == metrics(run_dir)
    for name in ("model.safetensors", "evidence.safetensors"):
        assert (stopped / "model" / name).read_bytes() == (run_dir / "model" / name).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGUSR1, marks=pytest.mark.slow)])
def test_a_run_that_is_told_to_stop_keeps_its_last_step(whole, tmp_path, number):
    _, run_dir = whole
    stopped = tmp_path / "stopped"
    ended = signalled(run_dir / "config.yaml", stopped, 8, number)
    assert ended.returncode == 75
    assert "after step 9 of 16" in ended.stdout
    assert f"--resume {stopped}" in ended.stdout
    resume_training(stopped)
    assert same_state(stopped, run_dir)
    assert metrics(stopped) == metrics(run_dir)


def test_signals_are_as_they_were_after_a_run(tmp_path):
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with stop_on_signals(SimpleNamespace(stop_requested=False)):
        assert all(signal.getsignal(number) not in before for number in STOP_SIGNALS)
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_what_was_written_after_the_state_is_written_once(whole, tmp_path):
    config, run_dir = whole
    torn = tmp_path / "torn"

    class Torn(Trainer):
        def _keep(self, figures):
            if self.step == 12:  # killed between its metrics and its state
                with (self.run_dir / "metrics.csv").open("a", encoding="utf-8") as out:
                    out.write(",".join(str(value) for value in figures.values()) + "\n")
                raise KeyboardInterrupt
            super()._keep(figures)

    with pytest.raises(KeyboardInterrupt):
        train_with(Torn, config, torn)
    assert [row["step"] for row in metrics(torn)] == [6, 12]
    resume_training(torn)
    assert metrics(torn) == metrics(run_dir)


def stopped_after(step, config, run_dir):
    """Begin a run, and stop it after a step."""

    class Stopped(Trainer):
        def train_step(self):
            self.stop_requested = self.step == step - 1
            return super().train_step()

    with pytest.raises(ResumableError):
        train_with(Stopped, config, run_dir)


def test_settings_that_leave_the_weights_alone_may_be_changed_by_name(whole, tmp_path):
    config, run_dir = whole
    stopped = tmp_path / "stopped"
    stopped_after(8, config, stopped)
    resume_training(stopped, changes=["picture_every=7", "optimiser.steps=16"])
    assert same_state(stopped, run_dir)
    assert load_config(stopped / "config.yaml").picture_every == 7
    kept = [json.loads(line) for line in (stopped / "changes.ndjson").read_text().splitlines()]
    assert kept == [{"step": 8, "key": "picture_every", "value": 7}]


def test_a_finished_run_may_be_given_more_steps(tmp_path):
    config = make_config(CONFIGS["cae"], **SHORT | {"optimiser__steps": 3, "validate_every": 3})
    train_network(config, tmp_path / "run")
    resume_training(tmp_path / "run", changes=["optimiser.steps=5"])
    assert [row["step"] for row in metrics(tmp_path / "run")] == [3, 5]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("seed=99", "seed cannot be changed"),
        ("network.settings={}", "network.settings cannot be changed"),
        ("data.pool=3", "data.pool cannot be changed"),
        ("optimiser.steps=7", "has done 8 already"),
        ("optimiser.stes=7", "unknown key"),
    ],
)
def test_changes_that_do_not_fit_are_refused_and_change_nothing(stopped_run, change, told):
    before = {path: path.read_bytes() for path in stopped_run.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=told):
        resume_training(stopped_run, changes=[change])
    assert {path: path.read_bytes() for path in stopped_run.rglob("*") if path.is_file()} == before


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("stopped") / "run"
    stopped_after(8, make_config(CONFIGS["cae"], **SHORT), run_dir)
    return run_dir


def test_a_finished_run_stays_as_it_is(whole, tmp_path):
    _, run_dir = whole
    before = metrics(run_dir), (run_dir / "model" / "model.yaml").read_bytes()
    resume_training(run_dir)
    assert (metrics(run_dir), (run_dir / "model" / "model.yaml").read_bytes()) == before


def test_a_folder_that_is_no_run_is_refused(whole, tmp_path):
    _config, run_dir = whole
    with pytest.raises(ConfigError):
        resume_training(tmp_path / "absent")
    (tmp_path / "config.yaml").write_bytes((run_dir / "config.yaml").read_bytes())
    with pytest.raises(ModelError, match="training state"):
        resume_training(tmp_path)
    tensors, values = load_state(last_state(run_dir))
    save_state(last_state(tmp_path), {k: v for k, v in tensors.items() if not k.startswith("evidence.")}, values)
    with pytest.raises(ModelError, match="another configuration"):
        resume_training(tmp_path)
    others = {"training": ["other.png"], "validation": []}
    save_state(last_state(tmp_path), tensors, {**values, "scenes": others})
    with pytest.raises(ModelError, match="not those that the run began with"):
        resume_training(tmp_path)


@pytest.mark.parametrize("change", [["--steps", "20"], ["--seed", "0"], ["-o", "elsewhere"], ["other.yaml"]])
def test_settings_cannot_be_changed_on_the_way(change, tmp_path, capsys):
    assert main(["train", "--resume", str(tmp_path), *change]) == 2
    assert "--resume takes the settings" in capsys.readouterr().err
