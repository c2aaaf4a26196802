"""Statistics of batch norms: those of batches at first, and then those of the run."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from rfiscan.errors import ConfigError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.workflows.train import begin_run, reopen_run
from tests.test_averaging import config_of, snapshot
from tests.test_resume import stopped_after

pytestmark = pytest.mark.usefixtures("one_thread")


def split(trainer):
    """Statistics and weights of both networks."""
    state = {
        f"{name}.{key}": value
        for name, network in (("network", trainer.network), ("evidence", trainer.evidence))
        for key, value in snapshot(network).items()
    }
    statistics = {key: value for key, value in state.items() if "running_" in key}
    return statistics, {key: value for key, value in state.items() if key not in statistics}


def changed(before, after):
    return {key for key, value in before.items() if not torch.equal(value, after[key])}


@pytest.mark.parametrize("decay", [0.0, 0.75])
def test_statistics_change_for_their_share_of_the_steps_and_weights_to_the_end(decay, tmp_path):
    trainer = begin_run(config_of(statistics_share=0.5, evidence_share=0.2, average_decay=decay), tmp_path / "run")
    seen = [split(trainer)]
    for _ in range(5):
        trainer.train_step()
        seen.append(split(trainer))
    for (statistics, _), (after, _) in pairwise(seen[:4]):
        assert changed(statistics, after) == set(statistics)
    held = seen[4][0]
    assert not changed(held, seen[5][0])
    if decay:
        averages = {"network": trainer.averages[0].state_dict(), "evidence": trainer.averages[1].state_dict()}
        assert changed(held, seen[3][0])  # those of the average are steadier
        for key, value in held.items():
            name, _, rest = key.partition(".")
            torch.testing.assert_close(averages[name][rest], value, msg=key)
    else:
        assert not changed(held, seen[3][0])
    assert any(key.startswith("network") for key in changed(seen[4][1], seen[5][1]))
    assert any(key.startswith("evidence") for key in changed(seen[4][1], seen[5][1]))


def test_a_loss_is_that_of_the_networks_as_they_will_be_used(tmp_path):
    trainer = begin_run(config_of(statistics_share=0.5, evidence_share=0.0), tmp_path / "run")
    for _ in range(4):
        trainer.train_step()
    batch = trainer.stream.next_batch(2)
    loss = trainer._loss(batch)
    trainer.network.eval()
    trainer.evidence.eval()
    torch.testing.assert_close(trainer._loss(batch), loss)


def test_a_run_that_begins_with_a_model_may_keep_its_statistics(tmp_path):
    first = begin_run(config_of(), tmp_path / "first")
    first.run()
    model = load_model(first.run_dir / "model")
    config = config_of(statistics_share=0.0)
    config = config.model_copy(
        update={"network": config.network.model_copy(update={"weights": str(first.run_dir / "model")})}
    )
    trainer = begin_run(config, tmp_path / "second")
    trainer.train_step()
    for own, given in ((trainer.network, model.network), (trainer.evidence, model.evidence)):
        after, before = snapshot(own), snapshot(given)
        assert not any("running_" in key for key in changed(before, after))
        assert changed(before, after)


def test_without_a_model_there_are_none_to_keep(tmp_path):
    with pytest.raises(ConfigError, match="statistics_share is 0"):
        begin_run(config_of(statistics_share=0.0), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_a_resumed_run_holds_the_same_statistics(stop, tmp_path):
    config = config_of(statistics_share=0.5, evidence_share=0.2)
    whole = begin_run(config, tmp_path / "whole")
    whole.run()
    stopped_after(stop, config, tmp_path / "stopped")
    resumed = reopen_run(tmp_path / "stopped")
    resumed.run()
    for ours, theirs in zip(split(whole), split(resumed), strict=True):
        assert not changed(ours, theirs)
