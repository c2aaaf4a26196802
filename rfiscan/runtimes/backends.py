"""Which runtimes there are, which of them are installed, and which one to take."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from rfiscan.errors import MissingExtraError, UsageError

BACKENDS = ("torch", "openvino", "onnx")
PRECISIONS = ("f32", "bf16")

FASTEST_FIRST = ("openvino", "onnx", "torch")
"""Backends by the speed of whole runs on a CPU, in docs/performance.md: without torch there is no waiting for it."""

PACKAGES = {"torch": ("torch",), "openvino": ("openvino", "onnx"), "onnx": ("onnxruntime", "onnx")}
"""What each backend imports, and what converts models for it; the extra has the name of the backend."""


def choose_backend(wanted: str = "auto", precision: str = "f32") -> str:
    """Choose a backend.

    Args:
        wanted: One of `BACKENDS`, or "auto": torch on a GPU, else the fastest one that is installed.
        precision: One of `PRECISIONS`.

    Raises:
        MissingExtraError: If the wanted one is not installed.
        UsageError: If it does not compute in that precision.
    """
    if wanted == "auto":
        if has_gpu():
            return "torch"
        return next(name for name in FASTEST_FIRST if is_installed(name) and _computes(name, precision))
    if not is_installed(wanted):
        raise MissingExtraError(
            f"the backend {wanted} needs {' and '.join(PACKAGES[wanted])}",
            hint=f"Install it: pip install 'rfiscan[{wanted}]'.",
        )
    if not _computes(wanted, precision):
        raise UsageError(
            f"the backend {wanted} does not compute in {precision} here",
            hint="Leave --backend or --precision out.",
        )
    return wanted


def is_installed(backend: str) -> bool:
    """Tell whether the packages of a backend are there; they are not imported."""
    return all(find_spec(package) is not None for package in PACKAGES[backend])


def has_gpu() -> bool:
    """Tell whether torch would find a GPU, without importing it: by its build and the driver."""
    try:
        built_for = version("torch")
    except PackageNotFoundError:
        return False
    return "+cpu" not in built_for and Path("/dev/nvidiactl").exists()


def thread_count() -> int:
    """Threads that a runtime may use: OMP_NUM_THREADS, which torch heeds, too, or the cores of this process."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if text.isdecimal() and int(text):
        return int(text)
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _computes(backend: str, precision: str) -> bool:
    if precision == "f32" or backend == "torch":
        return True
    if backend == "onnx":  # its CPU provider has no convolution in bfloat16
        return False
    from rfiscan.runtimes.openvino_runtime import has_bfloat16  # noqa: PLC0415 - an extra

    return has_bfloat16()
