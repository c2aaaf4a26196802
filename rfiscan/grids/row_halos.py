"""Filters over rows that come in bands: each band is filtered with the rows above and below it that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = tuple["NDArray[Any]", ...]


def with_halo(
    bands: Iterable[Arrays], halo_px: int, work: Callable[..., Arrays], least_rows: int = 1
) -> Iterator[Arrays]:
    """Filter bands of rows as if all of them were there at once.

    Args:
        bands: Arrays (..., h, W) of a band each, from the top; h may differ from band to band.
        halo_px: Rows above and below that the filter looks at, >= 0.
        work: Takes the arrays of some rows, and gives arrays of as many; what it makes of edges that are none of the
            scene's reaches no farther than the halo.
        least_rows: Rows that are gathered before they are filtered.

    Yields:
        What the filter makes of each row, in bands.
    """
    held: Arrays = ()
    above = 0  # rows held that have been given
    for band in bands:
        held = tuple(np.concatenate(pair, axis=-2) for pair in zip(held, band, strict=True)) if held else band
        ready = held[0].shape[-2] - above - halo_px
        if ready < max(least_rows, 1):
            continue
        yield tuple(made[..., above : above + ready, :] for made in work(*held))
        spare = max(above + ready - halo_px, 0)
        held = tuple(array[..., spare:, :] for array in held)
        above += ready - spare
    if held and held[0].shape[-2] > above:
        yield tuple(made[..., above:, :] for made in work(*held))
