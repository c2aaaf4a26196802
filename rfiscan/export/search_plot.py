"""A picture of a search for settings: which of them mattered, and how the trials went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rfiscan.export.plots import COLOURS, PANEL_INCHES, save_figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

DONE, PRUNED, BEST = COLOURS[0], COLOURS[7], COLOURS[1]
BAR_INCHES = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPoint:
    """One trial as the picture shows it.

    Attributes:
        number: Of the trial.
        value: Of the objective; where it was pruned, the last one before.
        pruned: True where it was ended early.
    """

    number: int
    value: float
    pruned: bool


def write_search_plot(
    path: Path, importances: Mapping[str, float], trials: Sequence[TrialPoint], objective: str, *, maximise: bool
) -> None:
    """Draw the importance of each setting beside the objective of each trial.

    Args:
        path: PNG to write.
        importances: Share of each setting, 0..1.
        trials: In their order, at least one of them done.
        objective: Name of the figure that was searched for.
        maximise: True where more of it is better.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    width, height = PANEL_INCHES
    figure = Figure(figsize=(2 * width, max(height, 1.5 + BAR_INCHES * len(importances))), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_importances(left, importances, objective)
    _draw_trials(right, trials, objective, maximise=maximise)
    save_figure(path, figure, shared=True)


def _draw_importances(axes: Axes, importances: Mapping[str, float], objective: str) -> None:
    ascending = sorted(importances.items(), key=lambda item: item[1])
    bars = axes.barh([name for name, _ in ascending], [share for _, share in ascending], color=DONE)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize="small")
    axes.set(title=f"what {objective} depends on", xlabel="importance (shares, together 1)")
    axes.margins(x=0.12)
    _add_grid(axes, "x")


def _draw_trials(axes: Axes, trials: Sequence[TrialPoint], objective: str, *, maximise: bool) -> None:
    done = [trial for trial in trials if not trial.pruned]
    pruned = [trial for trial in trials if trial.pruned]
    axes.plot([t.number for t in done], [t.value for t in done], "o", color=DONE, label="done")
    if pruned:
        axes.plot([t.number for t in pruned], [t.value for t in pruned], "x", color=PRUNED, label="pruned, at its end")
    best = (np.maximum if maximise else np.minimum).accumulate([trial.value for trial in done])
    last = max(trial.number for trial in trials)
    axes.step([*(t.number for t in done), last], [*best, best[-1]], where="post", color=BEST, label="best so far")
    axes.set(title="how the search went", xlabel="trial", ylabel=objective)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize="small", framealpha=0.9)
    _add_grid(axes, "both")


def _add_grid(axes: Axes, which: str) -> None:
    axes.grid(visible=True, axis=which, color="#e0e0e0", linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
