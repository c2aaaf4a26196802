"""Batch norm over the tiles of all processes, so that a batch that is split gives what the whole one gives.

torch's own `SyncBatchNorm` does the same, but on GPUs only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

_PIXELS = (0, 2, 3)


class _SharedNormalisation(torch.autograd.Function):
    """Normalise (N, C, h, w) by mean and variance of each channel over all processes.

    Source: Ioffe and Szegedy 2015 (Batch Normalization, arXiv:1502.03167), algorithm 1 and the gradients in section 3.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own, of no public type
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns the normalised input, and mean, variance (C,) and pixel count of all processes."""
        values = _precise(x)
        sums = torch.cat([values.sum(_PIXELS), values.new_tensor([values[:, 0].numel()])])
        dist.all_reduce(sums)
        count = sums[-1]
        mean = sums[:-1] / count
        squares = (values - _map(mean)).square().sum(_PIXELS)  # about the mean: E[x^2] - E[x]^2 would cancel
        dist.all_reduce(squares)
        variance = squares / count
        inverse = torch.rsqrt(variance + eps)
        ctx.save_for_backward(x, weight, mean, inverse, count)
        ctx.mark_non_differentiable(mean, variance, count)
        normalised = (values - _map(mean)) * _map(inverse * weight) + _map(bias)
        return normalised.to(x.dtype), mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # noqa: ANN401
        """Gradients of input, weight and bias; the last two of this process alone, as of any parameter."""
        x, weight, mean, inverse, count = ctx.saved_tensors
        gradient = _precise(gradient)
        standard = (_precise(x) - _map(mean)) * _map(inverse)
        bias_gradient, weight_gradient = gradient.sum(_PIXELS), (gradient * standard).sum(_PIXELS)
        both = torch.stack([bias_gradient, weight_gradient])
        dist.all_reduce(both)
        of_mean, of_spread = both / count
        x_gradient = (gradient - _map(of_mean) - standard * _map(of_spread)) * _map(inverse * weight)
        return x_gradient.to(x.dtype), weight_gradient, bias_gradient, None


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` whose statistics in training are those of the tiles of all processes.

    Its parameters and buffers have the same names. Processes may hold tiles in different numbers.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """(N, C, h, w) -> (N, C, h, w)."""
        if not self.training:
            return super().forward(input)
        outputs = _SharedNormalisation.apply(input, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        normalised: Tensor = outputs[0]
        mean, variance, count = outputs[1:]
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)  # unbiased, as torch keeps it
        return normalised


def share_batch_norms(network: nn.Module) -> None:
    """Let every batch norm of a network take the tiles of all processes into account; weights stay as they are."""
    for name, child in network.named_children():
        if type(child) is nn.BatchNorm2d:
            shared = SharedBatchNorm2d(child.num_features, child.eps, child.momentum)
            shared.weight, shared.bias = child.weight, child.bias
            shared.running_mean, shared.running_var = child.running_mean, child.running_var
            shared.num_batches_tracked = child.num_batches_tracked
            setattr(network, name, shared.train(child.training))
        else:
            share_batch_norms(child)


def _precise(x: Tensor) -> Tensor:
    """In single precision at least: sums over many pixels lose too much in half."""
    return x.float() if x.dtype in {torch.float16, torch.bfloat16} else x


def _map(values: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, 1)."""
    return values[None, :, None, None]
