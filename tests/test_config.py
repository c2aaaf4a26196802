"""Configurations: what is wrong is named, what is meant is guessed, what was run can be run again."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfiscan.__main__ import main
from rfiscan.config.schema import TrainConfig, leaves
from rfiscan.config.sources import (
    assigned_settings,
    environment_settings,
    gather,
    known_keys,
    load_config,
    resolve,
)
from rfiscan.config.text import dump_config, template, with_origins
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
    with pytest.raises(ConfigError, match=rf"unknown key '{wrong}' in {path}, line 1") as caught:
        load_config(path)
    assert caught.value.hint == f"Did you mean '{meant}'?"
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("seed: -1", "seed", "-1"),
        ("seed: one", "seed", "'one'"),
        ("optimiser: {steps: 0}", "optimiser.steps", "0"),
        ("optimiser: {precision: fp8}", "optimiser.precision", "'fp8'"),
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
        ("standardisation: {clip: [6, -4]}", "standardisation.clip", r"\[6, -4\]"),
        ("scoring: {smooth_px: [0, 3]}", "scoring.smooth_px.0", "0"),
        ("optimiser: {learning_rate: .inf}", "optimiser.learning_rate", "inf"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(write, text, key, value):
    path = write(text)
    with pytest.raises(ConfigError, match=rf"^{key} in {path}, line \d: .*{value}"):
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


# where settings come from

VALUES = st.integers(1, 10**6)
PLACES = ("file", "environment", "set", "option")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=st.dictionaries(st.sampled_from(PLACES), VALUES))
def test_options_win_over_set_over_the_environment_over_the_file(tmp_path, values):
    path = tmp_path / "run.yaml"
    path.write_text("# first\n" + (f"optimiser:\n  steps: {values['file']}\n" if "file" in values else ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RFISCAN_OPTIMISER__STEPS", raising=False)
        if "environment" in values:
            patch.setenv("RFISCAN_OPTIMISER__STEPS", str(values["environment"]))
        assigned = [f"optimiser.steps={values['set']}"] if "set" in values else []
        found = gather(path, assigned, {"--steps": ("optimiser.steps", values.get("option"))})
    strongest = next((place for place in reversed(PLACES) if place in values), None)
    names = {
        None: "default",
        "file": f"{path}, line 3",
        "environment": "RFISCAN_OPTIMISER__STEPS",
        "set": f"--set {''.join(assigned)}",
        "option": "--steps",
    }
    assert found.config.optimiser.steps == values.get(strongest, TrainConfig().optimiser.steps)
    assert found.origins["optimiser.steps"] == names[strongest]
    assert found.origins["optimiser.batch"] == "default"


def test_every_setting_has_a_variable():
    keys = [key for key, _ in leaves(TrainConfig())]
    values = dict(leaves(TrainConfig()))
    environment = {f"RFISCAN_{key.upper().replace('.', '__')}": yaml.safe_dump(_plain(values[key])) for key in keys}
    found = environment_settings(environment)
    assert sorted(setting.key for setting in found) == sorted(keys)
    assert resolve(found).config == TrainConfig()


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def test_a_variable_that_names_no_setting_is_told_with_the_nearest():
    assert environment_settings({"HOME": "/", "RFISCAN_CACHE_DIR": "/tmp"}) == []
    with pytest.raises(ConfigError, match="RFISCAN_SEDE names no setting") as caught:
        environment_settings({"RFISCAN_SEDE": "3", "HOME": "/"})
    assert "'RFISCAN_SEED'" in caught.value.hint


@pytest.mark.parametrize("command", [["config", "show"], ["train"], ["sweep"], ["tune", "space.yaml"]])
def test_a_variable_that_names_no_setting_ends_a_command_with_4(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RFISCAN_OPTIMISR__STEPS", "100")
    assert main(command) == 4
    assert "RFISCAN_OPTIMISER__STEPS" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["seed", "=3", " =3"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(ConfigError, match="is no assignment"):
        assigned_settings([text])


def test_values_of_assignments_are_yaml_and_globs_are_text():
    found = resolve(
        assigned_settings(["data.scenes=*.png", "crop_shape=[96, 128]", "network.settings.width=16"])
    ).config
    assert found.data.scenes == ("*.png",)
    assert found.crop_shape == (96, 128)
    assert found.network.settings == {"width": 16}


def test_of_many_wrong_settings_one_is_told_and_the_rest_counted(write):
    path = write("seed: -1\n\ndata:\n  pool: 0\n")
    with pytest.raises(ConfigError, match=rf"^seed in {path}, line 1: .* greater than or equal to 0.*\(and 1 more\)"):
        load_config(path)


def test_a_network_gives_the_model_its_name_unless_it_has_one(write):
    assert load_config(write("network: {preset: mae}")).name == "mae"
    assert load_config(write("network: {preset: mae}\nname: mine")).name == "mine"
    assert load_config(write("{}")).name == "cae"


# as text


def test_a_template_reads_as_what_it_was_made_of_and_explains_every_key(write):
    config = resolve(assigned_settings(["network.preset=mae", "name='a # b: c'", "network.settings.width=16"])).config
    text = template(config)
    assert load_config(write(text)) == config
    lines = text.splitlines()
    keys = [i for i, line in enumerate(lines) if not line.lstrip().startswith("#")]
    assert len(keys) == len(known_keys())
    assert all(lines[i - 1].lstrip().startswith("# ") for i in keys)
    assert "# Seed of everything random (>= 0)\nseed: 0\n" in text
    assert "fp32 or bf16" in text


def test_origins_stand_behind_every_setting(write):
    found = gather(write("seed: 3\n"), ["optimiser.batch=2"], {})
    text = with_origins(found.config, found.origins)
    assert yaml.safe_load(text) == yaml.safe_load(dump_config(found.config))
    assert "  batch: 2  # --set optimiser.batch=2\n" in text
    assert text.count("  # ") == len(found.origins)


# the command


def test_init_writes_once_and_validate_takes_it(tmp_path, capsys):
    path = tmp_path / "train.yaml"
    assert main(["config", "init", str(path), "--set", "network.preset=mae"]) == 0
    assert main(["config", "init", str(path)]) == 7
    assert main(["config", "validate", str(path)]) == 0
    assert f"{path}: valid" in capsys.readouterr().out
    path.write_text("network: {preset: mea}\n")
    assert main(["config", "validate", str(path)]) == 4


def test_show_prints_what_train_would_take(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RFISCAN_SEED", "12")
    assert main(["config", "show", "--set", "optimiser.steps=5"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["seed"], shown["optimiser"]["steps"]) == (12, 5)
    assert main(["config", "show", "--origin"]) == 0
    assert "seed: 12  # RFISCAN_SEED" in capsys.readouterr().out


def test_the_schema_accepts_what_is_written(capsys):
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    written = yaml.safe_load(dump_config(TrainConfig()))
    jsonschema.validate(written, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written | {"sede": 1}, schema)
