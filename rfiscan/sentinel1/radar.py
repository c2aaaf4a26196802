"""The radar that receives: timing, chirps and beams of the sub-swaths of Sentinel-1.

Unless another source is named, values are those of product annotations: IW of S1A_IW_GRDH_..._6D00 (downlinkValues,
swathProcParams, azimuthFmRate at the middle of each sub-swath, geolocationGrid, antennaPattern), EW of
S1A_EW_GRDM_..._BB15, SM of S1A_S3_SLC_..._6001.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LIGHT_M_PER_S = 299_792_458.0
WAVELENGTH_M = LIGHT_M_PER_S / 5.405000454334350e9
ORBIT_SPEED_M_PER_S = 7_594.0
"""Speed in the Earth-fixed frame: norm of the velocities of the orbit list (7593.7 in 6D00, 7598.2 in 861B)."""
GROUND_SPEED_M_PER_S = 6_782.0
"""Speed of the zero-Doppler line on ground: 13.94 m in 2.05556 ms, azimuth spacing and interval of an IW1 SLC."""
ANTENNA_LENGTH_M, ANTENNA_HEIGHT_M = 12.3, 0.821
"""Along the flight direction, and across (ESA, Sentinel-1 SAR technical guide)."""
EARTH_RADIUS_M, ORBIT_RADIUS_M = 6_371e3, 7_069e3
"""A sphere, and the orbit over it that gives the near and far incidence angles of 861B at their slant ranges within 0.1
deg (those of 6D00 within 0.4 deg): a choice."""
GUARD_S = 0.0115
"""From the last line of a burst to the first of the next sub-swath's: what is left of the spacing of their first
sensing times after 1409, 1548 and 1410 lines (raw bursts of IW1, IW2, IW3); assumed to be the same in EW."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubSwath:
    """Constants of one sub-swath.

    Attributes:
        name: "IW1" and so on.
        prf_hz: Pulse repetition frequency.
        chirp_rate_hz_per_s: Rate of the transmitted chirp, > 0.
        chirp_length_s: Its length.
        bandwidth_hz: Its bandwidth.
        window_s: Length of the receive window of each line.
        azimuth_bandwidth_hz: Processed Doppler bandwidth of a target.
        azimuth_hamming: Coefficient of the Hamming window over that bandwidth.
        doppler_rate_hz_per_s: Magnitude of a target's Doppler rate, K_a.
        steering_deg_per_s: Rate at which the beam is steered forward during a burst; 0 in SM.
        sensing_offset_s: From the first line of a burst of the first sub-swath to that of this one.
        sensing_s: From the first to the last line of a burst; infinite in SM.
        slant_range_s: Two-way time to the near and the far edge of the sub-swath as merged into a GRD.
    """

    name: str
    prf_hz: float
    chirp_rate_hz_per_s: float
    chirp_length_s: float
    bandwidth_hz: float
    window_s: float
    azimuth_bandwidth_hz: float
    azimuth_hamming: float
    doppler_rate_hz_per_s: float
    steering_deg_per_s: float
    sensing_offset_s: float
    sensing_s: float
    slant_range_s: tuple[float, float]

    @property
    def spread(self) -> float:
        """Alpha = 1 + k_psi / K_a: how much faster the beam's footprint moves over the ground than the satellite.

        With k_psi = 2 v w / wavelength, the rate of the Doppler centroid that steering at w rad/s adds (De Zan and
        Monti Guarnieri 2006, TOPSAR, IEEE TGRS 44(9)). 1 in SM.
        """
        steering = 2.0 * ORBIT_SPEED_M_PER_S * math.radians(self.steering_deg_per_s) / WAVELENGTH_M
        return 1.0 + steering / self.doppler_rate_hz_per_s

    @property
    def footprint_s(self) -> float:
        """Zero-Doppler time over which the azimuth filter spreads one line: B_p alpha / K_a."""
        return self.azimuth_bandwidth_hz * self.spread / self.doppler_rate_hz_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """An acquisition mode.

    Attributes:
        name: "IW", "EW" or "SM".
        cycle_s: From a burst to the next of the same sub-swath; infinite in SM.
        swaths: From near to far range.
    """

    name: str
    cycle_s: float
    swaths: tuple[SubSwath, ...]

    @property
    def edges(self) -> tuple[float, ...]:
        """Share of the width of a GRD at which sub-swaths begin and end, 0 (near) to 1 (far)."""
        times = [swath.slant_range_s[0] for swath in self.swaths] + [self.swaths[-1].slant_range_s[1]]
        ground = ground_range_m(np.array(times))
        return tuple(float(x) for x in (ground - ground[0]) / (ground[-1] - ground[0]))

    @property
    def burst_m(self) -> float:
        """Spacing of bursts on ground in metres."""
        return self.cycle_s * GROUND_SPEED_M_PER_S


# Two-way slant range time at ground ranges 0, 21, 42, ... 399, 419.44 km (geolocation grid of BB15, line 5500)
_GROUND_M = np.append(np.arange(20) * 21e3, 419.44e3)
_SLANT_S = 1e-6 * np.array(
    [
        *(4964.5, 5012.0, 5063.3, 5118.4, 5177.1, 5239.3, 5304.9, 5373.7, 5445.7, 5520.7, 5598.5),
        *(5679.1, 5762.4, 5848.2, 5936.4, 6026.9, 6119.7, 6214.5, 6311.4, 6410.2, 6508.1),
    ]
)


def ground_range_m(slant_range_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ground range of two-way slant range times, both in the same shape; 0 where EW begins."""
    return np.asarray(np.interp(slant_range_s, _SLANT_S, _GROUND_M), np.float64)


def slant_range_s(ground_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-way slant range time of ground ranges: the inverse of `ground_range_m`."""
    return np.asarray(np.interp(ground_m, _GROUND_M, _SLANT_S), np.float64)


def look_angle_rad(two_way_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle between the nadir and the line of sight at two-way slant range times, from the law of cosines."""
    distance = 0.5 * LIGHT_M_PER_S * two_way_s
    cosine = (distance**2 + ORBIT_RADIUS_M**2 - EARTH_RADIUS_M**2) / (2.0 * distance * ORBIT_RADIUS_M)
    return np.asarray(np.arccos(cosine))


def _swath(
    name: str,
    prf_hz: float,
    chirp: tuple[float, float, float],
    window_us: float,
    azimuth: tuple[float, float, float],
    steering_deg_per_s: float,
    sensing_s: tuple[float, float],
    slant_range_us: tuple[float, float],
) -> SubSwath:
    rate_hz_per_s, length_us, bandwidth_mhz = chirp
    return SubSwath(
        name=name,
        prf_hz=prf_hz,
        chirp_rate_hz_per_s=rate_hz_per_s,
        chirp_length_s=length_us * 1e-6,
        bandwidth_hz=bandwidth_mhz * 1e6,
        window_s=window_us * 1e-6,
        azimuth_bandwidth_hz=azimuth[0],
        azimuth_hamming=azimuth[1],
        doppler_rate_hz_per_s=azimuth[2],
        steering_deg_per_s=steering_deg_per_s,
        sensing_offset_s=sensing_s[0],
        sensing_s=sensing_s[1] - sensing_s[0] - GUARD_S,
        slant_range_s=(slant_range_us[0] * 1e-6, slant_range_us[1] * 1e-6),
    )


# Steering rates of IW1 and EW1: annotation; the others: AUX_INS, as tabulated in nansencenter/sentinel1denoised
# (sentinel1image.py, ANTENNA_STEERING_RATE). Offsets: firstLineSensingTime. Cycles: spacing of the antenna patterns.
# SM: azimuth bandwidth and window are a choice that gives the 5 m resolution of the specification; K_a as in IW1.
_IW_S, _EW_S = 2.7572, 3.0389
MODES: dict[str, Mode] = {
    "IW": Mode(
        name="IW",
        cycle_s=_IW_S,
        swaths=(
            _swath("IW1", 1717.129, (1.0782303e12, 52.4048, 56.504), 372.43, (327.0, 0.70, 2258.5), 1.590368784,
                   (0.0, 0.832199), (5340.8, 5658.4)),
            _swath("IW2", 1451.627, (7.792817e11, 61.9959, 48.312), 443.75, (313.0, 0.75, 2121.1), 0.979863325,
                   (0.832199, 1.910233), (5658.4, 6029.5)),
            _swath("IW3", 1685.817, (8.014509e11, 53.3906, 42.790), 423.39, (314.0, 0.75, 1992.9), 1.397440818,
                   (1.910233, _IW_S), (6029.5, 6406.6)),
        ),
    ),
    "EW": Mode(
        name="EW",
        cycle_s=_EW_S,
        swaths=(
            _swath("EW1", 1647.922, (7.329279e11, 30.2920, 22.202), 358.55, (233.0, 0.60, 2416.9), 2.390895448,
                   (0.0, 0.682678), (4964.5, 5300.8)),
            _swath("EW2", 1939.278, (5.844613e11, 25.8427, 15.104), 294.90, (159.0, 0.61, 2272.4), 2.811502724,
                   (0.682678, 1.241425), (5300.8, 5564.5)),
            _swath("EW3", 1647.777, (4.252460e11, 30.3452, 12.904), 365.00, (156.0, 0.62, 2154.3), 2.366195855,
                   (1.241425, 1.853760), (5564.5, 5893.0)),
            _swath("EW4", 1897.898, (4.286050e11, 26.3489, 11.293), 361.72, (154.0, 0.63, 2044.6), 2.512694636,
                   (1.853760, 2.419144), (5893.0, 6222.0)),
            _swath("EW5", 1630.668, (3.392563e11, 30.6649, 10.403), 317.01, (159.0, 0.60, 1963.2), 2.122855427,
                   (2.419144, _EW_S), (6222.0, 6508.1)),
        ),
    ),
    "SM": Mode(
        name="SM",
        cycle_s=math.inf,
        swaths=(
            _swath("S3", 1924.956, (1.344933e12, 44.1724, 59.409), 330.55, (1450.0, 0.75, 2310.0), 0.0,
                   (0.0, math.inf), (5290.0, 5557.0)),
        ),
    ),
}  # fmt: skip
