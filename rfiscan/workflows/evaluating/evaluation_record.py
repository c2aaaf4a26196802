"""The record of an evaluation: every figure with its interval, and what the plots are drawn from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan import __version__
from rfiscan.export.records import to_plain
from rfiscan.metrics.bootstrap import interval
from rfiscan.metrics.curves import (
    GROUPS,
    RATIO_EDGES_DB,
    RECALLS,
    detection_counts,
    detection_curves,
    far_measured,
    precision_recall,
)
from rfiscan.metrics.figures import all_figures, best_threshold
from rfiscan.metrics.tally import Tally
from rfiscan.workflows.evaluating.contenders import Contender


def evaluation_record(tally: Tally, contender: Contender, *, far: float) -> dict[str, Any]:
    """Describe what a contender reached; values fit for JSON, None where the data do not tell.

    Args:
        tally: Its tally over all scenes.
        contender: The contender.
        far: False-alarm rate of its masks.

    Returns:
        `contender`, `version`, `far`, `threshold`, `scenes`, `clean_scenes`, `stripes`, `seed`, `replicates`,
        `figures` (name -> value, low, high), `f1_best_threshold`, `far_measured` (a list of rate, threshold, value,
        low, high), `detection_curves` (a list of group, ibr_low_db, ibr_high_db, found, stripes, value, low, high) and
        `precision_recall` (recall -> value, low, high, as a list).
    """
    scenes, clean_scenes = tally.total("scenes", 2)[0]
    record = {
        "contender": tally.name,
        "version": __version__,
        "far": far,
        "threshold": contender.threshold(far),
        "scenes": int(scenes),
        "clean_scenes": int(clean_scenes),
        "stripes": int(tally.total("stripes", 2)[0, 1]),
        "seed": tally.seed,
        "replicates": tally.replicates,
        "figures": {name: asdict(interval(values)) for name, values in all_figures(tally).items()},
        "f1_best_threshold": best_threshold(tally),
        "far_measured": _far_points(tally, contender),
        "detection_curves": _detection_points(tally),
        "precision_recall": _recall_points(precision_recall(tally)),
    }
    plain: dict[str, Any] = to_plain(record)
    return plain


def _far_points(tally: Tally, contender: Contender) -> list[dict[str, Any]]:
    measured = far_measured(tally)
    return [
        {"rate": rate, "threshold": contender.calibration[rate], **asdict(interval(measured[:, index]))}
        for index, rate in enumerate(tally.rates)
    ]


def _detection_points(tally: Tally) -> list[dict[str, Any]]:
    counts, shares = detection_counts(tally)[0], detection_curves(tally)
    return [
        {
            "group": name,
            "ibr_low_db": RATIO_EDGES_DB[strength],
            "ibr_high_db": RATIO_EDGES_DB[strength + 1],
            "found": int(counts[group, strength, 0]),
            "stripes": int(counts[group, strength, 1]),
            **asdict(interval(shares[:, group, strength])),
        }
        for group, name in enumerate(GROUPS)
        for strength in range(len(RATIO_EDGES_DB) - 1)
    ]


def _recall_points(precision: NDArray[np.float64]) -> list[dict[str, Any]]:
    return [
        {"recall": round(float(recall), 2), **asdict(interval(precision[:, index]))}
        for index, recall in enumerate(RECALLS)
    ]
