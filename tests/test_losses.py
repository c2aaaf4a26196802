"""Losses agree with other libraries, and invalid pixels have no say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from skimage.metrics import structural_similarity

from rfiscan.networks import Prediction
from rfiscan.networks.losses import SSIM_RANGE, evidence_loss, laplace_loss, mse_loss, ssim, ssim_map

SHAPE = (3, 2, 24, 32)
LOSSES = {
    "laplace": laplace_loss,
    "mse": mse_loss,
    "ssim": lambda prediction, target, valid: ssim(prediction.mean, target, valid).nansum(),
    "evidence": lambda prediction, target, valid: evidence_loss(prediction.mean, target > 1, valid),
}


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


def draw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    mean, log_spread, target, chance = (torch.randn(SHAPE, generator=generator) for _ in range(4))
    mean.requires_grad_()
    log_spread.requires_grad_()
    return Prediction(mean, log_spread), target, chance > -1


def test_the_laplace_loss_is_the_negative_log_likelihood_less_a_constant():
    prediction, target, valid = draw()
    mean, spread = prediction.mean.detach().numpy(), prediction.log_spread.detach().exp().numpy()
    expected = -scipy.stats.laplace.logpdf(target.numpy(), mean, spread) - np.log(2)
    assert laplace_loss(prediction, target, valid).item() == pytest.approx(expected[valid.numpy()].mean(), rel=1e-5)


def test_the_squared_error_sees_no_spread():
    prediction, target, valid = draw()
    inside = valid.numpy()
    squared = ((target - prediction.mean.detach()).numpy() ** 2)[inside].mean()
    expected = squared + 0.1 * laplace_loss(prediction, target, valid).item()
    assert mse_loss(prediction, target, valid).item() == pytest.approx(expected, rel=1e-5)
    mse_loss(prediction, target, valid).backward()
    weight = torch.from_numpy(inside) / inside.sum()
    assert torch.allclose(prediction.mean.grad, 2 * (prediction.mean.detach() - target) * weight, atol=1e-7)
    assert prediction.log_spread.grad.any()


def test_the_best_spread_is_the_mean_absolute_error():
    target = torch.randn(SHAPE)
    valid = torch.ones(SHAPE, dtype=torch.bool)
    best = target.abs().mean().log()

    def at(log_spread):
        flat = Prediction(torch.zeros(SHAPE), torch.full(SHAPE, float(log_spread)))
        return laplace_loss(flat, target, valid)

    assert at(best) < at(best - 0.1)
    assert at(best) < at(best + 0.1)


@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0])
def test_ssim_agrees_with_scikit_image(noise):
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.normal(size=(40, 56)), axis=1)
    x /= x.std()
    y = x + noise * rng.normal(size=x.shape)
    _, expected = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=SSIM_RANGE, full=True
    )
    ours = ssim_map(*(torch.from_numpy(a)[None, None] for a in (x, y)))[0, 0].numpy()
    assert ours[5:-5, 5:-5] == pytest.approx(expected[5:-5, 5:-5], abs=1e-6)


def test_ssim_of_a_tile_with_itself_is_one_for_each_polarization():
    x = torch.randn(SHAPE)
    assert ssim(x, x, torch.ones(SHAPE, dtype=torch.bool)).numpy() == pytest.approx(np.ones(2), abs=1e-5)


def test_ssim_is_averaged_over_valid_pixels_of_each_polarization():
    x, y = torch.randn(SHAPE), torch.randn(SHAPE)
    valid = torch.ones(SHAPE, dtype=torch.bool)
    valid[:, 0, :12] = False
    similarity = ssim_map(x * valid, y * valid)
    expected = [similarity[:, 0][valid[:, 0]].mean().item(), similarity[:, 1].mean().item()]
    assert ssim(x, y, valid).numpy() == pytest.approx(np.array(expected), abs=1e-6)


def test_invalid_pixels_change_neither_loss_nor_gradient(loss):
    prediction, target, valid = draw()
    value = loss(prediction, target, valid)
    value.backward()
    gradient = prediction.mean.grad.clone()
    assert not gradient[~valid].any()

    again, _, _ = draw()
    noise = torch.where(valid, 0.0, 50 * torch.randn(SHAPE))
    with torch.no_grad():
        again.mean.add_(noise)
        again.log_spread.add_(noise.sign())
    changed = loss(again, target - 3 * noise, valid)
    changed.backward()
    assert changed.item() == pytest.approx(value.item(), rel=1e-6)
    assert torch.allclose(again.mean.grad, gradient, atol=1e-8)


@pytest.mark.parametrize("absent", [(0,), (1,), (0, 1)])
def test_an_absent_polarization_gives_no_nan_gradient(loss, absent):
    prediction, target, valid = draw()
    valid[:, list(absent)] = False
    value = loss(prediction, target, valid)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(prediction.mean.grad).all()
    assert not prediction.mean.grad[:, list(absent)].any()
    assert prediction.mean.grad.any() == (len(absent) == 1)


def test_ssim_of_an_absent_polarization_is_nan_and_leaves_the_other_alone():
    x, y = torch.randn(SHAPE), torch.randn(SHAPE)
    valid = torch.ones(SHAPE, dtype=torch.bool)
    both = ssim(x, y, valid)
    valid[:, 1] = False
    one = ssim(x, y, valid)
    assert one[0] == pytest.approx(both[0].item())
    assert torch.isnan(one[1])


def test_the_evidence_loss_is_the_mean_cross_entropy_of_valid_pixels():
    prediction, target, valid = draw()
    log_odds, truth = 3 * prediction.mean.detach(), target > 1
    entropies = []
    for odds, is_true, counts in zip(*(x.numpy().ravel() for x in (log_odds, truth, valid)), strict=True):
        if counts:
            chance = 1 / (1 + np.exp(-np.float64(odds)))
            entropies.append(-np.log(chance if is_true else 1 - chance))
    assert evidence_loss(log_odds, truth, valid).item() == pytest.approx(np.mean(entropies), rel=1e-5)


@pytest.mark.parametrize(("right", "expected"), [(True, 0.0), (False, 1e4)])
def test_the_evidence_loss_of_extreme_log_odds_is_finite(right, expected):
    valid = torch.ones(SHAPE, dtype=torch.bool)
    truth = torch.rand(SHAPE) < 0.5
    log_odds = torch.where(truth == right, 1e4, -1e4)
    assert evidence_loss(log_odds, truth, valid).item() == pytest.approx(expected)


def test_evidence_is_pulled_towards_the_truth_of_its_own_polarization():
    prediction, target, valid = draw()
    truth = target > 1
    evidence_loss(prediction.mean, truth, valid).backward()
    assert (prediction.mean.grad[valid & truth] < 0).all()
    assert (prediction.mean.grad[valid & ~truth] > 0).all()


def test_a_constant_tile_has_a_finite_gradient(loss):
    flat = torch.zeros(SHAPE, requires_grad=True)
    spread = torch.zeros(SHAPE, requires_grad=True)
    prediction = Prediction(flat, spread)
    loss(prediction, torch.zeros(SHAPE), torch.ones(SHAPE, dtype=torch.bool)).backward()
    assert torch.isfinite(flat.grad).all()


def test_a_pixel_that_weighs_three_counts_like_three():
    torch.manual_seed(0)
    log_odds, truth = torch.randn(1, 2, 1, 4), torch.rand(1, 2, 1, 4) < 0.5
    valid = torch.ones_like(truth)
    weights = torch.tensor([1.0, 3.0, 1.0, 1.0]).expand(1, 2, 1, 4)
    thrice = [0, 1, 1, 1, 2, 3]
    expected = evidence_loss(log_odds[..., thrice], truth[..., thrice], valid[..., thrice])
    assert evidence_loss(log_odds, truth, valid, weights).item() == pytest.approx(expected.item(), rel=1e-5)
