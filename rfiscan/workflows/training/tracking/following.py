"""Trackers beside a training run: they see every epoch once, whatever stops it, and never stop it themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rfiscan.atomic import write_atomically
from rfiscan.config.schema import TrainConfig, leaves
from rfiscan.errors import ResumableError, RfiscanError
from rfiscan.export.records import to_json, to_plain
from rfiscan.locations import without_secrets
from rfiscan.workflows.reporting import Reporter
from rfiscan.workflows.training.epoch_log import LINES_NAME, METRICS_NAME, picture_path, read_epochs
from rfiscan.workflows.training.tracking.choosing import open_tracker
from rfiscan.workflows.training.tracking.tracker import Earlier, Status, TrackedRun, Tracker

NOTES_NAME = "tracking.json"
"""Of each tracker the key of the run and the last step that it was told: no address and no secret."""
PICTURE = "tiles"


class Following:
    """Tells trackers of one run; one that fails is left out from then on, with a warning.

    Args:
        trackers: By name.
        run_dir: Folder of the run.
        reporter: Is told what fails.
    """

    def __init__(self, trackers: Mapping[str, Tracker], run_dir: Path, reporter: Reporter) -> None:
        self._trackers, self._run_dir, self._reporter = dict(trackers), run_dir, reporter
        self._failed: list[Tracker] = []
        self._notes = read_notes(run_dir)

    def start(self, run: TrackedRun) -> None:
        """Begin in all trackers, and tell each the epochs that it missed."""
        epochs = read_epochs(self._run_dir) if self._trackers else []

        def begin(name: str, tracker: Tracker) -> None:
            earlier = self._notes.get(name)
            key = tracker.start(run, earlier)
            self._note(name, key, -1 if earlier is None else earlier.step)
            for figures in epochs:
                self._tell_epoch(name, tracker, figures)

        self._tell(begin)

    def tell_epoch(self, figures: Mapping[str, float]) -> None:
        """Tell the figures of an epoch, and its picture if there is one."""
        self._tell(lambda name, tracker: self._tell_epoch(name, tracker, figures))

    def finish(self, model_dir: Path) -> None:
        """Hand over what the finished run leaves."""
        files = [self._run_dir / name for name in (METRICS_NAME, LINES_NAME)]

        def hand_over(_name: str, tracker: Tracker) -> None:
            for path in files:
                tracker.artifact(path)
            tracker.model(model_dir)

        self._tell(hand_over)

    def end(self, status: Status) -> None:
        """Say how the run ended."""
        self._tell(lambda _name, tracker: tracker.end(status))
        for tracker in self._failed:
            with suppress(Exception):  # the user knows already; this is for what it may have to close
                tracker.end("failed")

    def _tell_epoch(self, name: str, tracker: Tracker, figures: Mapping[str, float]) -> None:
        step, told = int(figures["step"]), self._notes[name]
        if step <= told.step:
            return
        tracker.metrics(step, {key: value for key, value in figures.items() if key != "step"})
        picture = picture_path(self._run_dir, step)
        if picture.exists():
            tracker.figure(step, PICTURE, picture)
        self._note(name, told.key, step)

    def _tell(self, tell: Callable[[str, Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                tell(name, tracker)
            except Exception as error:  # no tracker is worth a training run
                self._failed.append(self._trackers.pop(name))
                lines = str(error).strip().splitlines() or [""]
                said = " ".join(without_secrets(word) for word in lines[0].split())[:200]
                self._reporter.warn(f"{name} is told no more of this run: {type(error).__name__}: {said}")

    def _note(self, name: str, key: str, step: int) -> None:
        self._notes[name] = Earlier(key=key, step=step)
        kept = {known: {"key": note.key, "step": note.step} for known, note in self._notes.items()}
        write_atomically(self._run_dir / NOTES_NAME, to_json(kept, indent=2).encode() + b"\n")


def read_notes(run_dir: Path) -> dict[str, Earlier]:
    """What trackers know of a run, by their names; nothing where the file is missing or damaged."""
    try:
        kept: dict[str, Any] = json.loads((run_dir / NOTES_NAME).read_text(encoding="utf-8"))
        return {name: Earlier(key=str(note["key"]), step=int(note["step"])) for name, note in kept.items()}
    except (OSError, AttributeError, KeyError, TypeError, ValueError):
        return {}


def reopen_trackers(run_dir: Path, given: Iterable[str], reporter: Reporter) -> dict[str, Tracker]:
    """The trackers that follow a run already; one that cannot be had is left out with a warning.

    Args:
        run_dir: Folder of the run.
        given: Names of trackers that the user asks for now; these are left to `open_trackers`.
        reporter: Is told what is left out.
    """
    opened = {}
    for name in read_notes(run_dir).keys() - set(given):
        try:
            opened[name] = open_tracker(name)
        except RfiscanError as error:
            reporter.warn(f"{name} followed this run, and does not now: {error}")
    return opened


@contextmanager
def following(
    trackers: Mapping[str, Tracker], run_dir: Path, config: TrainConfig, config_path: Path, reporter: Reporter
) -> Iterator[Following]:
    """Let trackers follow a run from its beginning to its end, however it ends.

    Args:
        trackers: By name.
        run_dir: Folder of the run.
        config: Its configuration.
        config_path: The same as a file.
        reporter: Is told what fails.

    Yields:
        To be told of every epoch and of the finished model.
    """
    told = Following(trackers, run_dir, reporter)
    parameters = {key: to_plain(value) for key, value in leaves(config)}
    where = {"run_dir": run_dir.resolve(), "config_path": config_path.resolve()}
    status: Status = "failed"
    try:
        told.start(TrackedRun(name=config.name, parameters=parameters, **where))
        yield told
        status = "finished"
    except (ResumableError, KeyboardInterrupt):
        status = "stopped"
        raise
    finally:
        told.end(status)
