"""From a scene to its error map, mask, polygons and record."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rfiscan.errors import ResourceError
from rfiscan.export.records import write_record
from rfiscan.locations import Location
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene
from rfiscan.scenes.product import read_product
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.working_grid import read_working_grid
from rfiscan.scoring import clean_share_above
from rfiscan.tiling.tiles import plan_windows
from rfiscan.workflows.detecting.calibration_choice import choose_calibration
from rfiscan.workflows.detecting.catalogue import stac_outputs, write_stac_items
from rfiscan.workflows.detecting.circumstances import acquisition_on, with_circumstances
from rfiscan.workflows.detecting.claims import Claims
from rfiscan.workflows.detecting.esa_comparison import Flagged, compare_with_esa, comparison_sentence
from rfiscan.workflows.detecting.fitting import choose_spacing, polarization_names, scene_summary, working_shape
from rfiscan.workflows.detecting.geocoding import map_of, map_record, require_map
from rfiscan.workflows.detecting.inference import Levels, expect, find
from rfiscan.workflows.detecting.input_state import input_state
from rfiscan.workflows.detecting.memory_plan import MemoryPlan, plan_memory
from rfiscan.workflows.detecting.outputs import Wanted, write_outputs
from rfiscan.workflows.detecting.record import finished_record, record_path, scene_record
from rfiscan.workflows.detecting.result import Maps, Request, Result
from rfiscan.workflows.detecting.run import Looked, Run, Stopwatch
from rfiscan.workflows.detecting.streaming import streamed
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.resources import BYTES_PER_WORKING_PIXEL, peak_rss_mb, shortage_as_error


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectOptions:
    """What the user chose for a run.

    Attributes:
        out_dir: Folder of the outputs; must exist.
        far: False-alarm rate, in (0, 1): the share of clean pixels that may be flagged.
        false_stripes: Stripes that a clean scene may show on average, > 0; None for what `least_rank_at` takes.
        spacing_m: Spacing of the working grid in metres, "native" for the scene's own, None for the model's.
        pixel_spacing_m: Pixel spacing (row, col) in metres of scenes that do not tell it; None assumes that of a
            quick-look.
        units: Units of the pixel values; None to recognise them.
        calibrate: Turn digital numbers into sigma nought; None for what the model was trained on.
        denoise: Remove thermal noise, which calibrates, too; None for what the model was trained on.
        per_tile: Also write one error raster per tile.
        formats: Further formats of the stripes, see `rfiscan.export.vector_files.FORMATS`.
        geocode: Also lay the rasters on a map: see `rfiscan.scenes.map_choice.parse_map`, whose result it is.
        skip_existing: Keep a finished result of the same model and options instead of computing it again.
        overlap: Share of a tile that it has in common with its neighbour, in [0, 1).
        batch_tiles: Tiles that go through the network together.
        threads: Threads that read and multilook, >= 1.
        max_memory_gb: Memory that the process may take, in GB (1e9 bytes), >= 0; None for a share of what is available:
            see `plan_memory`.
    """

    out_dir: Path
    far: float = 1e-3
    false_stripes: float | None = None
    spacing_m: float | Literal["native"] | None = None
    pixel_spacing_m: tuple[float, float] | None = None
    units: Units | None = None
    calibrate: bool | None = None
    denoise: bool | None = None
    per_tile: bool = False
    formats: tuple[str, ...] = ()
    geocode: str | None = None
    skip_existing: bool = False
    overlap: float = 0.25
    batch_tiles: int = 4
    threads: int = 1
    max_memory_gb: float | None = None


def detect_scene(
    paths: tuple[Location, ...],
    model: RunnableModel,
    options: DetectOptions,
    reporter: Reporter = SILENT,
    *,
    claims: Claims | None = None,
) -> dict[str, Any]:
    """Find the interference in one scene and write all outputs.

    Args:
        paths: The file or folder of the scene, or its two single-polarization files.
        model: The trained network with its standardisation, scoring and calibration.
        options: What the user chose.
        reporter: Is told what was recognised, and how far the work is.
        claims: Names of scenes whose outputs must not be overwritten by this one.

    Returns:
        The record that was also written as `<id>.json`, last of all outputs.

    Raises:
        SceneError: If the scene cannot be read or holds no valid pixel, or is to be laid on a map that it has no place
            on.
        UsageError: If the model is not calibrated for the false-alarm rate, of pixels or of stripes, or noise is to be
            removed without calibrating.
        ModelFitError: If the scene is much coarser than the model, and no spacing was chosen.
        OutputError: If an output cannot be written, or belongs to another scene of the same name.
        ResourceError: If memory or disk do not suffice.
    """
    watch = Stopwatch()
    calibrated, denoised = choose_calibration(model.card, options.calibrate, options.denoise)
    with shortage_as_error(str(paths[0])):
        with open_scene(
            *paths,
            units=options.units,
            calibrate=calibrated,
            denoise=denoised,
            pixel_spacing_m=options.pixel_spacing_m,
        ) as scene:
            model = model.for_polarizations([name is not None for name in scene.polarizations])
            request = _request(paths, model, options, calibrated=calibrated, denoised=denoised)
            begun_before = claims is not None and claims.take(scene.scene_id, paths)
            if options.skip_existing or begun_before:
                record = finished_record(
                    options.out_dir,
                    scene.scene_id,
                    request,
                    per_tile=options.per_tile,
                    formats=options.formats,
                    geocode=options.geocode,
                )
                if record is not None:
                    reporter.note(f"{scene.scene_id}: finished earlier with the same model, options and files, kept")
                    return record
            spacing_m = choose_spacing(scene, model.card.spacing_m, options.spacing_m)
            plan = _plan(scene, spacing_m, model, options)
            require_map(scene, options.geocode)
            product = read_product(paths[0]) if len(paths) == 1 else None
            reporter.note(scene_summary(scene))
            run = Run(
                scene=scene,
                spacing_m=spacing_m,
                model=model,
                request=request,
                plan=plan,
                out_dir=options.out_dir,
                overlap=options.overlap,
                threads=options.threads,
                reporter=reporter,
                watch=watch,
            )
            with streamed(run) if plan.streamed else nullcontext(_in_memory(run)) as looked:
                result = looked.result
                acquisition = acquisition_on(looked.flagged, scene, product)
                known = with_circumstances(result, acquisition, model.card.stripe_ranks)
                result = replace(result, detections=known)
                with watch.time("write"):
                    wanted = _wanted(result, model, options)
                    outputs = looked.write(result, wanted)
                esa = compare_with_esa(product, looked.flagged)
        outputs |= stac_outputs(options.out_dir, scene.scene_id, product, model)
        if product is not None:
            reporter.note(f"{scene.scene_id}: {comparison_sentence(esa)}")
        beside = {**esa, **map_record(options.geocode, wanted.map_grid)}
        record = scene_record(result, outputs, watch.timings_s(), peak_rss_mb(), looked.warnings, beside)
        write_stac_items(record, result, product, model)
        write_record(record_path(options.out_dir, scene.scene_id), record)
        return record


def _request(
    paths: tuple[Location, ...], model: RunnableModel, options: DetectOptions, *, calibrated: bool, denoised: bool
) -> Request:
    """What is asked for, by a model as it is calibrated for the polarizations of the scene."""
    return Request(
        model=model.name,
        model_sha256=model.sha256,
        far=options.far,
        threshold=model.threshold(options.far),
        box_threshold=model.box_threshold(options.far),
        requested_false_stripes=options.false_stripes,
        least_rank=model.least_rank(options.far, options.false_stripes),
        requested_spacing=options.spacing_m,
        requested_pixel_spacing=None if options.pixel_spacing_m is None else list(options.pixel_spacing_m),
        requested_units=None if options.units is None else options.units.value,
        calibrated=calibrated,
        denoised=denoised,
        precision=model.runtime.precision,
        input_state=input_state(paths),
    )


def _plan(scene: Scene, spacing_m: float | None, model: RunnableModel, options: DetectOptions) -> MemoryPlan:
    """Choose how the scene goes through memory; maps can be laid on a map only if they are there as a whole."""
    shape = working_shape(scene, spacing_m)
    plan = plan_memory(shape, model.card.tile_shape, options.batch_tiles, options.max_memory_gb)
    if plan.streamed and options.geocode is not None:
        need_gb = shape[0] * shape[1] * BYTES_PER_WORKING_PIXEL / 1e9
        raise ResourceError(
            f"--geocode needs all of the working grid of {shape[0]} x {shape[1]} pixels in memory, {need_gb:.1f} GB",
            hint="Choose a coarser --spacing, or lay the finished rasters on a map with gdalwarp.",
        )
    return plan


def _wanted(result: Result, model: RunnableModel, options: DetectOptions) -> Wanted:
    return Wanted(
        out_dir=options.out_dir,
        tile_windows=plan_windows(*result.shape, model.card.tile_shape, options.overlap) if options.per_tile else [],
        formats=options.formats,
        map_grid=None if options.geocode is None else map_of(result, options.geocode),
    )


def _in_memory(run: Run) -> Looked:
    """Reconstruct the working grid and score what the reconstruction leaves, all of it in memory."""
    scene, model, reporter, request = run.scene, run.model, run.reporter, run.request
    with run.watch.time("read"):
        grid = read_working_grid(
            scene,
            run.spacing_m,
            lambda done, total: reporter.progress("reading", done, total),
            threads=run.threads,
        )
    scene.close()
    warnings = run.warn(grid)
    with run.watch.time("reconstruct"):
        expected = expect(
            grid,
            model,
            overlap=run.overlap,
            batch_tiles=run.plan.batch_tiles,
            on_tile=lambda done, total: reporter.progress("reconstructing", done, total),
        )
    levels = Levels(request.threshold, request.box_threshold, request.least_rank)
    with run.watch.time("score"):
        finding = find(grid, expected, model, levels, scene.polarizations)
    maps = Maps(grid=grid, scores=finding.scores, rfi_mask=finding.rfi_mask, threshold=request.threshold)
    result = Result(
        scene=scene,
        grid=grid,
        request=request,
        centre_db=expected.centre_db,
        shares=maps.shares(),
        severity=finding.severity,
        scene_score=finding.scene_score,
        scene_far=clean_share_above(model.card.scene_scores, finding.scene_score),
        detections=finding.detections,
        tile_shape=model.card.tile_shape,
        unit_db=model.card.standardisation.scale_db,
        backend=model.runtime.backend,
    )
    flagged = Flagged(
        rfi_mask=finding.rfi_mask,
        valid_mask=np.asarray(grid.valid_mask.any(axis=0)),
        by_polarization=dict(zip(polarization_names(scene.polarizations), maps.mask_by_polarization, strict=True)),
        factors=grid.factors,
    )
    return Looked(
        result=result,
        flagged=flagged,
        warnings=warnings,
        write=lambda known, wanted: write_outputs(known, maps, wanted, reporter),
    )
