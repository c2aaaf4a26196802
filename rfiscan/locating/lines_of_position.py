"""Lines of position of many scenes: what each says of where its emitter stands, as log likelihood ratios.

A ratio holds "the stripe is this emitter's" against "it is another's, or false".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.detections.stripes import FALSE_STRIPES
from rfiscan.locating.positions import RADIUS_M

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DETECTED = 0.5
"""Share of the passes that see an emitter which show a stripe of it: it may be off, look elsewhere, or fall between two
bursts. A choice."""
ELSEWHERE, TAIL_M = 0.15, 15_000.0
"""Share of strongest stripes that say nothing of range, and how far beside its sub-swath an emitter stands otherwise.
Of 543 simulated emitters, 85 % stood in the sub-swath that showed them most brightly, 93 % within 15 km of it."""
SAME_DB = 5.0
"""Standard deviation of the excess that scenes show of one emitter. A choice: 1 to 3 dB for simulated emitters that
stand still, 4 to 8 dB for those that turn, whose beam is not always met."""
SHOWN = np.array([[0.80, 0.02, 0.18], [0.02, 0.80, 0.18], [0.10, 0.10, 0.80]])
"""How often an emitter that is received in (co-pol, cross-pol, both) is seen in (co-pol, cross-pol, both). Its tilt
decides, which stays; that one polarization of two is seen depends on the background. A choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """Where scenes lie, S of them.

    Attributes:
        first: Normals of the planes through the first rows, shape (S, 3); they point to later rows.
        last: The same of the last rows.
        middle: Directions of the middles of the scenes, shape (S, 3).
        toward: Unit vectors at right angles to those, along the middle row to higher columns, shape (S, 3).
        reach_m: How far along a row an emitter may stand, from the middle, shape (S, 2): the swath and what is allowed
            beyond it.
        swath_m: The same of the swath alone, shape (S, 2).
        ascending: Whether rows go northwards, shape (S,).
        height_m: Length along rows' direction, shape (S,).
    """

    first: Floats
    last: Floats
    middle: Floats
    toward: Floats
    reach_m: Floats
    swath_m: Floats
    ascending: Flags
    height_m: Floats

    def along_m(self, scene: NDArray[np.intp], place: Floats) -> Floats:
        """How far places lie along the rows of scenes, from the middle, in metres.

        Args:
            scene: Indices, any shape.
            place: Directions, of that shape and (3,), or one.
        """
        toward, middle = (np.sum(axis[scene] * place, axis=-1) for axis in (self.toward, self.middle))
        along: Floats = np.arctan2(toward, middle) * RADIUS_M
        return along

    def see(self, place: Floats) -> Flags:
        """Which scenes hold a place, shape (S,)."""
        along_m = self.along_m(np.arange(len(self.middle)), place)
        in_rows = (self.first @ place >= 0.0) & (self.last @ place <= 0.0)
        return np.asarray(in_rows & (along_m >= self.swath_m[:, 0]) & (along_m <= self.swath_m[:, 1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines of position, M of them, of scenes.

    Attributes:
        normals: Of their planes, towards later rows, shape (M, 3).
        shares: How the error across is mixed of `SCALES_M`, shape (M, K).
        scene: Index of the scene of each, shape (M,).
        likely_m: Sub-swath that shows the stripe, from the middle of the scene along a row, shape (M, 2).
        shown: Whether co-pol and cross-pol show it, shape (M, 2).
        excess_db: Largest excess of the stripe, shape (M,).
    """

    normals: Floats
    shares: Floats
    scene: NDArray[np.intp]
    likely_m: Floats
    shown: Flags
    excess_db: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """How the strengths of stripes spread: of all of them, and of those of one emitter.

    Attributes:
        mean_db: Of all stripes.
        between_db: Standard deviation from emitter to emitter.
    """

    mean_db: float
    between_db: float

    def evidence(self, excess_db: Floats) -> float:
        """Logarithm of the likelihood that stripes are of one emitter, against that they are of as many.

        Both are normal: of one emitter, the strengths have the covariance s^2 I + t^2 J, with s `SAME_DB`, t the
        standard deviation between emitters, and J all ones; else it is diagonal.

        Args:
            excess_db: Of the stripes, shape (N,).
        """
        off_db = excess_db - self.mean_db
        return float(self._evidence(len(off_db), np.sum(off_db, keepdims=True), np.sum(off_db**2, keepdims=True))[0])

    def each_evidence(self, excess_db: Floats, members_db: Floats) -> Floats:
        """What one stripe more adds to `evidence`, for each of some, shape (M,).

        Args:
            excess_db: Of those stripes, shape (M,).
            members_db: Of the stripes that an emitter has already.
        """
        off_db, own_db = excess_db - self.mean_db, members_db - self.mean_db
        more = self._evidence(len(own_db) + 1, off_db + own_db.sum(), off_db**2 + np.sum(own_db**2))
        return more - self.evidence(members_db)

    def _evidence(self, count: int, total: Floats, squares: Floats) -> Floats:
        """The same for so many stripes, of the sums of their differences from the mean, and of the squares of these."""
        within, between = SAME_DB**2, self.between_db**2
        common = within + count * between
        together = (squares - total**2 / count) / within + total**2 / count / common
        together += (count - 1) * np.log(within) + np.log(common)
        apart = squares / (within + between) + count * np.log(within + between)
        return np.asarray(0.5 * (apart - together))


def strengths(lines: Lines) -> Strengths:
    """How the strengths of lines' stripes spread."""
    variance = float(np.var(lines.excess_db)) - SAME_DB**2
    return Strengths(mean_db=float(lines.excess_db.mean()), between_db=float(np.sqrt(max(variance, 0.0))))


def range_evidence(lines: Lines, scenes: Scenes, place: Floats, which: NDArray[np.intp] | None = None) -> Floats:
    """What the sub-swaths of stripes say of a place, shape (M,); minus infinity out of reach.

    Args:
        lines: The lines.
        scenes: Their scenes.
        place: A direction, shape (3,), or one for each line.
        which: Indices of lines; None takes all.
    """
    which = np.arange(len(lines.scene)) if which is None else which
    scene, likely_m = lines.scene[which], lines.likely_m[which]
    along_m = scenes.along_m(scene, place)
    beside_m = np.maximum(np.maximum(likely_m[:, 0] - along_m, along_m - likely_m[:, 1]), 0.0)
    swath_m = scenes.swath_m[scene]
    share = np.clip((likely_m[:, 1] - likely_m[:, 0]) / (swath_m[:, 1] - swath_m[:, 0]), 0.05, 1.0)
    value = np.log((1.0 - ELSEWHERE) * np.exp(-0.5 * (beside_m / TAIL_M) ** 2) / share + ELSEWHERE)
    reach_m = scenes.reach_m[scene]
    return np.where((along_m >= reach_m[:, 0]) & (along_m <= reach_m[:, 1]), value, -np.inf)


def polarization_evidence(lines: Lines) -> Floats:
    """What the polarizations of stripes say of those of an emitter (co-pol, cross-pol, both), shape (M, 3)."""
    seen = np.where(lines.shown.all(axis=1), 2, np.where(lines.shown[:, 1], 1, 0))
    common = (np.bincount(seen, minlength=3) + 1.0) / (len(seen) + 3.0)
    evidence: Floats = np.log(SHOWN[:, seen].T / common[seen][:, None])
    return evidence


def wrong_per_m(lines: Lines, scenes: Scenes) -> Floats:
    """Stripes in a metre of rows that are another emitter's, or false: the others of each line's scene, shape (M,)."""
    others = np.bincount(lines.scene, minlength=len(scenes.height_m)) - 1.0 + FALSE_STRIPES
    density: Floats = (others / scenes.height_m)[lines.scene]
    return density


def emitters_per_m2(lines: Lines, scenes: Scenes) -> float:
    """How densely emitters stand, if a scene shows `DETECTED` of its own and nothing else."""
    area_m2 = scenes.height_m * (scenes.swath_m[:, 1] - scenes.swath_m[:, 0])
    return float(len(lines.scene) / DETECTED / area_m2.sum())
