"""`rfiscan compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfiscan import console
from rfiscan.cli.evaluate import FailBelow, Images, Json, Seed, Workers, check_gates, read_gates
from rfiscan.cli.options import INPUT_PANEL, OUTPUT_PANEL, Backend, FalseStripes, Far, Precision, Quiet, Verbose
from rfiscan.errors import QualityGateError

if TYPE_CHECKING:
    from collections.abc import Mapping

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL]...",
        help="Bundled models (mae, cae) or folders of models of your own. Default: the bundled ones.",
        show_default=False,
    ),
]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DATA",
        help="Folder that simulate wrote, or a COCO file of boxes over pictures.",
        show_default=False,
        rich_help_panel=INPUT_PANEL,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        min=1,
        help="Compare on N scenes, drawn by the seed.",
        show_default=False,
        rich_help_panel=INPUT_PANEL,
    ),
]
Replicates = Annotated[
    int, typer.Option("--replicates", metavar="N", min=1, help="Replicates of the bootstrap over scenes.")
]
Baselines = Annotated[
    bool, typer.Option("--baselines", help="Compare with five classical detectors, too; calibrating takes minutes.")
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.", rich_help_panel=OUTPUT_PANEL)
]

EXAMPLES = """[b]Examples[/b]

rfiscan simulate --count 200 --clean-share 0.4 -o truth

rfiscan compare mae cae --data truth --baselines

rfiscan compare cae runs/mine/model --data truth --fail-below pixel_ap=0.6
"""


def compare(
    models: Models = None,
    *,
    data: Data,
    baselines: Baselines = False,
    out: Out = Path("rfiscan_comparison"),
    backend: Backend = "auto",
    precision: Precision = "f32",
    far: Far = 1e-3,
    false_stripes: FalseStripes = None,
    images: Images = None,
    limit: Limit = None,
    replicates: Replicates = 400,
    seed: Seed = 0,
    workers: Workers = 1,
    fail_below: FailBelow = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Compare models on the same scenes: figures with paired intervals, speed, memory, and a picture."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.metrics.figures import FIGURE_NAMES

    gates = read_gates(fail_below or (), FIGURE_NAMES)
    from rfiscan.truth import find_truth

    refs = find_truth(data, images)  # what is missing is told before models are loaded
    from rfiscan.cli.comparison_tables import comparison_table
    from rfiscan.runtimes.loading import load_runnable
    from rfiscan.workflows.batch import output_folder
    from rfiscan.workflows.compare import CompareOptions, draw_scenes, name_contenders
    from rfiscan.workflows.compare import compare as compare_contenders
    from rfiscan.workflows.evaluate import EvaluateOptions
    from rfiscan.workflows.evaluating.baseline_contenders import build_baselines
    from rfiscan.workflows.evaluating.contenders import Contender
    from rfiscan.workflows.evaluating.readable_data import require_readable

    arguments = models or ["mae", "cae"]
    with output_folder(out), console.ConsoleReporter() as reporter:
        require_readable(draw_scenes(refs, limit, seed), reporter)
        loaded = [load_runnable(text, backend=backend, precision=precision, workers=workers) for text in arguments]
        evaluation = EvaluateOptions(
            far=far, false_stripes=false_stripes, seed=seed, replicates=replicates, workers=workers
        )
        contenders: list[Contender] = [*name_contenders(arguments, loaded, evaluation)]
        if baselines:
            contenders += build_baselines(false_stripes=false_stripes, reporter=reporter)
        options = CompareOptions(evaluation=evaluation, limit=limit)
        record = compare_contenders(contenders, refs, options, data=data, out_dir=out, reporter=reporter)
    if as_json:
        console.show_json(record)
    else:
        console.show_line(comparison_table(record))
        console.show_note(f"results: {out.absolute()}")
    _check_models(record, gates)


def _check_models(record: Mapping[str, Any], gates: Mapping[str, float]) -> None:
    """End the command if a figure of any model is lower than asked for; baselines need not reach it."""
    failed = []
    for entry in record["contenders"]:
        if entry["learned"]:
            try:
                check_gates(entry["figures"], gates)
            except QualityGateError as error:
                failed.append(f"{entry['name']}: {error}")
    if failed:
        raise QualityGateError("; ".join(failed))
