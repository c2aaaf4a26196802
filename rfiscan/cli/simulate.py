"""`rfiscan simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, Quiet, Verbose, require_spacing, spacing_value

BENCHMARK_PANEL = "Benchmark and survey"
PASSES_PANEL = "Passes over one place"

Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the scenes.", rich_help_panel=OUTPUT_PANEL)
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="Number of scenes.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed: scene i depends on the seed and i alone.")]
Mode = Annotated[
    Literal["IW", "EW", "SM"] | None,
    typer.Option("--mode", help="Acquisition mode. Default: drawn for each scene.", show_default=False),
]
CleanShare = Annotated[
    float, typer.Option("--clean-share", min=0.0, max=1.0, help="Share of scenes without interference.")
]
Size = Annotated[tuple[int, int], typer.Option("--size", metavar="ROWS COLS", help="Size of a scene in pixels.")]
Priors = Annotated[
    Path | None,
    typer.Option(
        "--priors",
        metavar="FILE",
        help="YAML that says what interferers are like. Default: the bundled one.",
        show_default=False,
    ),
]
RealScene = Annotated[
    Path | None,
    typer.Option(
        "--background", metavar="SCENE", help="Add the interference to this scene instead.", show_default=False
    ),
]
Spacing = Annotated[
    str,
    typer.Option(
        "--spacing",
        metavar="M|native",
        callback=require_spacing,
        help="Pixel spacing in metres; 'native' keeps that of --background.",
    ),
]
Safe = Annotated[
    bool,
    typer.Option(
        "--safe",
        help="Write full-resolution GRD products as SAFE folders; --size counts pixels of --spacing.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes to share the work; the files are the same.")]
Benchmark = Annotated[
    Literal["v1"] | None,
    typer.Option(
        "--benchmark",
        help="Write this frozen set of scenes; --count, --seed and the like do not apply.",
        rich_help_panel=BENCHMARK_PANEL,
        show_default=False,
    ),
]
BackgroundDir = Annotated[
    Path | None,
    typer.Option(
        "--background-dir",
        metavar="DIR",
        help="With --benchmark: also interference over the real scenes of this folder.",
        rich_help_panel=BENCHMARK_PANEL,
        show_default=False,
    ),
]
Passes = Annotated[
    int | None,
    typer.Option(
        "--passes",
        metavar="N",
        min=1,
        help="Write N ascending and N descending scenes that hear the same emitters, and where these stand.",
        rich_help_panel=PASSES_PANEL,
        show_default=False,
    ),
]
Emitters = Annotated[
    int, typer.Option("--emitters", metavar="N", min=1, help="Emitters that stand there.", rich_help_panel=PASSES_PANEL)
]
Place = Annotated[
    tuple[float, float],
    typer.Option("--place", metavar="LON LAT", help="Where, in degrees.", rich_help_panel=PASSES_PANEL),
]
Survey = Annotated[
    bool,
    typer.Option(
        "--survey",
        help="Write nothing; compare the stripes of --count scenes with a published survey.",
        rich_help_panel=BENCHMARK_PANEL,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON record per scene, a line each, instead of a table.", rich_help_panel=OUTPUT_PANEL
    ),
]

EXAMPLES = """[b]Examples[/b]

rfiscan simulate --count 4 -o scenes

rfiscan detect scenes/simulated_0000.tif

rfiscan simulate --background S1A_IW_GRDH.SAFE --count 3 -o injected

rfiscan simulate --passes 3 -o passes && rfiscan detect passes/*cending_????.tif -o found && rfiscan locate found

rfiscan simulate --benchmark v1 --workers 2 -o benchmark
"""


IDLE = {
    "benchmark": "count seed mode clean_share size priors background spacing safe survey",
    "survey": "mode clean_share size background spacing safe workers out",
    "background": "mode size safe",
    "passes": "count mode clean_share background safe workers benchmark background_dir survey",
}
"""What does not apply beside an option, by the names of parameters."""


def _refuse_idle_options(context: typer.Context) -> None:
    """Refuse options that were given and would be ignored."""
    given = {name for name in context.params if _was_given(context, name)}
    for leading, idle in IDLE.items():
        for name in sorted(given & set(idle.split())) if leading in given else ():
            text = f"does not apply with --{leading}"
            raise typer.BadParameter(text, param_hint=f"--{name.replace('_', '-')}")


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_contradictions(context: typer.Context, size: tuple[int, int], place: tuple[float, float]) -> None:
    """Refuse options that cannot be, or not together."""
    given = context.params
    if min(size) < 32:
        raise typer.BadParameter("a scene has at least 32 rows and columns", param_hint="--size")
    if not (abs(place[0]) <= 180 and abs(place[1]) <= 80):
        raise typer.BadParameter("is beyond 180 degrees of longitude or 80 of latitude", param_hint="--place")
    _refuse_idle_options(context)
    if given["background_dir"] is not None and given["benchmark"] is None:
        raise typer.BadParameter("belongs to --benchmark; --background takes one scene", param_hint="--background-dir")
    for name in ("emitters", "place"):
        if _was_given(context, name) and given["passes"] is None:
            raise typer.BadParameter("belongs to --passes", param_hint=f"--{name}")
    if given["spacing"] == "native" and given["background"] is None:
        raise typer.BadParameter("'native' needs a --background to take it from", param_hint="--spacing")


def simulate(
    context: typer.Context,
    out: Out = Path("simulated"),
    count: Count = 1,
    seed: Seed = 0,
    mode: Mode = None,
    clean_share: CleanShare = 0.0,
    size: Size = (340, 500),
    priors: Priors = None,
    background: RealScene = None,
    spacing: Spacing = "500",
    workers: Workers = 1,
    safe: Safe = False,
    benchmark: Benchmark = None,
    background_dir: BackgroundDir = None,
    survey: Survey = False,
    passes: Passes = None,
    emitters: Emitters = 4,
    place: Place = (8.0, 52.0),
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Make scenes with known interference: files that detect reads, and their truth."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    _refuse_contradictions(context, size, place)
    from rfiscan.priors import bundled_priors, load_priors
    from rfiscan.workflows.benchmark import write_benchmark
    from rfiscan.workflows.passes import PassesOptions, write_passes
    from rfiscan.workflows.simulate import SimulateOptions, write_scenes
    from rfiscan.workflows.survey import survey_stripes

    drawn_from = bundled_priors() if priors is None else load_priors(priors)
    with console.ConsoleReporter() as reporter:
        if survey:
            rows = survey_stripes(drawn_from, count, seed, reporter)
            reporter.clear()
            console.show_survey(rows, as_json=as_json)
            return
        if benchmark is not None:
            made = write_benchmark(benchmark, out, background_dir, workers=workers, reporter=reporter)
        elif passes is not None:
            around = PassesOptions(
                out_dir=out,
                priors=drawn_from,
                passes=passes,
                emitters=emitters,
                seed=seed,
                place=place,
                shape=size,
                spacing_m=float(spacing),
            )
            made = write_passes(around, reporter)
        else:
            spacing_m = spacing_value(spacing)
            options = SimulateOptions(
                out_dir=out,
                priors=drawn_from,
                count=count,
                seed=seed,
                shape=size,
                spacing_m=None if spacing_m == "native" else spacing_m,
                clean_share=clean_share,
                mode=mode,
                background=background,
                product=safe,
                workers=workers,
            )
            made = write_scenes(options, reporter)
        records = []
        for record in made:
            if as_json:
                console.show_json(record)
            records.append(record)
    if not as_json:
        console.show_simulated(records)
