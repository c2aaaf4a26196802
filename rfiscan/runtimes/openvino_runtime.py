"""Graphs in OpenVINO, on the CPU."""

from __future__ import annotations

import threading

import numpy as np
import openvino
from numpy.typing import NDArray


class OpenVinoRuntime:
    """A graph of `rfiscan.networks.onnx_graph.tile_graph` as a `rfiscan.tiling.reconstruction.TileRuntime`.

    Args:
        graph: ONNX.
        precision: "f32" or "bf16". Without a hint OpenVINO takes bfloat16 by itself where the processor has it.
        threads: Threads of all streams together, >= 1.
        streams: Calls that run side by side, >= 1.
    """

    backend = "openvino"

    def __init__(self, graph: bytes, *, precision: str = "f32", threads: int = 1, streams: int = 1) -> None:
        self.precision = precision
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
        }
        core = openvino.Core()
        self._compiled = core.compile_model(core.read_model(graph), "CPU", settings)
        self.weighs = len(self._compiled.outputs) == 3
        self._own = threading.local()

    def run(self, tiles: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """Reconstruct tiles, and weigh what is left of them; see `rfiscan.tiling.reconstruction.TileRuntime`."""
        if not hasattr(self._own, "request"):  # a request serves one thread at a time
            self._own.request = self._compiled.create_infer_request()
        found = self._own.request.infer([tiles, valid], share_inputs=True)
        return [np.array(found[output]) for output in self._compiled.outputs]


def has_bfloat16() -> bool:
    """Tell whether OpenVINO computes in bfloat16 on this processor."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
