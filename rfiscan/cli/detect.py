"""`rfiscan detect`."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rfiscan import console
from rfiscan.cli.options import (
    MANY_PANEL,
    OUTPUT_PANEL,
    Backend,
    Calibrate,
    Denoise,
    FalseStripes,
    Far,
    Model,
    PixelSpacing,
    Precision,
    Quiet,
    Spacing,
    UnitsOption,
    Verbose,
    pixel_spacing_value,
    spacing_value,
)
from rfiscan.errors import BatchError, QualityGateError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rfiscan.locations import Location
    from rfiscan.model_files.stored_model import RunnableModel
    from rfiscan.workflows.batch import SceneOutcome
    from rfiscan.workflows.detect import DetectOptions


# rfiscan.export.vector_files.FORMATS, repeated here so that --help need not load numpy; a test compares them
class Format(StrEnum):
    """Further formats of the stripes."""

    CSV = "csv"
    COCO = "coco"
    GPKG = "gpkg"
    FGB = "fgb"


Scenes = Annotated[
    list[str],
    typer.Argument(
        metavar="SCENE",
        help="SAFE folders, manifest.safe files or zips, STAC items, GeoTIFFs, quick-look PNGs, .npy arrays; on this "
        "disk or by URL (https://, s3://, /vsicurl/, ...); folders of them, globs, @LIST with one a line, - for "
        "standard input. Each is one scene, but two TIFFs of a folder that differ in the polarization of their names "
        "only are one.",
        show_default=False,
    ),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.", rich_help_panel=OUTPUT_PANEL)
]
PerTile = Annotated[
    bool,
    typer.Option(
        "--per-tile",
        help="Also write one georeferenced error raster per tile, under tiles/.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Also = Annotated[
    list[Format] | None,
    typer.Option(
        "--also",
        metavar="|".join(Format),
        help="Also write the stripes in this format; may be repeated. gpkg and fgb need the extra [b]vector[/b].",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Geocode = Annotated[
    str | None,
    typer.Option(
        "--geocode",
        metavar="EPSG|utm",
        help="Also lay mask, anomaly map and error map on a map: an EPSG code such as 4326, or [b]utm[/b] for the zone "
        "of the scene.",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON record per scene, a line each, instead of a table.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        help="Keep scenes that an earlier run finished with the same model and options; "
        "without it they are computed again and replaced.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
FailOnRfi = Annotated[
    float | None,
    typer.Option(
        "--fail-on-rfi",
        metavar="PCT",
        min=0.0,
        max=100.0,
        help="Exit with code 10 if more than PCT percent of the valid pixels of a scene are flagged.",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]

Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        metavar="N",
        help="Worker processes on this machine; more than one needs the extra [b]dask[/b].",
        rich_help_panel=MANY_PANEL,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS|FILE",
        help="Dask scheduler whose workers take the scenes: tcp://host:8786, or a scheduler file. "
        "Needs the extra [b]dask[/b].",
        show_default=False,
        rich_help_panel=MANY_PANEL,
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N|slurm[/N]",
        help="Take the I-th of N shares of the scenes only; [b]slurm[/b]: by the task of the job array.",
        show_default=False,
        rich_help_panel=MANY_PANEL,
    ),
]

MaxMemory = Annotated[
    float | None,
    typer.Option(
        "--max-memory",
        metavar="GB",
        min=0.1,
        help="Memory that the run may take. A working grid that needs more, as that of a whole product at "
        "--spacing native does, goes through it in bands of rows. Default: three quarters of what is available.",
        show_default=False,
        rich_help_panel=MANY_PANEL,
    ),
]

EXAMPLES = """[b]Examples[/b]

rfiscan detect S1A_IW_GRDH_1SDV_20220501.SAFE

rfiscan detect iw-vv.tiff iw-vh.tiff --model mae --far 1e-4 -o results

rfiscan detect S1A_IW_GRDH_1SDV_20220501.SAFE --geocode utm --also gpkg

rfiscan detect archive --jobs 4 --json --skip-existing > found.ndjson

rfiscan detect S1A_IW_GRDH_1SDV_20220501.SAFE --spacing native --max-memory 1.5

rfiscan detect s3://eodata/Sentinel-1/SAR/IW_GRDH_1S-COG/2024/05/01/S1A_..._COG.SAFE
"""
RESUME_HINT = "Start the same command again, with --skip-existing."


def detect(
    scenes: Scenes,
    *,
    model: Model = None,
    out: Out = Path("rfiscan_out"),
    backend: Backend = "auto",
    precision: Precision = "f32",
    far: Far = 1e-3,
    false_stripes: FalseStripes = None,
    spacing: Spacing = None,
    pixel_spacing: PixelSpacing = None,
    units: UnitsOption = None,
    calibrate: Calibrate = None,
    denoise: Denoise = None,
    per_tile: PerTile = False,
    also: Also = None,
    geocode: Geocode = None,
    as_json: Json = False,
    skip_existing: SkipExisting = False,
    fail_on_rfi: FailOnRfi = None,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    shard: Shard = None,
    max_memory: MaxMemory = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Find interference in scenes: error map, mask, polygons, a picture and a record of each."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    groups = _groups(scenes, shard)
    if not groups:
        console.show_note("no scene for this share")
        return
    from rfiscan.export.vector_files import require_formats

    formats = tuple(dict.fromkeys(name.value for name in also or ()))
    require_formats(formats)
    from rfiscan.scenes.map_choice import parse_map

    chosen_map = None if geocode is None else parse_map(geocode)
    from rfiscan.model_files.card_file import DEFAULT_MODEL
    from rfiscan.radiometry import Units
    from rfiscan.runtimes.backends import thread_count
    from rfiscan.runtimes.loading import load_runnable
    from rfiscan.workflows.batch import output_folder
    from rfiscan.workflows.detect import DetectOptions
    from rfiscan.workflows.detecting.calibration_choice import choose_calibration
    from rfiscan.workflows.stop_signals import ended_by_signals

    outcomes: list[SceneOutcome] = []
    with ended_by_signals(RESUME_HINT), output_folder(out), console.ConsoleReporter() as reporter:
        trained = load_runnable(model or DEFAULT_MODEL, backend=backend, precision=precision)
        trained.threshold(far)
        trained.least_rank(far, false_stripes)
        choose_calibration(trained.card, calibrate, denoise)
        options = DetectOptions(
            out_dir=out,
            far=far,
            false_stripes=false_stripes,
            spacing_m=spacing_value(spacing),
            pixel_spacing_m=pixel_spacing_value(pixel_spacing),
            units=None if units is None else Units(units),
            calibrate=calibrate,
            denoise=denoise,
            per_tile=per_tile,
            formats=formats,
            geocode=chosen_map,
            threads=thread_count(),
            skip_existing=skip_existing,
            max_memory_gb=max_memory,
        )
        try:
            with _runner(trained, options, reporter, jobs=jobs, scheduler=scheduler) as run:
                for outcome in run(groups):
                    reporter.clear()
                    outcomes.append(outcome)
                    _show_outcome(outcome, as_json=as_json, alone=len(groups) == 1)
        except KeyboardInterrupt:  # or a signal that ends the run in its way
            reporter.clear()
            if len(groups) > 1:
                ended = f"{len(outcomes)} of {len(groups)} scenes had ended"
                console.show_warning(f"stopped: {ended}; --skip-existing keeps the finished ones")
            raise
        finally:
            _show_table(outcomes, as_json=as_json, alone=len(groups) == 1)
    _raise_verdict(outcomes, fail_on_rfi)


def _groups(scenes: list[str], shard: str | None) -> list[tuple[Location, ...]]:
    """The files of each scene that this run takes."""
    from rfiscan.workflows.scene_lists import named_scenes, parse_shard, take_shard

    groups = named_scenes(scenes, sys.stdin)
    return groups if shard is None else take_shard(groups, *parse_shard(shard, os.environ))


@contextmanager
def _runner(
    model: RunnableModel, options: DetectOptions, reporter: console.ConsoleReporter, *, jobs: int, scheduler: str | None
) -> Iterator[Callable[[Sequence[tuple[Location, ...]]], Iterator[SceneOutcome]]]:
    """What runs scenes: this process, or the workers of a cluster."""
    if scheduler is None and jobs == 1:
        from rfiscan.workflows.batch import detect_scenes

        yield lambda groups: detect_scenes(groups, model, options, reporter)
        return
    if scheduler is not None and jobs > 1:
        raise UsageError(
            "--jobs and --scheduler contradict each other", hint="The workers of a scheduler are yours to start."
        )
    from rfiscan.workflows.cluster import connect, detect_on_cluster, threads_of

    threads = threads_of(jobs) if scheduler is None else 1
    with connect(jobs, scheduler) as client:
        yield lambda groups: detect_on_cluster(groups, model, options, client, reporter, threads=threads)


def _show_outcome(outcome: SceneOutcome, *, as_json: bool, alone: bool) -> None:
    """Show what can be shown while other scenes are still to come."""
    if as_json:
        console.show_json(outcome.record)
    if outcome.error is not None:
        if not alone:  # the error of a lone scene ends the command, which shows it
            console.show_error(outcome.record["error"], outcome.record["hint"])
            if console.is_verbose():
                console.show_traceback(outcome.error)
        return
    timings = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in outcome.record["timings_s"].items())
    console.show_detail(f"{outcome.record['scene']}: {timings}; peak memory {outcome.record['peak_rss_mb']} MB")


def _show_table(outcomes: list[SceneOutcome], *, as_json: bool, alone: bool) -> None:
    """Show what people read at the end."""
    if as_json or not outcomes or (alone and outcomes[0].error is not None):
        return
    console.show_scenes([outcome.record for outcome in outcomes])
    if alone:
        console.show_detections(outcomes[0].record["detections"])
    done = [outcome.record for outcome in outcomes if outcome.error is None]
    if done:
        console.show_note(f"results: {Path(done[0]['outputs']['record']).parent}")


def _raise_verdict(outcomes: list[SceneOutcome], fail_on_rfi: float | None) -> None:
    """End the command with the error that its exit code stands for, if any."""
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors and len(outcomes) == 1:
        raise errors[0]
    if errors:
        raise BatchError(f"{len(errors)} of {len(outcomes)} scenes failed")
    if fail_on_rfi is None:
        return
    for outcome in outcomes:
        flagged_percent = 100 * outcome.record["flagged_share"]
        if flagged_percent > fail_on_rfi:
            raise QualityGateError(
                f"{outcome.record['scene']}: {flagged_percent:.3g} % of the valid pixels are flagged, "
                f"more than {fail_on_rfi:g} %"
            )
