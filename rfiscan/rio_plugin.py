"""`rio rfi`: the same commands on rasterio's command line."""

from __future__ import annotations

import click  # rasterio's own; its plugins are click commands


@click.command("rfi", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def rfi(arguments: tuple[str, ...]) -> None:
    """Find radio-frequency interference in Sentinel-1 scenes: rio rfi detect SCENE."""
    from rfiscan.__main__ import main  # noqa: PLC0415 - rio loads every plugin whenever it starts

    raise SystemExit(main(list(arguments)))
