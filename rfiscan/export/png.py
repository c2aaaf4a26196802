"""Write pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.io import MemoryFile

from rfiscan.atomic import write_atomically
from rfiscan.export.rasters import gdal_settings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture, uint8 (H, W, 3), as a PNG that appears whole or not at all.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    height, width = picture.shape[:2]
    with gdal_settings(), MemoryFile(ext=".png") as png:
        with png.open(driver="PNG", count=3, height=height, width=width, dtype="uint8", ZLEVEL=6) as file:
            file.write(np.moveaxis(picture, -1, 0))
        write_atomically(path, png.getbuffer())
