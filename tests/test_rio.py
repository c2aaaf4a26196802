from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

from click.testing import CliRunner
from rasterio.rio.main import main_group

TOP = Path(__file__).parents[1]


def plugin():
    declared = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    module, name = declared["project"]["entry-points"]["rasterio.rio_plugins"]["rfi"].split(":")
    return getattr(import_module(module), name)


def test_rio_runs_the_commands_with_their_options_and_exit_codes(tmp_path):
    main_group.add_command(plugin())
    try:
        run = CliRunner().invoke
        assert run(main_group, ["rfi", "--version"]).exit_code == 0
        refused = run(main_group, ["rfi", "detect", str(tmp_path / "absent.tif"), "--far", "1e-3"])
        assert refused.exit_code == 5
        assert run(main_group, ["rfi", "detect", "--far", "7"]).exit_code == 2
    finally:
        main_group.commands.pop("rfi")
