"""What autoencoders are asked for: losses, and patches that are compared at zero mean and unit variance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rfiscan.errors import ConfigError
from rfiscan.networks import Prediction
from rfiscan.networks.losses import SPREAD_WEIGHT, l1_loss, laplace_loss
from rfiscan.networks.patches import patchify
from rfiscan.workflows.training.building import build_from_config
from rfiscan.workflows.training.objective import LOSSES, Objective, normalise_patches
from tests.test_train import CAE, MAE, make_config

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE, PATCH = (3, 2, 40, 60), (20, 20)


def draw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    mean, log_spread, target, chance = (torch.randn(SHAPE, generator=generator) for _ in range(4))
    return Prediction(mean.requires_grad_(), log_spread), target, chance > -1


def objective(**changes):
    given = {"loss": "mse", "ssim_weight": 0.0, "kl_weight": 1.0, "kl_warmup_share": 0.0, "patch": None}
    return Objective(**{**given, **changes})


def test_the_absolute_error_sees_no_spread():
    prediction, target, valid = draw()
    absolute = (target - prediction.mean).abs()[valid].mean()
    expected = absolute + SPREAD_WEIGHT * laplace_loss(prediction, target, valid)
    assert l1_loss(prediction, target, valid).item() == pytest.approx(expected.item(), rel=1e-5)
    l1_loss(prediction, target, valid).backward()
    sign = (prediction.mean.detach() - target).sign() * valid / valid.sum()
    assert torch.allclose(prediction.mean.grad, sign, atol=1e-8)


def test_patches_of_normalised_targets_have_mean_0_and_variance_1():
    prediction, target, _ = draw()
    _, scaled = normalise_patches(prediction, 3.0 * target + 7.0, torch.ones(SHAPE, dtype=torch.bool), PATCH)
    patches = patchify(scaled, PATCH).reshape(3, 6, 2, -1)
    assert patches.mean(dim=3).abs().max() < 1e-4
    assert patches.std(dim=3, correction=0).numpy() == pytest.approx(np.ones((3, 6, 2)), abs=1e-3)


@pytest.mark.parametrize("loss", ["l1", "mse"])
def test_normalised_targets_make_the_loss_blind_to_level_and_contrast(loss):
    prediction, target, _ = draw()
    valid, measure = torch.ones(SHAPE, dtype=torch.bool), objective(loss=loss, patch=PATCH)
    brighter = Prediction(5.0 * prediction.mean + 2.0, prediction.log_spread + np.log(5.0))
    first, same = measure(prediction, target, valid), measure(brighter, 5.0 * target + 2.0, valid)
    assert first.item() == pytest.approx(same.item(), rel=1e-3)
    plain = objective(loss=loss)
    assert plain(prediction, target, valid).item() != pytest.approx(
        plain(brighter, 5 * target + 2, valid).item(), rel=0.1
    )


def test_the_likelihood_learns_the_same_either_way():
    gradients = []
    for patch in (None, PATCH):
        prediction, target, valid = draw()
        compared = (prediction, target) if patch is None else normalise_patches(prediction, target, valid, patch)
        laplace_loss(*compared, valid).backward()
        gradients.append(prediction.mean.grad)
    assert torch.allclose(*gradients, atol=1e-7)


def test_the_setting_reaches_the_network_and_the_loss():
    network = build_from_config(make_config(MAE, normalise_targets=True))
    assert network.normalise_target
    assert Objective.of(make_config(MAE, normalise_targets=True), network).patch == PATCH
    assert Objective.of(make_config(MAE), build_from_config(make_config(MAE))).patch is None


@pytest.mark.parametrize("changes", [{"normalise_targets": True}, {"score": "bound"}])
def test_what_a_network_cannot_do_is_refused(changes):
    with pytest.raises(ConfigError, match="preset cae"):
        build_from_config(make_config(CAE, **changes))


@pytest.mark.parametrize("loss", LOSSES)
def test_ssim_is_added_by_its_weight(loss):
    prediction, target, valid = draw()
    alone, both = (objective(loss=loss, ssim_weight=weight)(prediction, target, valid).item() for weight in (0.0, 0.5))
    assert alone < both < alone + 1.0
