"""Graphs in ONNX Runtime, on the CPU."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray


class OnnxRuntime:
    """A graph of `rfiscan.networks.onnx_graph.tile_graph` as a `rfiscan.tiling.reconstruction.TileRuntime`.

    Args:
        graph: ONNX.
        threads: Threads of one call, >= 1.
    """

    backend, precision = "onnx", "f32"

    def __init__(self, graph: bytes, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only: what it folds and merges is its own business
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.weighs = len(self._session.get_outputs()) == 3

    def run(self, tiles: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """Reconstruct tiles, and weigh what is left of them; see `rfiscan.tiling.reconstruction.TileRuntime`."""
        return list(self._session.run(None, {"tiles": tiles, "valid": valid}))
