"""Steps that are taken in parts, in half precision or compiled are the same steps."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.config.schema import OptimiserConfig
from rfiscan.config.text import dump_config
from rfiscan.errors import ConfigError, MissingExtraError
from rfiscan.model_files.checkpoint import load_state
from rfiscan.networks import PRESETS, Prediction, build_network
from rfiscan.networks.base import TileShare
from rfiscan.networks.losses import evidence_loss
from rfiscan.training_data.dataset import Batch
from rfiscan.workflows.train import resume_training, train_network
from rfiscan.workflows.training import compiling
from rfiscan.workflows.training.stepping import WHOLE, Stepper, require_whole_batches
from rfiscan.workflows.training.trainer import Trainer
from rfiscan.workflows.training.training_state import last_state
from rfiscan.workflows.training.world import ALONE, World
from tests.test_dataset import make_stream
from tests.test_resume import same_state, stopped_after
from tests.test_train import CAE, CONFIGS, MAE, make_config, networks_state

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"data__validation_tiles": 2, "data__calibration_tiles": 3, "data__pool": 3, "data__renew_every": 1}


def make_trainer(base, folder, **changes):
    return Trainer(make_config(base, **SMALL, **changes), folder)


def without_batch_statistics(trainer):
    """Let batch norms keep to the statistics that they have."""
    for module in (*trainer.network.modules(), *trainer.evidence.modules()):
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.train = lambda _mode=True, module=module: module
    return trainer


# in parts


@pytest.mark.parametrize("objective", ["denoise", "plain"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_in_parts_has_the_loss_and_gradients_of_the_whole(name, objective, tmp_path):
    """Tolerance: 1e-5 of the loss, and 1e-3 of the norm of the gradient, in single precision."""
    made = []
    for parts in (1, 2, 5):
        changes = {"objective": objective, "optimiser__batch": 5, "optimiser__accumulate": parts}
        trainer = without_batch_statistics(make_trainer(CONFIGS[name], tmp_path, **changes))
        loss = trainer.stepper.gradients(trainer.stream, (trainer.network, trainer.evidence))
        gradient = torch.cat([p.grad.ravel() for group in trainer.optimiser.param_groups for p in group["params"]])
        made.append((loss, gradient, torch.get_rng_state()))
        assert trainer.network.share is None
    (loss, gradient, state), *others = made
    for other_loss, other, other_state in others:
        assert other_loss == pytest.approx(loss, rel=1e-5)
        assert (other - gradient).norm() < 1e-3 * gradient.norm()
        assert torch.equal(other_state, state)


def test_so_has_a_step_of_the_evidence_alone(tmp_path):
    losses = []
    for parts in (1, 3):
        trainer = without_batch_statistics(make_trainer(CAE, tmp_path, optimiser__accumulate=parts))
        trainer.step = trainer.autoencoder_steps
        losses.append([trainer.train_step() for _ in range(2)])
        assert all(p.grad is None for p in trainer.network.parameters())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 9), parts=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_losses_of_parts_add_up_to_that_of_the_whole_wherever_pixels_are_valid(trainer, seed, count, parts):
    parts = min(parts, count)
    rng = np.random.default_rng(seed)
    valid = (rng.random((count, 2, 12, 16)) < 0.7) & (rng.random((count, 2, 1, 1)) < 0.6)
    weights = rng.uniform(1, 10, (count, 2, 12, 16)).astype(np.float32)
    maps = rng.normal(size=(4, count, 2, 12, 16)).astype(np.float32)
    batch = Batch(maps[0], maps[1], valid, maps[3] > 0, weights, np.zeros(count, bool))
    prediction = [torch.from_numpy(x) for x in (maps[1] + 0.3 * maps[2], 0.2 * maps[3])]

    def losses(own, *share):
        mean, log_spread, targets, valid, truth, weights = (
            x[own] for x in (*prediction, *(torch.from_numpy(x) for x in batch[1:5]))
        )
        reconstruction = trainer.objective(Prediction(mean, log_spread), targets, valid, 1.0, *share).item()
        held = share[0] if share else WHOLE
        return (
            reconstruction,
            held.valid * evidence_loss(mean, truth, valid).item(),
            held.weighted * evidence_loss(mean, truth, valid, weights).item(),
        )

    options = OptimiserConfig(batch=count, accumulate=parts)
    stepper = Stepper(trainer._loss, (trainer.network, trainer.evidence), trainer.optimiser, None, options, ALONE)
    shares = stepper._shares([batch.every(parts, first) for first in range(parts)])
    of_parts = [losses(slice(first, None, parts), share) for first, share in enumerate(shares)]
    assert np.sum(of_parts, axis=0) == pytest.approx(losses(slice(None)), rel=1e-4, abs=1e-5)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    return make_trainer(CAE, tmp_path_factory.mktemp("trainer"))


def test_masks_are_drawn_for_the_whole_batch(tmp_path):
    network = make_trainer(MAE, tmp_path).network

    def draw(count, share=None):
        network.share = share
        torch.manual_seed(5)
        return network.draw_rows(lambda n: torch.rand(n, 7), count)

    whole = draw(5)
    assert torch.equal(draw(2, TileShare(1, 3, 5)), whole[1::3])
    assert torch.equal(draw(1, TileShare(4, 5, 5)), whole[4:])


def test_more_parts_than_tiles_are_refused():
    with pytest.raises(ConfigError, match=r"optimiser\.accumulate"):
        make_config(optimiser__batch=2, optimiser__accumulate=3)


# the stream


@pytest.mark.parametrize("drawing", ["in_turn", "by_number"])
def test_a_share_of_a_batch_is_that_of_the_whole_batch(drawing):
    whole, first, second = (make_stream(drawing=drawing, size=2, renew_every=1) for _ in range(3))
    for _ in range(4):
        batch = whole.next_batch(5)
        for stream, own in ((first, slice(0, None, 2)), (second, slice(1, None, 2))):
            for array, share in zip(batch, stream.next_batch(5, own), strict=True):
                assert np.array_equal(array[own], share)


def test_tiles_by_number_depend_on_the_seed_and_on_where_the_stream_is_alone():
    one, other = (make_stream(drawing="by_number", size=2, renew_every=1, seed=seed) for seed in (1, 2))
    batches = [one.next_batch(3) for _ in range(3)]
    assert not np.array_equal(batches[0].tiles, other.next_batch(3).tiles)
    assert len({tile.tobytes() for batch in batches for tile in batch.tiles}) == 9
    again = make_stream(drawing="by_number", size=2, renew_every=1)
    again.next_batch(1)
    state = again.state()
    resumed = make_stream(drawing="by_number", size=2, renew_every=1)
    resumed.restore(state)
    assert np.array_equal(resumed.next_batch(3).tiles, batches[1].tiles)


class Sharing:
    """A process among several, here threads, that counts what it gave."""

    def __init__(self, rank, size, barrier, table):
        self.rank, self.size, self.barrier, self.table = rank, size, barrier, table
        self.given = 0

    def gather(self, own):
        self.given += len(own)
        self.table[self.rank] = own
        self.barrier.wait(60)
        gathered = list(self.table)
        self.barrier.wait(60)
        return gathered


def test_sharers_see_the_pool_of_one_and_simulate_each_scene_once():
    pool = {"size": 3, "renew_every": 1}
    alone = make_stream(**pool)
    expected = [alone.next_batch(2) for _ in range(7)]
    state = alone.state()
    expected += [alone.next_batch(2) for _ in range(2)]
    barrier, table = threading.Barrier(2), [None, None]
    sharers = [Sharing(rank, 2, barrier, table) for rank in range(2)]
    made = [[], []]

    def work(rank):
        stream = make_stream(**pool, sharers=sharers[rank])
        made[rank] += [stream.next_batch(2) for _ in range(7)]
        resumed = make_stream(**pool, sharers=sharers[rank])
        resumed.restore(state)
        made[rank] += [resumed.next_batch(2) for _ in range(2)]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for own in made:
        for one, other in zip(own, expected, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert sum(sharer.given for sharer in sharers) == 8 + 3 + 2  # 7 and one ahead; the pool again, and 2 more


# in half precision


def test_half_precision_with_a_scaled_loss_has_nearly_the_same_loss_and_gradient(tmp_path):
    made = {}
    for precision in ("fp32", "fp16"):
        trainer = make_trainer(CAE, tmp_path, optimiser__precision=precision)
        batch = trainer.stream.next_batch(4)
        trainer.stream.next_batch = lambda _, batch=batch: batch
        assert trainer.scaler.is_enabled() == (precision == "fp16")
        for _ in range(10):  # the scale is too large at first: steps are left out until it fits
            scale = trainer.scaler.get_scale()
            loss = trainer.train_step()
            if trainer.scaler.get_scale() == scale:
                break
        made[precision] = loss, torch.cat([p.grad.ravel() for p in trainer.network.parameters()])
    (loss, gradient), (half_loss, half_gradient) = made["fp32"], made["fp16"]
    assert half_loss != loss
    assert half_loss == pytest.approx(loss, rel=0.01)
    assert torch.cosine_similarity(gradient, half_gradient, dim=0) > 0.99


def test_a_gradient_beyond_half_precision_is_left_out_and_the_scale_halved(tmp_path):
    trainer = make_trainer(CAE, tmp_path, optimiser__precision="fp16")
    trainer.train_step()
    scale = trainer.scaler.get_scale()
    before = {key: value.clone() for key, value in networks_state(trainer).items()}
    trainer.stepper.gradients(trainer.stream, (trainer.network, trainer.evidence))
    next(trainer.network.parameters()).grad[0] = torch.inf
    trainer.stepper.update()
    assert trainer.scaler.get_scale() == scale / 2
    after = networks_state(trainer)
    assert all(torch.equal(after[key], before[key]) for key, _ in trainer.network.named_parameters(prefix="network"))


@pytest.mark.slow
def test_the_scale_is_kept_where_a_run_stops(tmp_path):
    config = make_config(CAE, **SMALL, optimiser__steps=6, optimiser__precision="fp16", validate_every=3)
    train_network(config, tmp_path / "whole")
    stopped_after(4, config, tmp_path / "stopped")
    assert load_state(last_state(tmp_path / "stopped"))[1]["scaler"]["scale"] < 2**16  # that of a new run
    resume_training(tmp_path / "stopped")
    assert same_state(tmp_path / "stopped", tmp_path / "whole")


# compiled


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch warns of its own parts
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 2e-2)])
@pytest.mark.parametrize("name", CONFIGS)
def test_compiled_networks_learn_the_same_from_the_same_random_numbers(name, precision, tolerance, tmp_path):
    made = []
    for compiled in (False, True):
        trainer = make_trainer(CONFIGS[name], tmp_path, compile=compiled, seed=3, optimiser__precision=precision)
        losses = [trainer.train_step() for _ in range(2)]
        trainer.step = trainer.autoencoder_steps  # the evidence learns alone
        losses.append(trainer.train_step())
        made.append((losses, set(networks_state(trainer)), torch.get_rng_state()))
        trainer.validate()
    assert made[0][0][0] == pytest.approx(made[1][0][0], rel=tolerance)
    # Adam's first step is as long whatever the gradient is: where that is rounding alone, weights go either way
    assert made[0][0][1:] == pytest.approx(made[1][0][1:], rel=max(5e-3, tolerance))
    assert made[0][1] == made[1][1]
    assert torch.equal(made[0][2], made[1][2])


def test_a_missing_compiler_is_told_before_anything_starts(tmp_path, monkeypatch):
    def fail(_):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")

    monkeypatch.setattr(compiling.torch, "compile", lambda _: fail)
    with pytest.raises(MissingExtraError, match=r"No working C\+\+ compiler") as caught:
        train_network(make_config(CAE, compile=True), tmp_path / "run")
    assert "g++" in caught.value.hint
    assert "compile: false" in caught.value.hint
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_torch_fails_in_the_expected_way_without_a_compiler(tmp_path):
    (tmp_path / "run.yaml").write_text(dump_config(make_config(CAE, **SMALL, compile=True)))
    environment = {**os.environ, "CXX": "/no/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "rfiscan", "train", str(tmp_path / "run.yaml"), "-o", str(tmp_path / "run")]
    ended = subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 3, ended.stderr
    assert "compile: true does not work here" in ended.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("accumulate", "world"), [(2, ALONE), (1, World(1, 2))])
def test_trimming_is_refused_where_batches_are_split(accumulate, world):
    require_whole_batches(0.0, accumulate, world)
    require_whole_batches(0.1, 1, ALONE)
    with pytest.raises(ConfigError, match="trim_contaminated"):
        require_whole_batches(0.1, accumulate, world)


@pytest.mark.parametrize("preset", ["dae", "vae"])
def test_noise_is_drawn_for_the_whole_batch(preset):
    network = build_network(PRESETS[preset].architecture, {"tile": (32, 48), "latent": 5} if preset == "vae" else {})
    tiles, valid = torch.randn(6, 2, 32, 48), torch.ones(6, 2, 32, 48, dtype=torch.bool)
    network.train().requires_grad_(False)
    for norm in network.modules():  # whose statistics are those of what they are shown
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.eval()
    torch.manual_seed(3)
    whole = network.predict(tiles, valid).mean
    for first in range(2):
        torch.manual_seed(3)
        network.share = TileShare(first, 2, 6)
        torch.testing.assert_close(network.predict(tiles[first::2], valid[first::2]).mean, whole[first::2])
