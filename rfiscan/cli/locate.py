"""`rfiscan locate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, Quiet, Verbose
from rfiscan.cli.stack import Folder, Out

MinPasses = Annotated[
    int,
    typer.Option(
        "--min-passes",
        metavar="N",
        min=1,
        help="Scenes that must show an emitter; with 1, stripes that fit no others are listed as lines, too.",
    ),
]
MaxKm = Annotated[
    float,
    typer.Option("--max-km", metavar="KM", min=0.0, max=500.0, help="How far beyond a swath an emitter may stand."),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON record per emitter, a line each, instead of a table.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]

EXAMPLES = """[b]Examples[/b]

rfiscan detect ascending/*.zip descending/*.zip -o found && rfiscan locate found

rfiscan locate found --min-passes 3 --json | head -1
"""


def locate(
    folder: Folder,
    *,
    min_passes: MinPasses = 2,
    max_km: MaxKm = 30.0,
    out: Out = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Tell where emitters stand: cross the stripes of ascending and descending passes that detect found."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.cli.emitter_table import emitter_table
    from rfiscan.workflows.batch import output_folder
    from rfiscan.workflows.locate import LocateOptions, locate_emitters, write_located
    from rfiscan.workflows.stack import read_records

    records = read_records(folder)
    options = LocateOptions(min_passes=min_passes, beyond_km=max_km)
    with console.ConsoleReporter() as reporter:
        emitters = locate_emitters(records, folder, options, reporter)
    with output_folder(out or folder) as out_dir:
        outputs = write_located(emitters, out_dir)
    if as_json:
        for emitter in emitters:
            console.show_json(emitter)
    else:
        console.show_line(emitter_table(emitters))
        console.show_note(f"results: {Path(outputs['geojson']).parent}")
