"""Polygons cut where they cross the 180th meridian, as RFC 7946, section 3.1.9, asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    LonLatRing = NDArray[np.float64]
    """Closed line, shape (N, 2): longitude and latitude in degrees, the first point repeated at the end."""

    LonLatPolygon = list[LonLatRing]
    """Exterior ring first, then the rings of its holes."""

NO_AREA_DEG2 = 1e-12
"""Rings of less area than this (about 100 cm²) only touch the meridian."""


def split_polygon(polygon: LonLatPolygon) -> list[LonLatPolygon]:
    """Bring a polygon into -180..180 degrees, in right-hand order, cut in two or more where it crosses the meridian.

    Args:
        polygon: Less than 180 degrees wide; neighbouring points may lie 360 degrees apart.

    Returns:
        Polygons: exteriors counter-clockwise, holes clockwise; each within -180..180 degrees.
    """
    exterior, *holes = (_continuous(ring) for ring in polygon)
    exterior = _moved_east(exterior, -np.floor((exterior[:, 0].min() + 180) / 360))
    middle = _middle_lon(exterior)
    holes = [_moved_east(hole, np.round((middle - _middle_lon(hole)) / 360)) for hole in holes]
    rings = [_turned(exterior, counter_clockwise=True), *(_turned(hole, counter_clockwise=False) for hole in holes)]
    if rings[0][:, 0].max() <= 180:
        return [rings]
    west = _clip(rings, east=False)
    east = _clip(rings, east=True)
    return west + [[_moved_east(ring, -1) for ring in part] for part in east]


def signed_area(ring: LonLatRing) -> float:
    """Area in square degrees, positive where the ring runs counter-clockwise."""
    lon, lat = (ring - ring[0]).T
    return float(np.sum(lon[:-1] * lat[1:] - lon[1:] * lat[:-1]) / 2)


def _continuous(ring: LonLatRing) -> LonLatRing:
    """The ring with no step of more than 180 degrees between neighbours."""
    return np.column_stack([np.unwrap(ring[:, 0], period=360), ring[:, 1]])


def _moved_east(ring: LonLatRing, turns: float) -> LonLatRing:
    moved: LonLatRing = ring + np.array([360 * turns, 0])
    return moved


def _middle_lon(ring: LonLatRing) -> float:
    return float(ring[:, 0].min() + ring[:, 0].max()) / 2


def _turned(ring: LonLatRing, *, counter_clockwise: bool) -> LonLatRing:
    return ring if (signed_area(ring) > 0) == counter_clockwise else ring[::-1]


def _clip(rings: LonLatPolygon, *, east: bool) -> list[LonLatPolygon]:
    """The part of a right-hand polygon on one side of 180 degrees.

    The rings are cut into chains that enter and leave the side. Along the meridian the polygon is crossed in turns, so
    that the n-th point of leaving, by latitude, is joined to the n-th point of entering.
    """
    whole: list[LonLatRing] = []
    chains: list[LonLatRing] = []
    for ring in rings:
        kept = (ring[:-1, 0] >= 180) == east
        if kept.all():
            whole.append(ring)
        elif kept.any():
            chains.extend(_chains(ring[:-1], kept))
    entering = sorted(range(len(chains)), key=lambda index: float(chains[index][0, 1]))
    leaving = sorted(range(len(chains)), key=lambda index: float(chains[index][-1, 1]))
    joined = _joined(chains, dict(zip(leaving, entering, strict=True)))
    exteriors = [ring for ring in joined if signed_area(ring) > NO_AREA_DEG2]
    parts = [[exterior] for exterior in exteriors or whole[:1]]
    for hole in whole if exteriors else whole[1:]:
        # a hole may touch its exterior with a corner, never with the middle of a side
        point = (hole[0] + hole[1]) / 2
        next(part for part in parts if len(parts) == 1 or _contains(part[0], point)).append(hole)
    return parts


def _chains(points: NDArray[np.float64], kept: NDArray[np.bool_]) -> list[LonLatRing]:
    """The runs of kept points of an open ring, each with the points on the meridian where it enters and leaves."""
    start = int(np.flatnonzero(kept & ~np.roll(kept, 1))[0])
    points, kept = np.roll(points, -start, axis=0), np.roll(kept, -start)
    firsts = np.flatnonzero(kept & ~np.roll(kept, 1))
    lasts = np.flatnonzero(kept & ~np.roll(kept, -1))
    chains = []
    for first, last in zip(firsts, lasts, strict=True):
        entry = _crossing(points[first - 1], points[first])
        leave = _crossing(points[last], points[(last + 1) % len(points)])
        chains.append(np.vstack([entry, points[first : last + 1], leave]))
    return chains


def _crossing(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the line between two points meets the meridian."""
    share = (180 - one[0]) / (other[0] - one[0])
    return np.array([180.0, one[1] + share * (other[1] - one[1])])


def _joined(chains: list[LonLatRing], following: dict[int, int]) -> list[LonLatRing]:
    """Closed rings of chains, each followed by the one that the mapping names."""
    rings = []
    left = set(range(len(chains)))
    while left:
        first = current = min(left)
        members = []
        while current in left:
            left.remove(current)
            members.append(chains[current])
            current = following[current]
        ring = np.vstack([*members, chains[first][:1]])
        is_new = np.any(np.diff(ring, axis=0) != 0, axis=1)
        rings.append(ring[np.concatenate([[True], is_new])])
    return rings


def _contains(ring: LonLatRing, point: NDArray[np.float64]) -> bool:
    """Whether a point lies inside a ring (even-odd rule)."""
    (lon_a, lat_a), (lon_b, lat_b) = ring[:-1].T, ring[1:].T
    spans = (lat_a > point[1]) != (lat_b > point[1])
    share = (point[1] - lat_a[spans]) / (lat_b - lat_a)[spans]
    lon = lon_a[spans] + share * (lon_b - lon_a)[spans]
    return bool(np.count_nonzero(lon > point[0]) % 2)
