"""Where bursts lie on a grid of pixels, and what two opinions on each come to.

The rows of a ground-range product are equally spaced in zero-Doppler azimuth time, which increases with the row in
ascending and descending passes alike, so that a time is a row. A burst's pixels are laid down from its first line to
the next burst's first line of the same sub-swath.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Relation: TypeAlias = Literal["agree", "only_esa", "only_rfiscan", "not_annotated", "outside"]

MIN_FLAGGED_SHARE = 0.01
"""A choice: rfiscan finds interference in a burst if more than this share of the burst's valid pixels is flagged. It
is ten times the default false-alarm rate; the shortest stripe, some 4 km high, over a twentieth of the sub-swath
exceeds it in an IW burst, which is 19 km high."""

LONGEST_BURST = 1.5
"""A choice: a burst lasts till the next one, unless that one is more than this many cycles away; then one cycle."""


class Rectangle(NamedTuple):
    """Pixels `row_start` to `row_stop - 1` by `col_start` to `col_stop - 1`; may be empty."""

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int

    @property
    def is_empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.row_start >= self.row_stop or self.col_start >= self.col_stop


def burst_cycle_s(starts_s: Sequence[ArrayLike]) -> float | None:
    """Return the time from a burst to the next one of its sub-swath, the median over all; None without two bursts.

    Args:
        starts_s: Of each sub-swath, the start times of its bursts, in s, ascending.
    """
    steps = np.concatenate([np.zeros(0), *(np.diff(np.asarray(starts, np.float64)) for starts in starts_s)])
    steps = steps[steps > 0]
    return float(np.median(steps)) if steps.size else None


def burst_spans(starts_s: ArrayLike, cycle_s: float) -> NDArray[np.float64]:
    """Return the times (N, 2) at which the bursts of one sub-swath begin and end, in s.

    Args:
        starts_s: Start times, ascending.
        cycle_s: Time from a burst to the next; how long a burst lasts that no other one follows.
    """
    starts = np.asarray(starts_s, np.float64)
    stops = starts + cycle_s
    follows = np.diff(starts) <= LONGEST_BURST * cycle_s
    stops[:-1][follows] = starts[1:][follows]
    return np.column_stack([starts, stops])


def span_rows(spans_s: ArrayLike, row_interval_s: float) -> NDArray[np.float64]:
    """Return the rows (N, 2) at which spans of time begin and end: fractional, and not limited to the image.

    Row r is a pixel high and centred on the time of row r; so a span begins half a row before the row of its time.

    Args:
        spans_s: Times (N, 2) after the first row's, in s.
        row_interval_s: Time from a row to the next.
    """
    rows: NDArray[np.float64] = np.asarray(spans_s, np.float64) / row_interval_s + 0.5
    return rows


def between(rows: ArrayLike, first_row: float, stop_row: float) -> list[tuple[float, float]]:
    """Return what spans of rows leave of the rows from `first_row` to `stop_row`, in order.

    Args:
        rows: Spans (N, 2), in any order.
        first_row: Where the rows begin.
        stop_row: Where they end.
    """
    gaps, at = [], first_row
    for start, stop in sorted(np.asarray(rows, np.float64).reshape(-1, 2).tolist()):
        if start > at:
            gaps.append((at, min(start, stop_row)))
        at = max(at, stop)
    gaps.append((at, stop_row))
    return [(start, stop) for start, stop in gaps if start < stop]


def on_working_grid(
    rows: tuple[float, float], cols: tuple[float, float], factors: tuple[int, int], shape: tuple[int, int]
) -> Rectangle:
    """Return the working pixels whose centres lie in a rectangle of the full-resolution grid.

    Rectangles that share no point and leave no gap so get pixels that share none and leave none.

    Args:
        rows: Where it begins and ends, in rows of the full-resolution grid; pixel r reaches from r to r + 1.
        cols: The same in columns.
        factors: Source pixels (rows, cols) per working pixel.
        shape: (rows, cols) of the working grid, to which the result is limited.
    """
    ends = []
    for (start, stop), factor, size in zip((rows, cols), factors, shape, strict=True):
        ends += [int(min(max(np.ceil(end / factor - 0.5), 0), size)) for end in (start, stop)]
    return Rectangle(*ends)


def flagged_share(
    rectangles: Sequence[Rectangle], flagged: NDArray[np.bool_], valid_mask: NDArray[np.bool_]
) -> float | None:
    """Return the share of the valid pixels in some rectangles that is flagged, 0..1; None where none is valid.

    Args:
        rectangles: They do not overlap.
        flagged: (H, W), True = RFI.
        valid_mask: (H, W), True = valid.
    """
    valid_px = flagged_px = 0
    for r in rectangles:
        window = (slice(r.row_start, r.row_stop), slice(r.col_start, r.col_stop))
        valid_px += int(valid_mask[window].sum())
        flagged_px += int((flagged[window] & valid_mask[window]).sum())
    return flagged_px / valid_px if valid_px else None


def relation(esa_found: bool | None, rfiscan_found: bool | None) -> Relation:
    """Say what two opinions on a burst come to.

    Args:
        esa_found: Whether ESA found interference; None where it does not say.
        rfiscan_found: Whether rfiscan did; None where the image holds no pixel of the burst.
    """
    if rfiscan_found is None:
        return "outside"
    if esa_found is None:
        return "not_annotated"
    if esa_found == rfiscan_found:
        return "agree"
    return "only_esa" if esa_found else "only_rfiscan"
