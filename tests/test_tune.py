"""Searching settings: many workers share one folder, what is killed is taken up again, and the best is found."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import yaml

from rfiscan.__main__ import main
from rfiscan.cli.tune import ObjectiveName
from rfiscan.config.search_space import Dimension
from rfiscan.config.sources import load_config
from rfiscan.config.text import dump_config
from rfiscan.errors import ConfigError, OutputError, ResourceError, ResumableError
from rfiscan.export.search_plot import write_search_plot
from rfiscan.scenes import open_scene
from rfiscan.workflows import tune as tune_module
from rfiscan.workflows.reporting import SilentReporter
from rfiscan.workflows.train import begin_run
from rfiscan.workflows.training import tuning_outputs, tuning_study
from rfiscan.workflows.training.run_lock import locked_run
from rfiscan.workflows.training.tuning_study import JOURNAL_NAME, SharedStudy
from rfiscan.workflows.training.world import ALONE
from rfiscan.workflows.tune import OBJECTIVES, TuneOptions, tune
from tests.test_train import make_config

ROOT = Path(__file__).parents[1]
RATE = Dimension(key="optimiser.learning_rate", place="", low=1e-5, high=1e-1, log=True)
SPACE = """
optimiser.learning_rate: {low: 1.0e-5, high: 1.0e-1, log: true}
optimiser.weight_decay: {low: 0.0, high: 0.1}
"""
BEST_RATE = 1e-3
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


def quality(config, share=1.0):
    """The truth of the searches below: one setting matters, the other does not."""
    return share * math.exp(-(math.log10(config.optimiser.learning_rate / BEST_RATE) ** 2))


@pytest.fixture
def fake(monkeypatch):
    """Training whose figures are known and take no time; `ran` counts its steps."""
    seen = SimpleNamespace(ran=[], fails=lambda _config: False, stops=lambda _config, _step: False)

    class Trained:
        def __init__(self, config):
            self.config, self.epoch_listeners, self.stop_requested = config, [], False

        def run(self, _reporter):
            if seen.fails(self.config):
                raise ResourceError("the loss is nan at step 3")
            for step in range(20, 101, 20):
                seen.ran.append(step)
                seen.last = quality(self.config)
                if seen.stops(self.config, step):
                    raise ResumableError("stopped")
                for tell in self.epoch_listeners:
                    tell({"step": step, "pixel_ap": quality(self.config, step / 100), "loss": 1 - seen.last})

    def begin(config, folder, reporter):
        (folder / "model").mkdir(parents=True)
        return Trained(config)

    def card(folder):
        return SimpleNamespace(provenance={"validation": {"pixel_ap": seen.last, "loss": 1 - seen.last}})

    monkeypatch.setattr(tune_module, "begin_run", begin)
    monkeypatch.setattr(tune_module, "read_card", card)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here need outlast a power cut
    return seen


def search(space, folder, trials=12, reporter=None, **options):
    base = make_config(optimiser__steps=100)
    return tune(base, space, folder, TuneOptions(trials=trials, **options), reporter or SilentReporter())


# trials that workers share


def shared(folder, space=(RATE,), **options):
    folder.mkdir(exist_ok=True)
    return SharedStudy(folder, space, maximise=True, steps=None, **options)


def states(study):
    return [trial.state.name for trial in study.study.get_trials(deepcopy=False)]


def test_a_seed_gives_one_search_and_another_seed_another(tmp_path):
    drawn = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        study, params = shared(tmp_path / name, seed=seed), []
        for _ in range(4):
            trial = study.claim(4)
            params.append(trial.params)
            study.end(trial, trial.params[RATE.key])
        drawn.append(params)
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({trial[RATE.key] for trial in drawn[0]}) == 4


def test_a_lost_trial_is_queued_again_once(tmp_path):
    first = shared(tmp_path)
    lost, lives = first.claim(3), first.claim(3)
    os.utime(first._beat_path(lost), (0, 0))
    other = shared(tmp_path)
    assert other.other_workers_are_silent()
    again = other.claim(3)
    assert states(other) == ["FAIL", "RUNNING", "RUNNING"]
    assert again.params == lost.params
    assert other.folder_of(again) == first.folder_of(lost) != first.folder_of(lives)
    assert not other.other_workers_are_silent()
    other.end(again, 1.0)
    first.end(lost, 0.5)  # its worker lives after all, and is late
    first.queue_again(lost)
    assert states(other) == ["FAIL", "RUNNING", "COMPLETE"]
    assert other.claim(3) is not None
    assert other.claim(3) is None, "three in all: one done, two under way"


def test_a_trial_shows_life_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning_study, "BEAT_S", 0.01)
    study = shared(tmp_path)
    trial = study.claim(1)
    beat = study._beat_path(trial)
    os.utime(beat, (0, 0))
    with study.alive(trial):
        for _ in range(1000):
            if beat.stat().st_mtime > 0:
                break
            time.sleep(0.01)
        assert beat.stat().st_mtime > 0
    assert not beat.exists()


def test_a_journal_that_was_cut_short_is_mended(tmp_path):
    study = shared(tmp_path)
    study.end(study.claim(1), 0.5)
    with (tmp_path / JOURNAL_NAME).open("a") as journal:
        journal.write('{"op_code":4,"worker_id":"tor')
    again = shared(tmp_path)
    assert states(again) == ["COMPLETE"]
    again.end(again.claim(2), 0.25)
    assert states(shared(tmp_path)) == ["COMPLETE", "COMPLETE"]


WORKER = """
import sys, time
from pathlib import Path
from rfiscan.config.search_space import Dimension
from rfiscan.workflows.training.tuning_study import SharedStudy

rate = Dimension(key="optimiser.learning_rate", place="", low=1e-5, high=1e-1, log=True)
study = SharedStudy(Path(sys.argv[1]), (rate,), maximise=True, steps=None)
while (trial := study.claim(int(sys.argv[2]))) is not None:
    with study.alive(trial):
        time.sleep(0.02)
        study.end(trial, 1.0)
    print(trial.number)
"""


def test_workers_share_the_trials_and_run_no_more_than_asked(tmp_path):
    command = [sys.executable, "-c", WORKER, str(tmp_path), "10"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    numbers = [int(line) for worker in workers for line in worker.communicate(timeout=120)[0].split()]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert sorted(numbers) == list(range(10))
    assert states(shared(tmp_path)) == ["COMPLETE"] * 10


# a search


def test_a_search_finds_what_matters(space, tmp_path, fake, monkeypatch):
    found = {}

    def write(path, importances, *args, **kwargs):
        found.update(importances)
        write_search_plot(path, importances, *args, **kwargs)

    monkeypatch.setattr(tuning_outputs, "write_search_plot", write)
    result = search(space, tmp_path / "search", trials=24)
    assert sum(found.values()) == pytest.approx(1)
    assert found["optimiser.learning_rate"] > 2 * found["optimiser.weight_decay"]
    assert len(result.rows) == 24
    assert result.best["pixel_ap"] == max(row["pixel_ap"] for row in result.rows if row["state"] == "done")
    assert result.best["pixel_ap"] > 0.9
    assert {row["state"] for row in result.rows} == {"done", "pruned"}
    pruned = [row for row in result.rows if row["state"] == "pruned"]
    assert all(row["steps"] < 100 for row in pruned)
    assert all(row["steps"] >= 100 / 3 for row in pruned), "not before its warm-up"
    best = load_config(result.best_path)
    assert best.optimiser.learning_rate == pytest.approx(result.best["optimiser.learning_rate"])
    assert quality(best) == pytest.approx(result.best["pixel_ap"])
    with (tmp_path / "search" / "trials.csv").open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert [int(row["trial"]) for row in table] == [row["trial"] for row in result.rows]
    with open_scene(tmp_path / "search" / "importance.png") as picture:
        assert min(picture.shape) > 300


def test_without_pruning_all_trials_run_to_their_end(space, tmp_path, fake):
    result = search(space, tmp_path / "search", trials=7, prune=False)
    assert {(row["state"], row["steps"]) for row in result.rows} == {("done", 100)}


def test_a_loss_is_searched_for_the_least(space, tmp_path, fake):
    result = search(space, tmp_path / "search", trials=5, objective="loss")
    assert result.best["loss"] == min(row["loss"] for row in result.rows if row["state"] == "done")


def test_a_later_search_goes_on(space, tmp_path, fake):
    whole = search(space, tmp_path / "whole", trials=3)
    search(space, tmp_path / "parts", trials=2)
    parts = search(space, tmp_path / "parts", trials=3)
    assert parts.rows == whole.rows
    fake.ran.clear()
    assert search(space, tmp_path / "parts", trials=3).rows == whole.rows
    assert fake.ran == []


def test_a_stopped_trial_is_queued_again(space, tmp_path, fake):
    whole = search(space, tmp_path / "whole", trials=4, prune=False)
    fake.stops = lambda _config, _step: len(fake.ran) == 17
    fake.ran.clear()
    with pytest.raises(ResumableError, match="trial") as error:
        search(space, tmp_path / "stopped", trials=4, prune=False)
    assert error.value.exit_code == 75
    fake.stops = lambda _config, _step: False
    result = search(space, tmp_path / "stopped", trials=4, prune=False)
    assert len(result.rows) == 4
    values = [row["pixel_ap"] for row in whole.rows]
    assert result.best is not None
    assert len({row["folder"] for row in result.rows}) == 4
    assert sum(row["pixel_ap"] in values for row in result.rows) >= 3, "only what was drawn later may differ"


def test_trials_that_fail_are_told_and_do_not_end_the_search(space, tmp_path, fake):
    fake.fails = lambda config: config.optimiser.learning_rate > 1e-2
    told = []
    reporter = SilentReporter()
    reporter.warn = told.append
    result = search(space, tmp_path / "search", trials=9, reporter=reporter)
    failed = [row for row in result.rows if row["state"] == "failed"]
    assert len(failed) == len(told) > 0
    assert len(result.rows) == 9
    assert "the loss is nan" in told[0]
    assert result.best["state"] == "done"


def test_a_search_in_which_all_fails_ends(space, tmp_path, fake):
    fake.fails = lambda _config: True
    with pytest.raises(ResourceError, match="loss is nan"):
        search(space, tmp_path / "search", trials=12)
    result_rows = (tmp_path / "search" / "trials.csv").read_text().splitlines()
    assert len(result_rows) == 1 + 3


def test_a_folder_belongs_to_one_search(space, tmp_path, fake):
    search(space, tmp_path / "search", trials=1)
    with pytest.raises(ConfigError, match="another objective"):
        search(space, tmp_path / "search", trials=2, objective="loss")
    space.write_text("optimiser.batch: {low: 1, high: 4}")
    with pytest.raises(ConfigError, match="another objective, search space"):
        search(space, tmp_path / "search", trials=2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="holds something else"):
        search(space, tmp_path / "other", trials=2)


def test_a_search_of_a_version_with_fewer_settings_goes_on(space, tmp_path, fake):
    folder = tmp_path / "search"
    search(space, folder, trials=1)
    begun = json.loads((folder / "search.json").read_text())
    del begun["base"]["data"]["split_seed"]
    (folder / "search.json").write_text(json.dumps(begun))
    assert len(search(space, folder, trials=2).rows) == 2
    other = make_config(optimiser__steps=100, data__split_seed=5)  # what it was not begun with
    with pytest.raises(ConfigError, match="other settings"):
        tune(other, space, folder, TuneOptions(trials=3), SilentReporter())


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"base": {"no_such_setting": 1}}'])
def test_a_file_that_is_no_search_is_another_search(space, tmp_path, fake, text):
    (tmp_path / "search.json").write_text(text)
    with pytest.raises(ConfigError, match="other settings"):
        search(space, tmp_path, trials=1)


@pytest.mark.slow
def test_an_interrupted_trial_goes_on_from_its_last_epoch(space, tmp_path, monkeypatch):
    base = make_config(
        optimiser__steps=12, validate_every=3, data__pool=4, data__validation_tiles=2, data__calibration_tiles=2
    )
    options = TuneOptions(trials=2, prune=False)
    whole = tune(base, space, tmp_path / "whole", options)
    steps = []

    def begin(config, folder, reporter):
        trainer = begin_run(config, folder, reporter)
        step_once = trainer.train_step

        def step():
            steps.append(trainer.step)
            if len(steps) == 20:  # in the second trial, after its second epoch
                signal.raise_signal(signal.SIGTERM)
            return step_once()

        trainer.train_step = step
        return trainer

    monkeypatch.setattr(tune_module, "begin_run", begin)
    with pytest.raises(ResumableError):
        tune(base, space, tmp_path / "parts", options)
    parts = tune(base, space, tmp_path / "parts", options)
    assert steps == [*range(12), *range(8)], "the rest came from the state that was kept"
    assert [row["pixel_ap"] for row in parts.rows] == [row["pixel_ap"] for row in whole.rows]
    assert not list((tmp_path / "parts").rglob("checkpoints"))
    assert main(["config", "validate", str(parts.best_path)]) == 0


def test_a_trial_keeps_other_trainings_out_of_its_folder(tmp_path, space, fake, monkeypatch):
    begin, refused = tune_module.begin_run, []

    def begin_in(config, folder, reporter):
        def try_to_resume(_config, _step):
            with pytest.raises(OutputError, match="another training"), locked_run(folder, ALONE):
                pytest.fail("the folder was free")
            refused.append(folder)
            return False

        fake.stops = try_to_resume
        return begin(config, folder, reporter)

    monkeypatch.setattr(tune_module, "begin_run", begin_in)
    tune(make_config(), space, tmp_path / "search", TuneOptions(trials=1))
    assert refused
    for folder in set(refused):
        with locked_run(folder, ALONE):
            pass


# the command


@pytest.fixture
def command(tmp_path, monkeypatch, capsys, fake):
    """Run `rfiscan tune` in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(dump_config(make_config()))

    def run(text, *args):
        Path("space.yaml").write_text(text)
        code = main(["tune", "space.yaml", "-o", "out", "-c", "base.yaml", *args])
        return code, *capsys.readouterr()

    return run


def test_the_command_shows_the_best_trials(command):
    code, out, err = command(SPACE, "-n", "11", "--set", "optimiser.steps=100")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["trial", "state", "pixel_ap", "steps"]
    assert lines[1].split()[1] == "done"
    assert lines[-2].startswith("and 1 more in")
    assert lines[-1].startswith("out/best.yaml: pixel_ap")
    assert yaml.safe_load(Path("out/best.yaml").read_text())["optimiser"]["steps"] == 100


def test_json_holds_all_trials(command):
    code, out, _ = command(SPACE, "-n", "3", "--json")
    printed = json.loads(out)
    assert code == 0
    assert printed["best"] == "out/best.yaml"
    assert [row["state"] for row in printed["trials"]] == ["done"] * 3


def test_the_command_names_the_nearest_key(command):
    code, out, err = command("optimiser.lerning_rate: {low: 0.1, high: 1}")
    assert (code, out) == (4, "")
    assert "Did you mean 'optimiser.learning_rate'?" in err
    assert not Path("out").exists()


def test_a_missing_extra_says_how_to_install_it(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, _, err = command(SPACE)
    assert code == 3
    assert "pip install 'rfiscan[tune]'" in err
    assert not Path("out").exists()


def test_the_command_line_knows_all_objectives():
    assert get_args(ObjectiveName) == tuple(OBJECTIVES)
