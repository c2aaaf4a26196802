"""The denoising and the variational autoencoder, and what the bound on the likelihood makes of a tile."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Laplace, Normal, kl_divergence

from rfiscan.__main__ import main
from rfiscan.config.schema import PRESET_NAMES
from rfiscan.config.sources import load_config
from rfiscan.errors import ModelError
from rfiscan.model_files.checkpoint import load_model, save_model
from rfiscan.networks import PRESETS, BoundEvidence, Reconstruction, build_evidence, build_network
from rfiscan.networks.base import summarise
from rfiscan.networks.bound import negative_bound
from rfiscan.networks.vae import divergence
from rfiscan.workflows.train import train_network
from rfiscan.workflows.training.trainer import Trainer
from tests.flat_model import sea_power, write_scene
from tests.small_models import SETTINGS, TILE, draw_network, draw_tiles, save_small_model
from tests.test_train import CAE, make_config

pytestmark = pytest.mark.usefixtures("one_thread")

DAE = {"preset": "dae", "settings": {"width": 4, "code": 4, "context": 1}}
VAE = {"preset": "vae", "settings": {"latent": 6, "width": 4}}
NETWORKS = {"dae": DAE, "vae": VAE}


def tensors(count=3, seed=0):
    return tuple(torch.from_numpy(x) for x in draw_tiles(count, seed=seed))


def configure(name, **changes):
    whole = {"crop_shape": None} if name == "vae" else {}
    return make_config(CAE, network=NETWORKS[name], **{**whole, **changes})


# settings


def test_settings_know_every_preset():
    assert tuple(sorted(PRESET_NAMES)) == tuple(sorted(PRESETS))


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_only_networks_that_know_nothing_of_interference_learn_from_clean_tiles_alone(preset):
    wanted = "plain" if preset in ("dae", "vae") else "denoise"
    assert load_config(None, {"network.preset": preset}).objective == wanted
    assert load_config(None, {"network.preset": preset, "objective": "denoise"}).objective == "denoise"


# denoising autoencoder


def test_a_denoising_autoencoder_is_a_plain_one_at_inference():
    network, plain = (draw_network(name, SETTINGS["cae"]) for name in ("dae", "cae"))
    plain.load_state_dict(network.state_dict())
    for made, wanted in zip(network.reconstruct(*tensors()), plain.reconstruct(*tensors()), strict=True):
        assert torch.equal(made, wanted)


def test_training_spoils_the_input_anew_each_time_and_not_in_place():
    network, (tiles, valid) = draw_network("dae", SETTINGS["cae"]).train(), tensors()
    before = tiles.clone()
    assert not torch.equal(network.predict(tiles, valid).mean, network.predict(tiles, valid).mean)
    assert torch.equal(tiles, before)


@pytest.mark.parametrize("block", [(10, 20), (7, 9), (1, 1), (100, 100)])
def test_blocks_are_blank_in_both_polarizations_and_noise_is_elsewhere(block):
    network = build_network("dae", {**SETTINGS["cae"], "noise": 0.5, "blank_share": 0.3, "block": block})
    torch.manual_seed(0)
    tiles = torch.full((60, 2, *TILE), 3.0)
    spoilt = network.corrupt(tiles)
    blank = spoilt == 0
    assert torch.equal(blank[:, 0], blank[:, 1])
    blocks = math.prod(-(-length // size) for length, size in zip(TILE, block, strict=True))
    assert blank.float().mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / (60 * blocks)) + 0.02)
    corner = blank[:, 0, : block[0], : block[1]].flatten(1)
    assert torch.equal(corner.any(dim=1), corner.all(dim=1))
    assert (spoilt - tiles)[~blank].std() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("wrong", [{"noise": -1.0}, {"blank_share": 1.0}, {"block": [0, 5]}, {"block": [5]}])
def test_a_corruption_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        build_network("dae", wrong)


# variational autoencoder


def test_the_divergence_is_that_of_normal_distributions():
    mean, log_variance = torch.randn(5, 7), torch.randn(5, 7)
    drawn = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    standard = Independent(Normal(torch.zeros(5, 7), torch.ones(5, 7)), 1)
    assert torch.allclose(divergence(mean, log_variance), kl_divergence(drawn, standard), atol=1e-5)
    assert divergence(torch.zeros(2, 3), torch.zeros(2, 3)).abs().max() == 0


def test_the_code_is_drawn_in_training_and_is_its_mean_at_inference():
    network, (tiles, valid) = draw_network("vae", {"tile": TILE, "latent": 6, "width": 4}), tensors()
    state = torch.get_rng_state()
    assert torch.equal(network.predict(tiles, valid).mean, network.predict(tiles, valid).mean)
    assert torch.equal(torch.get_rng_state(), state)
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    with torch.no_grad():
        network.to_latent.bias[6:] = -30.0  # no variance is left
        assert torch.allclose(network.predict(tiles, valid).mean, network.eval().predict(tiles, valid).mean, atol=1e-4)
        network.to_latent.bias[6:] = 0.0
        network.train()
    assert not torch.equal(network.predict(tiles, valid).mean, network.predict(tiles, valid).mean)


def test_the_drawn_code_has_the_variance_that_the_encoder_gives(monkeypatch):
    network = build_network("vae", {"tile": TILE, "latent": 3, "width": 4}).train()
    mean, log_variance = torch.tensor([[1.0, -2.0, 0.0]]), torch.tensor([[0.0, -2.0, 1.5]])
    codes = []
    monkeypatch.setattr(network, "posterior", lambda *_: (mean.expand(4000, -1), log_variance.expand(4000, -1)))
    monkeypatch.setattr(network, "decode", lambda code, _: codes.append(code) or Reconstruction(code, code))
    monkeypatch.setattr("rfiscan.networks.vae.Prediction", lambda *args: args)
    monkeypatch.setattr(Reconstruction, "log_spread", property(lambda self: self.spread), raising=False)
    network.predict(*tensors(1))
    (drawn,) = codes
    assert torch.allclose(drawn.mean(dim=0), mean[0], atol=0.15)
    assert torch.allclose(drawn.std(dim=0), (0.5 * log_variance[0]).exp(), rtol=0.06)


def test_the_cost_of_codes_warms_up_and_is_counted_by_the_pixel(tmp_path):
    trainer = Trainer(configure("vae", kl_weight=2.0, kl_warmup_share=0.5, ssim_weight=0.0), tmp_path)
    tiles, valid = (torch.from_numpy(x) for x in draw_tiles(2, (96, 128)))
    prediction = trainer.network.eval().predict(tiles, valid)
    start, half, warm, last = (
        trainer.objective(prediction, tiles, valid, progress).item() for progress in (0.0, 0.25, 0.5, 1.0)
    )
    cost = prediction.divergence.sum().item() / int(valid.sum())
    assert warm == last == pytest.approx(start + 2.0 * cost, rel=1e-5)
    assert half == pytest.approx(start + cost, rel=1e-5)
    without = prediction._replace(divergence=None)
    assert start == pytest.approx(trainer.objective(without, tiles, valid, 1.0).item())


# the bound


def test_the_bound_is_below_the_likelihood_that_sampling_finds():
    """Importance sampling estimates ln p(x) itself, and from below (Burda et al. 2016, arXiv:1509.00519)."""
    torch.manual_seed(0)
    network = draw_network("vae", {"tile": (16, 16), "latent": 2, "width": 4})
    tiles, valid = (torch.from_numpy(x) for x in draw_tiles(1, (16, 16)))
    with torch.no_grad():
        mean, log_variance = network.posterior(tiles, valid)
        drawn = Normal(mean, (0.5 * log_variance).exp())
        codes = drawn.sample((2000,))[:, 0]
        made = network.decode(codes, (16, 16))
        pixels = Laplace(made.mean, made.log_spread.exp()).log_prob(tiles)
        likelihood = torch.where(valid, pixels, torch.zeros_like(pixels)).sum(dim=(1, 2, 3))
        logs = likelihood + (Normal(0.0, 1.0).log_prob(codes) - drawn.log_prob(codes)).sum(dim=1)
        bound = float((likelihood - kl_divergence(drawn, Normal(0.0, 1.0)).sum()).mean())
        assert bound <= float(torch.logsumexp(logs, 0)) - math.log(len(logs))
        # at the mean of the code it is the same to first order: variances of an untrained network are not small
        assert -negative_bound(network, tiles, valid).item() == pytest.approx(bound, rel=0.1)


def test_the_bound_of_a_bright_tile_is_spread_over_its_pixels():
    """Where all is brighter than expected, the map is the bound itself; what is darker costs nothing."""
    network = draw_network("vae", {"tile": TILE, "latent": 4, "width": 4})
    tiles, valid = tensors(2)
    with torch.inference_mode():
        made = network.reconstruct(tiles, valid)
        bright = torch.where(valid, made.mean + 2.0, torch.zeros_like(tiles))
        seen = network.reconstruct(bright, valid)
        dark = torch.where(valid, seen.mean - 2.0, torch.zeros_like(tiles))
        one = BoundEvidence(network, (1, 1))
        odds = one(bright, valid, Reconstruction(bright - 1.0, seen.spread))
        nats = (1.0 / seen.spread + (2 * seen.spread).log())[valid].sum()
        cost = network.predict(bright, valid).divergence.sum()
        assert odds[valid].sum().item() == pytest.approx(float(nats + cost), rel=1e-4)
        lower, same = (one(dark, valid, Reconstruction(dark + by, seen.spread)) for by in (3.0, 0.0))
    assert torch.allclose(lower[valid], same[valid])


def test_a_model_that_scores_by_the_bound_is_stored_without_further_weights(tmp_path):
    folder = save_small_model(tmp_path / "bound", "vae", weighs=False)
    model = load_model(folder)
    from dataclasses import replace

    card = replace(model.card, evidence={"kind": "bound", "smooth_px": [3, 7]})
    save_model(tmp_path / "again", model.network, card, build_evidence(card.evidence, model.network))
    again = load_model(tmp_path / "again")
    assert isinstance(again.evidence, BoundEvidence)
    assert not (tmp_path / "again" / "evidence.safetensors").exists()
    tiles, valid = draw_tiles(2)
    mean, spread, odds = again.runtime.run(tiles, valid)
    made = Reconstruction(torch.from_numpy(mean), torch.from_numpy(spread))
    with torch.inference_mode():
        wanted = BoundEvidence(model.network, (3, 7))(torch.from_numpy(tiles), torch.from_numpy(valid), made)
    assert np.allclose(odds, wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize("evidence", [{"kind": "guess"}, {"kind": "bound"}])
def test_evidence_that_a_network_does_not_give_is_a_damaged_model(tmp_path, evidence):
    folder = save_small_model(tmp_path / "cae", "cae", weighs=False)
    model = load_model(folder)
    from dataclasses import replace

    save_model(folder, model.network, replace(model.card, evidence=evidence))
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder)


# codes


def test_codes_are_summarised_over_places_that_count():
    features, weights = torch.randn(3, 4, 20), (torch.rand(3, 20) < 0.6).float()
    weights[:, 0] = 1
    for index in range(3):
        kept = features[index][:, weights[index] > 0].numpy()
        expected = np.concatenate([kept.mean(axis=1), kept.std(axis=1)])
        assert summarise(features, weights)[index].numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["cae", "dae", "mae", "vae", "cae-dense"])
def test_codes_are_deterministic_and_tell_tiles_apart(name):
    settings = SETTINGS.get(name, {"tile": TILE, "latent": 6, "width": 4})
    network, (tiles, valid) = draw_network(name, settings), tensors()
    state = torch.get_rng_state()
    codes = network.latent_codes(tiles, valid)
    assert codes.ndim == 2
    assert codes.shape[0] == 3
    assert torch.isfinite(codes).all()
    assert torch.equal(codes, network.latent_codes(tiles, valid))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.allclose(codes[0], codes[1], atol=1e-4)
    garbage = torch.where(valid, tiles, torch.full_like(tiles, 37.0))
    if name != "cae-dense":
        assert torch.allclose(codes, network.latent_codes(garbage, valid), atol=1e-5)


# whole runs


@pytest.mark.parametrize(
    ("name", "score"),
    [
        pytest.param("dae", "evidence", marks=pytest.mark.slow),
        pytest.param("dae", "reconstruction", marks=pytest.mark.slow),
        ("vae", "bound"),
        pytest.param("vae", "evidence", marks=pytest.mark.slow),
    ],
)
def test_a_run_gives_a_model_that_detects(tmp_path, name, score, capsys):
    config = configure(name, score=score, optimiser__steps=8, validate_every=4, data__pool=6)
    result = train_network(config, tmp_path / "run")
    model = load_model(result.model_dir)
    assert (model.evidence is None) == (score == "reconstruction")
    own = model.evidence.parameter_count if score == "evidence" else 0
    assert model.card.provenance["parameters"] == model.network.parameter_count + own
    scene = write_scene(tmp_path / "sea.tif", sea_power((120, 260), stripe_db=8))
    args = ["detect", "-m", str(result.model_dir), "-o", str(tmp_path / "out"), "--far", "1e-2", "--json", str(scene)]
    assert main(args) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"


@pytest.mark.parametrize("score", ["reconstruction", "bound"])
def test_without_the_evidence_network_nothing_is_learnt_of_interference(tmp_path, score):
    trainer = Trainer(configure("vae", score=score, optimiser__steps=4), tmp_path)
    assert trainer.autoencoder_steps == 4
    before = {name: value.clone() for name, value in trainer.evidence.state_dict().items()}
    trainer.train_step()
    assert all(torch.equal(value, before[name]) for name, value in trainer.evidence.state_dict().items())
    batch = trainer.stream.next_batch(2)
    torch.manual_seed(1)
    loss = trainer._loss(batch).item()
    torch.manual_seed(1)
    assert trainer._loss(batch._replace(truth=~batch.truth, tiles=0 * batch.tiles)).item() == loss
