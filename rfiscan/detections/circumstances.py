"""What is known of a detection beside its pixels: where in the acquisition it lies, and how likely it is false."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rfiscan.detections.false_stripes import Bound
from rfiscan.sentinel1.bursts import Rectangle

Box = tuple[int, int, int, int]
"""(x, y, width, height) in pixels."""

LEAST_SHARE = 0.05
"""A choice: of a sub-swath that holds less of a detection than this, the detection is not said to be. Seams are not
known to the pixel, and where sub-swaths meet differs from rows to rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of a detection; None where nothing tells it.

    Attributes:
        sub_swaths: Names of those that it lies in, the one with most of it first.
        bursts: Identifiers of the bursts that it touches, of those sub-swaths, in order: see
            `rfiscan.sentinel1.burst_ids`. Empty where it lies on none that the product reports on.
        azimuth_time_start: Zero-Doppler time of its first line, UTC.
        azimuth_time_stop: Zero-Doppler time of its last line, UTC.
        incidence_deg: Least and largest incidence angle at the corners of its box, in degrees.
        share_of_sub_swath_lines: Share of the valid lines of its sub-swath that its box covers, 0..1.
        false_stripes_per_scene: Stripes that rank at least as high, in a scene without interference, on average.
        false_stripes_bound: Which side of that number the true one lies on, where it was not calibrated so far.
    """

    sub_swaths: tuple[str, ...] | None = None
    bursts: tuple[str, ...] | None = None
    azimuth_time_start: datetime | None = None
    azimuth_time_stop: datetime | None = None
    incidence_deg: tuple[float, float] | None = None
    share_of_sub_swath_lines: float | None = None
    false_stripes_per_scene: float | None = None
    false_stripes_bound: Bound | None = None


UNKNOWN = Circumstances()


def shared_px(box_px: Box, rectangles: Sequence[Rectangle]) -> int:
    """Number of pixels that a box shares with rectangles, which do not overlap."""
    x, y, width, height = box_px
    shared = 0
    for r in rectangles:
        rows = min(y + height, r.row_stop) - max(y, r.row_start)
        cols = min(x + width, r.col_stop) - max(x, r.col_start)
        shared += max(rows, 0) * max(cols, 0)
    return shared


def sub_swaths_of(box_px: Box, sub_swaths: Mapping[str, Sequence[Rectangle]]) -> tuple[str, ...]:
    """Name the sub-swaths that a box lies in, the one with most of it first.

    Args:
        box_px: Where a detection is.
        sub_swaths: The pixels of each sub-swath.
    """
    shared = {name: shared_px(box_px, rectangles) for name, rectangles in sub_swaths.items()}
    least = LEAST_SHARE * box_px[2] * box_px[3]
    named = [name for name, px in shared.items() if px > 0 and px >= least]
    return tuple(sorted(named, key=lambda name: shared[name], reverse=True))
