"""`rfiscan sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, JsonRecord, Quiet, SetList, Verbose
from rfiscan.cli.train import Config, Preset, SceneList, Seed, Steps
from rfiscan.errors import UsageError

Sizes = Annotated[
    str | None,
    typer.Option(
        "--sizes",
        metavar="N,N,...",
        help="Sizes of the bottleneck. Default: 25,75,125,250,350,500 units of a vector (cae-reference, vae), or "
        "2,4,8,16,32 channels of a map (cae, dae).",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for a run of each size and the table; the same command goes on with a sweep that was stopped.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]

EXAMPLES = """[b]Examples[/b]

rfiscan sweep --preset cae-reference --steps 2000

rfiscan sweep config.yaml --preset vae --sizes 25,125,500 -o bottlenecks
"""


def sweep(
    config: Config = None,
    *,
    preset: Preset = None,
    sizes: Sizes = None,
    scenes: SceneList = None,
    steps: Steps = None,
    seed: Seed = None,
    assignments: SetList = None,
    out: Out = Path("rfiscan_sweep"),
    as_json: JsonRecord = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Train a network with bottlenecks of several sizes, and tabulate similarity and detection against size."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    chosen = _read_sizes(sizes)
    from rfiscan.config.sources import gather
    from rfiscan.workflows.batch import output_folder
    from rfiscan.workflows.sweep import COLUMNS, size_key, sweep_bottleneck

    options: dict[str, tuple[str, Any]] = {
        "--preset": ("network.preset", preset),
        "--scenes": ("data.scenes", scenes),
        "--steps": ("optimiser.steps", steps),
        "--seed": ("seed", seed),
    }
    settings = gather(config, assignments or (), options)
    size_key(settings.config)  # a network without a bottleneck leaves no folder behind
    with output_folder(out), console.ConsoleReporter() as reporter:
        record = sweep_bottleneck(settings.config, chosen, out, reporter)
    if as_json:
        console.show_json(record)
        return
    from rich.table import Table

    from rfiscan.cli.figure_tables import WIDTH, table_text

    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for row in record["rows"]:
        table.add_row(*(f"{row[c]:,}" if isinstance(row[c], int) else f"{row[c]:.3f}" for c in COLUMNS))
    console.show_line(table_text(table, WIDTH))
    console.show_note(f"results: {record['path']}")


def _read_sizes(text: str | None) -> list[int]:
    """Read sizes that are separated by commas.

    Raises:
        UsageError: If one is no whole number above 0.
    """
    parts = [part.strip() for part in text.split(",")] if text is not None else []
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--sizes {text}: sizes are whole numbers above 0", hint="Write them as 25,125,500.")
    return [int(part) for part in parts]
