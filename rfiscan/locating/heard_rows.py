"""From the stripes of one scene to where, along its rows, it heard emitters.

While the azimuth beam looks at an emitter, focusing lays what is heard down around the zero-Doppler time at which the
beam points: the middle of the stripe is the row of the emitter. A beam that turns may miss that moment, and its stripe
is then low, for it is hardly higher than the footprint of one line. Range is not told but by the sub-swath.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHARES = ((4_000.0, (0.10, 0.45, 0.45)), (10_000.0, (0.35, 0.47, 0.18)), (np.inf, (0.66, 0.14, 0.20)))
"""How the error of the row of a stripe up to so high, in metres, is mixed of `positions.SCALES_M`: fitted to
127 stripes of simulated emitters that the bundled model found. Most up to 4 km, the footprint of one line, are of beams
that turn; most above 10 km are of beams that stand, with side lobes of the receiver. See docs/locating.md."""
MAIN_LOBE = 0.25
"""Share of the strongest row's power: between the first side lobe of a uniform aperture, 0.05, and half. A choice."""
NEAR_M = 4_000.0
"""Stripes whose middles lie no farther apart are of one emitter, whatever their sub-swaths: all of them hear a strong
one, through side lobes in elevation. It is the height of one line's footprint. A choice."""
JOINED_M, FAINTER_DB = 1_500.0, 10.0
"""So are stripes of the same or neighbouring sub-swaths with no more than this between their rows where one is fainter
by as much: side lobes in azimuth, of which the first is 13 dB down. A choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardStripe:
    """A stripe as it bears on the place of its emitter, lengths in metres along the scene's axes from its first corner.

    Attributes:
        index: Of the detection in its scene, from 0.
        row_m: Its middle.
        rows_m: Where it begins and ends along rows' direction.
        swath: Index of its sub-swath.
        excess_db: Its largest excess.
        shown: Whether co-pol and cross-pol show it.
    """

    index: int
    row_m: float
    rows_m: tuple[float, float]
    swath: int
    excess_db: float
    shown: tuple[bool, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """One measurement of where a scene heard an emitter: the strongest of its stripes, and the others.

    Attributes:
        row_m: Its row, in metres from the first.
        shares: How the error of that is mixed of `rfiscan.locating.positions.SCALES_M`.
        swath: Index of the sub-swath that shows it most strongly.
        shown: Whether co-pol and cross-pol show any of it.
        excess_db: Largest excess.
        stripes: Indices of its detections, the strongest first.
    """

    row_m: float
    shares: tuple[float, ...]
    swath: int
    shown: tuple[bool, bool]
    excess_db: float
    stripes: tuple[int, ...]


def row_centre(excess_db: NDArray[np.floating[Any]]) -> float | None:
    """Middle of a stripe in rows: that of its main lobe, weighted by excess in linear power.

    The main lobe is what lies around the strongest row and has a share of `MAIN_LOBE` of its power or more. Unlike the
    middle of the box, its middle does not move where bursts, other stripes or the scene's end cut the side lobes.

    Args:
        excess_db: Scene over expectation per polarization, shape (P, H, W), of the stripe's box; NaN where invalid.

    Returns:
        In rows from the box's first edge, 0..H; None where nothing exceeds.
    """
    linear = np.where(np.isfinite(excess_db), 10.0 ** (np.nan_to_num(excess_db) / 10.0) - 1.0, 0.0)
    rows = np.clip(linear.max(axis=0), 0.0, None).sum(axis=1, dtype=np.float64)
    if not rows.any():
        return None
    low = np.flatnonzero(rows < MAIN_LOBE * rows.max())
    peak = int(rows.argmax())
    first = int(low[low < peak].max(initial=-1)) + 1
    stop = int(low[low > peak].min(initial=len(rows)))
    return float(np.average(np.arange(first, stop) + 0.5, weights=rows[first:stop]))


def row_shares(height_m: float) -> tuple[float, ...]:
    """How the error of the row of an emitter is mixed of `SCALES_M`, by the height of its stripe in metres."""
    return next(shares for least_m, shares in SHARES if height_m <= least_m)


def hearings(stripes: Sequence[HeardStripe]) -> list[Hearing]:
    """Join the stripes of one scene that one emitter leaves.

    From the strongest down, a stripe takes those whose middles lie near its own, and what looks like its side lobes;
    see `NEAR_M` and `JOINED_M`.

    Args:
        stripes: Of one scene.

    Returns:
        The strongest first.
    """
    left = sorted(stripes, key=lambda stripe: (-stripe.excess_db, stripe.index))
    found = []
    while left:
        main = left[0]
        own = [stripe for stripe in left if _belongs(stripe, main)]
        left = [stripe for stripe in left if stripe not in own]
        found.append(
            Hearing(
                row_m=main.row_m,
                shares=row_shares(main.rows_m[1] - main.rows_m[0]),
                swath=main.swath,
                shown=(any(stripe.shown[0] for stripe in own), any(stripe.shown[1] for stripe in own)),
                excess_db=main.excess_db,
                stripes=tuple(stripe.index for stripe in own),
            )
        )
    return found


def _belongs(stripe: HeardStripe, main: HeardStripe) -> bool:
    if abs(stripe.row_m - main.row_m) <= NEAR_M:
        return True
    gap_m = max(stripe.rows_m[0] - main.rows_m[1], main.rows_m[0] - stripe.rows_m[1])
    faint = stripe.excess_db <= main.excess_db - FAINTER_DB
    return faint and abs(stripe.swath - main.swath) <= 1 and gap_m <= JOINED_M
