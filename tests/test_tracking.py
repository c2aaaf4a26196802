"""Experiment trackers see a run once, whatever stops it, and never stop it; their own readers find it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from rfiscan.__main__ import main
from rfiscan.cli.train import TrackerName
from rfiscan.config.sources import load_config
from rfiscan.config.text import dump_config
from rfiscan.errors import ResourceError, ResumableError
from rfiscan.model_files.checkpoint import load_model, load_state
from rfiscan.workflows import train as train_module
from rfiscan.workflows.reporting import SilentReporter
from rfiscan.workflows.train import resume_training, train_network
from rfiscan.workflows.training.epoch_log import append_epoch, forget_later_epochs, read_epochs
from rfiscan.workflows.training.tracking import choosing
from rfiscan.workflows.training.tracking.choosing import TRACKERS, open_trackers
from rfiscan.workflows.training.tracking.following import NOTES_NAME, following, read_notes, reopen_trackers
from rfiscan.workflows.training.trainer import Trainer
from rfiscan.workflows.training.training_state import last_state
from tests.test_train import CAE, make_config, rows
from tests.told import Told

ROOT = Path(__file__).parents[1]
SHORT = {
    "optimiser__steps": 8,
    "validate_every": 3,
    "data__pool": 4,
    "data__validation_tiles": 2,
    "data__calibration_tiles": 2,
}
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),  # of SQLAlchemy, by MLflow
]


class Recorder:
    """A tracker that remembers over all parts of a run, and fails when it is told to."""

    def __init__(self):
        self.said = []
        self.fails_at = None
        self.parts = 0

    def start(self, run, earlier):
        self.parts += 1
        self.run, self.earlier = run, earlier
        return "key" if earlier is None else earlier.key

    def metrics(self, step, values):
        if step == self.fails_at:
            raise ConnectionError("https://user:secret@server/api is gone")
        self.said.append(step)
        self.values = values

    def figure(self, step, name, path):
        self.figures = [*getattr(self, "figures", []), (step, name, path.name)]

    def artifact(self, path):
        self.artifacts = [*getattr(self, "artifacts", []), path.name]

    def model(self, folder):
        self.folder = folder

    def end(self, status):
        self.status = status


@pytest.fixture
def recorder(monkeypatch):
    """A recorder that takes the place of ClearML."""
    made = Recorder()
    monkeypatch.setattr(choosing, "_MAKERS", {**choosing._MAKERS, "clearml": lambda: made})
    return made


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "config.yaml").write_text(dump_config(make_config()))
    return tmp_path


def follow(run_dir, recorder, reporter=None, epochs=(), kept=()):
    """Follow a run that has kept some epochs and then goes through others."""
    for step in kept:
        append_epoch(run_dir, {"step": step, "loss": 1 / step}, first=False)
    with following(
        {"clearml": recorder}, run_dir, make_config(), run_dir / "config.yaml", reporter or SilentReporter()
    ) as told:
        for step in epochs:
            figures = {"step": step, "loss": 1 / step}
            append_epoch(run_dir, figures, first=False)
            told.tell_epoch(figures)


def stop_after(step, config, run_dir, **options):
    class Stopped(Trainer):
        def train_step(self):
            self.stop_requested = self.step == step - 1
            return super().train_step()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "Trainer", Stopped)
        with pytest.raises(ResumableError):
            train_network(config, run_dir, **options)


# the run's own files


def test_both_files_hold_the_same_epochs(tmp_path):
    epochs = [{"step": 3, "loss": 0.1 + 0.2, "ssim": 0.5}, {"step": 6, "loss": 1e-30, "ssim": -0.25}]
    for number, epoch in enumerate(epochs):
        append_epoch(tmp_path, epoch, first=number == 0)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == epochs == read_epochs(tmp_path)
    append_epoch(tmp_path, {"step": 9, "loss": float("nan"), "ssim": 1.0}, first=False)
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["loss"] is None


def test_a_line_that_was_cut_short_is_no_epoch(tmp_path):
    append_epoch(tmp_path, {"step": 3, "loss": 0.5}, first=True)
    with (tmp_path / "metrics.csv").open("a") as out:
        out.write("1")  # of 12
    (tmp_path / "metrics.jsonl").unlink()  # of a run by an earlier version
    forget_later_epochs(tmp_path, 6)
    append_epoch(tmp_path, {"step": 6, "loss": 0.25}, first=False)
    assert [epoch["step"] for epoch in read_epochs(tmp_path)] == [3, 6]
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [3, 6]


# what every tracker can count on


def test_a_tracker_is_told_every_epoch_once_over_all_parts_of_a_run(run_dir, recorder):
    follow(run_dir, recorder, epochs=(3, 6))
    assert recorder.earlier is None
    follow(run_dir, recorder, kept=(9,), epochs=(12,))  # killed after 9 was kept and before it was told
    assert recorder.said == [3, 6, 9, 12]
    assert (recorder.earlier.key, recorder.earlier.step) == ("key", 6)


def test_a_tracker_that_comes_later_is_told_all(run_dir, recorder):
    follow(run_dir, recorder, kept=(3, 6), epochs=(9,))
    assert recorder.said == [3, 6, 9]


def test_a_tracker_that_fails_warns_once_and_is_told_later_what_it_missed(run_dir, recorder):
    recorder.fails_at, told = 6, Told()
    follow(run_dir, recorder, told, epochs=(3, 6, 9))
    assert recorder.said == [3]
    assert recorder.status == "failed"
    (warning,) = told.warnings
    assert warning.startswith("clearml")
    assert "ConnectionError" in warning
    assert "secret" not in warning
    recorder.fails_at = None
    follow(run_dir, recorder, epochs=(12,))
    assert recorder.said == [3, 6, 9, 12]
    assert recorder.status == "finished"


@pytest.mark.parametrize(
    ("error", "status"),
    [(ResumableError("stop"), "stopped"), (KeyboardInterrupt(), "stopped"), (ResourceError("nan"), "failed")],
    ids=repr,
)
def test_a_tracker_knows_how_the_run_ended(run_dir, recorder, error, status):
    with (
        pytest.raises(type(error)),
        following({"clearml": recorder}, run_dir, make_config(), run_dir / "config.yaml", SilentReporter()),
    ):
        raise error
    assert recorder.status == status


def test_a_tracker_is_given_all_settings_and_the_file(run_dir, recorder):
    follow(run_dir, recorder)
    assert recorder.run.parameters["optimiser.learning_rate"] == CAE["optimiser"]["learning_rate"]
    assert recorder.run.parameters["tile_shape"] == [96, 128]
    assert load_config(recorder.run.config_path) == make_config()


def test_damaged_notes_begin_anew(run_dir):
    for text in ("", "[]", '{"mlflow": 3}', '{"mlflow": {"key": "a"}}'):
        (run_dir / NOTES_NAME).write_text(text)
        assert read_notes(run_dir) == {}


def test_a_tracker_that_is_gone_does_not_keep_a_run_from_going_on(run_dir, recorder, monkeypatch):
    follow(run_dir, recorder, epochs=(3,))
    assert reopen_trackers(run_dir, (), SilentReporter()) == {"clearml": recorder}
    assert reopen_trackers(run_dir, ("clearml",), SilentReporter()) == {}
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "clearml", None)
    told = Told()
    assert reopen_trackers(run_dir, (), told) == {}
    assert "clearml" in told.warnings[0]


# a whole run, as the trackers' own readers see it


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A run that was stopped, changed and resumed under two trackers, and the same run under none."""
    folder = tmp_path_factory.mktemp("tracked")
    config = make_config(**SHORT)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        stop_after(4, config, folder / "run", track=("tensorboard", "mlflow"))
        result = resume_training(folder / "run", changes=["picture_every=2"])
    train_network(config, folder / "plain")
    return result, folder / "plain"


def test_trackers_do_not_change_the_run(tracked):
    result, plain = tracked
    (one, _), (other, _) = (load_state(last_state(folder)) for folder in (result.run_dir, plain))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_tensorboard_reads_every_epoch_once(tracked):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result, _ = tracked
    events = EventAccumulator(str(result.run_dir / "tensorboard"))
    events.Reload()
    written = rows(result.run_dir)
    assert set(events.Tags()["scalars"]) >= written[0].keys() - {"step"}
    for name in written[0].keys() - {"step"}:
        points = events.Scalars(name)
        assert [point.step for point in points] == [3, 6, 8]
        assert [point.value for point in points] == pytest.approx([row[name] for row in written], rel=1e-6)
    assert [image.step for image in events.Images("tiles")] == [3, 6, 8]
    shown = events.Images("tiles")[0]
    assert shown.encoded_image_string == (result.run_dir / "pictures" / "step_000003.png").read_bytes()
    assert (shown.width, shown.height) == png_size(result.run_dir / "pictures" / "step_000003.png")
    text = events.Tensors("config.yaml/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "picture_every: 2" in text
    assert "# tiny" in events.Tensors("model/text_summary")[-1].tensor_proto.string_val[0].decode()


def png_size(path):
    from PIL import Image

    with Image.open(path) as picture:
        return picture.size


def test_mlflow_reads_every_epoch_once(tracked, tmp_path):
    from mlflow import MlflowClient

    result, _ = tracked
    client = MlflowClient(f"sqlite:///{result.run_dir / 'mlflow' / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("rfiscan").experiment_id])
    assert found.info.run_id == read_notes(result.run_dir)["mlflow"].key
    assert found.info.status == "FINISHED"
    assert found.data.params["optimiser.learning_rate"] == "0.005"
    assert found.data.params["picture_every"] == "1"
    assert found.data.tags["changed.picture_every"] == "2"
    for name, values in ((name, [row[name] for row in rows(result.run_dir)]) for name in ("loss", "pixel_ap")):
        points = client.get_metric_history(found.info.run_id, name)
        assert [(point.step, point.value) for point in points] == list(zip([3, 6, 8], values, strict=True))
    names = {entry.path for entry in client.list_artifacts(found.info.run_id)}
    assert names == {"config.yaml", "metrics.csv", "metrics.jsonl", "model", "tiles"}
    model = load_model(client.download_artifacts(found.info.run_id, "model", str(tmp_path)))
    assert model.card == load_model(result.model_dir).card


CLEARML_RUN = """
import signal, sys
from pathlib import Path
import numpy as np
from rfiscan.workflows.training.tracking.choosing import open_trackers
from rfiscan.workflows.training.tracking.tracker import TrackedRun

run_dir = Path(sys.argv[1])
before = [sys.exit, sys.excepthook, *map(signal.getsignal, signal.valid_signals())]
np.random.seed(5)
drawn = np.random.random()
np.random.seed(5)
tracker = open_trackers(["clearml"])["clearml"]
key = tracker.start(
    TrackedRun(name="tiny", run_dir=run_dir, parameters={"seed": 3, "tile_shape": [4, 5]},
               config_path=run_dir / "config.yaml"), None)
for step in (3, 6):
    tracker.metrics(step, {"loss": 1 / step, "pixel_ap": float("nan") if step == 3 else 0.5})
    tracker.figure(step, "tiles", run_dir / "picture.png")
tracker.artifact(run_dir / "metrics.csv")
tracker.model(run_dir / "model")
tracker.end("finished")
after = [sys.exit, sys.excepthook, *map(signal.getsignal, signal.valid_signals())]
assert after == before, "ClearML took what is not its own"
assert np.random.random() == drawn, "ClearML seeds the generators"
print(key)
"""


def test_clearml_offline_leaves_a_session_in_the_run_folder(tmp_path):
    from PIL import Image

    Image.new("L", (30, 20)).save(tmp_path / "picture.png")
    for name in ("config.yaml", "metrics.csv", "model/model.yaml", "model/model.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"seed: 3 # {name}")
    done = subprocess.run(
        [sys.executable, "-c", CLEARML_RUN, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=120,
        env=clearml_environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    key = done.stdout.strip()
    assert len(done.stdout.split()) == 1, "ClearML leaves standard output alone"
    with zipfile.ZipFile(tmp_path / "clearml" / f"{key}.zip") as session:
        task = json.loads(session.read("task.json"))
        events = [event for line in session.read("metrics.jsonl").splitlines() for event in json.loads(line)]
        names = session.namelist()
    assert (task["name"], task["tags"]) == (tmp_path.name, ["tiny"])
    assert task["hyperparams"]["rfiscan"]["seed"]["value"] == "3"
    assert task["configuration"]["config"]["value"].startswith("seed: 3")
    assert {entry["key"] for entry in task["execution"]["artifacts"]} == {"metrics.csv", "model"}
    points = [(e["iter"], e["metric"], e["value"]) for e in events if e["type"] == "training_stats_scalar"]
    assert {(3, "loss", 1 / 3), (6, "loss", 1 / 6), (6, "pixel_ap", 0.5)} <= set(points)
    assert sum(event["type"] == "training_debug_image" for event in events) == 2
    assert any(name.endswith("/metrics.csv") for name in names)
    assert any("/model/" in name and name.endswith(".zip") for name in names)
    assert not (task.get("script") or {}).get("diff"), "what lies around is nobody's business"


def clearml_environment(folder):
    return os.environ | {
        "CLEARML_OFFLINE_MODE": "1",
        "CLEARML_CACHE_DIR": str(folder / "cache"),
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


@pytest.mark.slow
def test_the_command_follows_a_run_in_all_trackers_at_once(tmp_path):
    (tmp_path / "run.yaml").write_text(dump_config(make_config(**SHORT)))
    options = [f"--track={name}" for name in TRACKERS]
    command = [sys.executable, "-m", "rfiscan", "train", "run.yaml", "-o", "run", "--json", *options]
    done = subprocess.run(
        command, cwd=tmp_path, env=clearml_environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "run/model"
    assert "warning" not in done.stderr
    assert {name: note.step for name, note in read_notes(tmp_path / "run").items()} == dict.fromkeys(TRACKERS, 8)
    (session,) = (tmp_path / "run" / "clearml").glob("*.zip")
    with zipfile.ZipFile(session) as kept:
        events = [event for line in kept.read("metrics.jsonl").splitlines() for event in json.loads(line)]
    assert [event["iter"] for event in events if event.get("metric") == "pixel_ap"] == [3, 6, 8]


# what is missing


def test_the_command_line_knows_all_trackers():
    assert tuple(TrackerName) == TRACKERS


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_extra_says_how_to_install_it(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "run.yaml").write_text(dump_config(make_config()))
    code = main(["train", str(tmp_path / "run.yaml"), "-o", str(tmp_path / "run"), "--track", name])
    assert code == 3
    assert f"pip install 'rfiscan[{name}]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_mlflow_needs_a_database_or_a_server(monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert main(["train", "--track", "mlflow"]) == 3
    assert "sqlalchemy" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_told_before_anything_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert main(["train", "-o", str(tmp_path / "run"), "--track", "mlflow"]) == 8
    err = capsys.readouterr().err
    assert "MLFLOW_TRACKING_URI" in err
    assert "secret" not in err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_clearml_server_that_does_not_answer_is_told_before_anything_begins(tmp_path):
    code = "import sys; from rfiscan.__main__ import main; sys.exit(main(['train', '--track', 'clearml']))"
    hosts = {f"CLEARML_{name}_HOST": "http://127.0.0.1:9" for name in ("API", "WEB", "FILES")}
    keys = {"CLEARML_API_ACCESS_KEY": "access", "CLEARML_API_SECRET_KEY": "secret", "CLEARML_OFFLINE_MODE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clearml_environment(tmp_path) | hosts | keys,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 8, done.stderr
    assert "CLEARML_OFFLINE_MODE=1" in done.stderr
    assert "secret" not in done.stderr
    assert not done.stdout
    assert not (tmp_path / "runs").exists()


def test_trackers_are_loaded_only_if_wanted():
    code = (
        "import sys; import rfiscan.workflows.training.tracking.following;"  # all that train loads of it
        f"print([m for m in {TRACKERS} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert done.stdout.strip() == "[]"
    assert open_trackers(()) == {}
