"""Search the settings of training: trials that many workers share, pruned early, the best one as a configuration."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rfiscan.atomic import write_atomically
from rfiscan.config.schema import TrainConfig
from rfiscan.config.search_space import Dimension, read_space, with_values
from rfiscan.errors import ConfigError, ModelError, OutputError, ResourceError, ResumableError, RfiscanError
from rfiscan.export.records import to_json, to_plain
from rfiscan.model_files.card_file import read_card
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.train import begin_run, reopen_run, stop_on_signals
from rfiscan.workflows.training.epoch_log import read_epochs
from rfiscan.workflows.training.run_lock import locked_run
from rfiscan.workflows.training.trainer import Trainer
from rfiscan.workflows.training.training_state import last_state
from rfiscan.workflows.training.tuning_outputs import IMPORTANCE_NAME, TuneResult, write_importance, write_results
from rfiscan.workflows.training.tuning_study import SharedStudy, Trial, chosen_values, require_optuna
from rfiscan.workflows.training.world import ALONE

SEARCH_NAME = "search.json"
OBJECTIVES = {
    "pixel_ap": True, "pd_at_far_1e-3": True, "ssim": True, "ssim_co": True, "ssim_cross": True, "loss": False,
}  # fmt: skip
"""Figures of validation that can be searched for, and whether more is better."""
MOST_FAILURES = 3
"""A choice: so many failed trials in a row are no bad luck."""
WAIT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """How to search.

    Attributes:
        trials: Trials of all workers together, those of earlier runs in the folder included.
        objective: One of `OBJECTIVES`.
        prune: End trials early that are worse than the median of the others at the same step.
    """

    trials: int = 20
    objective: str = "pixel_ap"
    prune: bool = True


def tune(
    base: TrainConfig, space_path: Path, folder: Path, options: TuneOptions, reporter: Reporter = SILENT
) -> TuneResult:
    """Search until the folder holds as many trials as wanted; run it again, or beside itself, to share the work.

    Args:
        base: The settings that are not searched.
        space_path: What is searched; see `read_space`.
        folder: Of the search: new or empty, or one that the same search began in.
        options: How to search.
        reporter: Is told how far the work is.

    Raises:
        MissingExtraError: If Optuna is not installed.
        ConfigError: If the search space is wrong, or the folder is of another search; or several trials in a row fail.
        OutputError: If the folder holds something else, or cannot be written.
        ResourceError: If several trials in a row fail, or memory or disk is exhausted.
        ResumableError: If the search was told to stop; its trial is queued again.
    """
    require_optuna()
    if options.objective not in OBJECTIVES:
        raise ConfigError(f"there is no figure {options.objective!r}", hint=f"Known are {', '.join(OBJECTIVES)}.")
    space = read_space(space_path, base)
    _join(folder, base, space, options)
    steps = base.optimiser.steps if options.prune else None
    shared = SharedStudy(folder, space, maximise=OBJECTIVES[options.objective], steps=steps, seed=base.seed)
    worker = _Worker(base, space, folder, options, shared, reporter)
    worker.work()
    result = worker.write_results()
    write_importance(folder / IMPORTANCE_NAME, shared.study, options.objective, reporter)
    return result


class _Worker:
    """One process that takes trials and runs them."""

    def __init__(
        self,
        base: TrainConfig,
        space: Sequence[Dimension],
        folder: Path,
        options: TuneOptions,
        shared: SharedStudy,
        reporter: Reporter,
    ) -> None:
        self._base, self._space, self._folder, self._options = base, space, folder, options
        self._shared, self._reporter = shared, reporter

    def write_results(self) -> TuneResult:
        """Write what is known of all trials."""
        values_of, config_of = partial(chosen_values, self._space), partial(with_values, self._base)
        return write_results(self._folder, self._shared.study, self._options.objective, values_of, config_of)

    def work(self) -> None:
        """Run trials until there are enough."""
        failures = 0
        while True:
            trial = self._shared.claim(self._options.trials)
            if trial is None:
                if not self._shared.other_workers_are_silent():
                    return
                time.sleep(WAIT_S)
                continue
            error = self._run(trial)
            self.write_results()
            failures = 0 if error is None else failures + 1
            if error is not None and failures == MOST_FAILURES:
                raise error

    def _run(self, trial: Trial) -> RfiscanError | None:
        """Run one trial to its end, its pruning or its failure; returns why it failed."""
        self._reporter.begin(trial.number + 1, max(trial.number + 1, self._options.trials))
        values = ", ".join(f"{key} {_shown(value)}" for key, value in trial.params.items())
        self._reporter.note(f"trial {trial.number}: {values}")
        with self._shared.alive(trial):
            try:
                error = self._try(trial)
            except ResumableError as stop:
                self._shared.queue_again(trial)
                message = f"stopped in trial {trial.number}, which is queued again"
                raise ResumableError(message, hint="Go on with the same command.") from stop
            except BaseException:
                self._shared.queue_again(trial)
                raise
        shutil.rmtree(self._shared.folder_of(trial) / "checkpoints", ignore_errors=True)  # what is done is not resumed
        return error

    def _try(self, trial: Trial) -> RfiscanError | None:
        optuna, objective = require_optuna(), self._options.objective
        try:
            value = self._train(trial, self._shared.folder_of(trial))
        except optuna.TrialPruned:
            self._shared.end(trial, pruned=True)
            self._reporter.note("pruned: worse than the median at this step")
        except optuna.exceptions.UpdateFinishedTrialError:
            self._reporter.warn(f"trial {trial.number} was taken over by another worker")
        except (ConfigError, ResourceError) as error:  # such as a network that cannot be, or a loss that is no number
            self._shared.end(trial, error=str(error))
            self._reporter.warn(f"trial {trial.number} failed: {error}")
            return error
        else:
            self._shared.end(trial, value)
            self._reporter.note(f"{objective} {value:.4f}")
        return None

    def _train(self, trial: Trial, folder: Path) -> float:
        """Train, and report every epoch; returns the objective of the model that is kept."""
        trainer = self._trainer(trial, folder)
        for figures in read_epochs(folder):  # of a trial that was interrupted
            trial.report(figures[self._options.objective], int(figures["step"]))
        trainer.epoch_listeners.append(partial(self._report, trial))
        with locked_run(folder, ALONE), stop_on_signals(trainer):
            trainer.run(self._reporter)
        kept = folder / "model"
        value = read_card(kept).provenance["validation"][self._options.objective] if kept.exists() else math.nan
        if not math.isfinite(value):
            raise ResourceError(f"{self._options.objective} is no number", hint="Search smaller learning rates.")
        return float(value)

    def _trainer(self, trial: Trial, folder: Path) -> Trainer:
        """The trainer of a trial; one that was interrupted goes on from its last epoch, if it has kept one."""
        config = with_values(self._base, chosen_values(self._space, trial.params))
        if last_state(folder).exists():
            try:
                return reopen_run(folder, self._reporter)
            except (ConfigError, ModelError):  # cut short while it was written
                self._reporter.note(f"trial {trial.number}: begins anew")
        shutil.rmtree(folder, ignore_errors=True)
        return begin_run(config, folder, self._reporter)

    def _report(self, trial: Trial, figures: Mapping[str, float]) -> None:
        trial.report(figures[self._options.objective], int(figures["step"]))
        if trial.should_prune():
            raise require_optuna().TrialPruned


def _join(folder: Path, base: TrainConfig, space: Sequence[Dimension], options: TuneOptions) -> None:
    """Make the folder of a search, or prove that it is of the same one.

    Raises:
        ConfigError: If it is of another search.
        OutputError: If it holds something else, or cannot be written.
    """
    path = folder / SEARCH_NAME
    search = {
        "objective": options.objective,
        "space": [asdict(replace(dimension, place="")) for dimension in space],
        "base": base.model_dump(mode="json"),
    }
    try:
        if not path.exists():
            if folder.exists() and any(not entry.name.startswith(SEARCH_NAME) for entry in folder.iterdir()):
                raise OutputError(f"{folder} holds something else", hint="Name a new folder with --out.")
            write_atomically(path, f"{to_json(search, indent=2)}\n".encode(), shared=True)
        begun = path.read_text(encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot use the folder {folder}: {error.strerror}") from error
    if not _is_same(begun, search):
        raise ConfigError(
            f"{folder} was begun with another objective, search space or other settings than these",
            hint="Go on with the same ones, or name a new folder with --out.",
        )


def _is_same(begun: str, search: Mapping[str, Any]) -> bool:
    """Tell whether a stored search is this one; settings that an earlier version did not have count as defaults."""
    try:
        stored = json.loads(begun)
        stored["base"] = TrainConfig.model_validate(stored["base"]).model_dump(mode="json")
    except (ValueError, TypeError, KeyError):  # no JSON, no search, or settings that there are no more
        return False
    return bool(to_plain(stored) == to_plain(search))


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
