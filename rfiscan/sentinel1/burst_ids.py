"""ESA's burst identifiers: which piece of the ground, on which track, a burst looks at in every cycle of the orbit.

Sentinel-1 Level 1 Detailed Algorithm Definition, DI-MPC-IPFDPM (MPC-0307), issue 2.5: equations 9-89 and 9-91, and the
constants of table 9-7. ESA's burst ID maps number the bursts of the ground so.
"""

from __future__ import annotations

import math
from typing import NamedTuple

ORBITS = 175
CYCLE_S = 12 * 86400.0
ORBIT_S = CYCLE_S / ORBITS
"""Nominal period of the orbit, T_orb."""


class BeamTiming(NamedTuple):
    """Timing of a TOPS mode.

    Attributes:
        preamble_s: T_pre, from the ascending node to the first beam cycle.
        cycle_s: T_beam, a beam cycle: one burst of each sub-swath.
        starts_s: First line sensed of each sub-swath after that of the first one: as isce-framework/s1-reader has them
            (s1_burst_id.py), and as `firstLineSensingTime` of annotations has them within a millisecond.
        middle_s: Middle of the cycle, that of the burst of IW2 or EW3, after the first line of the first sub-swath.
        lag_s: From the zero-Doppler time of a burst's first line to the sensing of it: as the beam starts looking back,
            1.0 to 1.13 s in IW, 1.4 s in EW (noise reports of products 0664, 861B and BB15, see `esa_bursts`).
    """

    preamble_s: float
    cycle_s: float
    starts_s: tuple[float, ...]
    middle_s: float
    lag_s: float


TIMING = {
    "IW": BeamTiming(2.299849, 2.758273, (0.0, 0.832, 1.910), 0.832 + 1.078 / 2, 1.1),
    "EW": BeamTiming(2.299970, 3.038376, (0.0, 0.68268, 1.24141, 1.85375, 2.41913), 1.24141 + 0.61234 / 2, 1.4),
}
"""The satellite keeps bursts in step with the ground, so that their middles fall near the middle of a beam cycle:
within 0.04 of it in the 176 bursts of 0664, 861B and BB15. An error of a second in `lag_s` changes no identifier."""


class BurstId(NamedTuple):
    """Identifier of a burst on the ground.

    Attributes:
        relative_orbit: Track, 1 to 175.
        number: Of the beam cycle since the first one of track 1; 1 to 375887 in IW.
        sub_swath: Such as IW2.
    """

    relative_orbit: int
    number: int
    sub_swath: str

    def __str__(self) -> str:
        """As the burst catalogue of ASF writes it (`fullBurstID`), such as 016_032322_IW2."""
        return f"{self.relative_orbit:03d}_{self.number:06d}_{self.sub_swath}"


def burst_id(sub_swath: str, since_node_s: float, relative_orbits: tuple[int, int]) -> BurstId | None:
    """Identify a burst.

    Args:
        sub_swath: Such as IW2.
        since_node_s: Zero-Doppler time of its first line (`azimuthTime`) after the ascending node that the product
            names, in s.
        relative_orbits: Relative orbit number at the start and at the stop of the product.

    Returns:
        The identifier; None for a sub-swath of a mode without bursts.
    """
    timing = TIMING.get(sub_swath[:2])
    place = sub_swath[2:]
    if timing is None or not place.isdigit() or not 1 <= int(place) <= len(timing.starts_s):
        return None
    first_s = since_node_s - timing.starts_s[int(place) - 1] + timing.lag_s
    middle_s = first_s + timing.middle_s
    start, stop = relative_orbits
    track = start
    if first_s >= ORBIT_S:
        track = stop
        if stop == start:  # the product names the node before the one that its orbit number counts from
            middle_s -= ORBIT_S
    since_first_s = middle_s + (start - 1) * ORBIT_S - timing.preamble_s  # track 175 is followed by track 1
    return BurstId(track, 1 + math.floor(since_first_s % CYCLE_S / timing.cycle_s), sub_swath)
