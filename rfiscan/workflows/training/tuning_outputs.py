"""What a search leaves: a table of its trials, the best one as a configuration, and a picture."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rfiscan.atomic import write_atomically
from rfiscan.config.schema import TrainConfig
from rfiscan.config.text import dump_config
from rfiscan.export.search_plot import TrialPoint, write_search_plot
from rfiscan.export.tables import write_table
from rfiscan.workflows.reporting import Reporter
from rfiscan.workflows.training.tuning_study import ERROR, FOLDER, TRIALS_NAME, Study, require_optuna

BEST_NAME = "best.yaml"
TABLE_NAME = "trials.csv"
IMPORTANCE_NAME = "importance.png"
FEWEST = 4
"""A choice: trials below which nothing is said of what mattered."""
QUANTILE = 0.25
"""A choice: share of the trials that count as good. Watanabe, Bansal and Hutter (IJCAI 2023, PED-ANOVA) take a tenth,
which is two of twenty trials."""

Values: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneResult:
    """What a search has found so far.

    Attributes:
        folder: Of the search.
        objective: The figure that is searched for.
        rows: All trials, the best first; columns ``trial``, ``state`` (done, pruned, failed, running), the objective,
            ``steps`` that were trained, ``folder``, and the settings by their keys.
        best_path: The best trial as a configuration; None where no trial is done.
    """

    folder: Path
    objective: str
    rows: list[dict[str, Any]]
    best_path: Path | None

    @property
    def best(self) -> dict[str, Any] | None:
        """The row of the best trial that is done."""
        return self.rows[0] if self.best_path is not None else None


def write_results(
    folder: Path, study: Study, objective: str, values_of: Values, config_of: Callable[[dict[str, Any]], TrainConfig]
) -> TuneResult:
    """Write the table of all trials and the best configuration; workers may write at the same time.

    Args:
        folder: Of the search.
        study: Optuna's.
        objective: The figure that is searched for.
        values_of: Makes values of settings of the parameters of a trial.
        config_of: Makes a configuration of these values.

    Raises:
        OutputError: If a file cannot be written.
        ResourceError: If the disk is full.
    """
    maximise = study.direction.name == "MAXIMIZE"
    rows = [_row(trial, objective, values_of) for trial in study.get_trials(deepcopy=False) if _is_shown(trial)]
    rows.sort(key=lambda row: _rank(row, objective, maximise=maximise))
    best_path = None
    if rows:
        write_table(folder / TABLE_NAME, rows, list(dict.fromkeys(column for row in rows for column in row)))
    if rows and rows[0]["state"] == "done":
        best_path = folder / BEST_NAME
        params = next(t.params for t in study.get_trials(deepcopy=False) if t.number == rows[0]["trial"])
        write_atomically(best_path, dump_config(config_of(values_of(params))).encode(), shared=True)
    return TuneResult(folder=folder, objective=objective, rows=rows, best_path=best_path)


def write_importance(path: Path, study: Study, objective: str, reporter: Reporter) -> dict[str, float]:
    """Draw what mattered; pruned trials count by their last figure, else what was bad would not be seen.

    Args:
        path: PNG to write; without `FEWEST` trials and one that is done nothing is written.
        study: Optuna's.
        objective: The figure that is searched for.
        reporter: Is told where there is no picture.

    Returns:
        Share of each setting, 0..1; empty without a picture.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    optuna = require_optuna()
    states = optuna.trial.TrialState
    counted = (states.COMPLETE, states.PRUNED)
    valued = [(t, v) for t in study.get_trials(deepcopy=False, states=counted) if (v := _value(t)) is not None]
    if len(valued) < FEWEST or all(trial.state == states.PRUNED for trial, _ in valued):
        reporter.note("too few trials to say which settings matter")
        return {}
    ended = optuna.create_study(direction=study.direction)
    for trial, value in valued:
        made = optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=value)
        ended.add_trial(made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
        found: dict[str, float] = optuna.importance.get_param_importances(ended, evaluator=evaluator)
    points = [TrialPoint(number=t.number, value=v, pruned=t.state == states.PRUNED) for t, v in valued]
    write_search_plot(path, found, points, objective, maximise=study.direction.name == "MAXIMIZE")
    return found


def _value(trial: Any) -> float | None:  # noqa: ANN401 - Optuna's
    """The objective of a trial; where it was pruned or runs, the last one that it reported."""
    if trial.value is not None:
        return float(trial.value)
    reported = trial.intermediate_values
    return float(reported[max(reported)]) if reported else None


def _is_shown(trial: Any) -> bool:  # noqa: ANN401 - Optuna's
    """False for what waits, and for what was interrupted and queued again under another number."""
    return trial.state.name in _STATES and (trial.state.name != "FAIL" or ERROR in trial.user_attrs)


_STATES = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


def _row(trial: Any, objective: str, values_of: Values) -> dict[str, Any]:  # noqa: ANN401 - Optuna's
    return {
        "trial": trial.number,
        "state": _STATES[trial.state.name],
        objective: _value(trial),
        "steps": max(trial.intermediate_values, default=0),
        "folder": f"{TRIALS_NAME}/{trial.user_attrs.get(FOLDER, trial.number):04d}",
        **values_of(trial.params),
    }


def _rank(row: dict[str, Any], objective: str, *, maximise: bool) -> tuple[bool, bool, float, int]:
    """Done before the others, good before bad, early before late."""
    value = row[objective]
    worse = 0.0 if value is None else -value if maximise else value
    return row["state"] != "done", value is None, worse, row["trial"]
