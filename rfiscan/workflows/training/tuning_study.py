"""Trials that many workers share through one folder: a journal of Optuna's, and a sign of life for each trial.

Every worker is a process of its own, on any machine that sees the folder. Optuna's journal keeps no sign of life (its
heartbeats need a database), so each running trial has a file that its worker touches; where that has not happened for
long, the next worker fails the trial and queues it again, to go on from its last epoch.
"""

from __future__ import annotations

import importlib
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from rfiscan.config.search_space import Dimension
from rfiscan.errors import MissingExtraError, OutputError
from rfiscan.export.records import to_json

Study: TypeAlias = Any
Trial: TypeAlias = Any

JOURNAL_NAME = "study.journal"
TRIALS_NAME = "trials"
BEAT_S = 10.0
"""A choice: how often a worker touches the file of its trial."""
LOST_S = 150.0
"""A choice: a trial whose file was not touched for so long has no worker. Shared folders may show a file's time up to a
minute late (NFS: nfs(5), acregmax)."""
STARTUP_TRIALS = 5
"""Trials that are never pruned, since a median of fewer says little (the default of Optuna's MedianPruner)."""
WARMUP_SHARE = 1 / 3
"""A choice: share of the steps before which no trial is pruned; small learning rates begin slowly."""
FOLDER, ERROR = "folder", "error"
"""Attributes of a trial: the number of the trial whose folder it uses, and why it failed for good."""


def require_optuna() -> Any:  # noqa: ANN401 - a package
    """Import Optuna.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        optuna = importlib.import_module("optuna")
        importlib.import_module("optuna.storages.journal")
    except ImportError as error:
        raise MissingExtraError("tune needs Optuna", hint="Install it: pip install 'rfiscan[tune]'.") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class SharedStudy:
    """The trials of a folder.

    Args:
        folder: Shared by all workers.
        space: What is searched.
        maximise: True where more of the objective is better.
        steps: Optimiser steps of a trial; None to prune nothing.
        seed: Of the sampler; a trial's draw depends on it and on the trials before.

    Raises:
        MissingExtraError: If Optuna is not installed.
        OutputError: If the journal cannot be read or written.
    """

    def __init__(
        self, folder: Path, space: Sequence[Dimension], *, maximise: bool, steps: int | None, seed: int = 0
    ) -> None:
        self._optuna, self._folder, self._seed = require_optuna(), folder.resolve(), seed
        self._distributions = {dimension.key: _distribution(self._optuna, dimension) for dimension in space}
        journal, path = self._optuna.storages.journal, str(self._folder / JOURNAL_NAME)
        # its default lock is a link: Windows allows none, and one to no file would never be broken
        lock = journal.JournalFileOpenLock(path)
        self._claim_lock = journal.JournalFileOpenLock(str(self._folder / "claim"))
        try:
            _mend(Path(path), lock)
            storage = self._optuna.storages.JournalStorage(journal.JournalFileBackend(path, lock_obj=lock))
            self.study: Study = self._optuna.create_study(
                storage=storage,
                study_name="rfiscan",
                direction="maximize" if maximise else "minimize",
                pruner=self._pruner(steps),
                load_if_exists=True,
            )
        except (OSError, ValueError) as error:
            raise OutputError(f"{path} is damaged or cannot be written: {error}", hint="Name a new folder.") from error

    def _pruner(self, steps: int | None) -> Any:  # noqa: ANN401 - Optuna's
        """Median pruning: hyperband shares out its trials among brackets, too few in each for a search of tens."""
        if steps is None:
            return self._optuna.pruners.NopPruner()
        return self._optuna.pruners.MedianPruner(
            n_startup_trials=STARTUP_TRIALS, n_warmup_steps=round(WARMUP_SHARE * steps)
        )

    def claim(self, most: int) -> Trial | None:
        """Take the next trial, unless there are enough.

        Args:
            most: Trials of all workers together, those of earlier runs included; queued and failed ones that will be
                tried again do not count twice.

        Returns:
            A running trial with all its values; None where nothing is left to begin.
        """
        with self._claimed():
            self._requeue_lost()
            trials = self.study.get_trials(deepcopy=False)
            if sum(self._counts(trial) for trial in trials) >= most:
                return None
            self.study.sampler = self._optuna.samplers.TPESampler(seed=self._seed * 1_000_003 + len(trials))
            trial = self.study.ask(self._distributions)
            trial.set_user_attr(FOLDER, trial.user_attrs.get(FOLDER, trial.number))
            _touch(self._beat_path(trial))
            return trial

    def other_workers_are_silent(self) -> bool:
        """True where a running trial has not shown life of late: wait, it may be free soon."""
        running = self.study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.RUNNING,))
        return any(self._age_s(trial) > 3 * BEAT_S for trial in running)

    def end(self, trial: Trial, value: float | None = None, *, pruned: bool = False, error: str = "") -> None:
        """Say how a trial ended: with a value, pruned, or failed for good; one that was taken over is left alone."""
        state = self._optuna.trial.TrialState
        ended = state.PRUNED if pruned else state.FAIL if value is None else state.COMPLETE
        if error:
            with suppress(self._optuna.exceptions.UpdateFinishedTrialError):
                trial.set_user_attr(ERROR, error)
        self.study.tell(trial.number, value, state=ended, skip_if_finished=True)

    def queue_again(self, trial: Trial) -> None:
        """Fail a trial that was interrupted, and queue it anew: who claims it goes on in its folder."""
        try:
            self.study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
        except (ValueError, self._optuna.exceptions.UpdateFinishedTrialError):  # it has ended, or was queued already
            return
        self.study.enqueue_trial(trial.params, user_attrs={FOLDER: trial.user_attrs.get(FOLDER, trial.number)})

    def folder_of(self, trial: Trial) -> Path:
        """Run folder of a trial."""
        return self._folder / TRIALS_NAME / f"{trial.user_attrs.get(FOLDER, trial.number):04d}"

    @contextmanager
    def alive(self, trial: Trial) -> Iterator[None]:
        """Show that a trial has a worker, as long as the block runs."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(BEAT_S):
                with suppress(OSError):  # the next beat may succeed
                    _touch(self._beat_path(trial))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with suppress(OSError):
                self._beat_path(trial).unlink(missing_ok=True)

    def _requeue_lost(self) -> None:
        running = self.study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.RUNNING,))
        for trial in running:
            if self._age_s(trial) > LOST_S:
                self.queue_again(trial)

    def _counts(self, trial: Trial) -> bool:
        """True for a trial that is done or under way; one that waits is counted when it is claimed."""
        state = self._optuna.trial.TrialState
        return trial.state in (state.COMPLETE, state.PRUNED, state.RUNNING) or ERROR in trial.user_attrs

    def _age_s(self, trial: Trial) -> float:
        """Seconds since the last sign of life, by the clock of the disk; endless where there was none."""
        now = self._folder / f".now-{uuid.uuid4().hex}"
        try:
            _touch(now)
            return now.stat().st_mtime - self._beat_path(trial).stat().st_mtime
        except FileNotFoundError:
            return float("inf")
        finally:
            now.unlink(missing_ok=True)

    def _beat_path(self, trial: Trial) -> Path:
        return self._folder / f".trial-{trial.number:04d}-runs"

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Let one worker at a time look for what is left and take it."""
        self._claim_lock.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # this took so long that another worker broke the lock
                self._claim_lock.release()


def chosen_values(space: Sequence[Dimension], params: dict[str, Any]) -> dict[str, Any]:
    """Values of settings, by their keys, that the parameters of a trial stand for."""
    searched = {dimension.key: dimension for dimension in space}
    return {key: _chosen(searched[key], value) for key, value in params.items() if key in searched}


def _chosen(dimension: Dimension, value: object) -> object:
    if isinstance(value, float) and dimension.step is not None:
        return float(f"{value:.12g}")  # 0.3, not 0.1 + 0.1 + 0.1
    if not dimension.choices:
        return value
    return next(choice for choice in dimension.choices if _choice(choice) == value)


def _choice(value: object) -> object:
    """A choice as Optuna can store it: lists and mappings as JSON."""
    return to_json(value) if isinstance(value, list | dict) else value


def _distribution(optuna: Any, dimension: Dimension) -> Any:  # noqa: ANN401 - Optuna's
    kinds = optuna.distributions
    if dimension.choices:
        return kinds.CategoricalDistribution([_choice(value) for value in dimension.choices])
    if isinstance(dimension.low, int):
        step = 1 if dimension.step is None else dimension.step
        return kinds.IntDistribution(dimension.low, dimension.high, log=dimension.log, step=step)
    return kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def _mend(path: Path, lock: Any) -> None:  # noqa: ANN401 - Optuna's
    """Cut off a last line that a full disk or a kill left unfinished; Optuna would write on behind it."""
    if not path.exists():
        return
    lock.acquire()
    try:
        with path.open("rb+") as journal:
            whole = journal.read().rfind(b"\n") + 1
            journal.truncate(whole)
    finally:
        lock.release()


def _touch(path: Path) -> None:
    path.touch()
    os.utime(path)
