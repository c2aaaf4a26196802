"""Whether a working grid is held in memory as a whole, or goes through it row of tiles by row of tiles."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from rfiscan.errors import ResourceError
from rfiscan.workflows.resources import BYTES_PER_WORKING_PIXEL

AVAILABLE_SHARE = 0.75
"""Share of the memory that is available which is used where no limit is named. A choice: others want some, too."""

# of a row of tiles: values, valid mask, and the sums and weights of two maps of two polarizations
BYTES_PER_WINDOW_PIXEL = 2 * (4 + 1) + (2 * 2 + 1) * 4
# of a column: bands of rows of the source on their way, rows being scored, and rows gathered for three rasters
BYTES_PER_COLUMN = 32 * 4 * 60 + 128 * 4 * 4
# decoded blocks of the source and of rasters, pages of code that first runs now
FIXED_BYTES = 250_000_000
# of a tile in the networks; the bundled ones take up to this
BYTES_PER_TILE_PIXEL = 700
# of a flagged pixel when stripes are looked for
BYTES_PER_FLAGGED_PIXEL = 120
LEAST_FLAGGED_SHARE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """How a scene goes through memory.

    Attributes:
        streamed: False where the whole working grid is in memory.
        batch_tiles: Tiles that go through the network together.
        most_flagged_px: Flagged pixels that there is room for, where it is streamed.
    """

    streamed: bool
    batch_tiles: int
    most_flagged_px: int = 0


def plan_memory(
    shape: tuple[int, int], tile_shape: tuple[int, int], batch_tiles: int, max_memory_gb: float | None
) -> MemoryPlan:
    """Choose how a scene goes through memory: as a whole where it fits, which is a little faster.

    Args:
        shape: (H, W) of the working grid.
        tile_shape: (h, w) of a tile.
        batch_tiles: Tiles that are to go through the network together, if there is room for them.
        max_memory_gb: Memory that the process may take, in GB (1e9 bytes); None for what it has and `AVAILABLE_SHARE`
            of what is available.

    Raises:
        ResourceError: If that is too little even for a row of tiles.
    """
    used, available = psutil.Process().memory_info().rss, psutil.virtual_memory().available
    limit = used + AVAILABLE_SHARE * available if max_memory_gb is None else max_memory_gb * 1e9
    height, width = shape
    if used + height * width * BYTES_PER_WORKING_PIXEL <= limit:
        return MemoryPlan(streamed=False, batch_tiles=batch_tiles)
    rows = min(height, tile_shape[0])
    base = used + FIXED_BYTES + width * (rows * BYTES_PER_WINDOW_PIXEL + BYTES_PER_COLUMN)
    tile = tile_shape[0] * tile_shape[1] * BYTES_PER_TILE_PIXEL
    least = base + max(tile, LEAST_FLAGGED_SHARE * height * width * BYTES_PER_FLAGGED_PIXEL)
    if limit < least:
        named = (
            f"--max-memory {max_memory_gb:g}" if max_memory_gb is not None else f"{available / 1e9:.1f} GB available"
        )
        raise ResourceError(
            f"a working grid of {height} x {width} pixels needs about {least / 1e9:.2f} GB of memory row by row, "
            f"{named} is less",
            hint=f"Use --max-memory {least / 1e9 + 0.005:.2f} or more, or choose a coarser --spacing.",
        )
    return MemoryPlan(
        streamed=True,
        batch_tiles=int(max(1, min(batch_tiles, (limit - base) // tile))),
        most_flagged_px=int((limit - used - FIXED_BYTES) / BYTES_PER_FLAGGED_PIXEL),
    )
