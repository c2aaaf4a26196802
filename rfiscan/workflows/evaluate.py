"""Contenders on scenes with known interference: from the data to tallies, and from a model to its figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan.errors import ModelFitError, SceneError
from rfiscan.metrics.boxes import boxes_array, match_boxes
from rfiscan.metrics.tally import Tally
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.scenes import open_scene
from rfiscan.scenes.working_grid import WorkingGrid, read_working_grid
from rfiscan.truth import Truth, TruthRef, find_truth, read_truth
from rfiscan.workflows.detecting.fitting import whole_spacing
from rfiscan.workflows.evaluating.contenders import Contender, Judgement, ModelContender
from rfiscan.workflows.evaluating.contributions import scene_contributions
from rfiscan.workflows.evaluating.evaluation_outputs import Submission, write_evaluation
from rfiscan.workflows.evaluating.evaluation_record import evaluation_record
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.resources import peak_rss_mb, shared_cores, shortage_as_error

BoxSink = Callable[[Contender, TruthRef, NDArray[np.float64], NDArray[np.float64]], None]
"""Takes the boxes (N, 4) of the stripes of a scene and their ranks (N,), see `rank_stripes`."""

PROGRESS_S = 0.25
"""How often progress is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What decides the figures of a contender on given data.

    Attributes:
        far: False-alarm rate of the masks, in (0, 1).
        false_stripes: Stripes that a clean scene may show on average, > 0; None for what `least_rank_at` takes.
        seed: Seed of the bootstrap, >= 0.
        replicates: Replicates of the bootstrap, >= 0; without any there are no intervals.
        workers: Threads that share the scenes; they change no figure beyond rounding.
    """

    far: float = 1e-3
    false_stripes: float | None = None
    seed: int = 0
    replicates: int = 400
    workers: int = 1


def evaluate_model(
    model: RunnableModel,
    data: Path,
    options: EvaluateOptions,
    *,
    out_dir: Path | None = None,
    images_dir: Path | None = None,
    submission: Path | None = None,
    reporter: Reporter = SILENT,
) -> dict[str, Any]:
    """Evaluate one model and write its figures, tables and plots.

    Args:
        model: The model.
        data: A folder of simulated scenes, or a COCO file; see `find_truth`.
        options: What decides the figures.
        out_dir: Folder of the outputs; None to write none.
        images_dir: Folder of the pictures of a COCO file, if it is not the file's.
        submission: File for the boxes, as COCO results; None to write none.
        reporter: Is told how far the work is.

    Returns:
        The record, which is written as ``evaluation.json``, last of all outputs.

    Raises:
        SceneError: If scenes or their truth cannot be read.
        UsageError: If the model is not calibrated for the false-alarm rate, of pixels or of stripes.
        ModelFitError: If the truth is on another grid than the model works on.
        OutputError: If an output cannot be written.
        ResourceError: If memory or disk do not suffice.
    """
    started_s = time.perf_counter()
    refs = find_truth(data, images_dir)
    model.least_rank(options.far, options.false_stripes)  # that it has none is told before any scene is read
    contender, found = ModelContender(model, false_stripes=options.false_stripes), Submission()
    reporter.note(f"{len(refs)} scenes of {data}")
    with shortage_as_error(str(data)):
        (tally,) = evaluate_contenders(
            [contender], refs, options, reporter, lambda _, ref, boxes, scores: found.add(ref, boxes, scores)
        )
        record = {
            "model": model.name,
            "model_sha256": model.sha256,
            "backend": model.runtime.backend,
            "precision": model.runtime.precision,
            "data": str(data),
            "requested_false_stripes": options.false_stripes,
            **evaluation_record(tally, contender, far=options.far),
            "peak_rss_mb": peak_rss_mb(),
            "timings_s": {"total": round(time.perf_counter() - started_s, 3)},
        }
        if submission is not None:
            found.write(submission)
        return write_evaluation(record, out_dir, submission)


def evaluate_contenders(
    contenders: Sequence[Contender],
    refs: Sequence[TruthRef],
    options: EvaluateOptions,
    reporter: Reporter = SILENT,
    on_boxes: BoxSink | None = None,
) -> list[Tally]:
    """Let contenders judge the same scenes, one scene at a time and worker, in constant memory.

    A scene is read once for each pixel spacing among the contenders. Its weights in the bootstrap depend on the seed
    and its name alone, or that of the real background it shares with others, so that the tallies are paired, and
    tallies of disjoint scenes can be merged.

    Args:
        contenders: What judges.
        refs: Scenes, as `find_truth` lists them.
        options: What decides the figures.
        reporter: Is told how far the work is.
        on_boxes: Takes the boxes of each contender and scene.

    Returns:
        One tally a contender, in their order.

    Raises:
        SceneError: If a scene or its truth cannot be read.
        UsageError: If a contender is not calibrated for the false-alarm rate.
        ModelFitError: If the truth is on another grid than a contender works on.
    """
    workers = max(1, min(options.workers, len(refs)))
    panels = [_Panel(contenders, options, on_boxes) for _ in range(workers)]
    with shared_cores(workers), ThreadPoolExecutor(workers) as pool:
        shares = [pool.submit(panel.judge, refs[first::workers]) for first, panel in enumerate(panels)]
        try:
            while wait(shares, timeout=PROGRESS_S, return_when=FIRST_EXCEPTION).not_done:
                reporter.progress("evaluating", sum(panel.judged for panel in panels), len(refs))
                if any(share.done() and share.exception() for share in shares):
                    break
        finally:
            for panel in panels:
                panel.stopped = True
    for share in shares:
        share.result()
    reporter.progress("evaluating", len(refs), len(refs))
    tallies, *others = ([judge.tally for judge in panel.judges] for panel in panels)
    for other in others:
        for tally, more in zip(tallies, other, strict=True):
            tally.merge(more)
    return tallies


class _Panel:
    """All contenders, judging one scene after the other.

    Attributes:
        judges: One a contender.
        judged: Scenes that are done.
        stopped: Set from outside to stop before the next scene.
    """

    def __init__(self, contenders: Sequence[Contender], options: EvaluateOptions, on_boxes: BoxSink | None) -> None:
        self.judges = [_Judge(contender, options) for contender in contenders]
        self.judged = 0
        self.stopped = False
        self._on_boxes = on_boxes

    def judge(self, refs: Sequence[TruthRef]) -> None:
        """Judge scenes."""
        for ref in refs:
            if self.stopped:
                return
            truth = read_truth(ref)
            grids: dict[float, WorkingGrid] = {}
            for judge in self.judges:
                spacing_m = judge.contender.spacing_m
                if spacing_m not in grids:
                    grids[spacing_m] = _read_grid(ref, truth, spacing_m)
                boxes, scores = judge.judge(ref, truth, grids[spacing_m])
                if self._on_boxes is not None:
                    self._on_boxes(judge.contender, ref, boxes, scores)
            self.judged += 1


class _Judge:
    """A contender with its thresholds and its tally."""

    def __init__(self, contender: Contender, options: EvaluateOptions) -> None:
        self.contender = contender
        self._far = options.far
        contender.threshold(options.far)  # that it has none is told before any scene is read
        rates = tuple(sorted(contender.calibration))
        self.tally = Tally(name=contender.name, seed=options.seed, replicates=options.replicates, rates=rates)

    def judge(self, ref: TruthRef, truth: Truth, grid: WorkingGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Judge a scene and add it to the tally; return the boxes and their scores."""
        contender = self.contender.for_polarizations([bool(valid.any()) for valid in grid.valid_mask])
        judgement = contender.score(grid, self._far)
        rate_thresholds = np.array([contender.calibration[rate] for rate in self.tally.rates], np.float64)
        boxes, scores = _ranked_boxes(judgement)
        true_boxes = [stripe.visible_bbox_px for stripe in truth.stripes if stripe.visible_bbox_px is not None]
        self.tally.add(
            truth.background or ref.scene_id,  # scenes over one real background are not independent
            scene_contributions(truth, judgement, grid.valid_mask, contender.threshold(self._far), rate_thresholds),
            match_boxes(boxes, scores, boxes_array(true_boxes)),
        )
        return boxes, scores


def _ranked_boxes(judgement: Judgement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ranks = np.array([detection.rank for detection in judgement.detections], np.float64)
    return boxes_array([detection.bbox_px for detection in judgement.detections]), ranks


def _read_grid(ref: TruthRef, truth: Truth, spacing_m: float) -> WorkingGrid:
    """Read a scene on the grid of its truth."""
    hint = "Evaluate a model on scenes of the pixel spacing that it was trained at."
    with open_scene(ref.scene_path) as scene:
        try:
            grid = read_working_grid(scene, whole_spacing(scene, spacing_m))
        except ModelFitError as error:
            raise ModelFitError(str(error), hint=hint) from error
    fits = truth.shape == grid.power.shape[1:]
    if grid.factors != (1, 1) and not fits:
        row_m, col_m = (spacing / factor for spacing, factor in zip(grid.spacing_m, grid.factors, strict=True))
        raise ModelFitError(
            f"{ref.scene_path}: its truth is on pixels of {row_m:g} x {col_m:g} m, the model works at {spacing_m:g} m",
            hint=hint,
        )
    if truth.shape is not None and not fits:
        raise SceneError(
            f"{ref.scene_path}: has {grid.power.shape[1:]} pixels, its truth {truth.shape}",
            hint="Make the data anew, or copy the folder whole.",
        )
    return grid
