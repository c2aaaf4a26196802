"""Load a model to run in a chosen runtime. Torch is imported only where it is needed."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from rfiscan.model_files.stored_model import RunnableModel, StoredModel, find_model
from rfiscan.runtimes.backends import choose_backend, thread_count
from rfiscan.runtimes.graph_cache import cached_graph
from rfiscan.tiling.reconstruction import TileRuntime


def load_runnable(
    name_or_path: str | Path,
    *,
    backend: str = "auto",
    precision: str = "f32",
    workers: int = 1,
    threads: int | None = None,
) -> RunnableModel:
    """Load a model for inference.

    Args:
        name_or_path: A bundled model's name ("cae", "mae"), which wins over a folder of that name, or a model's folder.
        backend: What computes: "auto" or one of `rfiscan.runtimes.backends.BACKENDS`.
        precision: One of `rfiscan.runtimes.backends.PRECISIONS`.
        workers: Threads that will run it side by side, >= 1; they share the cores.
        threads: Threads of OpenVINO and ONNX Runtime for all of them together; None for `thread_count`. Those of torch
            are the process's.

    Raises:
        ModelError: If there is no such model, or a file of it is missing or damaged.
        MissingExtraError: If the backend is not installed.
        UsageError: If the backend does not compute in that precision.
    """
    chosen, stored = choose_backend(backend, precision), find_model(name_or_path)
    runtime = _RUNTIMES[chosen](stored, precision, workers, threads or thread_count())
    own = {field.name: getattr(stored, field.name) for field in fields(stored)}
    return RunnableModel(**own, runtime=runtime)


def model_graph(stored: StoredModel) -> bytes:
    """The networks of a model as `rfiscan.networks.onnx_graph.tile_graph` converts them."""

    def convert() -> bytes:
        from rfiscan.model_files.checkpoint import load_model  # noqa: PLC0415 - it imports torch
        from rfiscan.networks.onnx_graph import tile_graph  # noqa: PLC0415

        model = load_model(stored.path)
        return tile_graph(model.network, model.evidence, tile_shape=model.card.tile_shape)

    return cached_graph(stored.sha256, convert)


def _in_torch(stored: StoredModel, precision: str, workers: int, threads: int) -> TileRuntime:  # noqa: ARG001 - threads are those of the process
    from rfiscan.model_files.checkpoint import load_model  # noqa: PLC0415 - it imports torch
    from rfiscan.networks.torch_runtime import TorchRuntime  # noqa: PLC0415

    model = load_model(stored.path)
    return TorchRuntime(model.network, model.evidence, precision=precision)


def _in_openvino(stored: StoredModel, precision: str, workers: int, threads: int) -> TileRuntime:
    from rfiscan.runtimes.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415 - an extra

    return OpenVinoRuntime(model_graph(stored), precision=precision, threads=threads, streams=workers)


def _in_onnx(stored: StoredModel, precision: str, workers: int, threads: int) -> TileRuntime:  # noqa: ARG001 - it has one precision
    from rfiscan.runtimes.onnx_runtime import OnnxRuntime  # noqa: PLC0415 - an extra

    return OnnxRuntime(model_graph(stored), threads=max(1, threads // workers))


_RUNTIMES = {"torch": _in_torch, "openvino": _in_openvino, "onnx": _in_onnx}
