"""Calibrated or not: what the user asks for, else what the model was trained on; the record says which."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan.__main__ import main
from rfiscan.errors import SceneError, UsageError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.detecting.calibration_choice import choose_calibration
from tests.make_calibration import constant_tables
from tests.make_scenes import make_quicklook_png, make_safe

SHAPE = (120, 160)
asked = st.sampled_from([None, True, False])
trained_on = st.sampled_from([(False, False), (True, False), (True, True)])


@pytest.fixture(scope="session")
def flat(model):
    return load_model(model)


@pytest.fixture
def product(tmp_path):
    tables = {"VV": constant_tables(SHAPE, noise=1e3), "VH": constant_tables(SHAPE, noise=1e3)}
    return make_safe(tmp_path, shape=SHAPE, spacing_m=500.0, tables=tables)


@pytest.fixture
def options(tmp_path):
    (tmp_path / "out").mkdir()
    return DetectOptions(out_dir=tmp_path / "out")


def trained(model, calibrated, denoised=False):
    return replace(model, card=replace(model.card, calibrated=calibrated, denoised=denoised))


@given(trained_on, asked, asked)
def test_the_user_decides_else_the_model(flat, of_model, calibrate, denoise):
    card = trained(flat, *of_model).card
    if denoise and calibrate is False:
        with pytest.raises(UsageError, match="--no-calibrate"):
            choose_calibration(card, calibrate, denoise)
        return
    calibrated, denoised = choose_calibration(card, calibrate, denoise)
    assert calibrated or not denoised
    if denoise is not None:
        assert denoised == denoise
    if calibrate is not None:
        assert calibrated == calibrate
    if calibrate is None and denoise is None:
        assert (calibrated, denoised) == of_model


@pytest.mark.parametrize(
    ("calibrate", "denoise", "units"),
    [(None, None, "dn"), (True, None, "sigma_nought"), (None, True, "sigma_nought"), (False, False, "dn")],
)
def test_the_record_says_what_was_done(product, flat, options, calibrate, denoise, units):
    record = detect_scene((product,), flat, replace(options, calibrate=calibrate, denoise=denoise))
    assert record["units"] == units
    assert record["calibrated"] is (units == "sigma_nought")
    assert record["denoised"] is bool(denoise)
    assert any("false-alarm rate does not hold" in warning for warning in record["warnings"]) == bool(denoise)


def test_a_model_gets_what_it_was_trained_on(product, flat, options):
    record = detect_scene((product,), trained(flat, calibrated=True, denoised=True), options)
    assert record["calibrated"] is record["denoised"] is True
    assert not any("trained on" in warning for warning in record["warnings"])
    denoised = detect_scene((product,), flat, replace(options, calibrate=True, denoise=True))
    assert denoised["centre_db"] == record["centre_db"]


def test_a_model_of_calibrated_scenes_tells_how_to_run_on_others(tmp_path, flat, options):
    picture, calibrated = make_quicklook_png(tmp_path / "look.png"), trained(flat, calibrated=True)
    with pytest.raises(SceneError) as caught:
        detect_scene((picture,), calibrated, options)
    assert "--no-calibrate" in caught.value.hint
    record = detect_scene((picture,), calibrated, replace(options, calibrate=False))
    assert any("works on power that is not calibrated" in warning for warning in record["warnings"])


def test_skip_existing_notices_a_change(product, flat, options):
    again = replace(options, skip_existing=True)
    first = detect_scene((product,), flat, again)
    assert detect_scene((product,), flat, replace(again, calibrate=False)) == first
    calibrated = detect_scene((product,), flat, replace(again, calibrate=True))
    assert calibrated["units"] == "sigma_nought"
    assert detect_scene((product,), flat, replace(again, calibrate=True, denoise=False)) == calibrated
    assert detect_scene((product,), flat, replace(again, denoise=True))["denoised"]


def test_records_from_before_calibration_count_as_not_calibrated(product, flat, options):
    first = detect_scene((product,), flat, options)
    old = {key: value for key, value in first.items() if key not in {"calibrated", "denoised"}}
    Path(first["outputs"]["record"]).write_text(json.dumps(old))
    again = replace(options, skip_existing=True)
    assert detect_scene((product,), flat, again) == old
    assert detect_scene((product,), flat, replace(again, calibrate=True))["calibrated"]


def test_noise_that_cannot_be_and_leaves_nothing_is_told(tmp_path, flat, options):
    tables = {"VV": constant_tables(SHAPE), "VH": constant_tables(SHAPE, amplitude=100.0, noise=2e3)}
    product = make_safe(tmp_path, shape=SHAPE, spacing_m=500.0, tables=tables)
    record = detect_scene((product,), flat, replace(options, denoise=True))
    assert any("of VH hold no more power than the noise" in warning for warning in record["warnings"])
    assert not any("of VV hold" in warning for warning in record["warnings"])


def test_the_switches_on_the_command_line(product, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for switches, expected in [
        ([], (False, False)),
        (["--calibrate"], (True, False)),
        (["--denoise"], (True, True)),
        (["--calibrate", "--no-denoise"], (True, False)),
        (["--no-calibrate"], (False, False)),
    ]:
        assert main(["detect", str(product), "--model", model, "--json", *switches]) == 0
        record = json.loads(capsys.readouterr().out)
        assert (record["calibrated"], record["denoised"]) == expected
