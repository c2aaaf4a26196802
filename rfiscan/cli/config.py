"""`rfiscan config`: write, show and check the settings of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rfiscan import console
from rfiscan.cli.options import Quiet, SetList, Verbose
from rfiscan.errors import OutputError

EXAMPLES = """[b]Examples[/b]

rfiscan config init train.yaml --set network.preset=mae

RFISCAN_SEED=3 rfiscan config show train.yaml --origin

rfiscan config validate *.yaml
"""

app = typer.Typer(
    epilog=EXAMPLES,
    help="Write, show and check the settings of a training run.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="New YAML file.", show_default=False)]
Given = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG]", help="YAML file; without one, defaults.", show_default=False)
]
Files = Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files.", show_default=False)]
Origin = Annotated[bool, typer.Option("--origin", help="Say of every setting where it comes from.")]


@app.command()
def init(file: File, *, assignments: SetList = None, verbose: Verbose = False, quiet: Quiet = False) -> None:
    """Write a file with every setting, what it means, and what is allowed."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.atomic import write_atomically
    from rfiscan.config.sources import assigned_settings, resolve
    from rfiscan.config.text import template

    config = resolve(assigned_settings(assignments or ())).config
    if file.exists():
        raise OutputError(f"{file} is there already", hint="Name a new file, or remove it.")
    write_atomically(file, template(config).encode())
    console.show_note(f"{file}: begin with rfiscan train {file}")


@app.command()
def show(
    config: Given = None,
    *,
    assignments: SetList = None,
    origin: Origin = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Print the settings that train would take: --set, then RFISCAN_* variables, then the file, then defaults."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.config.sources import gather
    from rfiscan.config.text import dump_config, with_origins

    resolved = gather(config, assignments or (), {})
    text = with_origins(resolved.config, resolved.origins) if origin else dump_config(resolved.config)
    console.show_line(text.rstrip())


@app.command()
def schema() -> None:
    """Print the JSON schema of a configuration, for editors."""
    from rfiscan.config.schema import TrainConfig

    console.show_json(TrainConfig.model_json_schema())


@app.command()
def validate(configs: Files, *, verbose: Verbose = False, quiet: Quiet = False) -> None:
    """Check configurations, down to whether the network can be built; exit code 4 if one is wrong."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.config.sources import load_config
    from rfiscan.workflows.training.building import build_from_config

    for path in configs:
        build_from_config(load_config(path))
        console.show_line(f"{path}: valid")
