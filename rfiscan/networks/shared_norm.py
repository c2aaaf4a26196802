"""Batch norm over the tiles of all processes, so that a batch that is split gives what the whole one gives.

torch's own `SyncBatchNorm` does the same, but on GPUs only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _SharedNormalisation(torch.autograd.Function):
    """Normalise (N, C, h, w) by mean and variance of each channel over all processes.

    Source: Ioffe and Szegedy 2015 (Batch Normalization, arXiv:1502.03167), algorithm 1 and the gradients in section 3.
    What goes over pixels is left to torch's own kernels, each of which goes over them once, in the precision of the
    input, and sums in single precision at least.
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
        own_mean, own_variance = _own_statistics(x, weight)
        pixels = weight.new_tensor([x.numel() // x.shape[1]])
        sums = torch.cat([own_mean * pixels, pixels])
        dist.all_reduce(sums)
        mean, count = sums[:-1] / sums[-1], sums[-1]
        squares = (own_variance + (own_mean - mean).square()) * pixels  # about the mean: E[x^2] - E[x]^2 would cancel
        dist.all_reduce(squares)
        variance = squares / count
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance, count)
        return _normalise(x, weight, bias, mean, variance, eps), mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # noqa: ANN401
        """Gradients of input, weight and bias; the last two of this process alone, as of any parameter."""
        x, weight, mean, variance, count = ctx.saved_tensors
        # as if mean and variance were constants
        x_gradient, weight_gradient, bias_gradient = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        both = torch.stack([bias_gradient, weight_gradient])
        dist.all_reduce(both)
        of_mean, of_spread = both / count
        inverse = torch.rsqrt(variance + ctx.eps)
        # what follows from their depending on the input: weight * inverse * (of_mean + standardised x * of_spread)
        slope = weight * inverse.square() * of_spread
        through_both = _normalise(x, slope, weight * inverse * of_mean, mean, torch.ones_like(variance), 0.0)
        return x_gradient.sub_(through_both), weight_gradient, bias_gradient, None


def _own_statistics(x: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (C,) over the pixels of this process, in the precision of ``like``."""
    unused = torch.zeros_like(like), torch.ones_like(like)  # without running statistics it answers in that of x
    mean, variance = torch.batch_norm_update_stats(x, *unused, 0.0)
    return mean, variance


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias for each channel, in the precision of x."""
    return torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)[0]


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
