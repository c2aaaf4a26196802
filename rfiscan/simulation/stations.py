"""Emitters that stand somewhere, as several passes hear them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rfiscan.sentinel1.radar import GROUND_SPEED_M_PER_S
from rfiscan.simulation.emitters import Emitter, draw_emitter
from rfiscan.simulation.geometry import SwathLayout
from rfiscan.simulation.interference import DRAWS
from rfiscan.simulation.priors import InterferencePriors
from rfiscan.simulation.traces import trace_emitter

LEVEL = 10.0**-1.8
"""Sigma nought of a background in cross-pol: between the noise that the sea shows, -30 to -22 dB, and the -20 to -10 dB
of land. A choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """An emitter at its place.

    Attributes:
        emitter: What it is like; where a scene sees it, and when it looks that way, are another matter in every pass.
        lonlat: Longitude and latitude in degrees.
        power: What the main beams would receive of it, in the polarization that receives more, on the scale of the
            background (sigma nought).
    """

    emitter: Emitter
    lonlat: tuple[float, float]
    power: float


def draw_station(
    rng: np.random.Generator,
    priors: InterferencePriors,
    lonlat: tuple[float, float],
    layout: SwathLayout,
    spacing_m: float,
) -> Station:
    """Draw an emitter for a place.

    Its ratio to the background, which is drawn as for other scenes, holds against `LEVEL` where its own beam and that
    of the receiver meet.

    Args:
        rng: Source of randomness.
        priors: What emitters are like.
        lonlat: Longitude and latitude in degrees.
        layout: Of a scene that is to hear it.
        spacing_m: Pixel spacing in metres.
    """
    emitter = draw_emitter(rng, priors, layout.shape[0] * spacing_m / GROUND_SPEED_M_PER_S)
    swath = layout.swath_count // 2
    first, stop = layout.bursts(swath)[1]
    middle_s = 0.5 * (first + stop) * spacing_m / GROUND_SPEED_M_PER_S
    met = replace(emitter, azimuth_s=middle_s, ground_share=0.5, looks_s=(middle_s,) if emitter.looks_s else ())
    ratio = max((float(trace.ratio.max()) for trace in trace_emitter(met, layout, spacing_m)), default=0.0)
    target = LEVEL * 10.0 ** (float(rng.uniform(*priors.ibr_db)) / 10.0)
    return Station(emitter=emitter, lonlat=lonlat, power=target / ratio if ratio else target)


def hear_station(
    rng: np.random.Generator, station: Station, layout: SwathLayout, at_m: tuple[float, float], spacing_m: float
) -> Emitter:
    """An emitter as one pass meets it: at its own azimuth time and range, while its beam and pulses go on by chance.

    Of several chances the first one is taken that leaves a trace as strong as `LEVEL`, as `draw_interference` does:
    most emissions fall between two bursts. After the last, it is as it is, and the scene may show nothing of it.

    Args:
        rng: Source of randomness.
        station: The emitter.
        layout: Geometry of the scene.
        at_m: Distance of its place from the scene's first row and its first column, in metres; may lie outside.
        spacing_m: Pixel spacing in metres.
    """
    duration_s = layout.shape[0] * spacing_m / GROUND_SPEED_M_PER_S
    near_px, far_px = layout.edges_px[0], layout.edges_px[-1]
    share = (at_m[1] / spacing_m - near_px) / (far_px - near_px)
    known = replace(
        station.emitter,
        azimuth_s=at_m[0] / GROUND_SPEED_M_PER_S,
        ground_share=share if layout.near_is_left else 1.0 - share,
    )
    for _ in range(DRAWS):
        emitter = replace(
            known,
            looks_s=_turned(known.looks_s, float(rng.uniform(0.0, duration_s)), duration_s),
            phase_s=float(rng.uniform(0.0, known.intervals_s[0])) if known.intervals_s else 0.0,
            seed=int(rng.integers(2**31)),
        )
        if any(
            station.power * trace.ratio.max(initial=0.0) >= LEVEL for trace in trace_emitter(emitter, layout, spacing_m)
        ):
            break
    return emitter


def _turned(looks_s: tuple[float, ...], by_s: float, duration_s: float) -> tuple[float, ...]:
    """The same looks, so much later; those that leave the scene come in at its beginning."""
    return tuple(sorted((look + by_s) % duration_s for look in looks_s))
