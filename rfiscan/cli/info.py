"""`rfiscan info`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfiscan import __version__, console
from rfiscan.cli.options import OUTPUT_PANEL, Model, PixelSpacing, Quiet, UnitsOption, Verbose, pixel_spacing_value
from rfiscan.errors import BatchError, RfiscanError

if TYPE_CHECKING:
    from rfiscan.locations import Location
    from rfiscan.model_files.model_card import ModelCard
    from rfiscan.radiometry import Units

Scenes = Annotated[
    list[str],
    typer.Argument(
        metavar="SCENE",
        help="What detect takes; and products of which only the metadata are there.",
        show_default=False,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON record per scene, a line each, instead of tables.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]

EXAMPLES = """[b]Examples[/b]

rfiscan info S1A_IW_GRDH_1SDV_20220501.SAFE

rfiscan info iw-vv.tiff iw-vh.tiff --model mae

rfiscan info archive --json | jq '[.scene, .esa_rfi.bursts_with_rfi]'
"""


def info(
    scenes: Scenes,
    *,
    model: Model = None,
    units: UnitsOption = None,
    pixel_spacing: PixelSpacing = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Say what scenes are, what ESA found in them, and whether a model fits."""
    console.set_verbosity(verbose=verbose, quiet=quiet)
    from rfiscan.workflows.scene_lists import named_scenes

    groups = named_scenes(scenes, sys.stdin)
    from rfiscan.model_files.card_file import DEFAULT_MODEL, model_folder, read_card
    from rfiscan.radiometry import Units

    card = read_card(model_folder(model or DEFAULT_MODEL))
    chosen = None if units is None else Units(units)
    failed = 0
    for number, paths in enumerate(groups, start=1):
        prefix = f"[{number}/{len(groups)}] " if len(groups) > 1 else ""
        console.show_detail(f"{prefix}reading {paths[0]}")
        try:
            record = _describe(paths, card, chosen, pixel_spacing_value(pixel_spacing))
        except RfiscanError as error:
            if len(groups) == 1:
                raise
            failed += 1
            console.show_error(f"{prefix}{error}", error.hint)
            record = _failure(paths, error)
        _show(record, prefix, as_json=as_json)
    if failed:
        raise BatchError(f"{failed} of {len(groups)} scenes failed")


def _describe(
    paths: tuple[Location, ...], card: ModelCard, units: Units | None, pixel_spacing_m: tuple[float, float] | None
) -> dict[str, Any]:
    from rfiscan.workflows.info import describe_scene
    from rfiscan.workflows.resources import shortage_as_error

    with shortage_as_error(str(paths[0])):
        return describe_scene(paths, card, units, pixel_spacing_m)


def _failure(paths: tuple[Location, ...], error: RfiscanError) -> dict[str, Any]:
    from rfiscan.locations import source_name

    return {
        "scene": paths[0].stem,
        "status": "failed",
        "version": __version__,
        "sources": [source_name(str(path)) for path in paths],
        "error": str(error),
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def _show(record: dict[str, Any], prefix: str, *, as_json: bool) -> None:
    from rfiscan.cli.info_tables import info_table

    if record["status"] == "done":
        for warning in record["warnings"]:
            console.show_warning(f"{prefix}{warning}")
    if as_json:
        console.show_json(record)
    elif record["status"] == "done":
        console.show_line(info_table(record) + ("\n" if prefix else ""))
