"""What one raster file says of itself: size, bands, polarizations, georeferencing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rfiscan.errors import SceneError
from rfiscan.locations import locate
from rfiscan.radiometry import Units, recognise_units
from rfiscan.scenes.georeferencing import MIN_GCPS, Georeferencing
from rfiscan.scenes.network import is_remote, unreadable
from rfiscan.scenes.polarizations import named_in, told_by_product_name
from rfiscan.scenes.rows import RasterBand, open_raster

SIGNED = ("f", "i")
"""Kinds of stored numbers that may be below zero, and of which a sample is looked at for that."""

_SAMPLE_ROWS = 8  # places at which values are sampled to recognise their units
_SAMPLE_BAND_BYTES = 2**20
_LEAST_DENOISED = -1.0  # where noise was subtracted, linear power may be somewhat below zero
_GENERIC_STEMS = frozenset({"iw", "ew", "wv", "s1", "s2", "s3", "s4", "s5", "s6", "quick-look", ""})
_UNITS_BY_NAME = (
    (Units.DB, re.compile(r"(?<![a-z])(?:db|decibels?)(?![a-z])")),
    (Units.AMPLITUDE, re.compile(r"(?<![a-z])(?:amp|amplitude|magnitude)(?![a-z])")),
    (Units.POWER, re.compile(r"(?<![a-z])(?:power|intensity|linear)(?![a-z])")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterFile:
    """One raster file.

    Attributes:
        path: Path or GDAL name; may hold secrets.
        label: How messages call it.
        plain_path: The path without secrets, that names are read off.
        shape: (rows, columns).
        dtypes: Type of each band as rasterio names it.
        bands: Its bands, alpha not among them.
        polarizations: Of each band, None where nothing tells it.
        texts: Lower-case file name, descriptions and tags, that may tell units.
        georeferencing: Of its grid.
    """

    path: str
    label: str
    plain_path: Path
    shape: tuple[int, int]
    dtypes: tuple[str, ...]
    bands: tuple[RasterBand, ...]
    polarizations: tuple[str | None, ...]
    texts: str
    georeferencing: Georeferencing


def inspect_raster(path: str, label: str | None = None) -> RasterFile:
    """Open a raster file and tell what it holds.

    Args:
        path: Path or GDAL name.
        label: How messages call it; by default the path, without secrets.

    Raises:
        SceneError: It is not a raster, is damaged, or has no bands of its own.
    """
    label = label or str(locate(path))
    try:
        with open_raster(path) as dataset:
            return _described(dataset, path, label)
    except RasterioError as error:
        damaged = SceneError(
            f"{label}: cannot be read as a raster; it is damaged, truncated or not a GeoTIFF",
            hint="Check it with `rio info`, or download it again.",
        )
        if is_remote(path):
            raise unreadable(label, path, error) or damaged from None
        raise damaged from error


def read_boxes(
    path: str, boxes_px: Sequence[tuple[int, int, int, int]]
) -> tuple[RasterFile, list[NDArray[np.floating[Any]]]]:
    """Read boxes of all bands of a raster file.

    Args:
        path: Path or GDAL name.
        boxes_px: (x, y, width, height) of each, inside the raster.

    Returns:
        What the file says of itself, and the values of each box, shape (bands, height, width), nodata as it is stored.

    Raises:
        SceneError: It is not a raster, or is damaged.
    """
    file = inspect_raster(path)
    indexes = [band.index for band in file.bands]
    try:
        with open_raster(path) as dataset:
            values = [dataset.read(indexes, window=Window(*box)) for box in boxes_px]
    except RasterioError as error:
        raise SceneError(f"{path}: cannot be read; the file is truncated or damaged") from error
    return file, values


def units_of_raster(file: RasterFile, told: Units | None) -> tuple[Units, tuple[str, ...]]:
    """Return the units of a raster's values and the warnings to give: see `units_of_values`.

    Raises:
        SceneError: The values cannot be read, or cannot be what they are taken for.
    """
    band, dtype = file.bands[0], file.dtypes[0]
    if dtype.startswith("complex"):
        return told or Units.COMPLEX, ()
    kind = band.meant(np.empty(0, dtype)).dtype.kind
    if kind not in SIGNED:
        return units_of_values(file.label, np.empty(0, dtype), told)
    if kind == "f":
        told = told or next((units for units, pattern in _UNITS_BY_NAME if pattern.search(file.texts)), None)
    sample = _sample(file)
    recorded = sample != 0 if band.nodata is None else (sample != 0) & (sample != band.nodata)
    return units_of_values(file.label, band.meant(sample[recorded]), told)


def units_of_values(label: str, sample: NDArray[Any], told: Units | None) -> tuple[Units, tuple[str, ...]]:
    """Return the units of stored values and the warnings to give: floating-point values need a guess.

    Args:
        label: How messages call the file.
        sample: Some of the values, without those that are nodata.
        told: What they are said to be; None to recognise it.

    Raises:
        SceneError: They cannot be what they are taken for.
    """
    values = sample[(sample != 0) & np.isfinite(sample)]
    units = told or recognise_units(sample.dtype, values, np.ones(values.shape, np.bool_))
    doubts: tuple[str, ...] = ()
    if told is None and sample.dtype.kind == "f":
        doubts = (f"{label}: the values look like {units}; if they are something else, say so with --units",)
    return units, doubts + _negative_values(label, values, units)


def _negative_values(label: str, values: NDArray[Any], units: Units) -> tuple[str, ...]:
    """Warn of values below zero where units have none; power without noise, no integers, may be somewhat below."""
    if units in {Units.DB, Units.COMPLEX} or not values.size:
        return ()
    share = float(np.mean(values < (_LEAST_DENOISED if values.dtype.kind == "f" else 0)))
    if share > 0.5:
        raise SceneError(
            f"{label}: its values are taken for {units}, which is never negative, but most of them are below zero",
            hint="If they are decibels, say so with --units db; if they stand for nodata, tag it as such.",
        )
    if not share:
        return ()
    return (
        f"{label}: {100 * share:.2g} % of the values are below zero, which {units} never is; if they stand for nodata, "
        "tag it as such; if they are decibels, say so with --units db",
    )


def scene_id_of(paths: Sequence[Path]) -> str:
    """Return a name for the scene in these files, safe in file names.

    Two files of one acquisition share their name up to the polarization (and the number that the product gives it),
    which is left out then. Names that any product may have (`iw-vv`) get the folder's name in front.
    """
    stem = paths[0].stem
    bare = [_without_polarization(path.stem) for path in paths]
    if len(paths) == 2:
        shared = [re.sub(r"-00\d(?=(?:-cog)?$)", "", name) for name in bare]
        stem = shared[0] if shared[0] == shared[1] else stem
    folder = paths[0].absolute().parent
    if bare[0].lower() in _GENERIC_STEMS:
        folder = folder.parent if folder.name in {"measurement", "preview"} else folder
        stem = "_".join(filter(None, [folder.name.removesuffix(".SAFE"), stem]))
    return safe_name(stem)


def safe_name(text: str) -> str:
    """Return `text` with everything but letters and digits of any script, dot, dash and underscore replaced by "_".

    Of the two ways in which letters with accents are stored, as disks differ in it, the composed one is taken.
    """
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(char if char in "._-" or _is_of_a_word(char) else " " for char in composed)
    return "_".join(kept.split()).strip("._") or "scene"


def _is_of_a_word(char: str) -> bool:
    """Tell whether a character is a letter, a digit, or a mark on one, such as the vowels of Indic scripts."""
    return char.isalnum() or unicodedata.category(char).startswith("M")


def _without_polarization(stem: str) -> str:
    return re.sub(r"[-_.]?(?<![a-z])(?:vv|vh|hh|hv)(?![a-z])", "", stem, flags=re.IGNORECASE)


def _described(dataset: Any, path: str, label: str) -> RasterFile:  # noqa: ANN401
    indexes = [i for i, role in zip(dataset.indexes, dataset.colorinterp, strict=True) if role.name != "alpha"]
    if not indexes:
        raise SceneError(f"{label}: holds no bands of its own", hint="Give one of its subdatasets as a GeoTIFF.")
    if any(dataset.colorinterp[i - 1].name == "palette" for i in indexes):
        raise SceneError(f"{label}: is a picture with a colour table, not a scene", hint="Give the scene it shows.")
    tags = {**dataset.tags(), **{f"{i}:{k}": v for i in indexes for k, v in dataset.tags(i).items()}}
    descriptions = [str(dataset.descriptions[i - 1] or "") for i in indexes]
    located = locate(path)
    plain_path = Path(str(located)).with_name(located.name)
    return RasterFile(
        path=path,
        label=label,
        plain_path=plain_path,
        shape=dataset.shape,
        dtypes=tuple(dataset.dtypes[i - 1] for i in indexes),
        bands=tuple(_band(dataset, path, label, i) for i in indexes),
        polarizations=_polarizations(dataset, indexes, descriptions, plain_path),
        texts=" ".join(
            [plain_path.stem, *descriptions, *map(str, tags.values()), *filter(None, dataset.units)]
        ).lower(),
        georeferencing=_georeferencing(dataset),
    )


def _band(dataset: Any, path: str, label: str, index: int) -> RasterBand:  # noqa: ANN401
    block_rows = dataset.block_shapes[index - 1][0]
    pixel_bytes = 8 if dataset.dtypes[index - 1].startswith("complex") else np.dtype(dataset.dtypes[index - 1]).itemsize
    return RasterBand(
        path=path,
        label=label,
        index=index,
        nodata=dataset.nodatavals[index - 1],
        scaling=(dataset.scales[index - 1], dataset.offsets[index - 1]),
        block_row_bytes=block_rows * dataset.width * pixel_bytes,
    )


def _polarizations(dataset: Any, indexes: list[int], descriptions: list[str], path: Path) -> tuple[str | None, ...]:  # noqa: ANN401
    per_band = [
        next((p for text in (d, *dataset.tags(i).values()) for p in named_in(str(text))[:1]), None)
        for i, d in zip(indexes, descriptions, strict=True)
    ]
    if any(per_band):
        return tuple(per_band)
    own_tags = " ".join(str(v) for k, v in dataset.tags().items() if "POLARI" in k.upper())
    for names in (named_in(path.stem), named_in(own_tags), told_by_product_name(str(path))):
        if names and (len(names) == len(indexes) or (len(names) == 2 <= len(indexes))):
            return (*names, *[None] * (len(indexes) - len(names)))
    return (None,) * len(indexes)


def _georeferencing(dataset: Any) -> Georeferencing:  # noqa: ANN401
    gcps, gcp_crs = dataset.gcps
    if len(gcps) >= MIN_GCPS and gcp_crs is not None:
        return Georeferencing(kind="gcps", crs=gcp_crs, gcps=tuple(gcps))
    if dataset.transform.is_identity:
        return Georeferencing(kind="none")
    return Georeferencing(kind="affine", crs=dataset.crs, transform=dataset.transform)


def _sample(file: RasterFile) -> NDArray[Any]:
    height, width = file.shape
    rows = max(1, min(height, _SAMPLE_BAND_BYTES // (8 * width)))
    parts = []
    try:
        with open_raster(file.path) as dataset:
            for start in np.linspace(0, height - rows, _SAMPLE_ROWS).astype(int):
                window = Window(0, start, width, rows)
                parts.append(dataset.read(file.bands[0].index, window=window).ravel())
    except RasterioError as error:
        broken = SceneError(
            f"{file.label}: cannot be read; the file is truncated or damaged", hint="Download or copy it again."
        )
        if is_remote(file.path):
            raise unreadable(file.label, file.path, error) or broken from None
        raise broken from error
    return np.concatenate(parts)
