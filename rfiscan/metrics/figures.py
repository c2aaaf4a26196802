"""Figures of an evaluation, from the sums of a tally.

The sums, by name, with what one scene contributes:

    pixel_pos, pixel_neg          histograms of the anomaly map inside and outside the truth, `SCORE_BINS`
    pixel_pos_co, ..._cross       the same of each polarization's evidence against its own truth
    pixel_pos_strong              histogram of true pixels that are brightened by `STRONG_DB` and more
    pixel_neg_halo                histogram of pixels outside the truth that are brightened by `HALO_DB` and more
    pixel_pos_sea, pixel_neg_sea  coarse histograms of scenes of one of `SURFACES`; and so on
    regions                       histogram of `region_histogram`
    confusion                     flagged true pixels, flagged others, missed true pixels
    stripes                       visible stripes found, visible stripes
    false_stripes                 stripes of the mask that touch no truth; the same, if the scene is clean
    truth_boxes                   boxes of visible stripes
    scenes                        1, and 1 if the scene is clean
    scene_pos, scene_neg          histograms of the scene scores of contaminated and clean scenes, `SCORE_BINS`
    scene_confusion               contaminated and flagged, clean and flagged, contaminated and missed
    far_pixels                    valid pixels of a clean scene; above the chosen threshold; above that of each rate
    surface                       for each of `SURFACES`: stripes found, stripes, clean pixels, above the threshold
    reconstruction                clean scenes, their mean squared error; similarity and 1 in co-pol, in cross-pol
    curves                        see `rfiscan.metrics.curves.count_stripes`
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rfiscan.metrics.boxes import box_precision
from rfiscan.metrics.curves import share
from rfiscan.metrics.histogram import (
    COARSER,
    SCORE_BINS,
    ScoreBins,
    auroc,
    average_precision,
    best_f1,
    detection_at_far,
)
from rfiscan.metrics.overlap import area_under_overlap
from rfiscan.metrics.tally import Tally

SURFACES = ("sea", "coast", "land")
RATES = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4}
_RANKING = ("pixel_ap", "pixel_auroc", "f1_best", *(f"pd_at_far_{rate}" for rate in RATES))
MEANINGS = {
    "pixel_ap": "average precision of pixels",
    "pixel_auroc": "area under the ROC curve of pixels",
    **{f"pd_at_far_{rate}": f"pixels found at {rate} false alarms" for rate in RATES},
    "pd_at_far_1e-3_strong": "pixels found at 1e-3 false alarms, of those brightened by 3 dB and more",
    "pd_at_far_1e-3_weak": "pixels found at 1e-3 false alarms, of those brightened by less",
    "pixel_ap_no_halo": "average precision of pixels, without those brightened by 0.1 to 1 dB",
    "pd_at_far_1e-3_no_halo": "pixels found at 1e-3 false alarms, of pixels brightened by less than 0.1 dB",
    "pd_at_far_1e-3_strong_no_halo": "the same, of those brightened by 3 dB and more",
    "pd_at_far_1e-3_weak_no_halo": "the same, of those brightened by less",
    **{f"pixel_ap_{surface}": f"average precision of pixels, over {surface}" for surface in SURFACES},
    "aupro": "area under the per-region overlap, up to 30 % false positives",
    "f1": "F1 of the mask at its threshold",
    "f1_best": "F1 at the best threshold",
    "iou": "intersection over union of the mask",
    **{f"{name}_{part}": "" for part in ("co", "cross") for name in _RANKING},
    "stripe_pd": "share of visible stripes found",
    **{f"stripe_pd_{surface}": f"the same, over {surface}" for surface in SURFACES},
    "false_stripes_per_scene": "stripes of the mask that touch no interference, a scene",
    "false_stripes_per_clean_scene": "the same, in scenes without interference",
    "map": "mean average precision of boxes, overlap 0.50 to 0.95",
    "ap50": "average precision of boxes, overlap 0.50",
    "scene_auroc": "area under the ROC curve of scenes, by scene score",
    "scene_ap": "average precision of scenes, by scene score",
    "scene_f1": "F1 of scenes with anything flagged",
    "far": "share of clean pixels above the threshold",
    **{f"far_{surface}": f"the same, over {surface}" for surface in SURFACES},
    "mse": "mean squared error of reconstructions of clean scenes",
    "ssim": "their structural similarity",
    "ssim_co": "the same, co-pol",
    "ssim_cross": "the same, cross-pol",
}
"""Figure -> what it is; empty for the figure of one polarization, which is that of its name without the suffix."""

FIGURE_NAMES = tuple(MEANINGS)


def all_figures(tally: Tally) -> dict[str, NDArray[np.float64]]:
    """Every figure of `FIGURE_NAMES`, in that order, shape (R,) each; NaN where the data do not tell."""
    figures = {**_ranking(tally, ""), **_ranking(tally, "_co"), **_ranking(tally, "_cross")}
    figures |= _strata(tally)
    figures["aupro"] = area_under_overlap(
        tally.total("regions", SCORE_BINS.count), tally.total("pixel_neg", SCORE_BINS.count)
    )
    hits, alarms, misses = tally.total("confusion", 3).T
    figures["f1"] = _of_truth(2 * hits, 2 * hits + alarms + misses, hits + misses)
    figures["iou"] = _of_truth(hits, hits + alarms + misses, hits + misses)
    figures |= _stripe_figures(tally) | _scene_figures(tally) | _reconstruction_figures(tally)
    return {name: figures[name] for name in FIGURE_NAMES}


def best_threshold(tally: Tally) -> float:
    """Threshold of the anomaly map at which F1 is best; NaN without truth masks."""
    return best_f1(*_histograms(tally, "pixel", "", SCORE_BINS), SCORE_BINS)[1]


def _ranking(tally: Tally, suffix: str) -> dict[str, NDArray[np.float64]]:
    positive, negative = _histograms(tally, "pixel", suffix, SCORE_BINS)
    return {
        f"pixel_ap{suffix}": average_precision(positive, negative),
        f"pixel_auroc{suffix}": auroc(positive, negative),
        f"f1_best{suffix}": best_f1(positive, negative, SCORE_BINS)[0],
        **{f"pd_at_far_{key}{suffix}": detection_at_far(positive, negative, rate) for key, rate in RATES.items()},
    }


def _strata(tally: Tally) -> dict[str, NDArray[np.float64]]:
    """Pixels by how much they are brightened, at a rate of false alarms anywhere; and by what the scene shows."""
    positive, negative = _histograms(tally, "pixel", "", SCORE_BINS)
    strong = tally.total("pixel_pos_strong", SCORE_BINS.count)
    clean = negative - tally.total("pixel_neg_halo", SCORE_BINS.count)
    figures = {"pixel_ap_no_halo": average_precision(positive, clean)}
    for part, chosen in (("", positive), ("_strong", strong), ("_weak", positive - strong)):
        figures[f"pd_at_far_1e-3{part}_no_halo"] = detection_at_far(chosen, clean, RATES["1e-3"])
        if part:
            figures[f"pd_at_far_1e-3{part}"] = detection_at_far(chosen, negative, RATES["1e-3"])
    for surface in SURFACES:
        both = (tally.total(f"pixel_{sign}_{surface}", SCORE_BINS.count // COARSER) for sign in ("pos", "neg"))
        figures[f"pixel_ap_{surface}"] = average_precision(*both)
    return figures


def _stripe_figures(tally: Tally) -> dict[str, NDArray[np.float64]]:
    found, stripes = tally.total("stripes", 2).T
    false, false_in_clean = tally.total("false_stripes", 2).T
    scenes, clean_scenes = tally.total("scenes", 2).T
    boxes = tally.total("truth_boxes")[:, 0]
    mean_precision, precision_at_half = box_precision(tally.boxes, boxes, tally.seed)
    figures = {
        "stripe_pd": share(found, stripes),
        "false_stripes_per_scene": share(false, scenes),
        "false_stripes_per_clean_scene": share(false_in_clean, clean_scenes),
        "map": mean_precision,
        "ap50": precision_at_half,
    }
    by_surface = tally.total("surface", 4 * len(SURFACES)).reshape(-1, len(SURFACES), 4)
    for index, surface in enumerate(SURFACES):
        figures[f"stripe_pd_{surface}"] = share(by_surface[:, index, 0], by_surface[:, index, 1])
        figures[f"far_{surface}"] = share(by_surface[:, index, 3], by_surface[:, index, 2])
    return figures


def _scene_figures(tally: Tally) -> dict[str, NDArray[np.float64]]:
    positive, negative = _histograms(tally, "scene", "", SCORE_BINS)
    hits, alarms, misses = tally.total("scene_confusion", 3).T
    pixels, above = tally.total("far_pixels", 2 + len(tally.rates))[:, :2].T
    return {
        "scene_auroc": auroc(positive, negative),
        # without a clean scene, precision says nothing
        "scene_ap": np.where(negative.sum(axis=1) > 0, average_precision(positive, negative), np.nan),
        "scene_f1": _of_truth(2 * hits, 2 * hits + alarms + misses, hits + misses),
        "far": share(above, pixels),
    }


def _reconstruction_figures(tally: Tally) -> dict[str, NDArray[np.float64]]:
    scenes, error, co, co_scenes, cross, cross_scenes = tally.total("reconstruction", 6).T
    return {
        "mse": share(error, scenes),
        "ssim": share(co + cross, co_scenes + cross_scenes),
        "ssim_co": share(co, co_scenes),
        "ssim_cross": share(cross, cross_scenes),
    }


def _histograms(
    tally: Tally, what: str, suffix: str, bins: ScoreBins
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return tally.total(f"{what}_pos{suffix}", bins.count), tally.total(f"{what}_neg{suffix}", bins.count)


def _of_truth(part: NDArray[np.float64], whole: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part over whole, NaN where there is nothing to find."""
    return np.where(truth > 0, share(part, whole), np.nan)
