"""Models and training states on disk: what is read is what was written, or a clear error."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml

from rfiscan.detections.stripes import FALSE_STRIPES
from rfiscan.errors import ModelError, UsageError
from rfiscan.model_files import card_file
from rfiscan.model_files.card_file import CARD, DEFAULT_MODEL, WEIGHTS, bundled_models_dir
from rfiscan.model_files.checkpoint import (
    EVIDENCE,
    README,
    load_model,
    load_state,
    optimiser_tensors,
    save_model,
    save_state,
)
from rfiscan.model_files.model_card import ModelCard, NullCalibration
from rfiscan.networks import EvidenceNetwork, build_network
from rfiscan.scoring import ScoringSettings, score_scene
from rfiscan.standardisation import Standardisation
from rfiscan.workflows.detecting.inference import Levels, expect, find
from rfiscan.workflows.sea_tile import grid_of
from tests.flat_model import sea_power
from tests.test_evidence_network import draw_evidence, draw_inputs, weigh
from tests.test_networks import TINY, draw_tiles, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

THRESHOLDS = {1e-1: 0.5, 1e-2: 1.25, 1e-3: 2.0, 1e-5: 4.0}
SCENE_SCORES = {1.0: -8.25, 0.5: -1.5, 0.01: 4.0}
RANKS = {1e-3: {10.0: 0.0, 1.0: 1.5, 0.1: 2.5}, 1e-2: {10.0: 0.0, 1.0: 1.0, 0.1: 2.0}}


ALONE = {
    "co": NullCalibration(thresholds={1e-3: 3.0, 1e-2: 2.0}, stripe_ranks={1e-3: {0.1: 4.5}}, scene_scores={0.5: 1.5}),
    "cross": NullCalibration(thresholds={1e-3: 3.5, 1e-2: 2.5}),
}


def make_card(name="cae", **changes):
    architecture, settings = TINY[name]
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    values = {
        "name": "tiny",
        "architecture": architecture,
        "settings": settings,
        "evidence": {"width": 4, "context": 1},
        "spacing_m": 500.0,
        "tile_shape": (80, 100),
        "standardisation": Standardisation(scale_db=3.5, clip=(-3.0, 5.0)),
        "scoring": ScoringSettings(smooth_px=(5, 9), shared_weight=0.4, min_area_px=7),
        "thresholds": THRESHOLDS,
        "stripe_ranks": RANKS,
        "scene_scores": SCENE_SCORES,
        "alone": ALONE,
        "provenance": {"seed": 3, "validation": {"pixel_ap": np.float64(0.5)}, "scenes": {"training": ("a.png",)}},
    }
    return ModelCard(**{**values, **changes})


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "tiny", tiny("cae"), make_card(), draw_evidence())
    return tmp_path / "tiny"


# models


@pytest.mark.parametrize("name", TINY)
def test_a_model_that_was_saved_gives_the_very_same_outputs(name, tmp_path):
    network = tiny(name)
    save_model(tmp_path / "model", network, make_card(name, evidence=None))
    loaded = load_model(tmp_path / "model")
    tiles, valid = draw_tiles()
    with torch.inference_mode():
        before, after = network.reconstruct(tiles, valid), loaded.network.reconstruct(tiles, valid)
    assert torch.equal(before.mean, after.mean)
    assert torch.equal(before.spread, after.spread)
    assert not loaded.network.training
    assert loaded.evidence is None


def test_a_card_comes_back_as_it_was(folder):
    card, written = load_model(folder).card, make_card()
    for field in dataclasses.fields(ModelCard):
        if field.name != "provenance":
            assert getattr(card, field.name) == getattr(written, field.name), field.name
    assert card.provenance == {"seed": 3, "validation": {"pixel_ap": 0.5}, "scenes": {"training": ["a.png"]}}


def test_an_evidence_network_that_was_saved_gives_the_very_same_log_odds(folder):
    loaded, inputs = load_model(folder).evidence, draw_inputs()
    assert not loaded.training
    assert torch.equal(weigh(loaded, *inputs), weigh(draw_evidence(), *inputs))
    assert not torch.equal(weigh(loaded, *inputs), weigh(draw_evidence(1), *inputs))


def test_a_model_is_a_folder_of_plain_files(folder):
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, EVIDENCE, CARD, README}


def test_a_card_says_whether_it_is_for_calibrated_scenes(tmp_path):
    for number, (calibrated, denoised, told) in enumerate(
        [(False, False, "500 m."), (True, False, "500 m of sigma nought."), (True, True, "without thermal noise.")]
    ):
        folder = tmp_path / str(number)
        save_model(folder, tiny("cae"), make_card(calibrated=calibrated, denoised=denoised, evidence=None))
        card = load_model(folder).card
        assert (card.calibrated, card.denoised) == (calibrated, denoised)
        assert told in (folder / README).read_text()


def test_a_card_from_before_calibration_still_loads(folder):
    edit_card(lambda card: (card.pop("calibrated"), card.pop("denoised")))(folder / CARD)
    card = load_model(folder).card
    assert card.calibrated is card.denoised is False


def test_a_model_describes_itself(folder):
    text = (folder / README).read_text()
    assert text.startswith("# tiny")
    for part in ("500 m", "80x100", "a.png", "0.500", "| 0.001 | 2.000 |"):
        assert part in text


def test_a_card_without_provenance_can_be_described(tmp_path):
    save_model(tmp_path / "bare", tiny("cae"), make_card(provenance={}, thresholds={}))
    assert (tmp_path / "bare" / README).read_text().startswith("# tiny")


def test_the_digest_tells_weights_evidence_and_card_apart(folder, tmp_path):
    digests = {load_model(folder).sha256}
    assert load_model(str(folder)).sha256 in digests
    save_model(tmp_path / "b", tiny("cae"), make_card(spacing_m=250.0), draw_evidence())
    save_model(tmp_path / "c", tiny("cae"), make_card(), draw_evidence(1))
    save_model(tmp_path / "d", build_network("cae", TINY["cae"][1]), make_card(), draw_evidence())
    digests |= {load_model(tmp_path / name).sha256 for name in "bcd"}
    assert len(digests) == 4
    assert all(len(digest) == 64 for digest in digests)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(path):
    path.write_bytes(b"not a safetensors file at all")


def edit_card(change):
    def apply(path):
        values = yaml.safe_load(path.read_text())
        change(values)
        path.write_text(yaml.safe_dump(values))

    return apply


def other_network(path):
    safetensors.torch.save_file(build_network("cae", {"width": 8}).state_dict(), path)


def other_evidence(path):
    safetensors.torch.save_file(EvidenceNetwork(width=8, context=1).state_dict(), path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (WEIGHTS, lambda path: path.unlink()),
        (WEIGHTS, cut),
        (WEIGHTS, spoil),
        (WEIGHTS, lambda path: path.write_bytes(b"")),
        (WEIGHTS, other_network),
        (EVIDENCE, lambda path: path.unlink()),
        (EVIDENCE, other_evidence),
        (EVIDENCE, cut),
        (EVIDENCE, spoil),
        (EVIDENCE, lambda path: safetensors.torch.save_file({"centre": torch.zeros(3)}, path)),
        (CARD, lambda path: path.unlink()),
        (CARD, cut),
        (CARD, lambda path: path.write_text("")),
        (CARD, lambda path: path.write_text("- a list\n")),
        (CARD, lambda path: path.write_text("a: [")),
        (CARD, lambda path: path.write_bytes(b"\xff\xfe\x00")),
        (CARD, edit_card(lambda card: card.pop("spacing_m"))),
        (CARD, edit_card(lambda card: card.pop("thresholds"))),
        (CARD, edit_card(lambda card: card.update(thresholds=[1, 2]))),
        (CARD, edit_card(lambda card: card.update(surprise=1))),
        (CARD, edit_card(lambda card: card.update(calibrated="perhaps"))),
        (CARD, edit_card(lambda card: card.update(denoised=True))),  # and not calibrated
        (CARD, edit_card(lambda card: card.pop("evidence"))),
        (CARD, edit_card(lambda card: card.update(evidence={}))),
        (CARD, edit_card(lambda card: card.update(evidence=[4, 1]))),
        (CARD, edit_card(lambda card: card["evidence"].update(width=-1))),
        (CARD, edit_card(lambda card: card["evidence"].update(context=2))),
        (CARD, edit_card(lambda card: card["evidence"].update(surprise=1))),
        (CARD, edit_card(lambda card: card.update(architecture="unet"))),
        (CARD, edit_card(lambda card: card["settings"].update(width=-1))),
        (CARD, edit_card(lambda card: card.update(settings=None))),
        (CARD, edit_card(lambda card: card["scoring"].update(surprise=1))),
        (CARD, edit_card(lambda card: card["standardisation"].update(scale_db="wide"))),
    ],
)
def test_a_damaged_model_is_an_error_that_names_it(folder, name, damage):
    damage(folder / name)
    with pytest.raises(ModelError, match="tiny") as caught:
        load_model(folder)
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("with_evidence", [False, True])
def test_a_model_scores_by_its_evidence_network_or_else_by_rule(with_evidence, tmp_path):
    card, evidence = (make_card(), draw_evidence()) if with_evidence else (make_card(evidence=None), None)
    save_model(tmp_path / "model", tiny("cae"), card, evidence)
    model = load_model(tmp_path / "model")
    power = sea_power((90, 110))
    valid = np.ones(power.shape, bool)
    valid[:, :, :10] = False
    grid = dataclasses.replace(grid_of(power, 500.0), valid_mask=valid)
    expected = expect(grid, model)
    scored = find(grid, expected, model, Levels(2.0, 2.0, 0.0), ("VV", "VH")).scores.evidence[valid]
    by_rule = score_scene(expected.standardised, expected.mean, expected.spread, valid, model.card.scoring)
    if with_evidence:
        assert np.array_equal(scored, expected.log_odds[valid])
        assert not np.array_equal(scored, by_rule.evidence[valid])
    else:
        assert expected.log_odds is None
        assert np.array_equal(scored, by_rule.evidence[valid])


def test_saving_a_model_without_evidence_leaves_no_evidence_of_the_one_before(folder):
    save_model(folder, tiny("cae"), make_card(evidence=None))
    assert not (folder / EVIDENCE).exists()
    assert load_model(folder).evidence is None


def test_a_folder_or_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "file.txt").write_text("text")
    for path in (tmp_path, tmp_path / "file.txt"):
        with pytest.raises(ModelError, match="is not a model"):
            load_model(path)


# bundled models


@pytest.fixture
def bundled(folder, tmp_path, monkeypatch):
    """Bundled models "one" and "two", and a model beside their folder."""
    for name in ("bundle/one", "bundle/two", "beside"):
        shutil.copytree(folder, tmp_path / name)
    monkeypatch.setattr(card_file, "bundled_models_dir", lambda: tmp_path / "bundle")
    (tmp_path / "deep" / "empty").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "empty")
    return tmp_path


def test_a_bundled_model_goes_by_its_name(bundled):
    shutil.copytree(bundled / "beside", "one")  # a folder of that name in the current one
    assert load_model("one").path == bundled / "bundle" / "one"


@pytest.mark.parametrize("name", ["three", "", "../beside", "bundle/../../beside", "one/../two", "one/", "./one"])
def test_a_name_does_not_lead_out_of_the_bundle(bundled, name):
    with pytest.raises(ModelError) as caught:
        load_model(name)
    if name == "three":
        assert "one, two" in caught.value.hint


def test_the_models_that_come_along_can_be_read():
    names = sorted(path.parent.name for path in bundled_models_dir().glob(f"*/{CARD}"))
    assert DEFAULT_MODEL in names
    for name in names:
        model = load_model(name)
        rates = sorted(model.card.thresholds)
        values = [model.card.thresholds[rate] for rate in rates]
        assert values == sorted(values, reverse=True)
        assert model.threshold(1e-3) == pytest.approx(model.card.thresholds[1e-3])


# thresholds


@pytest.mark.parametrize(("present", "name"), [((True, False), "co"), ((False, True), "cross")])
def test_scenes_of_one_polarization_have_a_calibration_of_their_own(folder, present, name):
    model = load_model(folder)
    fitted = model.for_polarizations(present)
    assert fitted.threshold(1e-3) == ALONE[name].thresholds[1e-3] != model.threshold(1e-3)
    assert fitted.card.stripe_ranks == ALONE[name].stripe_ranks
    assert fitted.card.scene_scores == ALONE[name].scene_scores
    assert fitted.sha256 == model.sha256
    assert model.for_polarizations((True, True)) == model


def test_a_model_without_such_a_calibration_has_one_for_all_scenes(tmp_path):
    save_model(tmp_path / "tiny", tiny("cae"), make_card(alone={}), draw_evidence())
    model = load_model(tmp_path / "tiny")
    assert model.for_polarizations((True, False)) == model


def test_thresholds_are_met_at_the_calibrated_rates_and_fall_between_them(folder):
    model = load_model(folder)
    for rate, value in THRESHOLDS.items():
        assert model.threshold(rate) == pytest.approx(value)
    rates = np.geomspace(1e-5, 1e-1, 50)[1:-1]
    values = [model.threshold(rate) for rate in rates]
    assert (np.diff(values) < 0).all()
    assert model.threshold(10**-2.5) == pytest.approx((1.25 + 2.0) / 2)


@pytest.mark.parametrize("far", [0.0, -1e-3, 9e-6, 0.11, 1.0, float("nan")])
def test_a_rate_that_was_not_calibrated_is_refused(folder, far):
    with pytest.raises(UsageError, match=r"1e-05 to 0\.1"):
        load_model(folder).threshold(far)


def test_boxes_have_the_threshold_of_a_tenth_of_the_rate_or_of_the_least_one(folder):
    model = load_model(folder)
    assert model.box_threshold(1e-2) == pytest.approx(model.threshold(1e-3))
    assert model.box_threshold(2e-5) == model.box_threshold(1e-5) == model.threshold(1e-5)
    bare = dataclasses.replace(model, card=dataclasses.replace(model.card, thresholds={}))
    with pytest.raises(UsageError, match="no rate at all"):
        bare.box_threshold(1e-3)


def test_a_model_without_thresholds_knows_no_rate(tmp_path):
    save_model(tmp_path / "raw", tiny("cae"), make_card(thresholds={}, evidence=None))
    with pytest.raises(UsageError, match="no rate at all"):
        load_model(tmp_path / "raw").threshold(1e-3)


def test_stripes_outrank_what_clean_scenes_show_so_many_times(folder):
    model = load_model(folder)
    assert model.card.stripe_ranks == RANKS
    for far, ranks in RANKS.items():
        for rate, rank in ranks.items():
            assert model.least_rank(far, rate) == pytest.approx(rank)
    assert model.least_rank(1e-3) == model.least_rank(1e-3, FALSE_STRIPES) == pytest.approx(2.5)
    assert model.least_rank(10**-2.5, 1.0) == pytest.approx(1.25)
    assert (np.diff([model.least_rank(1e-3, rate) for rate in (0.1, 0.2, 0.5, 1.0)]) < 0).all()


def test_scene_scores_come_back(folder):
    assert load_model(folder).card.scene_scores == SCENE_SCORES


@pytest.mark.parametrize("name", ["cae", "mae"])
def test_bundled_models_are_calibrated_for_scenes(name):
    scores = load_model(name).card.scene_scores
    assert {1.0, 0.5, 0.1, 0.01} <= scores.keys()
    assert [scores[share] for share in sorted(scores)] == sorted(scores.values(), reverse=True)


@pytest.mark.parametrize("false_stripes", [0.05, 11.0])
def test_a_number_of_false_stripes_that_was_not_calibrated_is_refused(folder, false_stripes):
    with pytest.raises(UsageError, match=r"0\.1 to 10 false stripes"):
        load_model(folder).least_rank(1e-3, false_stripes)


def test_the_default_is_the_nearest_number_that_is_calibrated(tmp_path):
    save_model(tmp_path / "few", tiny("cae"), make_card(stripe_ranks={1e-3: {10.0: 0.0, 3.0: 0.7}}, evidence=None))
    assert load_model(tmp_path / "few").least_rank(1e-3) == pytest.approx(0.7)
    save_model(tmp_path / "none", tiny("cae"), make_card(stripe_ranks={}, evidence=None))
    assert load_model(tmp_path / "none").least_rank(1e-3) == 0.0
    with pytest.raises(UsageError, match="not calibrated for false stripes"):
        load_model(tmp_path / "none").least_rank(1e-3, 0.1)


# training states


def test_a_training_state_comes_back_as_it_was(tmp_path):
    tensors = {"a": torch.randn(3, 4).T, "b": torch.arange(5), "rng": torch.get_rng_state()}
    values = {"step": 7, "rng": np.random.default_rng(3).bit_generator.state, "loss": float("inf")}
    save_state(tmp_path / "last", tensors, values)
    loaded, read = load_state(tmp_path / "last")
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert read == values


def test_a_state_holds_what_the_optimiser_knows(tmp_path):
    network = tiny("cae").train()
    optimiser = torch.optim.AdamW(network.parameters())
    for _ in range(2):
        optimiser.zero_grad()
        network.predict(*draw_tiles()).mean.square().mean().backward()
        optimiser.step()
    save_state(tmp_path, optimiser_tensors(optimiser), {})
    loaded, _ = load_state(tmp_path)
    for index, entry in optimiser.state_dict()["state"].items():
        for key, value in entry.items():
            assert torch.equal(loaded[f"optimiser.{index}.{key}"], torch.as_tensor(value))
    assert any(name.endswith("exp_avg_sq") for name in loaded)


@pytest.mark.parametrize("content", [None, b"", b"junk" * 10])
def test_a_state_that_is_missing_or_damaged_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "state.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="training state"):
        load_state(tmp_path)


def test_tensors_alone_are_no_training_state(tmp_path):
    safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "state.safetensors")
    with pytest.raises(ModelError, match="training state"):
        load_state(tmp_path)
