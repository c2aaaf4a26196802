"""How likely a stripe is false: the calibration of ranks, read the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from rfiscan.detections.stripes import least_rank_at

Bound: TypeAlias = Literal["at_most", "at_least"]


class FalseStripeRate(NamedTuple):
    """Stripes of at least a rank that a scene without interference shows on average.

    Attributes:
        per_scene: The number, > 0.
        bound: Which side of `per_scene` it lies on, where the rank is beyond what was calibrated; else None.
    """

    per_scene: float
    bound: Bound | None


def false_stripe_rate(rank: float, ranks: Mapping[float, Mapping[float, float]], far: float) -> FalseStripeRate | None:
    """How many stripes of at least this rank a clean scene shows on average: the inverse of `least_rank_at`.

    Args:
        rank: Rank of a stripe, see `rank_stripes`.
        ranks: Calibration: false-alarm rate of pixels -> false stripes a scene -> least rank.
        far: The false-alarm rate of pixels that the stripe was found at.

    Returns:
        The number, its logarithm interpolated over the rank; None without a calibration. Where the calibration holds
        several numbers for one rank, the lowest: all stripes together are no more.
    """
    if not ranks:
        return None
    rates = sorted(set.intersection(*(set(at) for at in ranks.values())), reverse=True)
    if not rates:
        return None
    least = np.maximum.accumulate([least_rank_at(ranks, far, rate, "the model") for rate in rates])
    if rank > least[-1]:
        return FalseStripeRate(rates[-1], "at_most")
    if rank < least[0]:
        return FalseStripeRate(rates[0], "at_least")
    kept = np.append(np.diff(least) > 0, True)
    log_rate = np.interp(rank, least[kept], np.log10(rates)[kept])
    return FalseStripeRate(float(10.0**log_rate), None)
