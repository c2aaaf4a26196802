"""`rfiscan simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, Quiet, Verbose

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
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON record per scene, a line each, instead of a table.", rich_help_panel=OUTPUT_PANEL
    ),
]

EXAMPLES = """[b]Examples[/b]

rfiscan simulate --count 4 -o scenes

rfiscan detect scenes/simulated_0000.tif
"""


def simulate(
    out: Out = Path("simulated"),
    count: Count = 1,
    seed: Seed = 0,
    mode: Mode = None,
    clean_share: CleanShare = 0.0,
    size: Size = (340, 500),
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Make scenes with known interference: a GeoTIFF that detect reads, and its truth."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    if min(size) < 32:
        raise typer.BadParameter("a scene has at least 32 rows and columns", param_hint="--size")
    from rfiscan.workflows.simulate import write_scenes

    with console.ConsoleReporter() as reporter:
        records = write_scenes(
            out, count=count, seed=seed, shape=size, clean_share=clean_share, mode=mode, reporter=reporter
        )
    for record in records:
        if as_json:
            console.show_json(record)
    if not as_json:
        console.show_simulated(records)
