"""open_scene: whatever the user has, recognised by what it is, not by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units
from rfiscan.scenes.geotiff import open_geotiffs
from rfiscan.scenes.picture import open_npy, open_picture
from rfiscan.scenes.safe import looks_like_product, open_safe
from rfiscan.scenes.scene import Scene

_ACCEPTED = "Give a GRD or SLC SAFE folder or its zip, one or two GeoTIFFs, a quick-look PNG or a .npy array."


def open_scene(*paths: Path | str, units: Units | None = None, calibrate: bool = False, denoise: bool = False) -> Scene:
    """Open one scene; nothing but metadata is read yet.

    Args:
        *paths: One GRD or SLC SAFE folder, its manifest.safe or its zip; one or two GeoTIFFs, in any order; a
            quick-look PNG (red co-pol, green cross-pol, or grey) or a NumPy array (H, W, 2) or (H, W).
        units: What the stored values are; None to recognise it.
        calibrate: Turn digital numbers into sigma nought, by the product's calibration annotation.
        denoise: Subtract the product's thermal noise before; calibrates, too.

    Raises:
        SceneError: There is no scene in it, or it is to be calibrated and no product with the annotation for it; the
            message says what, where and how to mend it.
    """
    existing = [_existing(Path(path)) for path in paths]
    if len(existing) == 1 and _is_product(existing[0]):
        return open_safe(existing[0], units, calibrate=calibrate, denoise=denoise)
    scene = _open_files(existing, units)
    if calibrate or denoise:
        raise SceneError(
            f"{existing[0]}: is no Sentinel-1 product but a file of pixels, without the tables that calibration needs",
            hint="Give the SAFE folder or zip of the product, or do without: --no-calibrate.",
        )
    return scene


def _open_files(existing: Sequence[Path], units: Units | None) -> Scene:
    if len(existing) == 1:
        return _open_one(existing[0], units)
    if len(existing) != 2:
        raise SceneError(
            f"{len(existing)} paths were given for one scene, where it is one or two",
            hint="Give one co-pol and one cross-pol file, or each scene by a call of its own.",
        )
    if existing[0].resolve() == existing[1].resolve():
        raise SceneError(f"{existing[0]}: was given twice", hint="Give it once, or the other polarization with it.")
    for path in existing:
        if path.is_dir() or _kind(path) != "raster":
            raise SceneError(
                f"{path}: cannot be one of two polarizations, which must be two GeoTIFFs",
                hint="Give a product, picture or array alone.",
            )
    return open_geotiffs(existing, units)


def _open_one(path: Path, units: Units | None) -> Scene:
    kind = _kind(path)
    if kind == "png":
        return open_picture(path, units)
    if kind == "npy":
        return open_npy(path, units)
    return open_geotiffs([path], units)


def _is_product(path: Path) -> bool:
    """Tell whether it is a product; raise for another folder, which is nothing that can be opened."""
    if not path.is_dir():
        return _kind(path) == "product"
    if not looks_like_product(path):
        raise SceneError(f"{path}: is a folder and no Sentinel-1 product", hint=_ACCEPTED)
    return True


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SceneError(f"{path}: does not exist", hint="Check the path.")
    if path.is_file() and path.stat().st_size == 0:
        raise SceneError(f"{path}: is empty (0 bytes)", hint="Download or copy it again.")
    return path


def _kind(path: Path) -> str:
    """Return "product", "png", "npy" or "raster" by the first bytes; raise for what is none of them."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise SceneError(f"{path}: cannot be read: {error.strerror}", hint="Check its permissions.") from error
    if path.name == "manifest.safe" or start.startswith(b"PK"):
        return "product"
    if start.startswith(b"\xff\xd8\xff"):
        raise SceneError(f"{path}: is a JPEG picture, not a scene", hint=_ACCEPTED)
    if start.startswith(b"\x89PNG"):
        return "png"
    if start.startswith(b"\x93NUMPY"):
        return "npy"
    if not _known_raster(path, start):
        what = "a text file" if _is_text(start) else "a file of unknown kind"
        raise SceneError(f"{path}: is {what}, not a scene", hint=_ACCEPTED)
    return "raster"


def _known_raster(path: Path, start: bytes) -> bool:
    tiff = start[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}
    return tiff or b"<VRTDataset" in start or _has_envi_header(path)


def _has_envi_header(path: Path) -> bool:
    headers: Sequence[Path] = (path.with_suffix(".hdr"), path.with_name(path.name + ".hdr"))
    return any(header.is_file() for header in headers)


def _is_text(start: bytes) -> bool:
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4  # a character cut in two
    return b"\0" not in start
