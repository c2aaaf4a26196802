"""One picture of what contenders make of the same scenes: a row a scene, the contenders side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from scipy import ndimage

from rfiscan.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

PANEL_INCHES = 2.4
DPI = 110
LEVEL_PERCENTILES = (1.0, 99.7)
MIN_STRETCH_DB = 3.0
"""A scene without contrast is not stretched to more than this range, or its speckle would look like a scene."""
ERROR_DB = 6.0
"""Range of the colours of errors, in dB to either side of 0; a choice: what stands out by that much is plain."""
NEIGHBOURS = np.ones((3, 3), bool)
INVALID = "#11182e"
TRUE, FOUND, MISSED, FALSE, CLEAR = "#404040", "#1a9850", "#fdae61", "#d01c8b", "#f2f2f2"
LEGEND = {
    TRUE: "interference (truth)",
    FOUND: "found",
    MISSED: "missed",
    FALSE: "flagged, but no interference",
    CLEAR: "clear",
    INVALID: "no data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCell:
    """What one contender makes of a scene.

    Attributes:
        mask: True = flagged, (H, W).
        reconstruction_db: What it expects, in dB over the scene's median, (H, W); None where it reconstructs nothing.
    """

    mask: NDArray[np.bool_]
    reconstruction_db: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridScene:
    """One row: a scene in one polarization.

    Attributes:
        title: Said at the left.
        level_db: The scene, in dB over its median, (H, W), NaN where invalid.
        truth: True = visible interference, (H, W); None where only boxes are known.
        boxes: Boxes of the interference, each x, y, width, height in pixels.
        cells: By contender; every scene has the same ones, in the same order.
    """

    title: str
    level_db: NDArray[np.float32]
    truth: NDArray[np.bool_] | None
    boxes: Sequence[tuple[float, float, float, float]]
    cells: dict[str, GridCell]


def write_grid(path: Path, scenes: Sequence[GridScene]) -> None:
    """Draw scenes, truth, and for each contender reconstruction and error (if it reconstructs) and mask, into a PNG.

    Args:
        path: File to write.
        scenes: At least one.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    columns = _columns(scenes[0])
    height_px, width_px = scenes[0].level_db.shape
    row_inches = PANEL_INCHES * min(1.2, max(0.35, height_px / width_px))
    size = (PANEL_INCHES * len(columns) + 0.6, row_inches * len(scenes) + 1.5)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(scenes), len(columns), squeeze=False)
    shown: dict[str, AxesImage] = {}
    for row, scene in enumerate(scenes):
        for col, (contender, what) in enumerate(columns):
            panel = axes[row, col]
            panel.set(xticks=[], yticks=[])
            if row == 0:
                panel.set_title(f"{contender}\n{what}" if contender else what, fontsize=11)
            image = _draw(panel, scene, contender, what)
            if image is not None:
                shown[what] = image
        axes[row, 0].set_ylabel(scene.title, fontsize=10)
    _explain(figure, axes, shown, has_boxes=any(scene.truth is None for scene in scenes))
    buffer = io.BytesIO()
    # without the version of the library, equal pictures give equal files
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    write_atomically(path, buffer.getbuffer())


def _columns(scene: GridScene) -> list[tuple[str, str]]:
    """Contender ("" for the scene itself) and what of it each column shows."""
    columns = [("", "scene"), ("", "truth")]
    for name, cell in scene.cells.items():
        whats = ("mask",) if cell.reconstruction_db is None else ("reconstruction", "error", "mask")
        columns += [(name, what) for what in whats]
    return columns


def _draw(panel: Axes, scene: GridScene, contender: str, what: str) -> AxesImage | None:
    """Draw one panel; return what a colour bar can be made for."""
    panel.set_facecolor(INVALID)
    valid = np.isfinite(scene.level_db)
    if what == "truth":
        panel.imshow(_coloured(scene, scene.truth, TRUE), interpolation="nearest")
    elif what == "mask":
        panel.imshow(_coloured(scene, scene.cells[contender].mask), interpolation="nearest")
    else:
        expected = scene.level_db if what == "scene" else scene.cells[contender].reconstruction_db
        if expected is None:
            return None
        if what == "error":
            error_db = scene.level_db - expected
            return panel.imshow(error_db, cmap="RdBu_r", vmin=-ERROR_DB, vmax=ERROR_DB)
        known = scene.level_db[valid]
        low, high = np.percentile(known, LEVEL_PERCENTILES) if known.size else (0.0, 0.0)
        spare = max(0.0, MIN_STRETCH_DB - (high - low)) / 2
        panel.imshow(np.where(valid, expected, np.nan), cmap="gray", vmin=low - spare, vmax=high + spare)
        return None
    if scene.truth is None:
        for x, y, width, height in scene.boxes:
            panel.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor=MISSED, linewidth=1.2))
    return None


def _coloured(scene: GridScene, mask: NDArray[np.bool_] | None, colour: str = FOUND) -> NDArray[np.float64]:
    """A mask against the truth, (H, W, 3); where the truth is boxes, what is flagged has one colour.

    What is coloured is a pixel thicker than it is, or single pixels would fall between those of the picture.
    """
    flagged = np.zeros(scene.level_db.shape, bool) if mask is None else mask
    truth = flagged if scene.truth is None else scene.truth
    picture = np.empty((*flagged.shape, 3))
    picture[:] = to_rgb(CLEAR)
    for part, shade in ((truth & ~flagged, MISSED), (flagged & ~truth, FALSE), (flagged & truth, colour)):
        picture[ndimage.binary_dilation(part, NEIGHBOURS)] = to_rgb(shade)
    picture[~np.isfinite(scene.level_db)] = to_rgb(INVALID)
    return picture


def _explain(figure: Figure, axes: NDArray[np.object_], shown: dict[str, AxesImage], *, has_boxes: bool) -> None:
    labels = dict(LEGEND)
    if has_boxes:
        labels |= {FOUND: "flagged, or found", MISSED: "box of interference, or missed"}
    patches = [Patch(facecolor=colour, edgecolor="#808080", label=label) for colour, label in labels.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=11, frameon=False)
    if "error" in shown:
        bar = figure.colorbar(shown["error"], ax=axes, shrink=0.6, pad=0.01, extend="both")
        bar.set_label("error: scene over reconstruction (dB)", fontsize=10)
