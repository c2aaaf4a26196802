"""Confidence intervals by a Poisson bootstrap over scenes.

Pixels of one scene are far from independent, so whole scenes are drawn. A scene counts Poisson(1) times in each
replicate, independently of all others: that needs neither the number of scenes nor the scenes themselves, so that sums
can be streamed and merged. Source: Chamandy, Muralidharan, Najmi and Naidu, "Estimating uncertainty for massive data
streams", Google; and Najmi 2015, "An introduction to the Poisson bootstrap", unofficialgoogledatascience.com.

Arrays have the replicates first: R = 1 + the number of replicates, where [0] is the data as it is.
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (2.5, 97.5)
"""Bounds of an interval: 95 % of the replicates lie between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with its interval; NaN where there is none.

    Attributes:
        value: On the data.
        low: 2.5th percentile of the replicates.
        high: 97.5th percentile.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one contender has more of a figure than another, on the same scenes; NaN where there is none.

    Attributes:
        value: On the data.
        low: 2.5th percentile of the replicates.
        high: 97.5th percentile.
        p: Twice the smaller share of replicates on one side of 0 (0 counts on both), 0..1.
    """

    value: float
    low: float
    high: float
    p: float


def scene_weights(scene_id: str, seed: int, replicates: int) -> NDArray[np.float64]:
    """How often a scene counts in each replicate.

    It depends on nothing but the arguments: every contender meets the same draws, which pairs the bootstrap, in
    whatever order or process the scenes are evaluated.

    Args:
        scene_id: Name of the scene, or of what it shares with others, such as the real scene behind it: scenes of
            one name are drawn together, for they are not independent.
        seed: Seed of the evaluation, >= 0.
        replicates: Number of replicates, >= 0.

    Returns:
        Whole numbers >= 0, shape (1 + replicates,); the first is 1.
    """
    rng = np.random.default_rng([seed, zlib.crc32(scene_id.encode())])
    return np.concatenate(([1.0], rng.poisson(1.0, replicates))).astype(np.float64)


def interval(values: NDArray[np.floating]) -> Figure:
    """Value and interval of a figure.

    Args:
        values: Shape (R,). Replicates in which the figure is NaN, such as those that drew no contaminated scene, are
            left out.
    """
    low, high = _percentiles(values[1:])
    return Figure(value=float(values[0]), low=low, high=high)


def paired_difference(values: NDArray[np.floating], others: NDArray[np.floating]) -> Difference:
    """Difference of a figure between two contenders that were evaluated on the same scenes with the same seed.

    Args:
        values: Of the one, shape (R,).
        others: Of the other, same shape.
    """
    differences = np.asarray(values - others, np.float64)
    low, high = _percentiles(differences[1:])
    drawn = differences[1:][~np.isnan(differences[1:])]
    p = float("nan")
    if drawn.size and not np.isnan(differences[0]):
        # one more on each side: a share among finitely many replicates is never 0
        sides = ((drawn <= 0).sum() + 1, (drawn >= 0).sum() + 1)
        p = min(1.0, 2.0 * float(min(sides)) / (drawn.size + 1))
    return Difference(value=float(differences[0]), low=low, high=high, p=p)


def _percentiles(values: NDArray[np.floating]) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing but NaN has NaN for its percentiles
        low, high = np.nanpercentile(values, PERCENTILES) if values.size else (np.nan, np.nan)
    return float(low), float(high)
