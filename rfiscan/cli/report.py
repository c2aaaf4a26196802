"""`rfiscan report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rfiscan import console
from rfiscan.cli.options import OUTPUT_PANEL, JsonRecord, Quiet, Verbose

Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run of train, or of a model.", show_default=False)
]
PerClass = Annotated[
    int, typer.Option("--per-class", metavar="N", min=2, help="Simulated tiles of each class to look at.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of these tiles.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for the results. Default: RUN/report.",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]

EXAMPLES = """[b]Examples[/b]

rfiscan report runs/first

rfiscan report runs/vae-seed0 --per-class 100 -o latent
"""


def report(
    run: Run,
    *,
    per_class: PerClass = 24,
    seed: Seed = 0,
    out: Out = None,
    as_json: JsonRecord = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Picture how a run went, and what the codes of its network tell apart: clean tiles and kinds of interference."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.workflows.batch import output_folder
    from rfiscan.workflows.report import find_run_model, report_run

    find_run_model(run)  # what is missing is told before a folder is made
    out_dir = out or run / "report"
    with output_folder(out_dir), console.ConsoleReporter() as reporter:
        record = report_run(run, out_dir, per_class=per_class, seed=seed, reporter=reporter)
    if as_json:
        console.show_json(record)
        return
    console.show_line(f"{record['model']}: codes of {record['units']} units")
    for kind, area in record["novelty_auroc"].items():
        console.show_line(f"  {kind}: told from clean tiles with an area under the ROC of {area:.3f}")
    for name, figures in record["scores"].items():
        console.show_line(f"  scored by {name}: pixel AP {figures['pixel_ap']:.3f}")
    console.show_note(f"results: {record['path']}")
