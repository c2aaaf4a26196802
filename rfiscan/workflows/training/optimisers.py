"""What changes the weights by their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from rfiscan.config.schema import OptimiserConfig


def build_optimiser(parameters: Iterable[nn.Parameter], options: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser that the configuration names, for all of the parameters."""
    lr, weight_decay = options.learning_rate, options.weight_decay
    if options.method == "muon":
        return Muon(parameters, lr=lr, weight_decay=weight_decay)
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)


class Muon(torch.optim.Optimizer):
    """Matrices and kernels of convolutions by Muon, all other parameters by AdamW.

    Muon moves a matrix by the nearest orthogonal one to its momentum, so that all directions are learned equally fast,
    also those whose gradients are small: see https://kellerjordan.github.io/posts/muon. A kernel (C', C, k, l) is a
    matrix (C', C k l), as it is there. Steps are of the size that AdamW's would be, so that both have one learning rate
    (Liu et al. 2025, Muon is Scalable for LLM Training, arXiv:2502.16982, section 2.2).

    Args:
        parameters: All that learn; those of one axis go to AdamW.
        lr: Learning rate.
        weight_decay: Share of the weights that a step takes off, in units of the learning rate.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float) -> None:
        every = list(parameters)
        kernels, others = [p for p in every if p.ndim > 1], [p for p in every if p.ndim <= 1]
        super().__init__([{"params": kernels}, {"params": others}], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override] # as torch's
        """Change all parameters that have a gradient; returns the loss if ``closure`` gives it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group, change in zip(self.param_groups, (self._by_muon, self._by_adamw), strict=True):
            learning = [parameter for parameter in group["params"] if parameter.grad is not None]
            if learning:
                change(learning, group["lr"], group["weight_decay"])
        return loss

    # torch's own keep their state by parameter: they are made anew for each step, and given the state that is kept here

    def _by_muon(self, kernels: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        matrices = [nn.Parameter(_as_matrix(kernel.detach(), kernel)) for kernel in kernels]
        muon = torch.optim.Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        for kernel, matrix in zip(kernels, matrices, strict=True):
            assert kernel.grad is not None
            matrix.grad = _as_matrix(kernel.grad, kernel)
            kept = self.state[kernel]
            if not kept:
                kept["momentum_buffer"] = torch.zeros_like(kernel)
            muon.state[matrix]["momentum_buffer"] = _as_matrix(kept["momentum_buffer"], kernel)
        muon.step()  # type: ignore[no-untyped-call]

    def _by_adamw(self, parameters: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        adamw = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)
        for parameter in parameters:
            adamw.state[parameter] = self.state[parameter]
        adamw.step()


def _as_matrix(values: Tensor, kernel: Tensor) -> Tensor:
    """(C', C, k, l) -> (C', C k l), columns as the kernel lies in memory: a view of what lies there as it does."""
    in_order = values if kernel.is_contiguous() else values.movedim(1, -1)
    return in_order.reshape(len(values), -1)
