"""Sums over scenes from which every figure of an evaluation follows: streaming, mergeable, of constant size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rfiscan.metrics.bootstrap import scene_weights
from rfiscan.metrics.boxes import BoxRecords


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one contender did on the scenes so far.

    Every sum has shape (R, n): the contributions (n,) of the scenes, each times the scene's weights (R,). Its size does
    not depend on the number of scenes; the records of boxes take 6 bytes a detection.

    Attributes:
        name: Of the contender.
        seed: Of the weights.
        replicates: R - 1.
        rates: False-alarm rates whose thresholds are checked, ascending.
        scenes: Scenes added.
        sums: By name; see `rfiscan.metrics.figures`.
        boxes: Matches of boxes.
    """

    name: str
    seed: int
    replicates: int
    rates: tuple[float, ...] = ()
    scenes: int = 0
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    boxes: BoxRecords = field(default_factory=BoxRecords)

    def add(
        self,
        scene_id: str,
        contributions: Mapping[str, NDArray[np.floating]],
        box_matches: tuple[NDArray[np.float64], NDArray[np.bool_]] | None = None,
    ) -> None:
        """Add one scene.

        Args:
            scene_id: Its name, or that of what it shares with other scenes; it decides the weights.
            contributions: By name, shape (n,) each; those of a name have the same n in every scene. What does not
                apply to a scene is left out.
            box_matches: Result of `match_boxes`, where boxes are known.
        """
        weights = scene_weights(scene_id, self.seed, self.replicates)
        for name, values in contributions.items():
            total = self.sums.setdefault(name, np.zeros((weights.size, values.size)))
            filled = np.flatnonzero(values)
            if filled.size:
                total[:, filled] += weights[:, None] * values[filled]
        if box_matches is not None:
            self.boxes.add(scene_id, *box_matches)
        self.scenes += 1

    def merge(self, other: Tally) -> None:
        """Add the scenes of another tally, none of which is in this one.

        Raises:
            ValueError: If it is of another contender, seed, number of replicates or list of rates.
        """
        for name in ("name", "seed", "replicates", "rates"):
            if getattr(self, name) != getattr(other, name):
                msg = f"tallies differ in {name}: {getattr(self, name)!r}, {getattr(other, name)!r}"
                raise ValueError(msg)
        for name, values in other.sums.items():
            self.sums[name] = self.sums[name] + values if name in self.sums else values.copy()
        self.boxes.extend(other.boxes)
        self.scenes += other.scenes

    def total(self, name: str, size: int = 1) -> NDArray[np.float64]:
        """A sum, shape (R, n); zeros of shape (R, size) where no scene contributed to it."""
        return self.sums.get(name, np.zeros((1 + self.replicates, size)))
