"""`rfiscan tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, Quiet, SetList, Verbose

if TYPE_CHECKING:
    from rfiscan.workflows.training.tuning_outputs import TuneResult

SHOWN_TRIALS = 10

# rfiscan.workflows.tune.OBJECTIVES, repeated here so that --help need not load torch; a test compares them
ObjectiveName = Literal["pixel_ap", "pd_at_far_1e-3", "ssim", "ssim_co", "ssim_cross", "loss"]

Space = Annotated[
    Path,
    typer.Argument(
        metavar="SPACE",
        help="YAML file: settings by their dotted keys, each with {low, high}, perhaps log: true or a step, or with "
        "{choices: [...]}.",
        show_default=False,
    ),
]
Trials = Annotated[
    int,
    typer.Option("--trials", "-n", min=1, help="Trials in the folder, those of earlier and other workers included."),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder of the search; several commands on one folder share the work, and a later one goes on with it.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="CONFIG",
        help="YAML file with the settings that are not searched; what it leaves out has a default.",
        show_default=False,
    ),
]
Objective = Annotated[
    ObjectiveName,
    typer.Option("--objective", help="Figure of validation to search for; loss the least, all others the greatest."),
]
Prune = Annotated[
    bool,
    typer.Option("--prune/--no-prune", help="End trials early that are worse than the median at the same step."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print all trials as JSON instead of a table.", rich_help_panel=OUTPUT_PANEL)
]

EXAMPLES = """[b]Examples[/b]

rfiscan tune space.yaml --trials 20 -o search

rfiscan tune space.yaml -n 60 -o search --config mae.yaml --set optimiser.steps=1000

rfiscan train search/best.yaml
"""


def tune(
    space: Space,
    trials: Trials = 20,
    out: Out = Path("search"),
    config: Config = None,
    assignments: SetList = None,
    objective: Objective = "pixel_ap",
    prune: Prune = True,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Search the settings of train: many trials, by any number of workers, the bad ones ended early."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.config.sources import gather
    from rfiscan.workflows.tune import TuneOptions
    from rfiscan.workflows.tune import tune as search

    settings = gather(config, assignments or (), {})
    options = TuneOptions(trials=trials, objective=objective, prune=prune)
    with console.ConsoleReporter() as reporter:
        result = search(settings.config, space, out, options, reporter)
    if as_json:
        best = result.best_path
        console.show_json({"objective": objective, "best": None if best is None else str(best), "trials": result.rows})
    else:
        _show_table(result)


def _show_table(result: TuneResult) -> None:
    """Show the best trials and where the best configuration is."""
    from rich.table import Table

    from rfiscan.cli.figure_tables import table_text

    columns = list(dict.fromkeys(name for row in result.rows for name in row if name != "folder"))
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name == "state" else "right")
    for row in result.rows[:SHOWN_TRIALS]:
        table.add_row(*(_text(row.get(name)) for name in columns))
    console.show_line(table_text(table, 200))
    if len(result.rows) > SHOWN_TRIALS:
        console.show_line(f"and {len(result.rows) - SHOWN_TRIALS} more in {result.folder / 'trials.csv'}")
    if result.best is not None:
        value = result.best[result.objective]
        console.show_line(f"{result.best_path}: {result.objective} {value:.3f}, trial {result.best['trial']}")


def _text(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
