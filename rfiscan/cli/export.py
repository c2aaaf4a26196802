"""`rfiscan export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rfiscan import console
from rfiscan.cli.evaluate import ModelArgument
from rfiscan.cli.options import OUTPUT_PANEL, JsonRecord, Quiet, Verbose

# rfiscan.runtimes.exported.FORMATS, repeated here so that --help need not load numpy; a test compares them
FormatName = Literal["onnx", "openvino"]

Format = Annotated[
    FormatName,
    typer.Option("--format", "-f", help="What to write; needs the extra of that name.", rich_help_panel=OUTPUT_PANEL),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the files.", rich_help_panel=OUTPUT_PANEL)
]

EXAMPLES = """[b]Examples[/b]

rfiscan export cae -f onnx -o exported

rfiscan export runs/mine/model -f openvino -o exported --json
"""


def export(
    model: ModelArgument,
    *,
    file_format: Format = "onnx",
    out: Out = Path("rfiscan_export"),
    as_json: JsonRecord = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as one graph, from decibels to anomaly map, for programs without rfiscan."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.runtimes.exported import require_format

    require_format(file_format)
    from rfiscan.model_files.checkpoint import load_model
    from rfiscan.workflows.batch import output_folder
    from rfiscan.workflows.export_model import export_model

    with output_folder(out):
        record = export_model(load_model(model), file_format, out)
    if as_json:
        console.show_json(record)
        return
    for name, figures in record["parity"].items():
        console.show_line(
            f"{name}: largest difference {figures['absolute']:.1e}, {figures['relative']:.1e} of the largest value"
        )
    console.show_line(f"{record['path']}: same as {record['model']} to rounding, on {record['parity_tiles']} tiles")
