"""Configurations: what is wrong is named, what is meant is guessed, what was run can be run again."""

from __future__ import annotations

import pytest
import yaml

from rfiscan.config import TrainConfig, dump_config, load_config
from rfiscan.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write_config(text):
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_config


def test_without_a_file_there_are_defaults(write):
    assert load_config(None) == load_config(write("")) == load_config(write("# nothing\n")) == TrainConfig()


def test_what_a_file_leaves_out_has_its_default(write):
    config = load_config(write("seed: 5\noptimiser:\n  learning_rate: 1e-3\n"))
    assert config.seed == 5
    assert config.optimiser.learning_rate == 1e-3
    assert config.optimiser.batch == TrainConfig().optimiser.batch


@pytest.mark.parametrize(
    ("text", "wrong", "meant"),
    [
        ("sede: 1", "sede", "seed"),
        ("optimizer: {}", "optimizer", "optimiser"),
        ("optimiser: {learning_rte: 1}", "optimiser.learning_rte", "optimiser.learning_rate"),
        ("data: {scene: []}", "data.scene", "data.scenes"),
        ("standardisation: {scale: 3}", "standardisation.scale", "standardisation.scale_db"),
        ("network: {presets: cae}", "network.presets", "network.preset"),
        ("evidence: {widht: 3}", "evidence.widht", "evidence.width"),
    ],
)
def test_an_unknown_key_names_the_nearest_one(write, text, wrong, meant):
    path = write(text)
    with pytest.raises(ConfigError, match=f"unknown key '{wrong}' in {path}") as caught:
        load_config(path)
    assert caught.value.hint == f"Did you mean '{meant}'?"
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("seed: -1", "seed", "-1"),
        ("seed: one", "seed", "'one'"),
        ("optimiser: {steps: 0}", "optimiser.steps", "0"),
        ("optimiser: {precision: fp16}", "optimiser.precision", "'fp16'"),
        ("objective: guess", "objective", "'guess'"),
        ("tile_shape: [340]", "tile_shape.1", r"required, got \[340\]"),
        ("tile_shape: [340, 0]", "tile_shape.1", "0"),
        ("crop_shape: [100, 501]", "crop_shape", r"\[100, 501\]"),
        ("tile_shape: [96, 128]\ncrop_shape: [128, 96]", "crop_shape", r"\[128, 96\]"),
        ("data: {validation_share: 1}", "data.validation_share", "1"),
        ("optimiser:", "optimiser", "None"),
        ("network: {settings: 3}", "network.settings", "3"),
        ("evidence: {width: 0}", "evidence.width", "0"),
        ("evidence: {context: 0}", "evidence.context", "0"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(write, text, key, value):
    path = write(text)
    with pytest.raises(ConfigError, match=f"^{key} in {path}: .*{value}"):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "holds no keys"),
        ("just words", "holds no keys"),
        ("a: [1, 2", "not valid YAML"),
        ("3", "no keys"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(write, text, says):
    with pytest.raises(ConfigError, match=says) as caught:
        load_config(write(text))
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(tmp_path / "binary.yaml")


def test_yaml_makes_no_python_objects(write):
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(write("seed: !!python/object/apply:os.getpid []"))


def test_overrides_win_over_the_file(write):
    path = write("seed: 1\noptimiser: {steps: 5, batch: 2}\n")
    config = load_config(path, {"seed": 9, "optimiser.steps": 7, "network.settings": {"width": 8}})
    assert (config.seed, config.optimiser.steps, config.optimiser.batch) == (9, 7, 2)
    assert config.network.settings == {"width": 8}


def test_overrides_leave_the_callers_values_alone():
    data = {"pool": 3}
    config = load_config(None, {"data": data, "data.scenes": ["a.png"]})
    assert config.data.scenes == ("a.png",)
    assert data == {"pool": 3}


def test_an_override_fills_an_empty_section(write):
    assert load_config(write("optimiser:\n"), {"optimiser.steps": 3}).optimiser.steps == 3


def test_an_override_of_what_is_no_section_is_refused(write):
    with pytest.raises(ConfigError, match="optimiser is 5"):
        load_config(write("optimiser: 5\n"), {"optimiser.steps": 3})


def test_a_wrong_override_is_an_error():
    with pytest.raises(ConfigError, match=r"unknown key 'optimiser\.step'"):
        load_config(None, {"optimiser.step": 3})
    with pytest.raises(ConfigError, match=r"optimiser\.steps: .*0"):
        load_config(None, {"optimiser.steps": 0})


def test_a_configuration_that_was_written_reads_as_the_same(write):
    config = load_config(
        None,
        {
            "name": "première",
            "crop_shape": [96, 128],
            "data.scenes": ["clean/*.png", "[x].tif"],
            "network": {"preset": "mae", "settings": {"patch": [20, 20], "width": 16}},
            "evidence": {"width": 7, "context": 2},
            "optimiser.learning_rate": 1e-5,
        },
    )
    assert load_config(write(dump_config(config))) == config
    assert load_config(write(dump_config(TrainConfig()))) == TrainConfig()


def test_a_written_configuration_states_every_key():
    assert yaml.safe_load(dump_config(TrainConfig())).keys() == TrainConfig.model_fields.keys()


def test_a_configuration_does_not_change_once_made():
    with pytest.raises(ValueError, match="frozen"):
        load_config(None).optimiser.steps = 3
