"""Scenes of one run that have one name: the first gets it, whoever computes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rfiscan.errors import OutputError
from rfiscan.workflows.detecting.claims import FolderClaims, ProcessClaims

ONE, OTHER = (Path("a/scene.tif"),), (Path("b/scene.tif"),)


@pytest.fixture(params=["process", "folder"])
def claims(request, tmp_path):
    return ProcessClaims() if request.param == "process" else FolderClaims(tmp_path, "run")


def test_the_first_scene_gets_the_name_and_may_take_it_again(claims):
    assert not claims.take("scene", ONE)
    assert claims.take("scene", ONE)
    assert not claims.take("another", OTHER)
    with pytest.raises(OutputError, match=r"b/scene\.tif: another scene of this run is called scene"):
        claims.take("scene", OTHER)


def test_of_many_processes_one_gets_it(tmp_path):
    def won(number):
        try:
            return not FolderClaims(tmp_path, "run").take("scene", (Path(f"{number}/scene.tif"),))
        except OutputError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(won, range(64))) == 1


def test_names_of_an_earlier_run_are_free_and_those_of_this_one_are_given_back(tmp_path):
    FolderClaims(tmp_path, "earlier").take("scene", ONE)
    claims = FolderClaims(tmp_path, "run")
    claims.take("scene", OTHER)
    claims.give_back()
    assert [path.name for path in tmp_path.iterdir()] == [".scene.earlier.claim"]
