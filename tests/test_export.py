"""Exported graphs score tiles as the model does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from rfiscan.__main__ import main
from rfiscan.cli.export import FormatName
from rfiscan.errors import MissingExtraError, OutputError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.networks.frozen import FrozenModel
from rfiscan.networks.scoring_graph import OUTPUTS, ScoringModel
from rfiscan.runtimes import exported
from rfiscan.runtimes.backends import PACKAGES
from rfiscan.runtimes.exported import FORMATS, run_graph
from rfiscan.scoring import ScoringSettings, null_scale, score_scene
from rfiscan.workflows import export_model as workflow
from rfiscan.workflows.export_model import export_model
from tests.small_models import TILE, save_small_model

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=FORMATS)
def file_format(request):
    for package in PACKAGES[request.param]:
        pytest.importorskip(package)
    return request.param


@pytest.fixture(
    scope="module", params=[True, pytest.param(False, marks=pytest.mark.slow)], ids=["with evidence", "without"]
)
def model(request, tmp_path_factory):
    return load_model(save_small_model(tmp_path_factory.mktemp("models") / "small", weighs=request.param))


@pytest.fixture(scope="module")
def exported_to(model, file_format, tmp_path_factory):
    """What `export_model` returned, and the folder it wrote to."""
    folder = tmp_path_factory.mktemp("exported")
    return export_model(model, file_format, folder), folder


def draw_scenes(count, seed=0):
    """Power in dB with what real scenes have: invalid pixels of any value, an absent polarization, very bright ones."""
    rng = np.random.default_rng(seed)
    valid = rng.random((count, 2, *TILE)) < 0.9
    valid[0, 1] = False
    valid[0, :, :5] = False
    tiles_db = rng.normal(-15.0, 4.0, valid.shape).astype(np.float32)
    tiles_db[~valid] = np.nan
    tiles_db[1, :, 20:24] += 60.0
    return tiles_db, valid, rng.normal(-15.0, 1.0, (count, 2)).astype(np.float32)


def expected_of(model, tiles_db, valid, centre_db):
    """By the way of `detect`: numpy, and the networks as they were trained."""
    made, scales = [], []
    power = np.where(valid, 10.0 ** (tiles_db.astype(np.float64) / 10.0), 0.0)
    for one, mask, centre in zip(power, valid, centre_db, strict=True):
        tile, _ = model.card.standardisation.apply(one, mask, centre.astype(np.float64))
        mean, spread, *weighed = (found[0] for found in model.runtime.run(tile[None], mask[None]))
        score = score_scene(tile, mean, spread, mask, model.card.scoring, weighed[0] if weighed else None)
        made.append((score.anomaly_map, score.evidence, 4 * mean + centre[:, None, None], 4 * spread))
        scales.append(null_scale(np.where(mask, (tile - mean) / spread, 0), mask))
    return [np.stack(values) for values in zip(*made, strict=True)], np.stack(scales)


def agrees(found, expected):
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    return np.nanmax(np.abs(found - expected)) <= 1e-5 * np.nanmax(np.abs(expected))


@pytest.mark.parametrize("smooth_px", [(3, 7), (1, 1), (2, 4), (5, 6)])
def test_the_module_scores_as_detect_does(model, smooth_px):
    scoring = ScoringSettings(smooth_px=smooth_px)
    model = replace(model, card=replace(model.card, scoring=scoring))
    scenes = draw_scenes(3)
    expected, scales = expected_of(model, *scenes)
    module = ScoringModel(FrozenModel(model.network, model.evidence), model.card.standardisation, scoring)
    given = [torch.from_numpy(array) for array in scenes]
    if model.evidence is None:
        given.append(torch.from_numpy(scales))
    with torch.inference_mode():
        for found, wanted in zip(module(*given), expected, strict=True):
            assert agrees(found.numpy(), wanted)


def test_an_exported_graph_scores_as_detect_does(model, exported_to):
    record, folder = exported_to
    tiles_db, valid, centre_db = draw_scenes(3, seed=1)
    expected, scales = expected_of(model, tiles_db, valid, centre_db)
    inputs = {"tiles_db": tiles_db, "valid": valid, "centre_db": centre_db, "null_scale": scales}
    assert list(record["inputs"]) == [key for key in inputs if key != "null_scale" or model.evidence is None]
    found = run_graph(folder / record["files"][0], record["format"], {key: inputs[key] for key in record["inputs"]})
    assert tuple(record["outputs"]) == OUTPUTS
    for name, wanted in zip(OUTPUTS, expected, strict=True):
        assert agrees(found[name], wanted)


def test_the_record_beside_it_tells_what_users_of_the_graph_need(model, exported_to):
    returned, folder = exported_to
    record = json.loads((folder / "small.json").read_text())
    assert record.items() <= returned.items()
    assert record["thresholds"] == {"0.0001": 3.0, "0.001": 2.0, "0.01": 1.0}
    assert record["tile_shape"] == list(TILE)
    assert record["model_sha256"] == model.sha256
    assert all(figures["relative"] <= 1e-5 for figures in record["parity"].values())
    assert {path.name for path in folder.iterdir()} == {*record["files"], "small.json"}


def test_a_graph_that_computes_something_else_is_not_written(model, file_format, tmp_path, monkeypatch):
    run = workflow.run_graph

    def run_wrongly(*args):
        found = run(*args)
        return found | {"evidence": found["evidence"] * np.float32(1.001)}

    monkeypatch.setattr(workflow, "run_graph", run_wrongly)
    with pytest.raises(OutputError, match="differs"):
        export_model(model, file_format, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nan_where_a_number_belongs_is_a_difference():
    one = np.array([1.0, np.nan], np.float32)
    assert workflow._difference(one, np.array([1.0, 2.0], np.float32))["relative"] == np.inf
    assert workflow._difference(one, one) == {"absolute": 0.0, "relative": 0.0}


def test_the_command_line_knows_every_format():
    assert get_args(FormatName) == FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_extra_is_named_before_the_model_is_loaded(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exported, "is_installed", lambda _: False)
    with pytest.raises(MissingExtraError):
        exported.require_format(name)
    assert main(["export", "no such model", "-f", name, "-o", str(tmp_path / "out")]) == 3
    assert f"rfiscan[{name}]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_prints_the_largest_differences(file_format, tmp_path, capsys):
    folder = save_small_model(tmp_path / "small")
    assert main(["export", str(folder), "-f", file_format, "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name}: largest difference" in printed for name in OUTPUTS)


def test_the_command_prints_its_record_for_programs(file_format, model, tmp_path, capsys):
    assert main(["export", str(model.path), "-f", file_format, "-o", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == file_format
