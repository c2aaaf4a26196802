"""Which stripes are of one emitter: lines of position are shared out among places, each to one place at most.

Every ascending line crosses every descending one, and most crossings are of two emitters. A hypothesis is a place with
the lines, one a scene at most, that it would explain. Its score is the logarithm of its likelihood against "all these
lines are something else" (track-oriented data association; Blackman and Popoli 1999, Design and Analysis of Modern
Tracking Systems, section 6.2): the density of emitters, how well the lines meet, whether their sub-swaths,
polarizations and strengths fit, and what the scenes do not show that see the place.

Every crossing begins a hypothesis, which takes in what fits. The best is accepted, the others lose its lines, and so
on. Then every loser that shares lines with a winner is tried in its place, with all that follows from it: a gain is
kept, a near miss makes the winner ambiguous.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rfiscan.locating.lines_of_position import (
    DETECTED,
    Lines,
    Scenes,
    emitters_per_m2,
    polarization_evidence,
    range_evidence,
    strengths,
    wrong_per_m,
)
from rfiscan.locating.positions import RADIUS_M, Place, Spread, crossings, east_north, fix_place, log_density, spread_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_CROSSING = float(np.sin(np.deg2rad(8.0)))
"""Sine of the least angle at which lines cross: ascending and descending ones cross at 24 degrees at the equator and at
more elsewhere, those of one direction at less than 4 but near the poles. A choice."""
CLOSE_CALL = float(np.log(20.0))
"""A fix is ambiguous where another solution is not 20 times less likely. A choice."""
APART = 5.99
"""Squared distance, in units of both covariances, of places that are not one: chi square, two degrees, 95 %."""
ALTERNATIVES = 12
"""Losers, the best first, that are tried in the place of each winner."""
ROUNDS = 3
"""Times that a hypothesis is told of its new place and chooses its lines again."""
SWAPS = 50
"""Bound on gains by trying losers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """An emitter that lines of position fix.

    Attributes:
        members: Indices of its lines, ascending.
        place: Where it stands.
        spread: Where else it may stand.
        score: Logarithm of its likelihood against that of its lines being something else.
        alternatives: Number of places that could take its lines, with a solution not 20 times less likely.
    """

    members: tuple[int, ...]
    place: Place
    spread: Spread
    score: float
    alternatives: int = 0


def associate(lines: Lines, scenes: Scenes) -> list[Fix]:
    """Share lines of position out among emitters.

    Args:
        lines: The lines.
        scenes: Their scenes.

    Returns:
        Emitters, the best supported first; each with lines that cross.
    """
    if not len(lines.scene):
        return []
    search = _Search(lines, scenes)
    pool = search.hypotheses()
    chosen = search.choose(pool, np.ones(len(lines.scene), bool))
    for _ in range(SWAPS):
        better, chosen = _improved(search, pool, chosen)
        if not better:
            break
    return sorted(chosen, key=lambda fix: (-fix.score, fix.members))


class _Search:
    """Hypotheses over one set of lines."""

    def __init__(self, lines: Lines, scenes: Scenes) -> None:
        self.lines, self.scenes = lines, scenes
        self._settled: dict[tuple[int, ...], Fix | None] = {}
        self._polarization = polarization_evidence(lines)
        self._wrong_per_m = wrong_per_m(lines, scenes)
        self._strengths = strengths(lines)
        self._prior = float(np.log(emitters_per_m2(lines, scenes)))

    def hypotheses(self) -> list[Fix]:
        """All places worth a thought, each with the lines that fit it best, the best first."""
        found: dict[tuple[int, ...], Fix] = {}
        grown: set[tuple[int, ...]] = set()
        for pair in self._pairs():
            members: tuple[int, ...] = pair
            for _ in range(ROUNDS):
                if members in grown:
                    break
                grown.add(members)
                fitting = self._fitting(self._place(members), members)
                if not self._cross(fitting):
                    break
                members = fitting
            fix = self.settled(members)
            if fix is not None:
                found[members] = fix
        return sorted(found.values(), key=lambda fix: (-fix.score, fix.members))

    def _pairs(self) -> Iterable[tuple[int, int]]:
        """Pairs of lines that cross within the reach of both, those whose sub-swaths agree first."""
        rows: list[tuple[float, int, int]] = []
        normals, scene = self.lines.normals, self.lines.scene
        for first in range(len(normals)):
            other = np.arange(first + 1, len(normals))
            sine = np.linalg.norm(np.cross(normals[first], normals[other]), axis=-1)
            near = self.scenes.middle[scene[other]] @ self.scenes.middle[scene[first]] > 0.9
            other = other[(sine >= LEAST_CROSSING) & (scene[other] != scene[first]) & near]
            if not other.size:
                continue
            place = crossings(np.broadcast_to(normals[first], (other.size, 3)), normals[other],
                              self.scenes.middle[scene[other]])  # fmt: skip
            value = range_evidence(self.lines, self.scenes, place, other)
            value = value + range_evidence(self.lines, self.scenes, place, np.full(other.size, first))
            rows.extend((-float(v), first, int(o)) for v, o in zip(value, other, strict=True) if np.isfinite(v))
        return ((first, other) for _, first, other in sorted(rows))

    def settled(self, members: tuple[int, ...]) -> Fix | None:
        """The hypothesis that some lines are of one emitter; None where something else is likelier."""
        if members not in self._settled:
            self._settled[members] = self._weighed(members) if self._cross(members) else None
        return self._settled[members]

    def _weighed(self, members: tuple[int, ...]) -> Fix | None:
        place = self._place(members)
        spread = spread_of(self.lines.normals[list(members)], self.lines.shares[list(members)], place)
        score = self._score(place, spread, members)
        return Fix(members=members, place=place, spread=spread, score=score) if score > 0.0 else None

    def _place(self, members: tuple[int, ...]) -> Place:
        index = list(members)
        start = self.scenes.middle[self.lines.scene[index]].sum(axis=0)
        return fix_place(self.lines.normals[index], self.lines.shares[index], start / np.linalg.norm(start))

    def _cross(self, members: tuple[int, ...]) -> bool:
        normals = self.lines.normals[list(members)]
        return bool((1.0 - (normals @ normals.T) ** 2).max(initial=0.0) >= LEAST_CROSSING**2)

    def _fitting(self, place: Place, members: tuple[int, ...]) -> tuple[int, ...]:
        """The line of each scene that fits a place best, if it does better than none."""
        lines = self.lines
        residuals_m = lines.normals @ place.direction * RADIUS_M
        gain = range_evidence(lines, self.scenes, place.direction)
        gain += log_density(residuals_m, lines.shares) - np.log(self._wrong_per_m)
        gain += self._polarization[:, self._polarization[list(members)].sum(axis=0).argmax()]
        gain += self._strengths.each_evidence(lines.excess_db, lines.excess_db[list(members)])
        gain += np.log(DETECTED) - np.log(1.0 - DETECTED) * self.scenes.see(place.direction)[lines.scene]
        kept = np.flatnonzero(gain > 0.0)
        order = kept[np.argsort(-gain[kept], kind="stable")]
        _, best = np.unique(lines.scene[order], return_index=True)
        return tuple(sorted(int(line) for line in order[best]))

    def _score(self, place: Place, spread: Spread, members: tuple[int, ...]) -> float:
        lines, index = self.lines, np.array(members)
        score = self._prior + spread.log_area - float(np.sum(np.log(self._wrong_per_m[index])))
        score += float(np.sum(range_evidence(lines, self.scenes, place.direction, index)))
        score += float(np.logaddexp.reduce(self._polarization[index].sum(axis=0)) - np.log(3.0))
        score += self._strengths.evidence(lines.excess_db[index])
        seeing = self.scenes.see(place.direction)
        seeing[lines.scene[index]] = False
        return score + len(members) * float(np.log(DETECTED)) + int(seeing.sum()) * float(np.log(1.0 - DETECTED))

    def choose(self, pool: Sequence[Fix], free: Flags) -> list[Fix]:
        """Accept the best hypothesis of the free lines, take its lines, and so on."""
        free = free.copy()
        number = itertools.count()  # no two entries of the heap are equal
        heap = [(-fix.score, fix.members, next(number), fix) for fix in pool if free[list(fix.members)].sum() >= 2]
        heapq.heapify(heap)
        chosen: list[Fix] = []
        tried: set[tuple[int, ...]] = set()
        while heap:
            _, members, _, fix = heapq.heappop(heap)
            if free[list(members)].all():
                chosen.append(fix)
                free[list(members)] = False
                continue
            left = tuple(line for line in members if free[line])
            if left in tried:
                continue
            tried.add(left)
            again = self.settled(left)
            if again is not None:
                heapq.heappush(heap, (-again.score, again.members, next(number), again))
        return chosen


def _improved(search: _Search, pool: Sequence[Fix], chosen: list[Fix]) -> tuple[bool, list[Fix]]:
    """Try losers in the place of winners: whether one gains, and the winners then, with their near misses."""
    owner = {line: number for number, fix in enumerate(chosen) for line in fix.members}
    near: dict[int, int] = dict.fromkeys(range(len(chosen)), 0)
    done: set[tuple[int, ...]] = set()
    for fix in chosen:
        rivals = [r for r in pool if not set(r.members).isdisjoint(fix.members) and _apart(r, fix)]
        for rival in rivals[:ALTERNATIVES]:
            if rival.members in done:
                continue
            done.add(rival.members)
            losers = sorted({owner[line] for line in rival.members if line in owner})
            before = sum(chosen[loser].score for loser in losers)
            kept = [each for index, each in enumerate(chosen) if index not in losers]
            free = np.ones(len(search.lines.scene), bool)
            for each in kept:
                free[list(each.members)] = False
            free[list(rival.members)] = False
            follow = search.choose(pool, free)
            gain = rival.score + sum(each.score for each in follow) - before
            if gain > 1e-6:
                return True, [*kept, rival, *follow]
            if gain > -CLOSE_CALL:
                places = [rival, *follow]
                for loser in losers:
                    near[loser] += all(_apart(place, chosen[loser]) for place in places)
    return False, [replace(fix, alternatives=near[number]) for number, fix in enumerate(chosen)]


def _apart(one: Fix, other: Fix) -> bool:
    """Whether two places are not one within their errors."""
    offset_m = east_north(other.place.direction) @ (one.place.direction - other.place.direction) * RADIUS_M
    both = one.spread.covariance_m2 + other.spread.covariance_m2
    return bool(offset_m @ np.linalg.solve(both, offset_m) > APART)
