"""`rfiscan train`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, Quiet, SetList, Verbose
from rfiscan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rfiscan.workflows.training.trainer import TrainResult

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
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="cae|mae|PATH",
        help="Begin with the weights of this model, bundled or a folder, instead of random ones: to adapt it to other "
        "scenes, say. It must have the shape of the preset.",
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


# TRACKERS of rfiscan.workflows.training.tracking.choosing, repeated here so that --help need load no workflow; a test
# compares them
class TrackerName(StrEnum):
    """Experiment trackers."""

    TENSORBOARD = "tensorboard"
    CLEARML = "clearml"
    MLFLOW = "mlflow"


Track = Annotated[
    list[TrackerName] | None,
    typer.Option(
        "--track",
        metavar="|".join(TrackerName),
        help="Show the run in an experiment tracker, too; needs the extra of that name; may be repeated. "
        "A resumed run goes on in those that it began with.",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]
PrintSlurm = Annotated[
    bool,
    typer.Option(
        "--print-slurm",
        help="Train nothing; print a batch script for Slurm that does, on several machines if need be.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the figures as JSON instead of text.", rich_help_panel=OUTPUT_PANEL)
]

EXAMPLES = """[b]Examples[/b]

rfiscan train --preset mae --steps 2000

rfiscan train config.yaml --scenes 'clean/*.png' -o runs/first

rfiscan train --weights cae --scenes 'mine/*.tif' --steps 1000 -o runs/adapted

rfiscan train --set optimiser.batch=8 --set data.pool=128

rfiscan train --resume runs/first

rfiscan train config.yaml --track tensorboard

torchrun --nproc-per-node 2 -m rfiscan train config.yaml

rfiscan detect scene.zip --model runs/first/model
"""


def train(
    config: Config = None,
    preset: Preset = None,
    scenes: SceneList = None,
    trim: Trim = None,
    weights: Weights = None,
    steps: Steps = None,
    seed: Seed = None,
    assignments: SetList = None,
    out: Out = None,
    resume: Resume = None,
    track: Track = None,
    print_slurm: PrintSlurm = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on simulated and real interference-free scenes; gives a model that detect takes."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.config.sources import gather
    from rfiscan.workflows.train import resume_training, train_network
    from rfiscan.workflows.training.world import one_voice

    trackers = [name.value for name in track or ()]
    options: dict[str, tuple[str, Any]] = {
        "--preset": ("network.preset", preset),
        "--scenes": ("data.scenes", scenes),
        "--trim-contaminated": ("data.trim_contaminated", trim),
        "--weights": ("network.weights", weights),
        "--steps": ("optimiser.steps", steps),
        "--seed": ("seed", seed),
    }
    given = {name: value for name, (_, value) in options.items()}
    with one_voice() as is_heard, console.ConsoleReporter() as reporter:
        if resume is not None:
            _refuse_changes({"CONFIG": config, "--out": out, "--print-slurm": print_slurm or None, **given})
            result = resume_training(resume, reporter, changes=assignments or (), track=trackers)
        else:
            settings = gather(config, assignments or (), options)
            run_dir = out or Path("runs") / f"{settings.config.name}-seed{settings.config.seed}"
            if print_slurm:
                _show_script(
                    settings.config.name, run_dir, config, {**given, "--set": assignments, "--track": trackers}
                )
                return
            result = train_network(settings.config, run_dir, reporter, track=trackers)
        if is_heard:
            _show_result(result, as_json=as_json)


def _show_script(name: str, run_dir: Path, config: Path | None, given: Mapping[str, object]) -> None:
    from rfiscan.workflows.training.slurm import slurm_script

    arguments = [] if config is None else [str(config)]
    for option, value in given.items():
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            arguments += [option, str(one)]
    console.show_line(slurm_script(f"rfiscan-{name}", run_dir, [*arguments, "--out", str(run_dir)]).rstrip())


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
