"""Compare the geometry of simulated stripes with that of a published survey of real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.errors import UsageError
from rfiscan.simulation import InterferencePriors, simulate_scene
from rfiscan.workflows.reporting import SILENT, Reporter

SHAPE = (340, 500)
NOTICED_DB, NOTICED_ROWS = 0.0, 3
"""Who draws boxes sees stripes whose brightest tenth at least doubles the background, and that have some height."""
SQUARE = 1.25
"""Aspect up to which a box is square: a choice, for the survey does not give its own."""
CLUSTERS, CLUSTER_REACH = (0.15, 0.50, 0.85), 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyRow:
    """One figure of the survey.

    Attributes:
        name: What it is.
        published: Its value in the survey; None where the survey gives none.
        simulated: Its value in simulated scenes.
    """

    name: str
    published: float | None
    simulated: float


def survey_stripes(
    priors: InterferencePriors, count: int = 1000, seed: int = 0, reporter: Reporter = SILENT
) -> list[SurveyRow]:
    """Simulate IW scenes and measure their stripes as the survey measured its boxes.

    Published: ClearSAR Track 1, 9,288 boxes in 3,154 quick-looks of about 515 x 342 pixels: height, aspect and counts
    as the paper of the entry Nas01010101/clearsar-rfi-detection and the summary of Sauvageduck24/ClearSar give them,
    clusters as vic-zab/esa_clearsar gives them. Counts are of scenes with at least one box.

    Args:
        priors: What interferers are like.
        count: Number of scenes.
        seed: Seed.
        reporter: Is told how far the work is.

    Raises:
        UsageError: If the scenes hold no stripe.
    """
    boxes: list[tuple[int, int, int, int]] = []
    counts = []
    for index in range(count):
        scene = simulate_scene(np.random.default_rng([seed, index]), priors, SHAPE, mode="IW")
        stripes = [stripe for interferer in scene.interferers for stripe in interferer.stripes if stripe.visible]
        noticed = [s.bbox_px for s in stripes if s.ibr_db >= NOTICED_DB and s.bbox_px[3] >= NOTICED_ROWS]
        boxes += noticed
        counts.append(len(noticed))
        reporter.progress("simulating", index + 1, count)
    if not boxes:
        raise UsageError(f"{count} simulated scenes hold no stripe to measure", hint="Give a larger --count.")
    return _rows(np.array(boxes, float), np.array(counts))


def _rows(boxes: NDArray[np.float64], counts: NDArray[np.int_]) -> list[SurveyRow]:
    left, _, width, height = boxes.T
    aspect, centre = width / height, (left + 0.5 * width) / SHAPE[1]
    near = np.abs(centre[:, None] - np.array(CLUSTERS)) < CLUSTER_REACH
    found = counts[counts > 0]
    figures: list[tuple[str, float | None, float]] = [
        ("height, median, px", 10.0, float(np.median(height))),
        ("height, 5 %, px", 4.0, float(np.quantile(height, 0.05))),
        ("height, 95 %, px", 120.0, float(np.quantile(height, 0.95))),
        ("width, median, px", 140.0, float(np.median(width))),
        (f"horizontal (width > {SQUARE:g} height)", 0.884, float((aspect > SQUARE).mean())),
        (f"vertical (height > {SQUARE:g} width)", 0.085, float((aspect < 1 / SQUARE).mean())),
        ("square", 0.031, float(((aspect <= SQUARE) & (aspect >= 1 / SQUARE)).mean())),
        ("boxes a contaminated scene, mean", 2.98, float(found.mean())),
        ("boxes a contaminated scene, median", 2.0, float(np.median(found))),
    ]
    for index, place in enumerate(CLUSTERS):
        figures.append((f"centres within {CLUSTER_REACH:g} of x = {place:g}", None, float(near[:, index].mean())))
    return [SurveyRow(name=name, published=published, simulated=value) for name, published, value in figures]
