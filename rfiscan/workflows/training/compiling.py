"""torch.compile for training: whether it works here, and what of a network must not be compiled."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rfiscan.errors import MissingExtraError
from rfiscan.networks import Autoencoder, EvidenceNetwork, Prediction
from rfiscan.networks.shared_norm import SharedBatchNorm2d


def require_compiler(device: torch.device) -> None:
    """Compile something small, before anything expensive starts.

    Raises:
        MissingExtraError: If that fails: torch needs a C++ compiler, and Triton on a GPU.
    """
    try:
        torch.compile(_small)(torch.zeros(64, device=device))
    except RuntimeError as error:  # all of torch's own are; their classes are no public names
        wanted = "Triton and a C compiler" if device.type == "cuda" else "a C++ compiler, such as g++"
        raise MissingExtraError(
            f"compile: true does not work here: {' '.join(str(error).split())[:200]}",
            hint=f"Install {wanted} (CXX may name it), or set compile: false.",
        ) from error


def training_calls(
    network: Autoencoder, evidence: EvidenceNetwork, *, compiled: bool
) -> tuple[Callable[..., Prediction], Callable[..., Tensor]]:
    """`Autoencoder.predict` and `EvidenceNetwork.forward`, compiled or not.

    The networks stay as they are, with the names of their weights. Random numbers are drawn outside of compiled code,
    which would draw its own, so that a resumed run can restore them. Statistics of batches are exchanged outside, too.
    """
    if not compiled:
        return network.predict, evidence.forward
    logging.getLogger("torch._dynamo").setLevel(logging.ERROR)  # it warns of every place where it compiles in pieces
    apart: list[tuple[nn.Module, str]] = [(network, "draw_rows"), (network, "draw_below")]
    modules = (*network.modules(), *evidence.modules())
    apart += [(module, "forward") for module in modules if isinstance(module, SharedBatchNorm2d)]
    for module, name in apart:
        setattr(module, name, torch.compiler.disable(getattr(module, name)))  # type: ignore[no-untyped-call]
    # crops are all of one size; a second network in a process is no reason to compile for any size, which may fail
    predict = torch.compile(network.predict, dynamic=False)

    def predict_by_layers(tiles: Tensor, valid: Tensor) -> Prediction:
        with _layers_in_parts():
            return predict(tiles, valid)

    return predict_by_layers, torch.compile(evidence.forward, dynamic=False)


@contextmanager
def _layers_in_parts() -> Iterator[None]:
    """Keep torch from fusing transformer layers that do not learn: compiled under autocast, that mixes precisions."""
    usual = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(usual)


def _small(x: torch.Tensor) -> torch.Tensor:
    return (x * 2.0 + 1.0).sin()
