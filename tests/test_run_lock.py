"""Two trainings never work in one folder."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from rfiscan.errors import ConfigError, OutputError, ResumableError
from rfiscan.workflows.train import resume_training, train_network
from rfiscan.workflows.training.run_lock import LOCK_NAME, locked_run
from rfiscan.workflows.training.trainer import Trainer
from rfiscan.workflows.training.world import ALONE
from tests.test_train import CAE, make_config

HOLD = """
import sys
from pathlib import Path
from rfiscan.workflows.training.run_lock import locked_run
from rfiscan.workflows.training.world import ALONE
with locked_run(Path(sys.argv[1]), ALONE):
    print("held", flush=True)
    sys.stdin.read()
"""
SHORT = {"optimiser__steps": 4, "data__validation_tiles": 2, "data__calibration_tiles": 3, "threads": 1}


@contextmanager
def held_elsewhere(run_dir):
    """Another process is at work in the folder; killed in the end, if it has not ended by then."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run_dir)], stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def stopped_run(tmp_path):
    run_dir = tmp_path / "run"

    class Stopping(Trainer):
        def train_step(self):
            self.stop_requested = self.step == 1
            return super().train_step()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rfiscan.workflows.train.Trainer", Stopping)
        with pytest.raises(ResumableError):
            train_network(make_config(CAE, **SHORT), run_dir)
    return run_dir


def test_a_run_that_is_at_work_is_not_resumed_until_it_has_ended(stopped_run):
    before = contents(stopped_run)
    with held_elsewhere(stopped_run):
        with pytest.raises(OutputError, match="another training is at work") as caught:
            resume_training(stopped_run)
        assert "Wait until it has ended" in caught.value.hint
        assert contents(stopped_run) == before
    resume_training(stopped_run)  # the killed process holds nothing any more
    assert (stopped_run / "model" / "model.yaml").exists()


def test_a_training_keeps_others_out_while_it_lasts(tmp_path, monkeypatch):
    run_dir, refused = tmp_path / "run", []

    def meet(_trainer):
        with pytest.raises(OutputError, match="another training"), locked_run(run_dir, ALONE):
            pytest.fail("the folder was free")
        refused.append(True)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train_step", meet)
    with pytest.raises(KeyboardInterrupt):
        train_network(make_config(CAE, **SHORT), run_dir)
    assert refused
    with locked_run(run_dir, ALONE):
        pass


def test_what_is_no_run_is_left_as_it_is(tmp_path):
    with pytest.raises(ConfigError):
        resume_training(tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_locked_is_an_error(tmp_path):
    (tmp_path / LOCK_NAME).mkdir()
    with pytest.raises(OutputError, match="cannot lock"), locked_run(tmp_path, ALONE):
        pass
