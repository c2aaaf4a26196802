"""The files around the code agree with it and with each other."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from rfiscan import __version__
from rfiscan.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    line.lower().replace("_", "-").split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
REQUIREMENTS = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


COMMANDS = get_command(app).commands
OPTIONS = [
    (name, option)
    for name, command in COMMANDS.items()
    for option in command.params
    if option.param_type_name == "option"
]


def requirement_name(requirement):
    return re.split(r"[<>=~!\[; ]", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_every_requirement_is_pinned(requirement):
    assert requirement_name(requirement) in PINS


def test_torch_is_pinned_to_a_version_that_every_platform_has():
    assert PINS["torch"] == "2.13.0"
    assert not any("+" in version for version in PINS.values())


def test_the_changelog_knows_this_version():
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == __version__


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_explains_every_command(name):
    assert f"## {name}" in README
    assert f"rfiscan {name}" in README


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=[f"{name} {option.name}" for name, option in OPTIONS])
def test_the_readme_names_every_option(command, option):
    section = README.split(f"## {command}")[1].split("\n## ")[0]
    assert any(f"`{name}" in section for name in option.opts)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_a_document_names_exist(document):
    text = document.read_text(encoding="utf-8")
    links = [document.parent / link for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)]
    configurations = [ROOT / path for path in re.findall(r"\bmodels/\w+/runs/\w+\.yaml", text)]
    assert [path for path in links + configurations if not path.is_file()] == []


def test_the_two_commands_of_the_readme_exist():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "test", "slow", "clean"} <= set(targets)
    assert set(re.findall(r"^\$ make (\w+)", README, re.MULTILINE)) <= set(targets)


def test_continuous_integration_runs_what_developers_run():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert text.rstrip().endswith("make test")
    subprocess.run(["bash", "-n", script], check=True)


def test_the_licence_is_the_declared_one():
    assert PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
