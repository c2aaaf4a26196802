"""Plots of curves with their intervals, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rfiscan.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c8c8c")
"""Told apart by people who do not see red and green alike: those of Okabe and Ito, but grey for their yellow."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
PANEL_INCHES = (6.0, 4.2)
DPI = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a plot; NaN is left out.

    Attributes:
        label: What the legend calls it.
        x: Positions.
        value: Values, as many.
        low: Lower bounds of the intervals, as many.
        high: Upper bounds.
    """

    label: str
    x: Sequence[float]
    value: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One set of axes.

    Attributes:
        title: Above it.
        x_label: Below it.
        y_label: Beside it.
        curves: What is drawn; without any that has a value, the panel says that the data do not tell.
        x_limits: Ends of the x axis; None to fit the curves.
        y_limits: Ends of the y axis; None to fit the curves.
        log: Logarithmic axes; below the smallest x, which is > 0, the y axis is linear down to 0.
        markers: Mark the points, and draw each interval as a bar; else intervals are bands.
        diagonal: Name of the line of equal x and y, if it is to be drawn.
    """

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    log: bool = False
    markers: bool = False
    diagonal: str | None = None


def write_plot(path: Path, panels: Sequence[Panel]) -> None:
    """Draw panels side by side into a PNG.

    Args:
        path: File to write.
        panels: At least one.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * len(panels), height), layout="constrained")
    for axes, panel in zip(np.ravel(figure.subplots(1, len(panels), squeeze=False)), panels, strict=True):
        _draw(axes, panel)
    save_figure(path, figure)


def save_figure(path: Path, figure: Figure, *, shared: bool = False) -> None:
    """Write a figure as PNG; equal figures give equal files.

    Args:
        path: File to write.
        figure: What to draw.
        shared: True where other processes may write the same file at the same time.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})  # not the version of the library
    write_atomically(path, buffer.getbuffer(), shared=shared)


def _draw(axes: Axes, panel: Panel) -> None:
    axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    axes.grid(visible=True, color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    drawn = [curve for curve in panel.curves if np.isfinite(curve.value).any()]
    if not drawn:
        axes.text(0.5, 0.5, "the data do not tell", transform=axes.transAxes, ha="center", va="center")
        return
    smallest = min(min(curve.x) for curve in drawn)
    if panel.log:
        axes.set_xscale("log")
        axes.set_yscale("symlog", linthresh=smallest)  # which shows 0, too
    for number, curve in enumerate(drawn):
        _draw_curve(axes, panel, curve, number, len(drawn))
    if panel.diagonal is not None:
        ends = [smallest, max(max(curve.x) for curve in drawn)]
        axes.plot(ends, ends, "--", color="#606060", label=panel.diagonal)
    axes.set(xlim=panel.x_limits, ylim=panel.y_limits)
    if len(drawn) > 2:  # so many curves leave no room inside
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    else:
        axes.legend(fontsize="small", framealpha=0.9)


def _draw_curve(axes: Axes, panel: Panel, curve: Curve, number: int, count: int) -> None:
    colour = COLOURS[number % len(COLOURS)]
    x, value, low, high = (np.asarray(values, float) for values in (curve.x, curve.value, curve.low, curve.high))
    if not panel.markers:
        axes.plot(x, value, color=colour, label=curve.label)
        axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        return
    aside = 0.06 * (number - (count - 1) / 2)  # bars of several curves stand side by side
    placed = x * 10 ** (aside / 2) if panel.log else x + aside * (np.ptp(x) / max(1, x.size - 1) if x.size > 1 else 1)
    bars = np.nan_to_num(np.stack([np.fmax(value - low, 0), np.fmax(high - value, 0)]))
    axes.errorbar(
        placed,
        value,
        yerr=bars,
        color=colour,
        marker=MARKERS[number % len(MARKERS)],
        markersize=5,
        linewidth=2.2 if number == 0 else 1.2,
        elinewidth=1,
        capsize=2,
        label=curve.label,
    )
