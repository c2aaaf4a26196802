"""What a run takes: speed, time left, memory; and the table that keeps it."""

from __future__ import annotations

import csv
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from rfiscan.workflows.resources import peak_rss_mb, tree_peak_rss_mb
from rfiscan.workflows.training import pace as pace_module
from rfiscan.workflows.training.epoch_log import append_epoch, forget_later_epochs
from rfiscan.workflows.training.pace import Pace, duration_text, pace_text
from rfiscan.workflows.training.world import ALONE, World


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""
    now = SimpleNamespace(time_s=100.0)
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: now.time_s)
    return now


def test_tiles_a_second_count_steps_alone_and_time_left_counts_all(clock):
    pace = Pace(4, 100, torch.device("cpu"), ALONE)
    pace.begin(20)  # resumed
    clock.time_s += 10
    figures = pace.figures(30)
    assert figures["tiles_per_s"] == pytest.approx(4)
    assert figures["left_s"] == pytest.approx(70)
    clock.time_s += 5  # validation
    pace.begin_epoch(30)
    clock.time_s += 5
    figures = pace.figures(40)
    assert figures["tiles_per_s"] == pytest.approx(8)
    assert figures["left_s"] == pytest.approx(60)
    assert pace.figures(100)["left_s"] == 0


def test_memory_is_that_of_all_processes_and_on_gpus_that_of_the_fullest(monkeypatch):
    monkeypatch.setattr(pace_module, "tree_peak_rss_mb", lambda: 300.0)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 2e9)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(World, "gather", lambda _, own: [own, {"peak_rss_mb": 500.0, "peak_gpu_mb": 3000.0}])
    pace = Pace(4, 100, torch.device("cuda", 0), World(0, 2))
    pace.begin(0)
    figures = pace.figures(10)
    assert (figures["peak_rss_mb"], figures["peak_gpu_mb"]) == (800, 3000)
    assert pace_text(figures).endswith("800 MB of memory, 3,000 MB on the GPU")
    del figures["peak_gpu_mb"]
    assert pace_text(figures).endswith("800 MB of memory")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")]
)
def test_durations_are_told_in_their_two_largest_units(seconds, text):
    assert duration_text(seconds) == text


def test_the_memory_of_children_counts():
    hold = "import sys; held = b'x' * 120_000_000; print(len(held), flush=True); sys.stdin.read()"
    before = tree_peak_rss_mb()
    assert before >= peak_rss_mb() > 0
    with subprocess.Popen([sys.executable, "-c", hold], stdin=-1, stdout=-1) as child:
        child.stdout.readline()
        assert tree_peak_rss_mb() >= before + 120
        child.stdin.close()
    assert tree_peak_rss_mb() < before + 120


def epochs(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_figures_that_earlier_epochs_lack_become_columns(tmp_path):
    path = tmp_path / "metrics.csv"
    append_epoch(tmp_path, {"step": 5, "loss": 0.5}, first=True)
    append_epoch(tmp_path, {"step": 10, "loss": 0.25, "tiles_per_s": 3.5}, first=False)
    assert epochs(path) == [
        {"step": "5", "loss": "0.5", "tiles_per_s": ""},
        {"step": "10", "loss": "0.25", "tiles_per_s": "3.5"},
    ]
    forget_later_epochs(tmp_path, 5)
    append_epoch(tmp_path, {"step": 7, "loss": 0.1}, first=False)
    assert [row["step"] for row in epochs(path)] == ["5", "7"]
    append_epoch(tmp_path, {"step": 1}, first=True)
    assert epochs(path) == [{"step": "1"}]
