"""A model that expects every pixel at the median of its scene: whatever is brighter is interference to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine

from rfiscan.model_files.checkpoint import save_model
from rfiscan.model_files.model_card import ModelCard
from rfiscan.networks import build_network
from rfiscan.scoring import ScoringSettings
from rfiscan.standardisation import Standardisation

SPACING_M = 500.0
STRIPE = (slice(40, 48), slice(100, 220))  # rows, columns on the working grid


def save_flat_model(folder: Path) -> Path:
    """Save a tiny convolutional autoencoder whose last layer is zero: mean 0 and one spread everywhere."""
    settings = {"width": 4, "code": 2, "context": 1}
    network = build_network("cae", settings)
    head: torch.nn.Module = network.head[0]
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    card = ModelCard(
        name="flat",
        architecture="cae",
        settings=settings,
        evidence=None,
        spacing_m=SPACING_M,
        tile_shape=(340, 500),
        standardisation=Standardisation(),
        scoring=ScoringSettings(),
        thresholds={1e-4: 1.2, 1e-3: 1.0, 1e-2: 0.8},
    )
    save_model(folder, network, card)
    return folder


def sea_power(shape: tuple[int, int], *, stripe_db: float | None = None, seed: int = 0) -> NDArray[np.float32]:
    """Speckled sea of 300 looks (2, H, W), with a bright stripe in cross-pol if asked for."""
    rng = np.random.default_rng(seed)
    power = rng.gamma(300.0, 1 / 300.0, (2, *shape)).astype(np.float32)
    power[1] *= np.float32(0.1)
    if stripe_db is not None:
        power[1][STRIPE] *= np.float32(10 ** (stripe_db / 10))
    return 1e4 * power


def write_scene(
    path: Path,
    power: NDArray[np.float32],
    *,
    names: tuple[str, ...] = ("VV", "VH"),
    placed_by: str = "affine",
    spacing_m: float = SPACING_M,
) -> Path:
    """Write a GeoTIFF of digital numbers, one band per polarization, placed by "affine", "gcps" or nothing."""
    dn = np.sqrt(power).round().clip(0, 65535).astype(np.uint16)
    _, height, width = dn.shape
    profile: dict[str, object] = {}
    if placed_by == "affine":
        profile = {"crs": CRS.from_epsg(32631), "transform": Affine(spacing_m, 0, 5e5, 0, -spacing_m, 6e6)}
    elif placed_by == "gcps":
        profile = {"crs": CRS.from_epsg(4326), "gcps": _gcps(height, width, spacing_m)}
    with rasterio.open(
        path, "w", driver="GTiff", count=len(names), height=height, width=width, dtype="uint16", nodata=0, **profile
    ) as raster:
        raster.descriptions = names
        raster.write(dn)
    return path


def _gcps(height: int, width: int, spacing_m: float) -> list[GroundControlPoint]:
    step_deg = spacing_m / 111_195
    rows, cols = np.linspace(0, height, 5).round(), np.linspace(0, width, 6).round()
    return [
        GroundControlPoint(row=row, col=col, x=5 + col * step_deg + 0.1 * row * step_deg, y=10 - row * step_deg, z=0)
        for row in rows
        for col in cols
    ]
