"""Points of several classes in a plane, as a PNG file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rfiscan.atomic import write_atomically
from rfiscan.export.plots import COLOURS, DPI, MARKERS

if TYPE_CHECKING:
    from pathlib import Path

SIZE_INCHES = (7.5, 5.2)


def write_scatter(
    path: Path, places: NDArray[np.float64], classes: Sequence[str], *, title: str, labels: tuple[str, str]
) -> None:
    """Draw points, a colour and a marker for each class, in the order in which classes first occur.

    Args:
        path: File to write.
        places: Positions, shape (N, 2).
        classes: Class of each, N of them.
        title: Above the plot.
        labels: Below the x axis and beside the y axis.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(title=title, xlabel=labels[0], ylabel=labels[1])
    axes.grid(visible=True, color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    named = np.asarray(classes)
    for number, name in enumerate(dict.fromkeys(classes)):
        own = places[named == name]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=26,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            alpha=0.75,
            linewidths=0,
            label=f"{name} ({len(own)})",
        )
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    write_atomically(path, buffer.getbuffer())
