"""Interference of a scene: emitters drawn, followed into the focused image, and set against the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rfiscan.detections.stripes import gaps_px, split_stripes
from rfiscan.sentinel1.radar import GROUND_SPEED_M_PER_S
from rfiscan.simulation.emitters import Emitter, draw_emitter
from rfiscan.simulation.geometry import SwathLayout
from rfiscan.simulation.priors import InterferencePriors, Span
from rfiscan.simulation.traces import Trace, trace_emitter

VISIBLE_DB = 1.0
"""Truth masks hold the pixels that interference brightens by at least this, in dB, in any polarization."""
VISIBLE_RATIO = 10.0 ** (VISIBLE_DB / 10.0) - 1.0
"""Interference over background of a pixel that is brightened by `VISIBLE_DB`."""
MIN_STRIPE_PX = 6
DRAWS = 12
"""Emitters are drawn until one is seen, but no more often than this: most emissions fall between two bursts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """What one emission leaves in one sub-swath: visible pixels without a wide gap.

    Attributes:
        label: Its number in `Interference.labels`, from 1.
        swath: Name of the sub-swath.
        bbox_px: (x, y, width, height) of its pixels.
        ibr_db: Interference-to-background ratio, in the stronger polarization, that a tenth of the pixels in its box
            exceed where the interference is within 10 dB of its strongest.
        visible: False where it brightens no pixel by `VISIBLE_DB`; its pixels are then those within 10 dB of the
            strongest.
    """

    label: int
    swath: str
    bbox_px: tuple[int, int, int, int]
    ibr_db: float
    visible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Interferer:
    """An emitter, its strength, and what it leaves.

    Attributes:
        emitter: What it sends, and when.
        power: What the main beams would receive of it in (co-pol, cross-pol), on the scale of the background.
        stripes: In the scene; empty where all of it falls on invalid pixels.
    """

    emitter: Emitter
    power: tuple[float, float]
    stripes: tuple[Stripe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interference:
    """All interference of a scene.

    Attributes:
        power: Expected linear power on the scale of the background, shape (2, H, W), >= 0.
        labels: Number of the stripe that a pixel belongs to, the later one where two meet, 0 for none; shape (H, W).
        interferers: What made it.
    """

    power: NDArray[np.float32]
    labels: NDArray[np.uint16]
    interferers: tuple[Interferer, ...]


def draw_interference(  # noqa: PLR0913 - strata of a benchmark; all but four are drawn
    rng: np.random.Generator,
    layout: SwathLayout,
    background: NDArray[np.float32],
    priors: InterferencePriors,
    *,
    count: int | None = None,
    spacing_m: float = 500.0,
    ibr_db: Span | None = None,
    kind: str | None = None,
    polarization: str | None = None,
    valid_mask: NDArray[np.bool_] | None = None,
    co_is_vertical: bool = True,
) -> Interference:
    """Draw the interference of a scene.

    Args:
        rng: Source of randomness.
        layout: Geometry of the scene.
        background: Linear power without interference, shape (2, H, W), > 0.
        priors: What emitters are like.
        count: Number of emitters; drawn if None.
        spacing_m: Pixel spacing in metres.
        ibr_db: Range of the ratio of interference to background of the strongest emitter, in dB; None for the priors'.
        kind: Kind of all emitters, of `emitters.KINDS`; drawn if None.
        polarization: "horizontal", "vertical" or "slant", of all emitters; drawn if None.
        co_is_vertical: True for VV and VH, False for HH and HV.
        valid_mask: True = valid, in the shape of the background: stripes lie there, and ratios are measured there. None
            for wherever the layout is valid.
    """
    if valid_mask is not None:
        background = np.where(valid_mask, background, np.float32(np.inf))  # nothing is seen against it
    seen = np.asarray(np.isfinite(background).any(axis=0))
    power = np.zeros(background.shape, np.float32)
    labels = np.zeros(layout.shape, np.uint16)
    interferers: list[Interferer] = []
    duration_s, gaps = layout.shape[0] * spacing_m / GROUND_SPEED_M_PER_S, gaps_px((spacing_m, spacing_m))
    draw = partial(
        draw_emitter, rng, priors, duration_s, kind=kind, polarization=polarization, co_is_vertical=co_is_vertical
    )
    target_db = float(rng.uniform(*(ibr_db or priors.ibr_db)))
    for _ in range(1 + int(rng.poisson(priors.mean_emitters - 1.0)) if count is None else count):
        drawn = _draw_seen(draw, layout, spacing_m, seen)
        if drawn is None:
            continue
        emitter, traces = drawn
        scale = 10.0 ** (target_db / 10.0) / _reference_ratio(traces, _shares(emitter), background)
        interferers.append(_lay_down(emitter, traces, scale, background, layout, (power, labels), gaps, interferers))
        target_db -= float(rng.exponential(priors.weaker_db))
    return Interference(power=power, labels=labels, interferers=tuple(interferers))


def place_interference(
    emitters: Sequence[tuple[Emitter, float]],
    layout: SwathLayout,
    background: NDArray[np.float32],
    spacing_m: float = 500.0,
) -> Interference:
    """The interference of known emitters of known power.

    Args:
        emitters: Each with the power that the main beams would receive of it, in the polarization that receives more,
            on the scale of the background.
        layout: Geometry of the scene.
        background: Linear power without interference, shape (2, H, W), > 0.
        spacing_m: Pixel spacing in metres.

    Returns:
        Interference whose interferers are in the order of the emitters, those without a trace among them.
    """
    power = np.zeros(background.shape, np.float32)
    labels = np.zeros(layout.shape, np.uint16)
    gaps = gaps_px((spacing_m, spacing_m))
    interferers: list[Interferer] = []
    for emitter, scale in emitters:
        traces = trace_emitter(emitter, layout, spacing_m)
        interferers.append(_lay_down(emitter, traces, scale, background, layout, (power, labels), gaps, interferers))
    return Interference(power=power, labels=labels, interferers=tuple(interferers))


def render_interference(
    interferers: tuple[Interferer, ...], layout: SwathLayout, spacing_m: float
) -> NDArray[np.float32]:
    """Focus known interferers on the grid of a layout, such as a finer one, shape (2, H, W)."""
    power = np.zeros((2, *layout.shape), np.float32)
    for interferer in interferers:
        received = np.array(interferer.power)
        for trace in trace_emitter(interferer.emitter, layout, spacing_m):
            power[:, trace.rows, trace.cols] += (received[:, None, None] * trace.ratio).astype(np.float32)
    return power


def _draw_seen(
    draw: Callable[[], Emitter], layout: SwathLayout, spacing_m: float, seen: NDArray[np.bool_]
) -> tuple[Emitter, list[Trace]] | None:
    """Draw an emitter that leaves a trace among the pixels where one is seen, shape (H, W)."""
    for _ in range(DRAWS):
        emitter = draw()
        traces = [trace for trace in trace_emitter(emitter, layout, spacing_m) if trace.ratio.any()]
        if any(trace.ratio[seen[trace.rows, trace.cols]].any() for trace in traces):
            return emitter, traces
    return None


def _shares(emitter: Emitter) -> NDArray[np.float64]:
    """What (co-pol, cross-pol) receive of an emitter; the stronger gets 1."""
    cross_over_co = 10.0 ** (emitter.cross_over_co_db / 10.0)
    return np.asarray(np.array([1.0, cross_over_co]) / max(1.0, cross_over_co))


def _reference_ratio(traces: list[Trace], shares: NDArray[np.float64], background: NDArray[np.float32]) -> float:
    """Ratio to the background, at unit power, of the trace where it is highest."""
    seen = np.asarray(np.isfinite(background).any(axis=0))
    ratios = []
    for trace in traces:
        ratio = (shares[:, None, None] * trace.ratio / background[:, trace.rows, trace.cols]).max(axis=0)
        ratios.append(_high_ratio(ratio, trace.ratio * seen[trace.rows, trace.cols]))
    return max(ratios)


def _high_ratio(ratio: NDArray[np.float64], strength: NDArray[np.float64]) -> float:
    """Ratio that a tenth of the pixels exceed whose interference lies within 10 dB of the strongest."""
    return float(np.quantile(ratio[strength >= 0.1 * strength.max()], 0.9))


def _lay_down(
    emitter: Emitter,
    traces: Sequence[Trace],
    scale: float,
    background: NDArray[np.float32],
    layout: SwathLayout,
    scene: tuple[NDArray[np.float32], NDArray[np.uint16]],
    gaps: tuple[int, int],
    before: Sequence[Interferer],
) -> Interferer:
    """Add an emitter to a scene's interference, (2, H, W), and its stripes to the labels, (H, W), both in place."""
    power, labels = scene
    shares = _shares(emitter)
    own = np.zeros(layout.shape)
    for trace in traces:
        own[trace.rows, trace.cols] += scale * trace.ratio
    power += (shares[:, None, None] * own).astype(np.float32)
    known = sum(len(i.stripes) for i in before)
    stripes = _label_stripes(own, shares, background, layout, labels, known, gaps) if own.any() else []
    received = (float(scale * shares[0]), float(scale * shares[1]))
    return Interferer(emitter=emitter, power=received, stripes=tuple(stripes))


def _label_stripes(
    own: NDArray[np.float64],
    shares: NDArray[np.float64],
    background: NDArray[np.float32],
    layout: SwathLayout,
    labels: NDArray[np.uint16],
    known: int,
    gaps: tuple[int, int],
) -> list[Stripe]:
    """Find the stripes of one emitter and write their numbers, from ``known`` + 1, into ``labels`` in place.

    Gaps of up to so many rows and columns belong to a stripe.
    """
    stripes: list[Stripe] = []
    ratio = (shares[:, None, None] * own / background).max(axis=0)
    visible = float(ratio.max()) >= VISIBLE_RATIO
    marked = ratio >= (VISIBLE_RATIO if visible else 0.1 * float(ratio.max()))
    marked &= own > 0.0
    for swath in range(layout.swath_count):
        first, stop = layout.swath_columns(swath)
        for rows, cols in split_stripes(marked[:, first : max(stop, first)], gaps):
            region = (rows, slice(first + cols.start, first + cols.stop))
            pixels = marked[region]
            if pixels.sum() < MIN_STRIPE_PX:
                continue
            label = known + len(stripes) + 1
            labels[region][pixels] = label
            stripes.append(
                Stripe(
                    label=label,
                    swath=layout.radar(swath).name,
                    bbox_px=_tight_box(pixels, region[1].start, region[0].start),
                    ibr_db=float(10.0 * np.log10(_high_ratio(ratio[region], own[region] * (ratio[region] > 0.0)))),
                    visible=visible,
                )
            )
    return stripes


def _tight_box(pixels: NDArray[np.bool_], left: int, top: int) -> tuple[int, int, int, int]:
    rows, cols = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
    return left + int(cols[0]), top + int(rows[0]), int(cols[-1] - cols[0] + 1), int(rows[-1] - rows[0] + 1)
