"""`rfiscan evaluate`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfiscan import console
from rfiscan.cli.options import INPUT_PANEL, OUTPUT_PANEL, Backend, FalseStripes, Far, Precision, Quiet, Verbose
from rfiscan.errors import QualityGateError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Bundled model (cae, mae), or the folder of a model of your own.",
        show_default=False,
    ),
]
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="Folder that simulate wrote, or a COCO file of boxes over pictures.", show_default=False
    ),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.", rich_help_panel=OUTPUT_PANEL)
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="Folder of the pictures that a COCO file names. Default: that of the file.",
        show_default=False,
        rich_help_panel=INPUT_PANEL,
    ),
]
SubmissionFile = Annotated[
    Path | None,
    typer.Option(
        "--submission",
        metavar="FILE",
        help="Write the boxes that were found as COCO results.",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Replicates = Annotated[
    int, typer.Option("--replicates", metavar="N", min=0, help="Replicates of the bootstrap over scenes.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the bootstrap.")]
Workers = Annotated[
    int,
    typer.Option(
        "--workers", metavar="N", min=1, help="Threads that share the scenes; they change no figure beyond rounding."
    ),
]
FailBelow = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-below",
        metavar="NAME=VALUE",
        help="Exit with code 10 if this figure is lower, or the data do not tell it; may be repeated.",
        show_default=False,
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the record as one line of JSON, not a table.", rich_help_panel=OUTPUT_PANEL),
]

EXAMPLES = """[b]Examples[/b]

rfiscan simulate --count 200 --clean-share 0.4 -o truth && rfiscan evaluate cae truth

rfiscan evaluate runs/first/model truth --fail-below pixel_ap=0.6 --json

rfiscan evaluate mae boxes.json --images quicklooks --submission found.json
"""


def evaluate(
    model: ModelArgument,
    data: Data,
    *,
    out: Out = Path("rfiscan_evaluation"),
    backend: Backend = "auto",
    precision: Precision = "f32",
    far: Far = 1e-3,
    false_stripes: FalseStripes = None,
    images: Images = None,
    submission: SubmissionFile = None,
    replicates: Replicates = 400,
    seed: Seed = 0,
    workers: Workers = 1,
    fail_below: FailBelow = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model on scenes with known interference: figures with confidence intervals, and plots."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.metrics.figures import FIGURE_NAMES, MEANINGS

    gates = read_gates(fail_below or (), FIGURE_NAMES)
    from rfiscan.truth import find_truth

    refs = find_truth(data, images)  # what is missing is told before the model is loaded
    from rfiscan.cli.figure_tables import figure_table
    from rfiscan.runtimes.loading import load_runnable
    from rfiscan.workflows.batch import output_file, output_folder
    from rfiscan.workflows.evaluate import EvaluateOptions, evaluate_model
    from rfiscan.workflows.evaluating.readable_data import require_readable

    with output_folder(out), output_file(submission, "--submission"), console.ConsoleReporter() as reporter:
        require_readable(refs, reporter)
        record = evaluate_model(
            load_runnable(model, backend=backend, precision=precision, workers=workers),
            data,
            EvaluateOptions(far=far, false_stripes=false_stripes, seed=seed, replicates=replicates, workers=workers),
            out_dir=out,
            images_dir=images,
            submission=submission,
            reporter=reporter,
        )
    if as_json:
        console.show_json(record)
    else:
        console.show_line(figure_table([record], MEANINGS))
        console.show_note(f"results: {out.absolute()}")
    check_gates(record["figures"], gates)


def read_gates(texts: Iterable[str], names: Sequence[str]) -> dict[str, float]:
    """Read NAME=VALUE texts.

    Raises:
        UsageError: If one is no such text, or names no figure, or one that is better the lower it is.
    """
    from rfiscan.workflows.evaluating.standings import LOWER_IS_BETTER

    gates = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            gates[name] = float(value)
        except ValueError as error:
            raise UsageError(f"--fail-below {text}: is not NAME=VALUE", hint="Such as pixel_ap=0.6.") from error
        if name not in names:
            raise UsageError(f"--fail-below {text}: there is no figure {name}", hint=f"Figures: {', '.join(names)}.")
        if name in LOWER_IS_BETTER or name.startswith("far"):
            raise UsageError(f"--fail-below {text}: lower is better: a lower {name} is no failure")
        if not math.isfinite(gates[name]):
            raise UsageError(f"--fail-below {text}: is no finite number")
    return gates


def check_gates(figures: Mapping[str, Mapping[str, Any]], gates: Mapping[str, float]) -> None:
    """End the command if a figure is lower than asked for, or unknown.

    Raises:
        QualityGateError: Names all figures that fail.
    """
    failed = []
    for name, least in gates.items():
        value = figures[name]["value"]
        if value is None:
            failed.append(f"{name} cannot be told from these data")
        elif not value >= least:
            failed.append(f"{name} is {value:.4g}, less than {least:g}")
    if failed:
        raise QualityGateError("; ".join(failed))
