"""Search spaces: what they take, and how they refuse the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan.config.schema import leaves
from rfiscan.config.search_space import UNTUNABLE, Dimension, read_space, with_values
from rfiscan.errors import ConfigError
from tests.test_train import make_config


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        (tmp_path / "space.yaml").write_text(text)
        return {d.key: d for d in read_space(tmp_path / "space.yaml", make_config())}

    return read_text


def test_ranges_and_choices_are_read_flat_or_nested(read):
    space = read(
        "optimiser.learning_rate: {low: 1e-4, high: 0.01, log: true}\n"  # YAML takes 1e-4 for text
        "optimiser:\n  batch: {low: 1, high: 9, step: 2}\n"
        "data: {contaminated_share: {low: 0, high: 1}}\n"
        "loss: {choices: [laplace, mse]}\n"
        "network.settings.width: {low: 2, high: 8}\n"
        "scoring.smooth_px: {choices: [[3, 7], [1, 1]]}\n"
        "ssim_weight: {choices: [0, 1e-1]}\n"
    )
    rate = space["optimiser.learning_rate"]
    assert (rate.low, rate.high, rate.log, rate.step) == (1e-4, 0.01, True, None)
    assert rate.place.endswith("space.yaml, line 1")
    batch = space["optimiser.batch"]
    assert (batch.low, batch.high, batch.step) == (1, 9, 2)
    assert isinstance(batch.low, int)
    assert isinstance(space["data.contaminated_share"].high, float), "a share is no whole number"
    assert isinstance(space["network.settings.width"].low, int)
    assert space["loss"].choices == ("laplace", "mse")
    assert space["scoring.smooth_px"].choices == ([3, 7], [1, 1])
    assert space["ssim_weight"].choices == (0, 0.1)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("", "holds no search space", "low: 1"),
        ("- 1\n", "holds no keys", ""),
        ("optimiser.lerning_rate: {low: 0.1, high: 1}", "unknown key 'optimiser.lerning_rate'", "learning_rate'?"),
        ("optimiser.batch: {lo: 1, high: 4}", "optimiser.batch.lo", "Did you mean 'low'?"),
        ("optimiser.batch: 4", "neither a range nor choices", "optimiser.batch: {low"),
        ("low: 4", "neither a range nor choices", "choices"),
        ("optimiser.batch: {low: 0, high: 4}", "optimiser.batch", ""),
        ("optimiser.batch: {low: 1.5, high: 4}", "optimiser.batch", ""),
        ("optimiser.batch: {low: 4, high: 4}", "low is below high", ""),
        ("optimiser.batch: {low: 1}", "low and high are numbers", ""),
        ("optimiser.batch: {low: true, high: 3}", "low and high are numbers", ""),
        ("optimiser.batch: {low: 1, high: .inf}", "low and high are numbers", ""),
        ("optimiser.batch: {low: 1, high: 4, log: maybe}", "true or false", ""),
        ("optimiser.batch: {low: 1, high: 4, step: 5}", "step is a number", ""),
        ("optimiser.batch: {low: 1, high: 4, step: one}", "step is a number", ""),
        ("ssim_weight: {low: 0, high: 4, log: true}", "begins above 0", ""),
        ("optimiser.batch: {low: 1, high: 4, step: 1, log: true}", "has no step", ""),
        ("loss: {choices: []}", "choices are a list", ""),
        ("loss: {choices: mse}", "choices are a list", ""),
        ("loss: {choices: [mse], log: true}", "choices are a list", ""),
        ("loss: {choices: [mse, mae]}", "'laplace', 'l1' or 'mse'", ""),
        ("data.scenes: {choices: [a.png]}", "could not be compared", ""),
    ],
)
def test_what_is_no_space_is_told_with_its_place(read, text, told, hint):
    with pytest.raises(ConfigError) as error:
        read(text)
    assert told in str(error.value)
    assert hint in error.value.hint
    assert "space.yaml" in str(error.value)


def test_what_cannot_be_tuned_are_settings():
    assert UNTUNABLE.keys() <= {key for key, _ in leaves(make_config())}


@given(st.floats(1e-6, 1.0), st.integers(1, 64), st.sampled_from(["laplace", "mse"]))
def test_replaced_values_are_the_only_ones_that_differ(rate, batch, loss):
    base, new = make_config(), {"optimiser.learning_rate": rate, "optimiser.batch": batch, "loss": loss}
    made = dict(leaves(with_values(base, new)))
    assert made == dict(leaves(base)) | new


def test_replacing_one_setting_of_a_network_keeps_the_others():
    made = with_values(make_config(), {"network.settings.width": 8})
    assert made.network.settings == {**make_config().network.settings, "width": 8}


def test_ends_prove_a_dimension():
    assert Dimension(key="seed", place="", low=1, high=3).ends == (1, 3)
    assert Dimension(key="seed", place="", choices=(4, 5, 6)).ends == (4, 5, 6)
