"""Training: it learns, it is reproducible, and it leaves a model that detect can take."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import log_loss

from rfiscan.__main__ import main
from rfiscan.config.sources import load_config
from rfiscan.detections.regions import find_stripes
from rfiscan.errors import ConfigError, OutputError, ResourceError, SceneError
from rfiscan.metrics import average_precision
from rfiscan.model_files.checkpoint import load_model, load_state
from rfiscan.networks import EvidenceNetwork, Prediction, Reconstruction
from rfiscan.networks.inference import NetworkRuntime
from rfiscan.networks.losses import evidence_loss, laplace_loss
from rfiscan.priors import bundled_priors
from rfiscan.scenes import open_scene
from rfiscan.scoring import ScoringSettings, scene_score
from rfiscan.simulation import simulate_scene
from rfiscan.standardisation import Standardisation
from rfiscan.tiling.reconstruction import reconstruct_scene
from rfiscan.workflows import train as train_module
from rfiscan.workflows.train import begin_run, train_network
from rfiscan.workflows.training import trainer as trainer_module
from rfiscan.workflows.training.calibrate import (
    FALSE_ALARM_RATES,
    ScoredScene,
    calibrate_scenes,
    calibrate_stripes,
    calibrate_thresholds,
    cross_entropy,
    denoising_losses,
    score_scenes,
    validation_figures,
)
from rfiscan.workflows.training.pictures import picture_tiles
from rfiscan.workflows.training.trainer import Trainer
from tests.flat_model import save_flat_model, sea_power, write_scene

pytestmark = pytest.mark.usefixtures("one_thread")

CAE = {
    "name": "tiny",
    "seed": 3,
    "tile_shape": [96, 128],
    "crop_shape": [48, 64],
    "validate_every": 20,
    "picture_every": 1,
    "threads": 1,
    "device": "cpu",
    "data": {
        "pool": 24, "renew_every": 1000, "contaminated_share": 1.0, "calibration_tiles": 3, "validation_tiles": 4,
    },
    "network": {"preset": "cae", "settings": {"width": 4, "code": 4, "context": 1}},
    "evidence": {"width": 4, "context": 1},
    "optimiser": {"steps": 70, "evidence_share": 0.2, "batch": 4, "learning_rate": 5e-3, "precision": "fp32"},
}  # fmt: skip
MAE = CAE | {
    "tile_shape": [80, 100],
    "crop_shape": [40, 60],
    "network": {
        "preset": "mae",
        "settings": {
            "patch": [20, 20], "width": 16, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1,
            "decoder_heads": 2,
        },
    },
}  # fmt: skip
CONFIGS = {"cae": CAE, "mae": MAE}
CAE_NOW_MAE_SLOW = ["cae", pytest.param("mae", marks=pytest.mark.slow)]


def make_config(base=CAE, **overrides):
    return load_config(None, {**base, **{key.replace("__", "."): value for key, value in overrides.items()}})


@pytest.fixture(scope="module", params=CAE_NOW_MAE_SLOW)
def run(request, tmp_path_factory):
    """A whole run: its result, its losses step by step, and what it said."""
    losses, notes = [], []

    class Recorded(Trainer):
        def train_step(self):
            losses.append(super().train_step())
            return losses[-1]

    class Notes:
        def note(self, text):
            notes.append(text)

        def progress(self, _, done, total):
            assert 0 <= done <= total

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "Trainer", Recorded)
        run_dir = tmp_path_factory.mktemp("runs") / "new" / request.param
        result = train_network(make_config(CONFIGS[request.param]), run_dir, Notes())
    return result, losses, notes


def weights(config, run_dir, steps=4):
    trainer = Trainer(config, run_dir)
    for _ in range(steps):
        trainer.train_step()
    return networks_state(trainer)


def networks_state(trainer):
    states = {"network": trainer.network.state_dict(), "evidence": trainer.evidence.state_dict()}
    return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}


def rows(run_dir):
    with (run_dir / "metrics.csv").open(newline="") as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


# a whole run


def test_training_lowers_the_loss(run):
    _, losses, _ = run
    assert len(losses) == 70
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


def test_a_run_can_be_repeated_from_its_folder(run):
    result, _, _ = run
    config = load_config(result.run_dir / "config.yaml")
    assert config == make_config(CONFIGS[config.network.preset])


def test_metrics_are_written_each_epoch_and_at_the_end(run):
    result, losses, _ = run
    written = rows(result.run_dir)
    assert [row["step"] for row in written] == [20, 40, 60, 70]
    assert written[0]["train_loss"] == pytest.approx(np.mean(losses[:20]))
    assert written[-1]["train_loss"] == pytest.approx(np.mean(losses[60:]))
    for row in written:
        assert 0 <= row["pixel_ap"] <= 1
        assert row["ssim"] == pytest.approx((row["ssim_co"] + row["ssim_cross"]) / 2, abs=1e-6)


def test_pictures_show_the_first_tiles_in_both_polarizations(run):
    result, _, _ = run
    pictures = sorted((result.run_dir / "pictures").iterdir())
    assert [path.name for path in pictures] == [f"step_{step:06d}.png" for step in (20, 40, 60, 70)]
    height, width = make_config(CONFIGS[load_config(result.run_dir / "config.yaml").network.preset]).tile_shape
    with open_scene(pictures[0]) as picture:
        rows_px, cols_px = picture.shape
    assert rows_px >= 3 * 2 * height
    assert cols_px >= 4 * width


def test_the_model_whose_evidence_learnt_last_is_kept(run):
    result, _, _ = run
    assert load_model(result.model_dir).card.provenance["step"] == 70


def test_without_such_steps_the_best_model_by_validation_is_kept(tmp_path, monkeypatch):
    trainer = Trainer(make_config(optimiser__steps=3, optimiser__evidence_share=0, validate_every=1), tmp_path)
    figures = iter(({"loss": 2.0}, {"loss": 1.0}, {"loss": 3.0}))
    named = {"pixel_ap": 0.5, "ssim": 0.5, "ssim_co": 0.5, "ssim_cross": 0.5}
    monkeypatch.setattr(trainer, "validate", lambda: next(figures) | named)
    monkeypatch.setattr(trainer, "finish", lambda _: {})
    trainer.run()
    assert load_model(tmp_path / "model").card.provenance["step"] == 2


def test_the_model_is_whole_and_calibrated(run):
    result, _, notes = run
    model = load_model(result.model_dir)
    assert isinstance(model.evidence, EvidenceNetwork)
    assert model.card.evidence == CAE["evidence"]
    assert set(model.card.thresholds) <= set(FALSE_ALARM_RATES)
    thresholds = [model.threshold(rate) for rate in sorted(model.card.thresholds)]
    assert len(thresholds) >= 4
    assert thresholds == sorted(thresholds, reverse=True)
    for name, own in model.card.alone.items():
        assert own.thresholds.keys() == model.card.thresholds.keys(), name
        assert own.thresholds != model.card.thresholds
    assert list(model.card.alone) == ["co", "cross"]
    source = model.card.provenance
    assert source["parameters"] == model.network.parameter_count + model.evidence.parameter_count
    assert source["validation"]["pixel_ap"] == pytest.approx(result.figures["pixel_ap"], abs=1e-4)
    assert source["scenes"] == {"training": [], "validation": []}
    assert any(f"{source['parameters']:,} parameters" in note for note in notes)


def test_the_model_runs_on_a_scene(run, tmp_path, capsys):
    result, _, _ = run
    scene = write_scene(tmp_path / "sea.tif", sea_power((120, 260), stripe_db=8))
    code = main(
        ["detect", "-m", str(result.model_dir), "-o", str(tmp_path / "out"), "--far", "1e-2", "--json", str(scene)]
    )
    assert code == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"


def test_the_model_finds_interference_in_scenes_it_has_not_seen(run):
    result, _, _ = run
    model, shape = load_model(result.model_dir), load_config(result.run_dir / "config.yaml").tile_shape
    drawn = {"surface": "sea", "ibr_db": (5.0, 20.0)}
    scenes = [simulate_scene(np.random.default_rng(seed), bundled_priors(), shape, **drawn) for seed in range(4, 10)]
    odds, truth = [], []
    for scene in scenes:
        tile, _ = model.card.standardisation.apply(scene.power, scene.valid_mask)
        made = reconstruct_scene(model.runtime, tile, scene.valid_mask, tile_shape=shape)
        odds.append(made.log_odds[scene.valid_mask])
        truth.append((scene.excess_db >= 1)[scene.valid_mask])
    odds, truth = np.concatenate(odds), np.concatenate(truth)
    assert average_precision(odds, truth) > 2.5 * truth.mean()


def test_the_state_holds_all_that_a_resumed_run_needs(run):
    result, _, _ = run
    tensors, values = load_state(result.run_dir / "checkpoints" / "last")
    trainer = Trainer(load_config(result.run_dir / "config.yaml"), result.run_dir)
    assert networks_state(trainer).keys() <= tensors.keys()
    matrices, others = (group["params"] for group in trainer.optimiser.param_groups)
    assert len(matrices) + len(others) == len([*trainer.network.parameters(), *trainer.evidence.parameters()])
    for index in range(len(matrices) + len(others)):
        keys = ("momentum_buffer",) if index < len(matrices) else ("step", "exp_avg", "exp_avg_sq")
        assert {f"optimiser.{index}.{key}" for key in keys} <= tensors.keys()
    assert tensors["torch_rng"].dtype == torch.uint8
    assert values["step"] == 70
    assert values["best_loss"] == pytest.approx(rows(result.run_dir)[-1]["loss"])  # the evidence learnt alone
    trainer.stream.restore(values["stream"])


# parts of a run


@pytest.mark.parametrize("name", CONFIGS)
def test_a_seed_gives_one_network_and_another_seed_another(name, tmp_path):
    one, same = (weights(make_config(CONFIGS[name], seed=3), tmp_path) for _ in range(2))
    other = weights(make_config(CONFIGS[name], seed=4), tmp_path)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_validating_and_picturing_do_not_change_the_run(tmp_path):
    config = make_config(MAE, seed=3)
    plain = weights(config, tmp_path)
    trainer = Trainer(config, tmp_path)
    for _ in range(4):
        trainer.train_step()
        trainer.validate()
        seen = (trainer.network, trainer.validation, trainer.standardisation, config.tile_shape)
        picture_tiles(tmp_path / "picture.png", *seen)
    assert all(torch.equal(plain[key], value) for key, value in networks_state(trainer).items())


@pytest.mark.parametrize(
    "changes",
    [{"loss": "mse"}, {"ssim_weight": 0.0}, {"objective": "plain"}, {"optimiser__precision": "bf16"}],
    ids=str,
)
def test_every_way_of_training_takes_a_step(changes, tmp_path):
    trainer = Trainer(make_config(**changes), tmp_path)
    assert np.isfinite([trainer.train_step() for _ in range(2)]).all()


def gradients(module, loss):
    module.zero_grad(set_to_none=True)
    loss.backward()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in module.named_parameters()}


def trainer_and_batch(name, objective, tmp_path):
    """A trainer in training mode, and a batch with interference."""
    trainer = Trainer(make_config(CONFIGS[name], objective=objective), tmp_path)
    drawn = (trainer.stream.next_batch(4) for _ in range(50))
    batch = next(batch for batch in drawn if (batch.truth & batch.valid).any())
    assert (batch.tiles != batch.targets).any()
    return trainer, batch


@pytest.mark.parametrize("objective", ["denoise", "plain"])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_autoencoder_learns_nothing_from_the_evidence(name, objective, tmp_path):
    trainer, batch = trainer_and_batch(name, objective, tmp_path)
    torch.manual_seed(1)  # the masks
    together = gradients(trainer.network, trainer._loss(batch))
    learnt = [p.grad for p in trainer.evidence.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in learnt)
    assert any(g.any() for g in learnt)
    tiles, targets, valid, *_ = (torch.from_numpy(x) for x in batch)
    torch.manual_seed(1)
    prediction = trainer.network.predict(tiles if objective == "denoise" else targets, valid)
    alone = gradients(trainer.network, trainer.objective(prediction, targets, valid))
    assert any(g.any() for g in alone.values())
    for key, gradient in alone.items():
        assert torch.allclose(together[key], gradient, atol=1e-6), key


@pytest.mark.parametrize("objective", ["denoise", "plain"])
@pytest.mark.parametrize("name", CONFIGS)
def test_only_the_plain_objective_keeps_interference_from_the_autoencoder(name, objective, tmp_path):
    trainer, batch = trainer_and_batch(name, objective, tmp_path)
    stronger = batch._replace(tiles=np.where(batch.truth, batch.tiles + np.float32(1), batch.tiles))
    seen, evidence = [], []
    for one in (batch, stronger):
        torch.manual_seed(1)
        seen.append(gradients(trainer.network, trainer._loss(one)))
        evidence.append([p.grad.clone() for p in trainer.evidence.parameters()])
        trainer.evidence.zero_grad()
    same = all(torch.equal(gradient, seen[1][key]) for key, gradient in seen[0].items())
    assert same == (objective == "plain")
    assert any(not torch.equal(a, b) for a, b in zip(*evidence, strict=True))


def test_statistics_of_the_plain_objective_are_those_of_clean_tiles(tmp_path):
    states = []
    for strength in (0, 1):
        trainer, batch = trainer_and_batch("cae", "plain", tmp_path)
        trainer._loss(batch._replace(tiles=batch.tiles + np.float32(strength) * batch.truth))
        states.append({key: value.clone() for key, value in trainer.network.state_dict().items()})
    assert any("running_mean" in key for key in states[0])
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_the_loss_of_a_step_is_that_of_both_networks(tmp_path):
    trainer, batch = trainer_and_batch("cae", "denoise", tmp_path)
    loss = trainer._loss(batch).item()
    swapped = trainer._loss(batch._replace(truth=~batch.truth)).item()
    assert swapped > loss  # an untrained evidence network takes interference to be rare
    tiles, targets, valid, truth, *_ = (torch.from_numpy(x) for x in batch)
    with torch.no_grad():
        mean, log_spread, _ = trainer.network.predict(tiles, valid)
        parts = (
            trainer.objective(Prediction(mean, log_spread), targets, valid),
            evidence_loss(trainer.evidence(tiles, valid, Reconstruction(mean, log_spread.exp())), truth, valid),
        )
    assert loss == pytest.approx(float(sum(parts)), rel=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_moves_both_networks_and_the_autoencoder_whatever_the_evidence_is(name, tmp_path, monkeypatch):
    """Nor does the evidence's gradient take part in how that of the autoencoder is clipped."""
    states = []
    for scale in (1, 1000):
        trainer, batch = trainer_and_batch(name, "denoise", tmp_path)
        before = {key: value.clone() for key, value in networks_state(trainer).items()}
        monkeypatch.setattr(trainer.stream, "next_batch", lambda _, batch=batch: batch)
        monkeypatch.setattr(trainer_module, "evidence_loss", lambda *args, by=scale: by * evidence_loss(*args))
        torch.manual_seed(1)
        for _ in range(2):
            trainer.train_step()
        states.append(networks_state(trainer))
        moved = {key.split(".")[0] for key, value in states[-1].items() if not torch.equal(value, before[key])}
        assert moved == {"network", "evidence"}
    for key, value in states[0].items():
        assert key.startswith("evidence") or torch.equal(value, states[1][key]), key


def test_the_reference_network_takes_a_step(tmp_path):
    network = {"preset": "cae-reference", "settings": {"latent": 5, "width": 4}}
    assert np.isfinite(Trainer(make_config(crop_shape=None, network=network), tmp_path).train_step())


def test_the_learning_rate_warms_up_and_decays(tmp_path):
    trainer = Trainer(
        make_config(optimiser__steps=100, optimiser__warmup_share=0.1, optimiser__evidence_share=0), tmp_path
    )
    peak, rates = trainer.config.optimiser.learning_rate, []
    for step in range(101):
        trainer.step = step
        rates.append(trainer.learning_rate())
    assert rates[0] == pytest.approx(peak / 10)
    assert max(rates) == rates[9] == pytest.approx(peak)
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] == pytest.approx(peak / 100)


def test_the_learning_rate_starts_again_where_the_evidence_learns_alone(tmp_path):
    config = make_config(optimiser__steps=100, optimiser__evidence_share=0.2)
    trainer, rates = Trainer(config, tmp_path), []
    for step in range(100):
        trainer.step = step
        rates.append(trainer.learning_rate())
    assert rates[80] == pytest.approx(config.optimiser.learning_rate / 2)
    assert rates[79] < rates[80] > rates[81]


@pytest.mark.parametrize("objective", ["denoise", "plain"])
@pytest.mark.parametrize("name", CONFIGS)
def test_in_the_last_steps_the_evidence_learns_alone_and_small_stripes_weigh_more(name, objective, tmp_path):
    trainer, batch = trainer_and_batch(name, objective, tmp_path)
    trainer.step = trainer.autoencoder_steps
    trainer.network.train()
    before = {key: value.clone() for key, value in networks_state(trainer).items()}
    trainer.train_step()
    moved = {key.split(".")[0] for key, value in networks_state(trainer).items() if not torch.equal(value, before[key])}
    assert moved == {"evidence"}
    trainer.evidence.eval()
    torch.manual_seed(1)
    loss = trainer._loss(batch).item()
    torch.manual_seed(1)
    heavier = trainer._loss(batch._replace(weights=np.where(batch.truth, 12, 1).astype(np.float32))).item()
    assert heavier != pytest.approx(loss)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path, monkeypatch):
    trainer = Trainer(make_config(), tmp_path)
    monkeypatch.setattr(trainer_module, "evidence_loss", lambda *args: torch.nan * evidence_loss(*args))
    with pytest.raises(ResourceError, match="nan at step 0") as caught:
        trainer.train_step()
    assert "learning_rate" in caught.value.hint


def test_real_scenes_are_split_by_acquisition_and_named(tmp_path):
    for day in (20240101, 20240102, 20240103):
        for part in "ab":
            write_scene(tmp_path / f"S1A_{day}T04_{part}.tif", sea_power((100, 140), seed=day))
    config = make_config(optimiser__steps=2, data__scenes=[str(tmp_path / "*.tif")])
    result = train_network(config, tmp_path / "run")
    scenes = load_model(result.model_dir).card.provenance["scenes"]
    assert len(scenes["training"]) == 4
    assert len(scenes["validation"]) == 2
    assert len({name[:12] for name in scenes["validation"]}) == 1
    assert not {name[:12] for name in scenes["validation"]} & {name[:12] for name in scenes["training"]}


def test_a_run_of_another_seed_may_hold_out_the_same_scenes(tmp_path):
    for day in range(20240101, 20240109):
        write_scene(tmp_path / f"S1A_{day}T04.tif", sea_power((100, 140), seed=day))
    held = []
    for number, (seed, split_seed) in enumerate([(3, None), (4, 3), (4, None)]):
        changes = {"seed": seed, "data__split_seed": split_seed, "data__scenes": [str(tmp_path / "*.tif")]}
        trainer = begin_run(make_config(**changes), tmp_path / f"run{number}")
        held.append((trainer.scene_names["validation"], trainer.stream.next_batch(1).tiles))
    assert held[0][0] == held[1][0] != held[2][0]
    assert not np.array_equal(held[0][1], held[1][1])


# what goes wrong


def test_a_run_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        train_network(make_config(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot make the folder"):
        train_network(make_config(), tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (CAE, {"network": {"preset": "unet"}}),
        (CAE, {"network": {"preset": "cae", "settings": {"depth": 3}}}),
        (CAE, {"network": {"preset": "cae-reference", "settings": {"width": 4}}}),
        (MAE, {"crop_shape": [40, 50]}),
        (MAE, {"tile_shape": [90, 100]}),
        (CAE, {"data__scenes": ["absent/*.png"]}),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_leave_no_folder_behind(base, changes, tmp_path):
    with pytest.raises(ConfigError) as caught:
        train_network(make_config(base, **changes), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_scene_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(SceneError):
        train_network(make_config(data__scenes=[str(tmp_path / "empty.png")]), tmp_path / "run")


# figures and thresholds


def test_a_threshold_is_exceeded_at_its_rate():
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(120, 150)).astype(np.float32) for _ in range(3)]
    maps[0][:30] = np.nan
    thresholds = calibrate_thresholds(maps)
    scores = np.concatenate([m[np.isfinite(m)] for m in maps])
    assert sorted(thresholds) == sorted(rate for rate in FALSE_ALARM_RATES if rate * scores.size >= 10)
    for rate, threshold in thresholds.items():
        assert (scores > threshold).mean() == pytest.approx(rate, abs=1.01 / scores.size)


def test_new_clean_scenes_exceed_scene_scores_as_often_as_stated():
    rng = np.random.default_rng(0)
    maps = [rng.normal(level, 1, (40, 50)).astype(np.float32) for level in rng.normal(size=800)]
    seen, new = maps[:400], [scene_score(anomaly_map) for anomaly_map in maps[400:]]
    scores = calibrate_scenes(seen)
    assert len(scores) > 5
    for share, score in scores.items():
        assert np.mean(np.array(new) > score) == pytest.approx(share, abs=0.08)  # four standard deviations
    assert 0.01 not in calibrate_scenes(seen[:200])  # two scenes say little


def test_figures_are_one_for_a_perfect_map_and_take_similarity_from_clean_scenes():
    truth = np.zeros((20, 30), bool)
    truth[5:9] = True
    anomaly = truth.astype(np.float32)
    anomaly[:2] = np.nan
    dirty = ScoredScene(anomaly_map=anomaly, truth=truth, seams_px=(), ssim=np.array([0.1, 0.1], np.float32))
    clean = ScoredScene(anomaly_map=0 * anomaly, truth=0 * truth, seams_px=(), ssim=np.array([0.9, 0.7], np.float32))
    figures = validation_figures([dirty, clean])
    assert figures["pixel_ap"] == figures["pd_at_far_1e-3"] == 1
    assert figures == pytest.approx(figures | {"ssim": 0.8, "ssim_co": 0.9, "ssim_cross": 0.7})


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """A network that expects every pixel at the median of its scene, as the sea is, and scenes of its tile shape."""
    network = load_model(save_flat_model(tmp_path_factory.mktemp("models"))).network
    drawn = {"surface": "sea", "ibr_db": (5.0, 20.0)}
    return network, [
        simulate_scene(np.random.default_rng(seed), bundled_priors(), (96, 128), **drawn) for seed in range(7)
    ]


def test_the_reconstruction_loss_of_validation_is_that_of_training(flat):
    network, scenes = flat
    scene, standardisation = scenes[0], Standardisation()
    tile, centre_db = standardisation.apply(scene.power, scene.valid_mask)
    target, _ = standardisation.apply(scene.clean_power, scene.valid_mask, centre_db)
    mean, spread, _ = reconstruct_scene(NetworkRuntime(network), tile, scene.valid_mask, tile_shape=(96, 128))
    mean, spread, target, valid = (torch.from_numpy(x)[None] for x in (mean, spread, target, scene.valid_mask))
    expected = laplace_loss(Prediction(mean, spread.log()), target, valid)
    losses = denoising_losses(network, scenes[:1], standardisation, (96, 128))
    assert losses == pytest.approx([expected.item()], rel=1e-5)


def test_scored_scenes_keep_their_truth(flat):
    network, scenes = flat
    scored = score_scenes(network, scenes[:3], Standardisation(), ScoringSettings(), (96, 128), 500.0)
    for one, scene in zip(scored, scenes, strict=False):
        assert one.truth is scene.rfi_mask
        assert np.array_equal(np.isfinite(one.anomaly_map), scene.valid_mask.any(axis=0))
        assert one.ssim.shape == (2,)


def test_the_cross_entropy_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    scored, expected = [], []
    for shape in ((20, 30), (15, 12)):
        odds, truth = rng.normal(-1, 3, shape).astype(np.float32), rng.random(shape) < 0.3
        odds[0, :2] = 60, -60  # beyond what a float32 can tell from certainty
        chance = 1 / (1 + np.exp(-odds[1:].astype(np.float64)))
        odds[0, 2:] = np.nan
        truth[0, :2] = True, False
        entropy = log_loss(truth[1:].ravel(), chance.ravel(), normalize=False)  # the two others are right: 0
        expected.append(entropy / np.isfinite(odds).sum())
        scored.append(ScoredScene(anomaly_map=odds, truth=truth, seams_px=(), ssim=np.zeros(2, np.float32)))
    assert cross_entropy(scored) == pytest.approx(np.mean(expected), rel=1e-6)
    wrong = replace(scored[0], anomaly_map=np.full((2, 3), 500, np.float32), truth=np.zeros((2, 3), bool))
    assert cross_entropy([wrong]) == pytest.approx(500)


def test_clean_scenes_show_as_many_stripes_as_their_calibration_allows():
    maps = []
    for number in range(40):  # one to three stripes of their own rank in each
        scores = np.random.default_rng(number).normal(-3, 0.3, (60, 100)).astype(np.float32)
        for stripe in range(1 + number % 3):
            scores[5 + 18 * stripe : 10 + 18 * stripe, 10:60] = 0.5 + 0.05 * number + 0.413 * stripe  # no two alike
        maps.append(scores)
    shared = (ScoringSettings(), (), (500.0, 500.0))
    ranks = calibrate_stripes(maps, [()] * len(maps), {1e-2: 0.0, 1e-3: 1.0}, shared[0], 500.0)
    assert set(ranks) == {1e-2, 1e-3}
    assert set(ranks[1e-2]) == {10.0, 3.0, 1.0, 0.3, 0.1}, "0.03 of 40 scenes is one stripe"
    for far, threshold in ((1e-2, 0.0), (1e-3, 1.0)):
        found = [find_stripes(scores, threshold, *shared).max() for scores in maps]
        for rate, least in ranks[far].items():
            kept = [find_stripes(scores, threshold, *shared, least_rank=least).max() for scores in maps]
            assert sum(kept) == min(sum(found), int(rate * len(maps)))


# the command


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `rfiscan train` in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run_train(settings, *args):
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
        code = main(["train", "run.yaml", *args])
        return code, *capsys.readouterr()

    return run_train


@pytest.mark.parametrize("name", CAE_NOW_MAE_SLOW)
def test_the_command_trains_a_model(command, tmp_path, name):
    code, out, err = command(CONFIGS[name], "--steps", "3", "--seed", "5", "--json")
    assert code == 0, err
    printed = json.loads(out)
    assert printed["model"] == "runs/tiny-seed5/model"
    assert printed["figures"].keys() >= {"pixel_ap", "ssim"}
    model = load_model(tmp_path / printed["model"])
    assert model.card.provenance["seed"] == 5
    assert load_config(tmp_path / "runs/tiny-seed5/config.yaml").optimiser.steps == 3

    code, out, err = command(CONFIGS[name], "--steps", "3", "--seed", "5")
    assert code == 7
    assert out == ""
    assert "not empty" in err


def test_the_command_names_the_nearest_key(command, tmp_path):
    code, out, err = command({"optimiser": {"lerning_rate": 1}})
    assert code == 4
    assert out == ""
    assert "optimiser.lerning_rate" in err
    assert "Did you mean 'optimiser.learning_rate'?" in err
    assert not (tmp_path / "runs").exists()


def test_the_command_refuses_a_preset_that_does_not_exist(command, tmp_path):
    code, _, err = command({}, "--preset", "unet")
    assert code == 4
    assert "mae-reference" in err
    assert not (tmp_path / "runs").exists()
