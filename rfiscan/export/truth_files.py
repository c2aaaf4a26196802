"""A scene with known interference as files: what detect reads, and what evaluate checks it against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rfiscan import __version__
from rfiscan.atomic import atomic_path, remove_earlier
from rfiscan.export.rasters import mask_codes, write_geotiff
from rfiscan.export.records import to_plain, write_record
from rfiscan.export.safe_calibration import SIGMA_NOUGHT_LUT
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.simulation import Interferer, SimulatedScene
from rfiscan.simulation.interference import VISIBLE_DB

DN_LEVEL = 1500.0
"""Median co-pol digital number of a scene that is written: above that of GRD products (100 to 300), whose rounding
averages out over a working pixel, as that of a scene on the working grid cannot."""
KEPT_BITS = 11
"""Of the mantissa of a stored interference: within 0.001 dB. Further ones are rounding, and cost space."""
MIN_RATIO_DB = -30.0
"""Lower ratios of interference to background are left out of the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is known of a scene beside its pixels.

    Attributes:
        name: Its name; that of its files.
        georeferencing: Of its grid.
        spacing_m: Pixel spacing in metres.
        polarizations: Names of co-pol and cross-pol.
        surface: "sea", "coast" or "land"; None where unknown.
        background: Name of the real scene behind it; None if that is simulated too.
        picture: True for a scene of the 8-bit levels of a quick-look, which stays one.
        stratum: What a benchmark asked for; None outside one.
        software: What files say made them.
    """

    name: str
    georeferencing: Georeferencing
    spacing_m: float
    polarizations: tuple[str, str] = ("VV", "VH")
    surface: str | None = None
    background: str | None = None
    picture: bool = False
    stratum: Mapping[str, Any] | None = None
    software: str = f"rfiscan {__version__}"


def write_scene_with_truth(
    out_dir: Path, scene: SimulatedScene, origin: Origin, product: Path | None = None
) -> dict[str, Any]:
    """Write a scene and its truth.

    ``NAME.tif`` is the scene: amplitude in digital numbers, uint16, or ``NAME.npy``, uint8 (H, W, 2), for a picture.
    ``NAME_truth.tif`` (uint8) holds 1 where interference brightens a pixel by `VISIBLE_DB` or more, 255 where nothing
    is valid. With interference come ``NAME_stripes.tif`` (uint16 numbers of stripes) and ``NAME_interference.tif``
    (float32: power of both polarizations in squared digital numbers, then the ratio to the background in dB).
    ``NAME_truth.json``, written last, describes all emitters.

    Args:
        out_dir: Folder, made if absent.
        scene: The scene.
        origin: Where it comes from.
        product: Where the scene was written already; only its truth is.

    Returns:
        The record, as written but for whole paths.

    Raises:
        OutputError: If a file cannot be written.
        ResourceError: If the disk is full.
    """
    other = ".tif" if origin.picture else ".npy"
    for ending in ("_truth.json", "_stripes.tif", "_interference.tif", other):  # an earlier scene's must not outlive it
        remove_earlier(out_dir / f"{origin.name}{ending}")
    gain = SIGMA_NOUGHT_LUT if product else 1.0 if origin.picture else dn_gain(scene)
    tags = {"TIFFTAG_SOFTWARE": origin.software, "TIFFTAG_IMAGEDESCRIPTION": _description(origin)}
    paths = {"scene": product or _write_scene(out_dir, scene, origin, gain, tags)}
    paths["truth"] = out_dir / f"{origin.name}_truth.tif"
    _write(paths["truth"], mask_codes(scene.rfi_mask, scene.valid_mask), origin, 255, tags, ("rfi",))
    if scene.interferers:
        paths["stripes"] = out_dir / f"{origin.name}_stripes.tif"
        _write(paths["stripes"], scene.labels, origin, 0, tags, ("stripe",))
        paths["interference"] = out_dir / f"{origin.name}_interference.tif"
        names = [f"{p} {what}" for what in ("power", "ratio_db") for p in origin.polarizations]
        _write(paths["interference"], _interference_bands(scene, gain), origin, np.nan, tags, names)
    record = _record(scene, origin, gain)
    stored = {key: path.name for key, path in paths.items()}
    write_record(out_dir / f"{origin.name}_truth.json", {**record, "outputs": stored})
    whole: dict[str, Any] = to_plain({**record, "outputs": paths})
    return whole


def dn_gain(scene: SimulatedScene) -> float:
    """Digital numbers per unit of amplitude: one gain for both polarizations, `DN_LEVEL` at the median of co-pol."""
    channel = 0 if scene.valid_mask[0].any() else 1
    return DN_LEVEL / float(np.sqrt(np.median(scene.clean_power[channel][scene.valid_mask[channel]])))


def _write_scene(out_dir: Path, scene: SimulatedScene, origin: Origin, gain: float, tags: Mapping[str, str]) -> Path:
    """Write what detect reads."""
    if not origin.picture:
        path = out_dir / f"{origin.name}.tif"
        _write(path, _levels(scene, 65535, gain).astype(np.uint16), origin, 0, tags, origin.polarizations)
        return path
    path = out_dir / f"{origin.name}.npy"
    with atomic_path(path) as part, part.open("wb") as file:
        np.save(file, np.ascontiguousarray(_levels(scene, 255, gain).astype(np.uint8).transpose(1, 2, 0)))
    return path


def _levels(scene: SimulatedScene, largest: Literal[255, 65535], gain: float) -> NDArray[np.float32]:
    """Amplitude in whole numbers, 1 to ``largest`` where valid, else 0, shape (2, H, W)."""
    amplitude = np.clip(np.round(np.sqrt(scene.power) * np.float32(gain)), 1, largest)
    return np.where(scene.valid_mask, amplitude, np.float32(0.0))


def _interference_bands(scene: SimulatedScene, gain: float) -> NDArray[np.float32]:
    """Power, and ratio to the background in dB (NaN where negligible or invalid), shape (4, H, W)."""
    ratio = 10.0 ** (scene.excess_db / 10.0) - 1.0  # exact: excess is 10 log10(1 + ratio), and 0 where invalid
    shown = ratio > 10.0 ** (MIN_RATIO_DB / 10.0)
    ratio_db = np.full(ratio.shape, np.nan, np.float32)
    ratio_db[shown] = 10.0 * np.log10(ratio[shown])
    power = np.where(scene.valid_mask, scene.interference * np.float32(gain**2), np.float32(0.0))
    return _rounded(np.concatenate([power, ratio_db]).astype(np.float32))


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to `KEPT_BITS` of the mantissa; NaN stays NaN."""
    dropped = 23 - KEPT_BITS
    bits = np.ascontiguousarray(values).view(np.uint32)
    halves = (bits + np.uint32(1 << (dropped - 1))) & np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    return np.where(np.isfinite(values), halves.view(np.float32), values)


def _record(scene: SimulatedScene, origin: Origin, gain: float) -> dict[str, Any]:
    valid = scene.valid_mask.any(axis=0)
    return {
        "scene": origin.name,
        "visible_db": VISIBLE_DB,
        "mode": scene.layout.mode,
        "spacing_m": origin.spacing_m,
        "surface": origin.surface,
        "real_background": origin.background is not None,
        "background": origin.background,
        "dn_per_amplitude": gain,
        "rfi_share": float(scene.rfi_mask[valid].mean()),
        "stratum": None if origin.stratum is None else dict(origin.stratum),
        "emitters": [_emitter_record(interferer, scene) for interferer in scene.interferers],
        "software": origin.software,
    }


def _emitter_record(interferer: Interferer, scene: SimulatedScene) -> dict[str, Any]:
    """All parameters of an emitter, and its stripes; a stripe that another one or nodata hides is left out.

    What was summed over pulses is rounded: its last digits depend on the number of threads.
    """
    stripes = []
    for stripe in interferer.stripes:
        x, y, width, height = stripe.bbox_px
        if not (scene.labels[y : y + height, x : x + width] == stripe.label).any():
            continue
        values = {key: value for key, value in asdict(stripe).items() if key != "visible"}
        values["ibr_db"] = round(stripe.ibr_db, 3)
        stripes.append({**values, "visible_bbox_px": list(stripe.bbox_px) if stripe.visible else None})
    power = [float(f"{channel:.6g}") for channel in interferer.power]
    return {**asdict(interferer.emitter), "power": power, "stripes": stripes}


def _description(origin: Origin) -> str:
    if origin.background is None:
        return "simulated, not an observation"
    return f"{origin.background} with simulated interference, not an observation"


def _write(
    path: Path,
    array: NDArray[Any],
    origin: Origin,
    nodata: float,
    tags: Mapping[str, str],
    names: tuple[str, ...] | list[str],
) -> None:
    write_geotiff(path, array, origin.georeferencing, nodata=nodata, tags=tags, band_names=list(names))
