"""Write a simulated scene as a full-resolution Sentinel-1 GRD product: a SAFE folder."""

from __future__ import annotations

import binascii
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rfiscan import __version__
from rfiscan.atomic import PART_SUFFIX, atomic_path, write_atomically
from rfiscan.errors import OutputError, ResourceError
from rfiscan.export.png import write_png
from rfiscan.export.safe_annotation import annotation_xml
from rfiscan.export.safe_calibration import SIGMA_NOUGHT_LUT, calibration_xml, noise_xml
from rfiscan.export.safe_facts import ProductFacts
from rfiscan.export.safe_manifest import ProductFile, manifest_xml
from rfiscan.export.simulated_pass import product_gcps
from rfiscan.simulation.full_resolution import FullResolution, noise_floor
from rfiscan.simulation.scene import SimulatedScene

START_TIME = datetime(2000, 1, 1)
"""Before the satellites flew, so that a simulated product is never taken for a real one."""
LOOKS = 4.4
"""Equivalent number of looks of a pixel of IW GRDH, as commonly cited."""
BAND_ROWS = 256
LARGEST_DN = 65535

OnRows = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writing:
    """What the parts of the writing share: where to, what, and how."""

    folder: Path
    facts: ProductFacts
    pixels: FullResolution
    tags: Mapping[str, str]
    band_rows: int
    on_rows: OnRows | None


def write_safe(  # noqa: PLR0913 - facts of one product, each with a default
    out_dir: Path,
    scene: SimulatedScene,
    *,
    spacing_m: float,
    pixel_spacing_m: float = 10.0,
    shape: tuple[int, int] | None = None,
    polarizations: tuple[str, str] = ("VV", "VH"),
    start_time: datetime = START_TIME,
    looks: float = LOOKS,
    seed: int = 0,
    tags: Mapping[str, str] | None = None,
    band_rows: int = BAND_ROWS,
    on_rows: OnRows | None = None,
) -> Path:
    """Write a simulated scene as a GRD product, in bands of rows: memory does not grow with its height.

    Each working pixel of the scene becomes a block of pixels whose mean is its power, times the speckle of single
    pixels (see `FullResolution`). So the working grid of the product is that of the scene, and the scene's truth is
    the product's. Digital numbers are the amplitude times `SIGMA_NOUGHT_LUT`, at least 1 where valid and 0 elsewhere.

    The folder holds measurement TIFFs as ESA writes them (uint16, a row a strip, not compressed, ground control
    points), annotation, calibration, noise (an estimate, see `noise_floor`), a quick-look and the manifest. There is
    no annotation/rfi: its reports come from raw data, which are not simulated here. A product that is not an
    observation is told by its names: absolute orbit and data take 0, and, unless told otherwise, a day in 2000. Until
    it is whole, its folder ends in .part, and the name of that depends on `start_time`, not on the pixels: products
    that are written at the same time to one folder need different times.

    Where the scene's layout has near range at the right, as a descending pass has on a map, so has the product, and
    slant range falls along its rows. Real products have it at the left.

    Args:
        out_dir: Folder to make the product's folder in; made if absent.
        scene: The scene, its power in sigma nought (linear).
        spacing_m: Pixel spacing of the scene, a whole multiple of `pixel_spacing_m`.
        pixel_spacing_m: That of the product: 10 for GRDH of IW and SM, 40 for EW GRDM.
        shape: (rows, columns) of the product; the last working pixels may be cut, not left out. None takes them whole.
        polarizations: Names of co-pol and cross-pol.
        start_time: Of the first row, UTC, naive.
        looks: Equivalent number of looks of a pixel.
        seed: Seed of the speckle. The same scene, seed and facts give the same bytes.
        tags: Further tags of the TIFFs.
        band_rows: Rows to hold in memory at once; the result does not depend on it.
        on_rows: Called after each band with the number of rows written, and of all rows of both polarizations.

    Returns:
        The product's folder, NAME.SAFE. Its name ends in a checksum of the manifest. An older one of the same name is
        replaced. It appears whole or not at all.

    Raises:
        OutputError: If it cannot be written.
        ResourceError: If the disk has no room for it.
        ValueError: If `spacing_m` or `shape` does not fit the scene.
    """
    factor = round(spacing_m / pixel_spacing_m)
    if factor < 1 or abs(spacing_m - factor * pixel_spacing_m) > 1e-6 * spacing_m:
        msg = f"{spacing_m:g} m is not a whole multiple of {pixel_spacing_m:g} m"
        raise ValueError(msg)
    height, width = scene.power.shape[1:]
    shape = shape or (height * factor, width * factor)
    facts = ProductFacts(
        layout=scene.layout,
        factor=factor,
        shape=shape,
        pixel_spacing_m=pixel_spacing_m,
        start_time=start_time,
        polarizations=polarizations,
    )
    pixels = FullResolution(scene, factor=factor, shape=shape, looks=looks, seed=seed)
    part = out_dir / f"{facts.product_name('0000')}.SAFE{PART_SUFFIX}"
    with _folder(part, needed_bytes=4 * shape[0] * shape[1]):
        writing = _Writing(
            folder=part, facts=facts, pixels=pixels, tags=tags or {}, band_rows=band_rows, on_rows=on_rows
        )
        manifest = manifest_xml(facts, list(_write_files(writing, scene)))
        write_atomically(part / "manifest.safe", manifest)
        final = out_dir / f"{facts.product_name(f'{binascii.crc_hqx(manifest, 0xFFFF):04X}')}.SAFE"
        _put_in_place(part, final)
    return final


@contextmanager
def _folder(part: Path, needed_bytes: int) -> Iterator[None]:
    """Make an empty folder to write to, and remove it if the writing fails; what a killed run left is cleared."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        _require_room(part, needed_bytes)
        part.mkdir()
        yield
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(
                f"cannot write {part}: {error.strerror or error}", hint="Choose a folder that you may write to."
            ) from error
        raise


def _require_room(part: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(part.parent).free
    if free_bytes < needed_bytes:
        raise ResourceError(
            f"cannot write {part}: it needs {needed_bytes / 1e9:.1f} GB, and the disk has {free_bytes / 1e9:.1f}",
            hint="Free some space, or choose another output folder.",
        )


def _put_in_place(part: Path, final: Path) -> None:
    """Rename a folder, in place of an older one if there is one."""
    old = final.with_name(f"{final.name}.old{PART_SUFFIX}")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.replace(old)
    part.replace(final)
    shutil.rmtree(old, ignore_errors=True)


def _write_files(writing: _Writing, scene: SimulatedScene) -> Iterator[ProductFile]:
    """Write every file but the manifest."""
    facts = writing.facts
    noise = noise_floor(scene)
    for channel, polarization in enumerate(facts.polarizations):
        stem = facts.stem(polarization)
        documents = {
            ("product", f"annotation/{stem}.xml"): annotation_xml(facts, polarization),
            ("noise", f"annotation/calibration/noise-{stem}.xml"): noise_xml(facts, polarization, noise),
            ("calibration", f"annotation/calibration/calibration-{stem}.xml"): calibration_xml(facts, polarization),
        }
        for (kind, name), content in documents.items():
            write_atomically(writing.folder / name, content)
            yield _described(writing.folder, kind, polarization, name)
        name = f"measurement/{stem}.tiff"
        with atomic_path(writing.folder / name) as path:
            _write_measurement(path, channel, writing)
        yield _described(writing.folder, "measurement", polarization, name)
    write_png(writing.folder / "preview" / "quick-look.png", _quick_look(scene))
    yield _described(writing.folder, "quicklook", None, "preview/quick-look.png")


def _described(folder: Path, kind: str, polarization: str | None, name: str) -> ProductFile:
    path = folder / name
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    size = path.stat().st_size
    return ProductFile(kind=kind, polarization=polarization, path=PurePosixPath(name), size=size, md5=md5)


def _write_measurement(path: Path, channel: int, writing: _Writing) -> None:
    """Write the TIFF of one polarization."""
    rows, cols = writing.facts.shape
    georeferencing = product_gcps((rows, cols), writing.facts.pixel_spacing_m)
    done = channel * rows
    try:
        with (
            rasterio.Env(GDAL_PAM_ENABLED=False, GDAL_CACHEMAX=32),
            rasterio.open(
                path,
                "w",
                driver="GTiff",
                count=1,
                height=rows,
                width=cols,
                dtype="uint16",
                blockysize=1,
                BIGTIFF="IF_NEEDED",
                crs=georeferencing.crs,
                gcps=list(georeferencing.gcps),
            ) as raster,
        ):
            raster.update_tags(
                TIFFTAG_SOFTWARE=f"rfiscan {__version__}",
                TIFFTAG_IMAGEDESCRIPTION="simulated, not an observation",
                **writing.tags,
            )
            for start in range(0, rows, writing.band_rows):
                stop = min(start + writing.band_rows, rows)
                window = Window(0, start, cols, stop - start)  # type: ignore[no-untyped-call, unused-ignore]
                raster.write(_digital_numbers(writing.pixels, channel, start, stop), 1, window=window)
                if writing.on_rows is not None:
                    writing.on_rows(done + stop, 2 * rows)
    except RasterioError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    if path.stat().st_size < 2 * rows * cols:  # GDAL does not tell when its last blocks find no room
        raise ResourceError(
            f"cannot write {path}: no space left on the disk", hint="Free some space, or choose another output folder."
        )


def _digital_numbers(pixels: FullResolution, channel: int, start: int, stop: int) -> NDArray[np.uint16]:
    amplitude = np.sqrt(pixels.power(channel, start, stop))
    amplitude *= np.float32(SIGMA_NOUGHT_LUT)
    np.rint(amplitude, out=amplitude)
    np.clip(amplitude, 1, LARGEST_DN, out=amplitude)
    amplitude *= pixels.valid_mask(channel, start, stop)
    return amplitude.astype(np.uint16)


def _quick_look(scene: SimulatedScene) -> NDArray[np.uint8]:
    """The scene as quick-looks show it, (H, W, 3): co-pol red, cross-pol green, their ratio blue; amplitudes.

    The brightness is a choice: three times the median amplitude is white.
    """
    picture = np.zeros((*scene.power.shape[1:], 3), np.uint8)
    amplitude = np.sqrt(np.where(scene.valid_mask, scene.power, 0.0))
    for channel, valid in enumerate(scene.valid_mask):
        if valid.any():
            level = float(np.median(amplitude[channel][valid]))
            picture[..., channel] = np.where(valid, np.clip(85.0 * amplitude[channel] / level, 1, 255), 0)
    both = scene.valid_mask.all(axis=0)
    picture[..., 2][both] = np.clip(128.0 * picture[both, 0] / picture[both, 1], 0, 255)
    return picture
