"""Exported graphs: from decibels to anomaly maps, in files that programs without rfiscan can run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rfiscan.atomic import write_atomically
from rfiscan.errors import MissingExtraError
from rfiscan.runtimes.backends import is_installed

FORMATS = ("onnx", "openvino")

Arrays = Mapping[str, NDArray[Any]]


def require_format(name: str) -> None:
    """Refuse a format that cannot be written and run here.

    Args:
        name: One of `FORMATS`.

    Raises:
        MissingExtraError: If its package is not installed.
    """
    if not is_installed(name):
        raise MissingExtraError(f"exporting to {name} needs the extra {name}", hint=f"pip install 'rfiscan[{name}]'")


def graph_files(stem: str, name: str) -> tuple[str, ...]:
    """Names of the files of a graph; the first one is the one to open."""
    return (f"{stem}.onnx",) if name == "onnx" else (f"{stem}.xml", f"{stem}.bin")


def run_graph(path: Path, name: str, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Run an exported graph in float32.

    Args:
        path: The file to open.
        name: Its format, one of `FORMATS`.
        inputs: By name.

    Returns:
        Outputs by name.
    """
    if name == "onnx":
        import onnxruntime  # noqa: PLC0415 - an extra

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
    import openvino  # noqa: PLC0415 - an extra

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(dict(inputs))
    return {output.any_name: found[output].copy() for output in compiled.outputs}


def write_graph(folder: Path, stem: str, name: str, graph: bytes) -> list[Path]:
    """Write a graph; each file appears whole or not at all, the one to open last.

    Args:
        folder: Where to.
        stem: Name of the files without what follows the dot.
        name: Format, one of `FORMATS`.
        graph: ONNX.

    Returns:
        The files, the one to open first.

    Raises:
        OutputError: If one cannot be written.
    """
    paths = [folder / file for file in graph_files(stem, name)]
    if name == "onnx":
        write_atomically(paths[0], graph)
        return paths
    import openvino  # noqa: PLC0415 - an extra

    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / paths[0].name
        # weights are kept as they are: half precision would change scores
        openvino.save_model(openvino.Core().read_model(graph), made, compress_to_fp16=False)
        for path in reversed(paths):
            write_atomically(path, made.with_suffix(path.suffix).read_bytes())
    return paths
