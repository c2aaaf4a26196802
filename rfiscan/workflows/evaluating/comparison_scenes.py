"""A few scenes that show what contenders differ in, and what each makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.export.comparison_grid import GridCell, GridScene
from rfiscan.radiometry import power_to_db
from rfiscan.scenes import open_scene
from rfiscan.scenes.working_grid import WorkingGrid, read_working_grid
from rfiscan.standardisation import median_db
from rfiscan.truth import Truth, TruthRef, read_truth
from rfiscan.workflows.detecting.fitting import whole_spacing
from rfiscan.workflows.evaluating.contenders import Contender, ModelContender

SAMPLE = 60
"""Scenes among which the shown ones are looked for; a choice: enough for one of each kind."""
LONGEST_NAME = 20
"""Characters that a row of the picture has room for."""
STRENGTHS = ("weak", "medium", "strong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A scene to show.

    Attributes:
        label: What it stands for: "strong", "medium", "weak" or "clean".
        ref: The scene.
        truth: What is known of it.
    """

    label: str
    ref: TruthRef
    truth: Truth


def choose_examples(refs: Sequence[TruthRef], seed: int) -> list[Example]:
    """Draw a scene from each third of the contaminated ones, by their strongest stripe, and a clean one.

    Args:
        refs: The scenes of the evaluation.
        seed: Decides the draw; the same scenes and seed give the same examples.

    Returns:
        Strongest first, clean last; fewer where the data hold no such scenes.
    """
    rng = np.random.default_rng([seed, len(refs)])
    drawn = [refs[index] for index in sorted(rng.permutation(len(refs))[:SAMPLE])]
    known = [(ref, read_truth(ref)) for ref in drawn]
    dirty = sorted((pair for pair in known if pair[1].visible_stripes), key=lambda pair: _strength(pair[1]))
    clean = [pair for pair in known if pair[1].clean]
    thirds = np.array_split(np.arange(len(dirty)), len(STRENGTHS))
    examples = []
    for label, third in zip(STRENGTHS, thirds, strict=True):
        if third.size:
            ref, truth = dirty[int(rng.choice(third))]
            examples.append(Example(label=label, ref=ref, truth=truth))
    examples.reverse()
    if clean:
        ref, truth = clean[int(rng.integers(len(clean)))]
        examples.append(Example(label="clean", ref=ref, truth=truth))
    return examples


def grid_scene(example: Example, contenders: Sequence[Contender], far: float) -> GridScene:
    """Let contenders judge an example, and say what to draw: the polarization that shows most of the interference."""
    grids: dict[float, WorkingGrid] = {}
    cells: dict[str, GridCell] = {}
    for contender in contenders:
        if contender.spacing_m not in grids:
            with open_scene(example.ref.scene_path) as scene:
                grids[contender.spacing_m] = read_working_grid(scene, whole_spacing(scene, contender.spacing_m))
    grid = next(iter(grids.values()))
    channel = _telling_channel(example.truth, grid.valid_mask)
    for contender in contenders:
        judgement = contender.score(grids[contender.spacing_m], far)
        expected_db = None
        if judgement.reconstruction is not None and isinstance(contender, ModelContender):
            expected_db = judgement.reconstruction[channel] * contender.model.card.standardisation.scale_db
        cells[contender.name] = GridCell(mask=judgement.rfi_mask, reconstruction_db=expected_db)
    valid = grid.valid_mask[channel]
    level_db = power_to_db(grid.power[channel]) - np.float32(median_db(grid.power, grid.valid_mask)[channel])
    return GridScene(
        title=_title(example, channel),
        level_db=np.where(valid, level_db, np.float32(np.nan)),
        truth=example.truth.mask,
        boxes=[stripe.visible_bbox_px for stripe in example.truth.stripes if stripe.visible_bbox_px is not None],
        cells=cells,
    )


def _strength(truth: Truth) -> float:
    """Peak ratio of the strongest stripe in dB; where none is known, the area of the largest box."""
    ratios = [stripe.ibr_db for stripe in truth.visible_stripes if np.isfinite(stripe.ibr_db)]
    if ratios:
        return max(ratios)
    boxes = [stripe.visible_bbox_px for stripe in truth.visible_stripes if stripe.visible_bbox_px is not None]
    return max(width * height for _, _, width, height in boxes)


def _telling_channel(truth: Truth, valid: NDArray[np.bool_]) -> int:
    shown = valid.sum(axis=(1, 2))
    if truth.masks_by_polarization is not None and truth.masks_by_polarization.any():
        shown = (truth.masks_by_polarization & valid).sum(axis=(1, 2))
    return 1 if shown[1] >= shown[0] else 0


def _title(example: Example, channel: int) -> str:
    polarization = ("co-pol", "cross-pol")[channel]
    strongest = max((s.ibr_db for s in example.truth.visible_stripes if np.isfinite(s.ibr_db)), default=None)
    strength = "" if strongest is None else f", {strongest:+.0f} dB"
    return f"{example.label}{strength}\n{_shortened(example.ref.scene_id)}\n{polarization}"


def _shortened(name: str) -> str:
    """A name without its middle, where it is too long for a row of the picture."""
    return name if len(name) <= LONGEST_NAME else f"{name[:9]}\N{HORIZONTAL ELLIPSIS}{name[9 - LONGEST_NAME + 1 :]}"
