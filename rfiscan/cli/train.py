"""`rfiscan train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, Quiet, Verbose

Config = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CONFIG]",
        help="YAML file with the settings of the run; what it leaves out has a default.",
        show_default=False,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME", help="Network shape: cae, mae, cae-reference or mae-reference.", show_default=False
    ),
]
SceneList = Annotated[
    list[str] | None,
    typer.Option(
        "--scenes",
        metavar="PATTERN",
        help="Interference-free scenes to mix in: a file, a folder or a glob in quotes; may be repeated. "
        "Without any, training draws on simulated scenes alone.",
        show_default=False,
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Optimiser steps.", show_default=False)]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder of the run, new or empty. Default: runs/NAME-seedSEED.",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the figures as JSON instead of text.", rich_help_panel=OUTPUT_PANEL)
]

EXAMPLES = """[b]Examples[/b]

rfiscan train --preset mae --steps 2000

rfiscan train config.yaml --scenes 'clean/*.png' -o runs/first

rfiscan detect scene.zip --model runs/first/model
"""


def train(
    config: Config = None,
    preset: Preset = None,
    scenes: SceneList = None,
    steps: Steps = None,
    seed: Seed = None,
    out: Out = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on simulated and real interference-free scenes; gives a model that detect takes."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.config import load_config
    from rfiscan.workflows.train import train_network

    overrides: dict[str, Any] = {
        "network.preset": preset,
        "name": preset,
        "data.scenes": scenes,
        "optimiser.steps": steps,
        "seed": seed,
    }
    settings = load_config(config, {key: value for key, value in overrides.items() if value is not None})
    run_dir = out or Path("runs") / f"{settings.name}-seed{settings.seed}"
    with console.ConsoleReporter() as reporter:
        result = train_network(settings, run_dir, reporter)
    if as_json:
        console.show_json({"model": str(result.model_dir), "figures": result.figures})
    else:
        console.show_line(f"{result.model_dir}: pixel AP {result.figures['pixel_ap']:.3f}")
