"""Compose simulated scenes: background, interference, speckle, detection; with truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.simulation.background import draw_background
from rfiscan.simulation.geometry import SwathLayout, draw_layout
from rfiscan.simulation.interference import VISIBLE_DB, Interference, Interferer, draw_interference
from rfiscan.simulation.priors import InterferencePriors, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedScene:
    """A scene with its truth.

    Attributes:
        power: Linear power with speckle and interference, shape (2, H, W), float32, > 0.
        clean_power: The same without interference, with the same speckle.
        valid_mask: True = valid, shape (2, H, W).
        interference: Expected power of the interference, shape (2, H, W), >= 0.
        excess_db: Brightening by interference, 10 log10(1 + interference / background), shape (2, H, W), >= 0.
        rfi_mask: Pixels with ``excess_db`` >= `VISIBLE_DB` in any valid polarization, shape (H, W).
        labels: Number of the stripe of each pixel, 0 for none, shape (H, W).
        interferers: What made the interference; empty in a clean scene.
        layout: Sub-swaths, bursts and borders.
    """

    power: NDArray[np.float32]
    clean_power: NDArray[np.float32]
    valid_mask: NDArray[np.bool_]
    interference: NDArray[np.float32]
    excess_db: NDArray[np.float32]
    rfi_mask: NDArray[np.bool_]
    labels: NDArray[np.uint16]
    interferers: tuple[Interferer, ...]
    layout: SwathLayout


def compose_scene(
    rng: np.random.Generator,
    layout: SwathLayout,
    background: NDArray[np.float32],
    valid_mask: NDArray[np.bool_],
    interference: Interference | None,
    *,
    looks: float | None,
    interference_looks: float = 60.0,
) -> SimulatedScene:
    """Add interference to a background, in power, and detect it.

    Args:
        rng: Source of randomness.
        layout: Geometry of the scene.
        background: Linear power without interference, shape (2, H, W), > 0.
        valid_mask: True = valid, shape (2, H, W).
        interference: What to add; None leaves the scene clean.
        looks: Equivalent number of looks of the speckle that multiplies the background; None where the background is
            a real scene, which has its own.
        interference_looks: The same for the interference, whose pulses fill only part of a pixel's looks.
    """
    clean = background
    if looks is not None:
        clean = background * rng.standard_gamma(looks, background.shape, dtype=np.float32) / np.float32(looks)
    if interference is None:
        none = np.zeros(layout.shape, np.uint16)
        interference = Interference(power=np.zeros_like(clean), labels=none, interferers=())
    added = interference.power
    if interference.interferers:
        added = added * rng.standard_gamma(interference_looks, added.shape, dtype=np.float32)
        added /= np.float32(interference_looks)
    excess_db = (10.0 * np.log10(1.0 + interference.power / background)).astype(np.float32)
    excess_db[~valid_mask] = 0.0
    return SimulatedScene(
        power=clean + added,
        clean_power=clean,
        valid_mask=valid_mask,
        interference=interference.power,
        excess_db=excess_db,
        rfi_mask=np.asarray((excess_db >= VISIBLE_DB).any(axis=0)),
        labels=np.where(valid_mask.any(axis=0), interference.labels, np.uint16(0)),
        interferers=interference.interferers,
        layout=layout,
    )


def draw_looks(rng: np.random.Generator) -> float:
    """Draw the equivalent number of looks of a working pixel: some hundreds to thousands, 0.08 to 0.3 dB."""
    return float(10 ** rng.uniform(2.3, 3.5))


def simulate_scene(  # noqa: PLR0913 - strata of a benchmark; all but two are drawn
    rng: np.random.Generator,
    priors: InterferencePriors,
    shape: tuple[int, int] = (340, 500),
    *,
    contaminated: bool = True,
    mode: str | None = None,
    surface: str | None = None,
    spacing_m: float = 500.0,
    count: int | None = None,
    ibr_db: Span | None = None,
    kind: str | None = None,
    polarization: str | None = None,
) -> SimulatedScene:
    """Simulate a scene.

    Args:
        rng: Source of randomness; the same state gives the same scene.
        priors: What interferers are like.
        shape: (H, W) in pixels.
        contaminated: False leaves the scene free of interference.
        mode: "IW", "EW" or "SM"; drawn if None.
        surface: "sea", "coast", "islands" or "land"; drawn if None.
        spacing_m: Pixel spacing in metres.
        count: Number of emitters, as in `draw_interference`.
        ibr_db: Ratio of interference to background, likewise.
        kind: Kind of emitter, likewise.
        polarization: Of the emitters, likewise.
    """
    layout = draw_layout(rng, shape, mode=mode, spacing_m=spacing_m)
    background = draw_background(rng, layout, surface)
    interference = None
    if contaminated:
        interference = draw_interference(
            rng,
            layout,
            background,
            priors,
            count=count,
            spacing_m=spacing_m,
            ibr_db=ibr_db,
            kind=kind,
            polarization=polarization,
        )
    valid = np.broadcast_to(layout.valid_mask(), background.shape).copy()
    return compose_scene(rng, layout, background, valid, interference, looks=draw_looks(rng))
