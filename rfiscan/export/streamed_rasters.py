"""Rasters whose rows come in bands, of more pixels than fit into memory, as cloud-optimized GeoTIFFs.

Rows first go to a plain file beside the output, in blocks as wide as those of the output, none of which is touched
twice. What is written last of a file on a full disk is lost without a word: so the size of the plain file is checked,
and the end of the output is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from rfiscan.atomic import PART_SUFFIX, atomic_path
from rfiscan.errors import OutputError
from rfiscan.export.rasters import (
    CACHE_BYTES,
    COG_BLOCK_PX,
    copy_as_cog,
    describe,
    gdal_settings,
    raster_errors,
    raster_profile,
    write_geotiff,
)

if TYPE_CHECKING:
    from rfiscan.export.rasters import Colormap
    from rfiscan.scenes.georeferencing import Georeferencing
    from rfiscan.tiling import tiles

BLOCK_ROWS = 128
"""Rows of a block of the plain file: they are gathered in memory before they are written."""

_GDALS_TAGS = {"AREA_OR_POINT", "OVR_RESAMPLING_ALG"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterKind:
    """What a raster is of; see `rfiscan.export.rasters.write_cog`."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    georeferencing: Georeferencing
    nodata: float
    tags: Mapping[str, str]
    band_names: Sequence[str]
    colormap: Colormap | None = None


class RasterRows:
    """Takes the rows of a raster from the top to the bottom, and makes a cloud-optimized GeoTIFF of them.

    Args:
        plain: Where the plain file goes.
        kind: What the raster is of.

    Attributes:
        shape: (rows, columns).
    """

    def __init__(self, plain: Path, kind: RasterKind) -> None:
        self._plain, self._kind, self.shape = plain, kind, kind.shape
        self._held = np.empty((len(kind.band_names), BLOCK_ROWS, kind.shape[1]), kind.dtype)
        self._first = self._filled = 0
        shape = (len(kind.band_names), *kind.shape)
        profile = raster_profile(shape, kind.dtype, kind.georeferencing, kind.nodata)
        with raster_errors(plain), gdal_settings():
            self._raster = rasterio.open(plain, "w", **profile, blockxsize=COG_BLOCK_PX, blockysize=BLOCK_ROWS)
            describe(self._raster, kind.tags, kind.band_names, kind.colormap)

    def append(self, rows: NDArray[Any]) -> None:
        """Take rows, shape (C, h, W).

        Raises:
            OutputError: If they cannot be written.
        """
        taken = 0
        while taken < rows.shape[1]:
            step = min(rows.shape[1] - taken, BLOCK_ROWS - self._filled)
            self._held[:, self._filled : self._filled + step] = rows[:, taken : taken + step]
            self._filled, taken = self._filled + step, taken + step
            if self._filled == BLOCK_ROWS:
                self._flush()

    def make_cog(self, final: Path) -> None:
        """Write what the rows are of, after all of them; it appears whole or not at all.

        Raises:
            OutputError: If it cannot be written.
            ResourceError: If the disk is full.
        """
        if self._filled:
            self._flush()
        self._raster.close()
        height, width = self._kind.shape
        least_bytes = self._held.shape[0] * height * width * self._kind.dtype.itemsize
        if self._plain.stat().st_size < least_bytes:
            raise OutputError(f"cannot write {final}: its rows were cut short: no space left on device?")
        with atomic_path(final) as part, raster_errors(final), gdal_settings(), rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            copy_as_cog(str(self._plain), str(part), self._kind.dtype)
            _require_end(part)
        self.remove()

    def remove(self) -> None:
        """Remove the plain file."""
        with suppress(rasterio.errors.RasterioError):
            self._raster.close()
        self._plain.unlink(missing_ok=True)

    def _flush(self) -> None:
        with raster_errors(self._plain), gdal_settings(), rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            window = Window(0, self._first, self._kind.shape[1], self._filled)
            self._raster.write(self._held[:, : self._filled], window=window)
        self._first, self._filled = self._first + self._filled, 0


@contextmanager
def raster_rows(final: Path, kind: RasterKind) -> Iterator[RasterRows]:
    """Open a raster for rows; nothing of it stays after the block but what `RasterRows.make_cog` makes.

    Args:
        final: Path of the raster to be; the plain file lies beside it.
        kind: What it is of.

    Yields:
        What takes the rows.

    Raises:
        OutputError: If the plain file cannot be created.
    """
    rows = RasterRows(final.with_name(f"{final.stem}.rows{PART_SUFFIX}"), kind)
    try:
        yield rows
    finally:
        rows.remove()


def copy_window(path: Path, source: Path, window: tiles.Window, georeferencing: Georeferencing) -> None:
    """Write the window of a raster as a raster of its own: see `rfiscan.export.rasters.write_geotiff`.

    Args:
        path: File to write.
        source: The raster.
        window: What to copy.
        georeferencing: Of the raster.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    with gdal_settings(), rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), rasterio.open(source) as raster:
        values = raster.read(window=Window(*window))
        tags, names, nodata = raster.tags(), raster.descriptions, raster.nodata
    own = {name: value for name, value in tags.items() if name not in _GDALS_TAGS}
    write_geotiff(path, values, georeferencing.window(window), nodata=nodata, tags=own, band_names=names)


def _require_end(path: Path) -> None:
    """Read the last blocks of a raster, which come last in its file, to prove that they are there."""
    with rasterio.open(path) as raster:
        rows, cols = (min(COG_BLOCK_PX, size) for size in raster.shape)
        raster.read(window=Window(raster.width - cols, raster.height - rows, cols, rows))
