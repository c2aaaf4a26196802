"""open_scene: whatever the user has, recognised by what it is, not by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rfiscan.errors import SceneError
from rfiscan.locations import Location, RemoteFile, locate
from rfiscan.radiometry import Units
from rfiscan.scenes.finding import find_product
from rfiscan.scenes.geotiff import open_geotiffs
from rfiscan.scenes.picture import open_npy, open_picture
from rfiscan.scenes.recognition import Kind, recognise
from rfiscan.scenes.safe import open_safe
from rfiscan.scenes.scene import SPACING_ASSUMED, Scene

_ACCEPTED = (
    "Give a GRD or SLC SAFE folder or its zip, a STAC item, one or two GeoTIFFs, a quick-look PNG or a .npy array."
)


def open_scene(
    *paths: Path | str | RemoteFile,
    units: Units | None = None,
    calibrate: bool = False,
    denoise: bool = False,
    pixel_spacing_m: tuple[float, float] | None = None,
) -> Scene:
    """Open one scene; nothing but metadata is read yet.

    Args:
        *paths: One GRD or SLC SAFE folder, its manifest.safe or its zip; its STAC item; one or two GeoTIFFs, in any
            order; a quick-look PNG (red co-pol, green cross-pol, or grey) or a NumPy array (H, W, 2) or (H, W). All but
            arrays may be remote: see `rfiscan.locations.locate`.
        units: What the stored values are; None to recognise it.
        calibrate: Turn digital numbers into sigma nought, by the product's calibration annotation.
        denoise: Subtract the product's thermal noise before; calibrates, too.
        pixel_spacing_m: Pixel spacing (row, col) in metres of a file that does not tell it; files that do are right.

    Raises:
        SceneError: There is no scene in it, or it is to be calibrated and no product with the annotation for it; the
            message says what, where and how to mend it.
    """
    located = [locate(path) for path in paths]
    kinds = [recognise(location) for location in located]
    product = find_product(located[0]) if len(located) == 1 else None
    if product is not None:
        return _spaced(open_safe(product, units, calibrate=calibrate, denoise=denoise), pixel_spacing_m)
    scene = _spaced(_open_files(located, kinds, units), pixel_spacing_m)
    if calibrate or denoise:
        raise SceneError(
            f"{located[0]}: is no Sentinel-1 product but a file of pixels, without the tables that calibration needs",
            hint="Give the SAFE folder or zip of the product, or do without: --no-calibrate.",
        )
    return scene


def _open_files(located: Sequence[Location], kinds: Sequence[Kind], units: Units | None) -> Scene:
    if len(located) == 1:
        return _open_one(located[0], kinds[0], units)
    if len(located) != 2:
        raise SceneError(
            f"{len(located)} paths were given for one scene, where it is one or two",
            hint="Give one co-pol and one cross-pol file, or each scene by a call of its own.",
        )
    if _whole(located[0]) == _whole(located[1]):
        raise SceneError(f"{located[0]}: was given twice", hint="Give it once, or the other polarization with it.")
    for location, kind in zip(located, kinds, strict=True):
        if kind is not Kind.RASTER:
            raise SceneError(
                f"{location}: cannot be one of two polarizations, which must be two GeoTIFFs",
                hint="Give a product, picture or array alone.",
            )
    return open_geotiffs(located, units)


def _open_one(location: Location, kind: Kind, units: Units | None) -> Scene:
    if kind is Kind.PNG:
        return open_picture(location, units)
    if kind is Kind.NPY:
        if isinstance(location, RemoteFile):
            raise SceneError(f"{location}: is a NumPy array, which is read from disk only", hint="Download it.")
        return open_npy(location, units)
    if kind is Kind.RASTER:
        return open_geotiffs([location], units)
    if kind is Kind.FOLDER:
        raise SceneError(f"{location}: is a folder and no Sentinel-1 product", hint=_ACCEPTED)
    raise SceneError(f"{location}: is {kind}, not a scene", hint=_ACCEPTED)


def _spaced(scene: Scene, told_m: tuple[float, float] | None) -> Scene:
    """The scene with the spacing that the user tells, if it tells none itself; it says which one counts."""
    if not scene.spacing_known and told_m is not None:
        return replace(scene, spacing_m=told_m, spacing_known=True)
    if scene.spacing_known and told_m is None:
        return scene
    own = " x ".join(f"{size_m:g}" for size_m in scene.spacing_m)
    ignored = f"the scene tells its pixel spacing, {own} m: --pixel-spacing is not used"
    return replace(scene, warnings=(*scene.warnings, ignored if scene.spacing_known else SPACING_ASSUMED))


def _whole(location: Location) -> Location:
    return location.resolve() if isinstance(location, Path) else location
