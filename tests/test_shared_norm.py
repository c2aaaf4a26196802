"""Batch norm over processes, by itself: in one process it is torch's own. tests/test_distributed.py has two."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rfiscan.networks import shared_norm
from rfiscan.networks.shared_norm import SharedBatchNorm2d


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.setattr(shared_norm.dist, "all_reduce", lambda sums: sums)


def outcome(norm, x, gradient):
    """Output, gradients and running statistics after two steps."""
    x = x.clone().requires_grad_()
    for _ in range(2):
        y = norm(x)
        y.backward(gradient)
    assert y.dtype == x.dtype
    return y, x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("precision", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)]
)
def test_one_process_has_the_batch_norm_of_torch(memory_format, precision, tolerance):
    generator = torch.Generator().manual_seed(3)
    x, gradient = (torch.randn(3, 5, 7, 9, generator=generator) for _ in range(2))
    x, gradient = ((2 * v + 3).to(precision).to(memory_format=memory_format) for v in (x, gradient))
    parameters = torch.float64 if precision == torch.float64 else torch.float32
    shared, own = SharedBatchNorm2d(5).to(parameters), nn.BatchNorm2d(5).to(parameters)
    for norm in (shared, own):
        nn.init.uniform_(norm.weight, generator=torch.Generator().manual_seed(4))
    for found, wanted in zip(outcome(shared, x, gradient), outcome(own, x, gradient), strict=True):
        assert found.dtype == wanted.dtype
        scale = wanted.abs().max().item()
        torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance * scale)


def test_the_mean_of_pictures_far_from_zero_does_not_drown_their_variance():
    x = torch.randn(2, 1, 50, 50, generator=torch.Generator().manual_seed(5)) + 3000
    y = SharedBatchNorm2d(1)(x)
    assert y.std().item() == pytest.approx(1.0, abs=1e-2)
