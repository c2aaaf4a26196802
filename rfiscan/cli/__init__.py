"""The command line: one file per command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from rfiscan import __version__
from rfiscan.cli import (
    compare,
    config,
    detect,
    evaluate,
    export,
    info,
    locate,
    report,
    simulate,
    stack,
    sweep,
    train,
    tune,
)

app = typer.Typer(
    name="rfiscan",
    no_args_is_help=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rfiscan {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Find radio-frequency interference in Sentinel-1 scenes, without labels.

    Start with: [b]rfiscan detect SCENE[/b]
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(epilog=detect.EXAMPLES)(detect.detect)
app.command(epilog=train.EXAMPLES)(train.train)
app.command(epilog=tune.EXAMPLES)(tune.tune)
app.command(epilog=report.EXAMPLES)(report.report)
app.command(epilog=sweep.EXAMPLES)(sweep.sweep)
app.command(epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(epilog=compare.EXAMPLES)(compare.compare)
app.command(epilog=simulate.EXAMPLES)(simulate.simulate)
app.command(epilog=info.EXAMPLES)(info.info)
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=stack.EXAMPLES)(stack.stack)
app.command(epilog=locate.EXAMPLES)(locate.locate)
app.add_typer(config.app, name="config")
