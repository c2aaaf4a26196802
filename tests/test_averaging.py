"""Moving averages of weights: what they are, what they do for a run, and that a resumed run keeps them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rfiscan.errors import ModelError, ResumableError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.workflows.reporting import SILENT
from rfiscan.workflows.train import begin_run, reopen_run, resume_training, train_network
from rfiscan.workflows.training.averaging import WeightAverages, decay_after
from tests.test_train import CAE, make_config

pytestmark = pytest.mark.usefixtures("one_thread")
OPTIONS = {"steps": 6, "evidence_share": 0.5, "batch": 2, "learning_rate": 5e-3, "precision": "fp32"}
AVERAGED = OPTIONS | {"average_decay": 0.75}


def config_of(network=CAE["network"], **optimiser):
    data = CAE["data"] | {"validation_tiles": 2, "pool": 4}
    return make_config(CAE, data=data, network=network, validate_every=3, optimiser=AVERAGED | optimiser)


def snapshot(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_an_average_is_that_of_all_steps_with_fading_weights():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    averages, seen = WeightAverages([network], 0.9), []
    for _ in range(5):
        network(torch.randn(7, 3))  # moves the statistics
        for parameter in network.parameters():
            parameter.data += torch.randn_like(parameter)
        averages.update([network])
        seen.append(snapshot(network))
    kept = [(1 + count) / (10 + count) for count in range(1, 5)]  # all below 0.9
    shares = [(1 - own) * np.prod(kept[step:]) for step, own in enumerate([0.0, *kept])]
    assert sum(shares) == pytest.approx(1)
    for name, tensor in averages[0].state_dict().items():
        if tensor.is_floating_point():
            expected = sum(share * step[name] for share, step in zip(shares, seen, strict=True))
            torch.testing.assert_close(tensor, expected, msg=name)
    assert not torch.equal(averages[0][0].weight, network[0].weight)


@pytest.mark.parametrize(("steps", "most"), [(20, 1e-3), (100, 1e-6), (1000, 1e-9)])
def test_an_average_lets_go_of_the_random_weights_it_began_with(steps, most):
    network = nn.Linear(1, 1, bias=False)
    averages = WeightAverages([network], 0.999)
    for step in range(steps):
        network.weight.data.fill_(float(step == 0))
        averages.update([network])
    assert 0 <= averages[0].weight.item() < most


@given(st.integers(1, 10**6), st.floats(0, 0.9999))
def test_an_average_ends_with_the_decay_that_was_asked_for(count, decay):
    assert decay_after(count, decay) <= decay_after(count + 1, decay) <= decay
    assert decay_after(10**6, decay) == decay


def test_the_model_is_the_average_and_its_evidence_learnt_from_the_average(tmp_path):
    trainer = begin_run(config_of(), tmp_path / "run")
    for _ in range(3):
        trainer.train_step()
    assert trainer.evidence_alone
    kept, last = snapshot(trainer.kept_network), snapshot(trainer.network)
    assert any(not torch.equal(kept[name], last[name]) for name in kept)
    trainer.run()
    for name, tensor in trainer.network.state_dict().items():
        assert torch.equal(tensor, kept[name]), name
    model = load_model(trainer.run_dir / "model")
    for own, stored in ((trainer.kept_network, model.network), (trainer.kept_evidence, model.evidence)):
        for name, tensor in own.state_dict().items():
            torch.testing.assert_close(tensor, stored.state_dict()[name], msg=name)
    assert not torch.equal(model.evidence.head[0].weight, trainer.evidence.head[0].weight)


def test_without_a_decay_the_model_is_that_of_the_last_step(tmp_path):
    trainer = begin_run(config_of(average_decay=0.0), tmp_path / "run")
    trainer.run()
    assert trainer.kept_network is trainer.network
    assert trainer.kept_evidence is trainer.evidence


@pytest.mark.parametrize("stopped_after", [2, 3, 5])
def test_a_resumed_run_makes_the_same_model(tmp_path, stopped_after):
    whole = train_network(config_of(), tmp_path / "whole")
    trainer = begin_run(config_of(), tmp_path / "run")
    for _ in range(stopped_after - 1):
        trainer.losses.append(trainer.train_step())
        if trainer.step == 3:
            trainer._end_epoch(SILENT)
    trainer.stop_requested = True
    with pytest.raises(ResumableError):
        trainer.run()
    resumed = resume_training(tmp_path / "run")
    for name in ("model.safetensors", "evidence.safetensors"):
        assert (resumed.model_dir / name).read_bytes() == (whole.model_dir / name).read_bytes()
    assert np.isfinite(resumed.figures["pixel_ap"])


def test_a_state_without_averages_is_of_another_configuration(tmp_path):
    trainer = begin_run(config_of(average_decay=0.0), tmp_path / "run")
    trainer.stop_requested = True
    with pytest.raises(ResumableError):
        trainer.run()
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("average_decay: 0.0", "average_decay: 0.5"))
    with pytest.raises(ModelError, match="another configuration"):
        reopen_run(tmp_path / "run")
