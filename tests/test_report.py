"""What codes tell, the report on a run, and the sweep over sizes of the bottleneck."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from rfiscan.__main__ import main
from rfiscan.metrics.codes import auroc, novelty, project_codes
from rfiscan.model_files.checkpoint import load_model
from rfiscan.networks import PRESETS
from rfiscan.workflows import sweep as sweep_module
from rfiscan.workflows.sweep import COLUMNS, DEFAULT_SIZES, SIZE_KEYS
from rfiscan.workflows.training.latent import CLASSES
from tests.small_models import save_small_model

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_projection_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    codes = (rng.normal(size=(60, 5)) @ rng.normal(size=(5, 9)) + 4).astype(np.float32)
    found, reference = project_codes(codes), PCA(2)
    places = reference.fit_transform(StandardScaler().fit_transform(codes))
    assert np.abs(found.places) == pytest.approx(np.abs(places), abs=1e-4)
    assert found.explained == pytest.approx(reference.explained_variance_ratio_, abs=1e-5)


@pytest.mark.parametrize("codes", [np.zeros((4, 3)), np.ones((2, 1)), np.eye(3)[:2]])
def test_codes_of_low_rank_are_projected_all_the_same(codes):
    found = project_codes(codes)
    assert found.places.shape == (len(codes), 2)
    assert np.isfinite(found.places).all()
    assert np.isfinite(found.explained).all()


def test_novelty_is_the_distance_to_the_nearest_clean_neighbours():
    rng = np.random.default_rng(1)
    codes, clean = rng.normal(size=(40, 6)), np.arange(40) < 25
    found, scaled = novelty(codes, clean, neighbours=3), StandardScaler().fit_transform(codes)
    near = NearestNeighbors().fit(scaled[clean])
    others, _ = near.kneighbors(scaled[~clean], 3)
    own, _ = near.kneighbors(None, 3)
    assert found[~clean] == pytest.approx(others.mean(axis=1))
    assert found[clean] == pytest.approx(own.mean(axis=1))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_the_area_agrees_with_scikit_learn(pairs):
    values, positive = (np.array(column) for column in zip(*pairs, strict=True))
    if positive.all() or not positive.any():
        assert np.isnan(auroc(values, positive))
    else:
        assert auroc(values, positive) == pytest.approx(roc_auc_score(positive, values))


# report


@pytest.mark.parametrize(
    ("architecture", "scores"),
    [
        ("vae", {"reconstruction", "bound", "evidence"}),
        pytest.param("mae", {"reconstruction", "evidence"}, marks=pytest.mark.slow),
    ],
)
def test_a_report_pictures_the_codes_of_each_class(tmp_path, capsys, architecture, scores):
    folder = save_small_model(tmp_path / "run" / "model", architecture)
    columns = ("step", "train_loss", "loss", "pixel_ap", "ssim")
    rows = [",".join(columns), "10,1.0,0.9,0.1,0.2", "20,0.8,0.7,0.3,0.4"]
    (tmp_path / "run" / "metrics.csv").write_text("\n".join(rows) + "\n")
    assert main(["report", str(tmp_path / "run"), "--per-class", "3", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    out = tmp_path / "run" / "report"
    assert record["model_sha256"] == load_model(folder).sha256
    assert set(record["scores"]) == scores
    assert set(record["novelty_auroc"]) == set(CLASSES) - {"clean"}
    assert json.loads((out / "report.json").read_text())["units"] == record["units"]
    with (out / "latent.csv").open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert [row["class"] for row in table] == [kind for kind in CLASSES for _ in range(3)]
    for name in ("latent.png", "training.png"):
        with Image.open(out / name) as picture:
            assert len(set(picture.convert("RGB").resize((200, 120)).getdata())) > 10


def test_a_folder_without_a_model_is_told_and_left_alone(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 5
    assert "holds no model" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# sweep


def test_every_network_with_a_bottleneck_can_be_swept():
    assert {PRESETS[name].architecture for name in PRESETS} - set(SIZE_KEYS) == {"mae"}
    assert DEFAULT_SIZES["latent"] == (25, 75, 125, 250, 350, 500)


def sweep(tmp_path, *args):
    settings = [
        "tile_shape=[32, 48]", "threads=1", "device=cpu", "data.pool=4", "data.calibration_tiles=2",
        "data.validation_tiles=2", "network.settings.width=4", "evidence.width=4", "evidence.context=1",
        "optimiser.batch=2", "validate_every=2",
    ]  # fmt: skip
    given = [part for setting in settings for part in ("--set", setting)]
    return main(["sweep", "--preset", "cae-reference", "--steps", "2", "-o", str(tmp_path / "out"), *given, *args])


@pytest.mark.slow
def test_a_sweep_trains_each_size_once_and_tabulates_them(tmp_path, capsys, monkeypatch):
    assert sweep(tmp_path, "--sizes", "5,3", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["key"] == "network.settings.latent"
    assert [row["size"] for row in record["rows"]] == [3, 5]
    for row in record["rows"]:
        card = load_model(tmp_path / "out" / f"latent-{row['size']}" / "model").card
        assert card.settings["latent"] == row["size"]
        assert card.thresholds
        assert row["pixel_ap"] == card.provenance["validation"]["pixel_ap"]
    with (tmp_path / "out" / "sweep.csv").open(newline="") as lines:
        assert tuple(csv.DictReader(lines).fieldnames) == COLUMNS
    assert (tmp_path / "out" / "sweep.png").stat().st_size > 1000

    monkeypatch.setattr(sweep_module, "train_network", lambda *_: pytest.fail("is finished already"))
    assert sweep(tmp_path, "--sizes", "3,5") == 0
    assert "pixel_ap" in capsys.readouterr().out
    assert sweep(tmp_path, "--sizes", "3", "--seed", "1") == 7
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize("sizes", ["a", "0", "3,", "-1", "2.5"])
def test_sizes_that_are_none_are_a_wrong_usage(tmp_path, sizes, capsys):
    assert sweep(tmp_path, "--sizes", sizes) == 2
    assert not (tmp_path / "out").exists()


def test_a_network_without_a_bottleneck_cannot_be_swept(tmp_path, capsys):
    assert main(["sweep", "--preset", "mae", "-o", str(tmp_path / "out")]) == 4
    assert "no bottleneck" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
