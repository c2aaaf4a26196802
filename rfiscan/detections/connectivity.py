"""Connected regions of pixels that are given by their rows and columns, however large the grid is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def connected_regions(rows: NDArray[np.integer], cols: NDArray[np.integer], *, diagonally: bool) -> NDArray[np.int32]:
    """Number the connected regions of pixels.

    Args:
        rows: Row of each pixel, shape (P,), ascending.
        cols: Column of each, ascending within a row; no pixel twice.
        diagonally: Whether pixels that meet at a corner are connected.

    Returns:
        Region of each pixel, shape (P,), from 0 in the order of their first pixels.
    """
    if not rows.size:
        return np.zeros(0, np.int32)
    first = np.append(True, (np.diff(rows) != 0) | (np.diff(cols) != 1))  # of a run of neighbours in a row
    starts = np.flatnonzero(first)
    lasts = np.append(starts[1:], rows.size) - 1
    pitch = int(cols.max()) + 3
    reach = int(diagonally)
    row, left, right = (
        rows[starts].astype(np.int64) * pitch,
        cols[starts].astype(np.int64),
        cols[lasts].astype(np.int64),
    )
    # of the runs of the next row, which are sorted by either end, those that begin and end where they touch this one
    touched = np.searchsorted(row + right, row + pitch + left - reach, side="left")
    beyond = np.searchsorted(row + left, row + pitch + right + reach, side="right")
    count = np.maximum(beyond - touched, 0)
    above = np.repeat(np.arange(starts.size), count)
    below = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(touched, count)
    links = coo_matrix((np.ones(above.size, np.bool_), (above, below)), (starts.size, starts.size))
    _, region = connected_components(links, directed=False)
    return np.asarray(region[np.cumsum(first) - 1], np.int32)
