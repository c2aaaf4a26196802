"""Write simulated scenes that detect reads, with their truth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rfiscan import __version__
from rfiscan.errors import OutputError
from rfiscan.export.rasters import write_geotiff
from rfiscan.export.records import write_record
from rfiscan.scenes.georeferencing import Georeferencing, control_points
from rfiscan.simulation import SimulatedScene, simulate_scene
from rfiscan.simulation.scene import VISIBLE_DB
from rfiscan.workflows.reporting import SILENT, Reporter

DN_LEVEL = 1500.0
"""Median co-pol digital number of a simulated scene: above that of GRD products (100 to 300), whose rounding averages
out over a working pixel, as that of a simulated one cannot."""
POLARIZATIONS = ("VV", "VH")
KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6371 km
ORIGIN = (8.0, 52.0)
"""Longitude and latitude of a simulated scene's first ground control point."""


def write_scenes(
    out_dir: Path,
    *,
    count: int,
    seed: int,
    shape: tuple[int, int] = (340, 500),
    spacing_m: float = 500.0,
    clean_share: float = 0.0,
    mode: str | None = None,
    reporter: Reporter = SILENT,
) -> list[dict[str, Any]]:
    """Simulate scenes and write each as a two-band GeoTIFF in digital numbers, with ground control points.

    Beside ``simulated_NNNN.tif`` stand ``simulated_NNNN_truth.tif`` (uint8, 1 where interference brightens a pixel by
    1 dB or more, 255 nodata) and ``simulated_NNNN_truth.json`` (the emitters).

    Args:
        out_dir: Folder, made if absent.
        count: Number of scenes.
        seed: Seed; scene i depends on the seed and i alone.
        shape: (H, W) in pixels.
        spacing_m: Pixel spacing in metres.
        clean_share: Share of scenes without interference, 0..1.
        mode: "IW", "EW" or "SM"; drawn for each scene if None.
        reporter: Is told how far the work is.

    Returns:
        One record a scene: name, paths, emitters, share of RFI pixels.

    Raises:
        OutputError: If the folder cannot be written.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out_dir}: {error.strerror}") from error
    records = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        contaminated = bool(rng.random() >= clean_share)
        scene = simulate_scene(rng, shape, contaminated=contaminated, mode=mode, spacing_m=spacing_m)
        records.append(_write_scene(out_dir, f"simulated_{index:04d}", scene, spacing_m))
        reporter.progress("simulating", index + 1, count)
    return records


def _write_scene(out_dir: Path, name: str, scene: SimulatedScene, spacing_m: float) -> dict[str, Any]:
    georeferencing = simulated_gcps(scene.rfi_mask.shape, spacing_m)
    tags = {"TIFFTAG_SOFTWARE": f"rfiscan {__version__}", "TIFFTAG_IMAGEDESCRIPTION": "simulated, not an observation"}
    paths = {"scene": out_dir / f"{name}.tif", "truth": out_dir / f"{name}_truth.tif"}
    write_geotiff(paths["scene"], to_dn(scene), georeferencing, nodata=0, tags=tags, band_names=list(POLARIZATIONS))
    truth = np.where(scene.valid_mask.any(axis=0), scene.rfi_mask, 255).astype(np.uint8)
    write_geotiff(paths["truth"], truth, georeferencing, nodata=255, tags=tags, band_names=["rfi"])
    record = {
        "scene": name,
        "outputs": {key: str(path) for key, path in paths.items()},
        "visible_db": VISIBLE_DB,
        "rfi_share": float(scene.rfi_mask[scene.valid_mask[0]].mean()),
        "mode": scene.layout.mode,
        "emitters": [asdict(emitter) for emitter in scene.emitters],
        "version": __version__,
    }
    write_record(out_dir / f"{name}_truth.json", record)
    return record


def to_dn(scene: SimulatedScene) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Amplitude in digital numbers, uint16 (2, H, W), 0 = nodata; the gain is one for both polarizations."""
    gain = DN_LEVEL / np.sqrt(np.median(scene.power[0][scene.valid_mask[0]]))
    amplitude = np.clip(np.round(np.sqrt(scene.power) * gain), 1, 65535)
    return np.where(scene.valid_mask, amplitude, 0).astype(np.uint16)


def simulated_gcps(shape: tuple[int, int], spacing_m: float) -> Georeferencing:
    """Ground control points of a made-up descending pass: a 10 x 21 grid, as GRD products have.

    Args:
        shape: (H, W) in pixels.
        spacing_m: Pixel spacing in metres.
    """
    rows, cols = np.meshgrid(np.linspace(0, shape[0], 10), np.linspace(0, shape[1], 21), indexing="ij")
    heading = np.deg2rad(10.0)  # of the scene's columns against the meridian
    south_km = (rows * np.cos(heading) + cols * np.sin(heading)) * spacing_m / 1000.0
    east_km = (cols * np.cos(heading) - rows * np.sin(heading)) * spacing_m / 1000.0
    latitude = ORIGIN[1] - south_km / KM_PER_DEGREE
    longitude = ORIGIN[0] + east_km / (KM_PER_DEGREE * np.cos(np.deg2rad(latitude)))
    return control_points(rows, cols, longitude, latitude)
