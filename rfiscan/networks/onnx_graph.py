"""Networks as ONNX graphs, which other runtimes read."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from rfiscan.networks.base import Autoencoder
from rfiscan.networks.evidence import Evidence
from rfiscan.networks.frozen import FrozenModel

OPSET = 18
"""Version of the operators: of December 2022, so that runtimes of the last years know them all."""

TILE_INPUTS, TILE_OUTPUTS = ("tiles", "valid"), ("mean", "spread", "log_odds")


def tile_graph(
    network: Autoencoder, evidence: Evidence | None = None, *, tile_shape: tuple[int, int] = (340, 500)
) -> bytes:
    """Convert what a `rfiscan.tiling.reconstruction.TileRuntime` runs.

    Args:
        network: Trained.
        evidence: Trained, or None.
        tile_shape: (h, w) of the tiles.

    Returns:
        An ONNX graph with the inputs ``tiles`` (float32) and ``valid`` (bool), shape (N, 2, h, w) each, and the outputs
        ``mean``, ``spread`` and, with an evidence network, ``log_odds``, of the same shape, float32; any N.
    """
    tiles = torch.zeros(2, 2, *tile_shape)
    inputs = dict(zip(TILE_INPUTS, (tiles, torch.ones_like(tiles, dtype=torch.bool)), strict=True))
    return convert(FrozenModel(network, evidence), inputs, TILE_OUTPUTS[: 2 if evidence is None else 3])


def convert(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """Convert a module to an ONNX graph whose first axes, the number of tiles, may have any length.

    Args:
        module: In evaluation mode.
        inputs: Examples by name, in order of the arguments.
        outputs: Names of what it returns.
    """
    written = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # tracing warns of every test of a shape, which is the same for all tiles; and that it has a successor, which
        # needs one more library and takes longer
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            written,  # type: ignore[arg-type] # files in memory are taken, too
            dynamo=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "tiles"} for name in (*inputs, *outputs)},
            opset_version=OPSET,
        )
    return written.getvalue()
