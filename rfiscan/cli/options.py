"""Options that commands share: one name, one help text, one meaning each."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

INPUT_PANEL = "Input"
MODEL_PANEL = "Model"
OUTPUT_PANEL = "Output"
MANY_PANEL = "Many scenes"

# rfiscan.radiometry.Units, repeated here so that --help need not load numpy; a test compares them
UnitsName = Literal["dn", "amplitude", "power", "db", "quicklook", "complex", "sigma_nought"]


def require_rate(far: float | None) -> float | None:
    """Accept a false-alarm rate strictly between 0 and 1."""
    if far is not None and not 0 < far < 1:
        raise typer.BadParameter(f"{far:g} is not between 0 and 1; 1e-3 flags one clean pixel in a thousand.")
    return far


def require_positive(number: float | None) -> float | None:
    """Accept a number above 0."""
    if number is not None and not number > 0:
        raise typer.BadParameter(f"{number:g} is not above 0; 0.1 is one in ten scenes.")
    return number


def require_spacing(text: str | None) -> str | None:
    """Accept "native" or a positive number of metres."""
    if text is None or text == "native":
        return text
    try:
        spacing_m = float(text)
    except ValueError:
        spacing_m = 0.0
    if not 0 < spacing_m < float("inf"):
        raise typer.BadParameter(f"{text!r} is neither a positive number of metres nor 'native'.")
    return text


def spacing_value(text: str | None) -> float | Literal["native"] | None:
    """Turn the text of --spacing, checked by `require_spacing`, into what workflows take."""
    if text is None:
        return None
    return "native" if text == "native" else float(text)


PIXEL_SPACINGS_M = (0.1, 1e5)
"""What a pixel of a radar picture may measure: beyond that somebody mistyped."""


def require_pixel_spacing(text: str | None) -> str | None:
    """Accept one or two numbers of metres within `PIXEL_SPACINGS_M`, joined by a comma."""
    if text is None:
        return None
    try:
        sizes_m = [float(part) for part in text.split(",")]
    except ValueError:
        sizes_m = []
    low, high = PIXEL_SPACINGS_M
    if len(sizes_m) not in (1, 2) or not all(low <= size_m <= high for size_m in sizes_m):
        raise typer.BadParameter(f"{text!r} is neither {low:g} to {high:g} metres nor two of these: ROW,COLUMN.")
    return text


def pixel_spacing_value(text: str | None) -> tuple[float, float] | None:
    """Turn the text of --pixel-spacing, checked by `require_pixel_spacing`, into (row, col) in metres."""
    if text is None:
        return None
    sizes_m = [float(part) for part in text.split(",")]
    return sizes_m[0], sizes_m[-1]


Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="cae|mae|PATH",
        help="Bundled model, or the folder of a model of your own. Default: cae.",
        show_default=False,
        rich_help_panel=MODEL_PANEL,
    ),
]

# rfiscan.runtimes.backends.BACKENDS and PRECISIONS, repeated here so that --help need not look at runtimes; a test
# compares them
BackendName = Literal["auto", "torch", "openvino", "onnx"]
PrecisionName = Literal["f32", "bf16"]

Backend = Annotated[
    BackendName,
    typer.Option(
        "--backend",
        help="What computes the networks; [b]auto[/b] takes the fastest that is installed. They agree to rounding.",
        rich_help_panel=MODEL_PANEL,
    ),
]

Precision = Annotated[
    PrecisionName,
    typer.Option(
        "--precision",
        help="Arithmetic of the networks; [b]bf16[/b] is faster on processors that have it, and less exact.",
        rich_help_panel=MODEL_PANEL,
    ),
]

Far = Annotated[
    float,
    typer.Option(
        "--far",
        metavar="RATE",
        callback=require_rate,
        help="False-alarm rate: the share of interference-free pixels that may be flagged.",
        rich_help_panel=MODEL_PANEL,
    ),
]

FalseStripes = Annotated[
    float | None,
    typer.Option(
        "--false-stripes",
        metavar="N",
        callback=require_positive,
        help="Stripes that a scene without interference may show on average; weaker ones are left out. 10 keeps nearly "
        "all. Default: 0.1.",
        show_default=False,
        rich_help_panel=MODEL_PANEL,
    ),
]

Spacing = Annotated[
    str | None,
    typer.Option(
        "--spacing",
        metavar="M|native",
        callback=require_spacing,
        help="Pixel spacing to work at, in metres; [b]native[/b]: every pixel. Default: the spacing of the model.",
        show_default=False,
        rich_help_panel=INPUT_PANEL,
    ),
]

PixelSpacing = Annotated[
    str | None,
    typer.Option(
        "--pixel-spacing",
        metavar="M[,M]",
        callback=require_pixel_spacing,
        help="Pixel spacing of files that do not tell it, in metres: of rows and of columns, or of both. "
        "Default: 500, that of a quick-look.",
        show_default=False,
        rich_help_panel=INPUT_PANEL,
    ),
]

UnitsOption = Annotated[
    UnitsName | None,
    typer.Option(
        "--units",
        metavar="UNITS",
        help="What the pixel values are: dn, amplitude, power, db, quicklook, complex or sigma_nought. "
        "Default: recognised from the data, and said.",
        show_default=False,
        rich_help_panel=INPUT_PANEL,
    ),
]

Calibrate = Annotated[
    bool | None,
    typer.Option(
        "--calibrate/--no-calibrate",
        help="Turn the digital numbers of a product into sigma nought, by its own tables. "
        "Default: what the model was trained on.",
        show_default=False,
        rich_help_panel=INPUT_PANEL,
    ),
]

Denoise = Annotated[
    bool | None,
    typer.Option(
        "--denoise/--no-denoise",
        help="Remove the thermal noise that a product states; calibrates, too. Default: what the model was trained on.",
        show_default=False,
        rich_help_panel=INPUT_PANEL,
    ),
]

SetList = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting by its dotted key, such as optimiser.batch=8; wins over the file; may be repeated. "
        "rfiscan config init lists them all.",
        show_default=False,
    ),
]

JsonRecord = Annotated[
    bool, typer.Option("--json", help="Print the record as one line of JSON.", rich_help_panel=OUTPUT_PANEL)
]

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show details; in case of an error the traceback, too.")]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show results and errors only.")]
