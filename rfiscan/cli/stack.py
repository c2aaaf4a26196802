"""`rfiscan stack`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rfiscan import console
from rfiscan.cli.detect import Json
from rfiscan.cli.options import OUTPUT_PANEL, Quiet, Verbose

Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="Folder that detect wrote to; those below it count, too.", show_default=False),
]
DropAbove = Annotated[
    float,
    typer.Option(
        "--drop-above",
        metavar="SEVERITY",
        min=0.0,
        max=1.0,
        help="Severity above which a scene is to be dropped; 0.1 is 0.2 % of its pixels flagged.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for the results. Default: DIR.",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]

EXAMPLES = """[b]Examples[/b]

rfiscan detect stack/*.zip -o found && rfiscan stack found

rfiscan stack found --drop-above 0.3 --json | head -1
"""


def stack(
    folder: Folder,
    *,
    drop_above: DropAbove = 0.1,
    out: Out = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Rank the scenes that detect finished, worst first, and list those that a time series should leave out."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.export.records import to_plain
    from rfiscan.workflows.batch import output_folder
    from rfiscan.workflows.stack import rank_stack, read_records, stack_warnings, write_stack

    records = read_records(folder)
    for warning in stack_warnings(records):
        console.show_warning(warning)
    entries = rank_stack(records, drop_above)
    with output_folder(out or folder) as out_dir:
        outputs = write_stack(entries, out_dir)
    rows = [to_plain(asdict(entry)) for entry in entries]
    if as_json:
        for row in rows:
            console.show_json(row)
    else:
        console.show_stack(rows)
        console.show_note(f"results: {Path(outputs['table']).parent}")
