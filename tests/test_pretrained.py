"""Training that begins with the weights of another model."""

from __future__ import annotations

import shutil

import pytest
import torch

from rfiscan.__main__ import main
from rfiscan.errors import ConfigError, ModelError, ResumableError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.workflows.train import begin_run, resume_training, train_network
from tests.flat_model import sea_power, write_scene
from tests.test_train import CAE, make_config
from tests.told import Told

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = {"steps": 2, "evidence_share": 0.5, "batch": 2, "learning_rate": 5e-3, "precision": "fp32"}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A model to begin with."""
    run_dir = tmp_path_factory.mktemp("first")
    return train_network(make_config(CAE, optimiser=SHORT), run_dir).model_dir


def config_from(model, **overrides):
    network = CAE["network"] | {"weights": str(model)}
    return make_config(CAE, network=network, optimiser=SHORT, seed=5, **overrides)


def test_a_run_begins_with_the_weights_of_the_model(first, tmp_path):
    trainer, model = begin_run(config_from(first), tmp_path / "run"), load_model(first)
    for own, given in ((trainer.network, model.network), (trainer.evidence, model.evidence)):
        for name, tensor in given.state_dict().items():
            assert torch.equal(own.state_dict()[name], tensor), name
    assert trainer.pretrained == {"name": "tiny", "sha256": model.sha256, "scenes": []}


def test_the_card_of_the_new_model_names_the_one_it_began_with_even_after_a_resume(first, tmp_path):
    trainer = begin_run(config_from(first), tmp_path / "run")
    trainer.stop_requested = True
    with pytest.raises(ResumableError):
        trainer.run()
    result = resume_training(tmp_path / "run")
    assert load_model(result.model_dir).card.provenance["pretrained"]["sha256"] == load_model(first).sha256


def test_a_model_without_evidence_leaves_that_of_the_run_random(first, tmp_path):
    bare = train_network(make_config(CAE, optimiser=SHORT, score="reconstruction"), tmp_path / "bare").model_dir
    plain = begin_run(make_config(CAE, optimiser=SHORT, seed=5), tmp_path / "plain")
    trainer = begin_run(config_from(bare), tmp_path / "run")
    for name, tensor in plain.evidence.state_dict().items():
        assert torch.equal(trainer.evidence.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"evidence": {"width": 6, "context": 1}}, "evidence"),
        ({"standardisation": {"scale_db": 3.0}}, "standardisation"),
    ],
)
def test_a_model_of_another_shape_or_of_other_units_is_refused_before_a_folder_is_made(
    first, tmp_path, overrides, named
):
    with pytest.raises(ConfigError, match=f"another {named}"):
        begin_run(config_from(first, **overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_of_another_network_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"another network\.settings"):
        begin_run(config_from("cae"), tmp_path / "run")


def test_an_unknown_model_is_refused(tmp_path):
    with pytest.raises(ModelError):
        begin_run(config_from(tmp_path / "nowhere"), tmp_path / "run")


@pytest.mark.parametrize(
    ("preset", "model", "said"),
    [
        ("mae", "cae", "cae instead of mae"),
        ("cae-reference", "cae", "cae instead of cae-reference"),
        ("cae", "mae", "mae or mae-reference instead of cae"),
    ],
)
def test_the_command_line_names_the_model_that_does_not_fit_by_presets(tmp_path, capsys, preset, model, said):
    assert main(["train", "--preset", preset, "--weights", model, "--out", str(tmp_path / "run")]) == 4
    assert f"the model {model} has another network.preset: {said}" in " ".join(capsys.readouterr().err.split())


def test_the_finished_model_keeps_its_share_of_the_first_one(first, tmp_path):
    network = CAE["network"] | {"weights": str(first)}
    plain = make_config(CAE, network=network, optimiser=SHORT, seed=5)
    shared = make_config(CAE, network=network | {"weights_share": 0.25}, optimiser=SHORT, seed=5)
    trained, kept = (
        load_model(train_network(config, tmp_path / name).model_dir)
        for name, config in (("plain", plain), ("shared", shared))
    )
    begun = load_model(first)
    for part in ("network", "evidence"):
        before, after, mixed = (getattr(model, part).state_dict() for model in (begun, trained, kept))
        assert any(not torch.equal(before[name], after[name]) for name in before)
        for name, tensor in mixed.items():
            expected = 0.25 * before[name] + 0.75 * after[name] if tensor.is_floating_point() else after[name]
            torch.testing.assert_close(tensor, expected)
    assert kept.card.thresholds != trained.card.thresholds
    assert kept.card.provenance["weights_share"] == 0.25


def test_a_run_that_was_stopped_while_it_finished_averages_once(first, tmp_path):
    network = CAE["network"] | {"weights": str(first), "weights_share": 0.25}
    result = train_network(make_config(CAE, network=network, optimiser=SHORT, seed=5), tmp_path / "run")
    before = load_model(result.model_dir)
    again = load_model(resume_training(tmp_path / "run").model_dir)
    assert again.sha256 == before.sha256


def test_a_share_of_a_model_that_was_replaced_is_refused(first, tmp_path):
    begun = tmp_path / "begun"
    shutil.copytree(first, begun)
    network = CAE["network"] | {"weights": str(begun), "weights_share": 0.5}
    trainer = begin_run(make_config(CAE, network=network, optimiser=SHORT, seed=5), tmp_path / "run")
    trainer.run()
    shutil.rmtree(begun)
    shutil.copytree(trainer.run_dir / "model", begun)
    with pytest.raises(ModelError, match="not the model any more"):
        trainer.finish()


def test_scenes_held_out_that_an_earlier_model_has_learned_are_told_all_the_way_back(tmp_path):
    for day in range(20240101, 20240109):
        write_scene(tmp_path / f"S1A_{day}T04.tif", sea_power((100, 140), seed=day))
    everything = [str(tmp_path / "*.tif")]

    def train(name, model, told, *, scenes=everything, split_seed=3):
        data = CAE["data"] | {"scenes": scenes, "split_seed": split_seed}
        network = CAE["network"] | ({"weights": str(model)} if model else {})
        return train_network(make_config(CAE, data=data, network=network, optimiser=SHORT), tmp_path / name, told)

    told = Told()
    seen = train("seen", None, told).model_dir
    between = train("between", seen, told, scenes=[]).model_dir
    train("alike", between, told)
    assert told.warnings == []
    held_out = load_model(train("other", between, told, split_seed=5).model_dir).card.provenance["scenes"]["validation"]
    learned = load_model(seen).card.provenance["scenes"]["training"]
    assert set(learned) & set(held_out)
    (warning,) = told.warnings
    assert [name in warning for name in held_out] == [name in learned for name in held_out]
