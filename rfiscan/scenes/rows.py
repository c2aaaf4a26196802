"""Row readers: power and validity of full-width bands of rows, from rasters or from arrays in memory."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units, to_power
from rfiscan.scenes.network import is_remote, network_access, network_options, unreadable
from rfiscan.scenes.scene import PowerRows, ValidRows

# GDAL keeps what it decodes, up to a twentieth of all memory. A band of rows needs the row of blocks (tiles or strips)
# that it shares with the next one; more costs memory, and time too where blocks are small.
_MIN_CACHE_BYTES = 16 * 2**20
_MAX_CACHE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterBand:
    """One band of a raster file.

    Attributes:
        path: Path, or GDAL name such as /vsizip/...; may hold secrets.
        label: How messages call the file.
        index: Band number from 1.
        nodata: Declared nodata value, as it is stored.
        scaling: Scale and offset of the band: what a stored value stands for is scale * value + offset.
        block_row_bytes: Size of one full-width row of the blocks that the file is stored in, decoded.
    """

    path: str
    label: str
    index: int = 1
    nodata: float | None = None
    scaling: tuple[float, float] = (1.0, 0.0)
    block_row_bytes: int = 0

    def meant(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return what stored values stand for: themselves in a band without scale and offset, else floating-point."""
        scale, offset = self.scaling
        if (scale, offset) == (1.0, 0.0):
            return stored
        dtype = np.complex64 if np.iscomplexobj(stored) else np.float32
        meant: NDArray[Any] = np.multiply(stored, scale, dtype=dtype, casting="unsafe")
        meant += dtype(offset)
        return meant


class OpenBands:
    """Raster files that are opened at the first read, and what GDAL may keep of them. Threads may share it.

    Args:
        bands: All that will be read.
    """

    def __init__(self, bands: Iterable[RasterBand]) -> None:
        bands = tuple(bands)
        needed = 2 * sum(band.block_row_bytes for band in bands)
        self._cache_bytes = min(max(needed, _MIN_CACHE_BYTES), _MAX_CACHE_BYTES)
        self._network_options = network_options(*(band.path for band in bands))
        self._open: dict[str, Any] = {}
        self._stack = ExitStack()
        self._lock = threading.Lock()  # threads in turns: GDAL wants it, and together they decode each block once

    def caching(self) -> rasterio.Env:
        """Return the context to read in: it bounds what GDAL keeps, and says how it reaches what is remote."""
        return rasterio.Env(GDAL_CACHEMAX=self._cache_bytes, **self._network_options)

    def read(self, band: RasterBand, start: int, stop: int, width: int) -> NDArray[Any]:
        """Return the stored values (stop - start, width) of rows start..stop-1 of a band.

        Raises:
            SceneError: The file cannot be read.
        """
        window = Window(0, start, width, stop - start)
        try:
            with self._lock:
                if band.path not in self._open:
                    self._open[band.path] = self._stack.enter_context(_opened(band.path))
                values: NDArray[Any] = self._open[band.path].read(band.index, window=window)
        except RasterioError as error:
            if is_remote(band.path):
                raise unreadable(band.label, band.path, error) or _broken_off(band, window) from None
            raise _broken_off(band, window) from error
        return values

    def close(self) -> None:
        """Close the files."""
        self._open.clear()
        self._stack.close()


class RasterRows:
    """Reads bands of raster files row band by row band; files are opened at the first read.

    Args:
        bands: The band of each slot, None if absent.
        width: Columns.
        units: What the values are.
    """

    def __init__(self, bands: tuple[RasterBand | None, RasterBand | None], width: int, units: Units) -> None:
        self._bands = bands
        self._width = width
        self._units = units
        self._files = OpenBands(band for band in bands if band is not None)

    def read(self, start: int, stop: int) -> tuple[PowerRows, ValidRows]:
        """Return power and valid mask (2, h, W); see `Scene.read_rows`."""
        with self._files.caching():
            values = [
                None if band is None else self._files.read(band, start, stop, self._width) for band in self._bands
            ]
        return power_and_validity(values, self._bands, self._units)

    def close(self) -> None:
        """Close the files."""
        self._files.close()


class ArrayRows:
    """Serves rows of arrays in memory, as `RasterRows` does of files.

    Args:
        values: Stored values (H, W) of each slot, None if absent.
        units: What they are.
    """

    def __init__(self, values: tuple[NDArray[Any] | None, NDArray[Any] | None], units: Units) -> None:
        self._values = values
        self._units = units

    def read(self, start: int, stop: int) -> tuple[PowerRows, ValidRows]:
        """Return power and valid mask (2, h, W); see `Scene.read_rows`."""
        rows = [None if channel is None else channel[start:stop] for channel in self._values]
        return power_and_validity(rows, [None, None], self._units)

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def open_raster(path: str) -> Iterator[Any]:
    """Open a raster silently, over the network if need be; scenes without georeferencing are welcome."""
    with network_access(path), _opened(path) as dataset:
        yield dataset


def _opened(path: str) -> Any:  # noqa: ANN401 - rasterio ships no types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path)


def _broken_off(band: RasterBand, window: Window) -> SceneError:
    last = window.row_off + window.height - 1
    return SceneError(
        f"{band.label}: rows {window.row_off} to {last} cannot be read; the file is truncated or damaged"
        + (", or the connection broke off" if is_remote(band.path) else ""),
        hint="Try again, or download it." if is_remote(band.path) else "Download or copy it again.",
    )


def power_and_validity(
    values: Sequence[NDArray[Any] | None], bands: Sequence[RasterBand | None], units: Units
) -> tuple[PowerRows, ValidRows]:
    """Return power float32 (2, h, W) and valid mask bool (2, h, W) of stored values of the two slots.

    Zero is a border only where all polarizations present are zero, even if it is the declared nodata value: over
    calm water a digital number of cross-pol may be 0. In a band with an offset it is no darker than other values.

    Args:
        values: Stored values (h, W) per slot, None if absent; at least one is present.
        bands: What the values of each slot were read from; None where that declares nothing.
        units: What the values stand for.
    """
    present = [channel for channel in values if channel is not None]
    power = np.empty((2, *present[0].shape), np.float32)
    valid = np.empty(power.shape, np.bool_)
    lit = np.not_equal(present[0], 0) if len(present) == 1 else np.logical_or(present[0], present[1])
    for slot, (channel, band) in enumerate(zip(values, bands, strict=True)):
        if channel is None:
            power[slot], valid[slot] = 0, False
            continue
        meant = channel if band is None else band.meant(channel)
        to_power(meant, units, out=power[slot])
        valid[slot] = lit
        if band is not None and band.nodata is not None and (band.nodata != 0 or band.scaling[1] != 0):
            valid[slot] &= channel != band.nodata
        if meant.dtype.kind in "fc":
            valid[slot] &= np.isfinite(power[slot])
        if units is Units.DB:  # an untagged border of -9999 has no power left
            valid[slot] &= power[slot] > 0
    return power, valid
