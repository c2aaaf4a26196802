"""Muon for matrices and kernels, AdamW for the rest: torch's own are the oracle."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rfiscan.config.schema import OptimiserConfig
from rfiscan.model_files.checkpoint import optimiser_tensors, restore_optimiser
from rfiscan.workflows.training.optimisers import Muon, build_optimiser

RATE, DECAY = 0.01, 0.1
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def small_network(layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(4 * 5 * 6, 3)
    )
    return network.to(memory_format=layout)  # type: ignore[call-overload]


def take_steps(network: nn.Module, optimiser: torch.optim.Optimizer, count: int, seed: int = 5) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        optimiser.zero_grad(set_to_none=True)
        network(torch.randn(4, 2, 7, 8, generator=generator)).square().mean().backward()
        optimiser.step()


def muon_of(network: nn.Module) -> Muon:
    return Muon(network.parameters(), lr=RATE, weight_decay=DECAY)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_steps_are_those_of_torchs_own_optimisers(layout):
    network = small_network(layout)
    kernels = [p for p in network.parameters() if p.ndim > 1]
    matrices = [nn.Parameter(p.detach().clone().flatten(1)) for p in kernels]
    others = [p for p in network.parameters() if p.ndim == 1]
    copies = [nn.Parameter(p.detach().clone()) for p in others]
    oracles = (
        torch.optim.Muon(matrices, lr=RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(copies, lr=RATE, weight_decay=DECAY),
    )
    optimiser = muon_of(network)
    generator = torch.Generator().manual_seed(5)
    for _ in range(4):
        optimiser.zero_grad()
        network(torch.randn(4, 2, 7, 8, generator=generator)).square().mean().backward()
        for twin, parameter in zip([*matrices, *copies], [*kernels, *others], strict=True):
            assert parameter.grad is not None
            twin.grad = parameter.grad.clone().reshape(twin.shape)
        for each in (optimiser, *oracles):
            each.step()
    for parameter, twin in zip([*kernels, *others], [*matrices, *copies], strict=True):
        # products of bfloat16 are summed up in another order where columns are
        torch.testing.assert_close(parameter.detach().reshape(twin.shape), twin.detach(), atol=RATE / 20, rtol=0)


@given(st.integers(2, 12), st.integers(2, 12), st.floats(1e-3, 1e3))
def test_all_directions_of_a_matrix_are_learned_equally_fast(rows, cols, steepest):
    torch.manual_seed(rows * cols)
    matrix = nn.Parameter(torch.zeros(rows, cols))
    few = min(rows, cols)
    left, right = (torch.linalg.qr(torch.randn(n, n))[0][:, :few] for n in (rows, cols))
    matrix.grad = left @ torch.diag(steepest * torch.linspace(1.0, 0.1, few)) @ right.T
    Muon([matrix], lr=RATE, weight_decay=0.0).step()
    moved = torch.linalg.svdvals(matrix.detach()) / (RATE * 0.2 * max(rows, cols) ** 0.5)
    assert moved.max() < 1.5
    assert moved.min() > 0.5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_goes_on_from_a_kept_state_as_if_it_had_not_stopped(layout):
    network = small_network(layout)
    optimiser = muon_of(network)
    take_steps(network, optimiser, 3)
    resumed = copy.deepcopy(network)
    kept = muon_of(resumed)
    restore_optimiser(kept, {name: tensor.clone() for name, tensor in optimiser_tensors(optimiser).items()})
    for each, its in ((network, optimiser), (resumed, kept)):
        take_steps(each, its, 2, seed=6)
    for parameter, other in zip(network.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(parameter, other)


def test_what_has_no_gradient_stays():
    network = small_network()
    optimiser = muon_of(network)
    take_steps(network, optimiser, 1)
    frozen = [p.detach().clone() for p in network[0].parameters()]
    network[0].requires_grad_(requires_grad=False)
    free = network[2].weight.detach().clone()
    take_steps(network, optimiser, 2)
    assert all(torch.equal(p, before) for p, before in zip(network[0].parameters(), frozen, strict=True))
    assert not torch.equal(network[2].weight, free)


def test_a_closure_gives_the_loss():
    network = small_network()
    optimiser = muon_of(network)

    def loss():
        optimiser.zero_grad()
        value = network(torch.ones(2, 2, 7, 8)).square().mean()
        value.backward()
        return float(value.detach())

    first = optimiser.step(loss)
    assert first is not None
    assert loss() < first


def test_the_configuration_names_the_method():
    network = small_network()
    assert isinstance(build_optimiser(network.parameters(), OptimiserConfig()), Muon)
    assert isinstance(build_optimiser(network.parameters(), OptimiserConfig(method="adamw")), torch.optim.AdamW)
