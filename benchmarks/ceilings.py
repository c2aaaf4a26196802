"""What this processor can do at best, measured beside the models, so that every figure is a share of something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

CONVOLUTIONS = ((64, 85, 125), (128, 85, 125))
"""Channels, rows and columns of the convolutions; the faster one counts."""
MATRIX = 1024
COPY_BYTES = 256 * 2**20
"""More than the caches hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Something simple that this processor does at its best.

    Attributes:
        name: What it is.
        unit: Unit of its rate, "GFLOP/s" or "GB/s".
        work: Billions of operations, or of bytes read and written, in one run.
        run: Does it.
    """

    name: str
    unit: str
    work: float
    run: Callable[[], object]


def build_ceilings() -> list[Ceiling]:
    """3x3 convolutions and matrix products in float32 and bfloat16, and a copy in memory."""
    ceilings = []
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        ceilings += [_convolution(f"conv3x3 {name}", dtype, *shape) for shape in CONVOLUTIONS]
        ceilings.append(_product(f"matmul {name}", dtype))
    return [*ceilings, _copy()]


def _convolution(name: str, dtype: torch.dtype, channels: int, rows: int, cols: int) -> Ceiling:
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    layer = layer.to(dtype=dtype, memory_format=torch.channels_last)
    maps = torch.randn(4, channels, rows, cols).to(dtype=dtype, memory_format=torch.channels_last)
    work = 2.0 * 9 * channels**2 * maps[:, 0].numel() / 1e9

    def run() -> object:
        with torch.inference_mode():
            return layer(maps)

    return Ceiling(name=name, unit="GFLOP/s", work=work, run=run)


def _product(name: str, dtype: torch.dtype) -> Ceiling:
    left, right = torch.randn(2, MATRIX, MATRIX).to(dtype)
    return Ceiling(name=name, unit="GFLOP/s", work=2.0 * MATRIX**3 / 1e9, run=lambda: left @ right)


def _copy() -> Ceiling:
    source = torch.zeros(COPY_BYTES, dtype=torch.uint8)
    target = torch.ones_like(source)
    return Ceiling(name="memory copy", unit="GB/s", work=2.0 * COPY_BYTES / 1e9, run=lambda: target.copy_(source))
