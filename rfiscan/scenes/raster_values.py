"""The values of a small raster, all at once: masks and labels, not scenes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rasterio.errors import RasterioError

from rfiscan.errors import SceneError
from rfiscan.scenes.rows import open_raster


def read_raster_values(path: Path) -> NDArray[Any]:
    """Read every band of a raster as it is stored, shape (C, H, W).

    Raises:
        SceneError: If the file is missing, damaged or no raster.
    """
    with _opened(path) as raster:
        values: NDArray[Any] = raster.read()
    return values


def require_raster(path: Path) -> None:
    """Prove that a raster is there, by its header alone.

    Raises:
        SceneError: If the file is missing, damaged or no raster.
    """
    with _opened(path):
        pass


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise SceneError(f"{path}: does not exist", hint="Make the data anew, or copy the folder whole.")
    try:
        with open_raster(str(path)) as raster:
            yield raster
    except RasterioError as error:
        raise SceneError(f"{path}: cannot be read; it is truncated, damaged or no raster") from error
