"""`rfiscan train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, Quiet, SetList, Verbose
from rfiscan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rfiscan.workflows.trainer import TrainResult

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
        "--preset",
        metavar="NAME",
        help="Network shape: cae, mae, dae, vae, cae-reference or mae-reference.",
        show_default=False,
    ),
]
SceneList = Annotated[
    list[str] | None,
    typer.Option(
        "--scenes",
        metavar="PATTERN",
        help="Interference-free scenes to mix in: a file, a folder, a glob in quotes, @FILE with a line for each, or "
        "a manifest (CSV with the columns path, split, acquisition); may be repeated. "
        "Without any, training draws on simulated scenes alone.",
        show_default=False,
    ),
]
Trim = Annotated[
    float | None,
    typer.Option(
        "--trim-contaminated",
        metavar="Q",
        min=0.0,
        max=0.999,
        help="Leave out this share of the pixels of the scenes, those that look most like interference: "
        "an archive always holds some.",
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
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="RUN",
        help="Go on with the run in this folder, as if it had not been stopped; its settings are those it began with.",
        show_default=False,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the figures as JSON instead of text.", rich_help_panel=OUTPUT_PANEL)
]

EXAMPLES = """[b]Examples[/b]

rfiscan train --preset mae --steps 2000

rfiscan train config.yaml --scenes 'clean/*.png' -o runs/first

rfiscan train --set optimiser.batch=8 --set data.pool=128

rfiscan train --resume runs/first

rfiscan detect scene.zip --model runs/first/model
"""


def train(
    config: Config = None,
    preset: Preset = None,
    scenes: SceneList = None,
    trim: Trim = None,
    steps: Steps = None,
    seed: Seed = None,
    assignments: SetList = None,
    out: Out = None,
    resume: Resume = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on simulated and real interference-free scenes; gives a model that detect takes."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.config.sources import gather
    from rfiscan.workflows.train import resume_training, train_network

    if resume is not None:
        given = {
            "CONFIG": config,
            "--preset": preset,
            "--scenes": scenes,
            "--trim-contaminated": trim,
            "--steps": steps,
            "--seed": seed,
            "--out": out,
        }
        _refuse_changes(given)
        with console.ConsoleReporter() as reporter:
            _show_result(resume_training(resume, reporter, changes=assignments or ()), as_json=as_json)
        return
    options: dict[str, tuple[str, Any]] = {
        "--preset": ("network.preset", preset),
        "--scenes": ("data.scenes", scenes),
        "--trim-contaminated": ("data.trim_contaminated", trim),
        "--steps": ("optimiser.steps", steps),
        "--seed": ("seed", seed),
    }
    settings = gather(config, assignments or (), options)
    for warning in settings.warnings:
        console.show_warning(warning)
    run_dir = out or Path("runs") / f"{settings.config.name}-seed{settings.config.seed}"
    with console.ConsoleReporter() as reporter:
        _show_result(train_network(settings.config, run_dir, reporter), as_json=as_json)


def _refuse_changes(given: Mapping[str, object]) -> None:
    """Refuse what a resumed run cannot take.

    Raises:
        UsageError: If anything is given.
    """
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise UsageError(
            f"--resume takes the settings that the run began with, not {', '.join(named)}",
            hint="Begin a new run; some settings may be changed by name: --set optimiser.steps=9000.",
        )


def _show_result(result: TrainResult, *, as_json: bool) -> None:
    if as_json:
        console.show_json({"model": str(result.model_dir), "figures": result.figures})
    else:
        console.show_line(f"{result.model_dir}: pixel AP {result.figures['pixel_ap']:.3f}")
