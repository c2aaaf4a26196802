"""What one scene adds to the tally of one contender; `rfiscan.metrics.figures` names the parts."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rfiscan.metrics.boxes import boxes_array
from rfiscan.metrics.curves import StripeOutcome, count_stripes
from rfiscan.metrics.figures import SURFACES
from rfiscan.metrics.histogram import SCORE_BINS, coarsen
from rfiscan.metrics.overlap import region_histogram
from rfiscan.metrics.regions import FOUND_SHARE, count_false_stripes, flagged_shares, paint_boxes
from rfiscan.networks.losses import ssim
from rfiscan.truth import Truth
from rfiscan.workflows.evaluating.contenders import Judgement

Contributions = dict[str, NDArray[np.float64]]


def scene_contributions(
    truth: Truth,
    judgement: Judgement,
    valid_mask: NDArray[np.bool_],
    threshold: float,
    rate_thresholds: NDArray[np.float64],
) -> Contributions:
    """Compare what a contender says of a scene with the truth.

    Args:
        truth: The truth, on the grid of the judgement.
        judgement: What the contender says.
        valid_mask: True = valid, of each polarization, (2, H, W).
        threshold: Its threshold at the false-alarm rate of the evaluation.
        rate_thresholds: Its threshold at each calibrated rate.
    """
    judged = ~np.isnan(judgement.anomaly_map)
    outcomes, contributions = _stripes(truth, judgement, judged)
    contributions |= _pixels(truth, judgement) | _scene(truth, judgement)
    contributions["curves"] = count_stripes(outcomes)
    if truth.clean:
        scores = judgement.anomaly_map[judged]
        above = (scores[:, None] > np.concatenate([[threshold], rate_thresholds])).sum(axis=0)
        contributions["far_pixels"] = np.concatenate([[scores.size], above]).astype(np.float64)
        contributions["reconstruction"] = _reconstruction(judgement, valid_mask)
    contributions["surface"] = _surface(truth, contributions)
    return contributions


def _pixels(truth: Truth, judgement: Judgement) -> Contributions:
    """Histograms and confusion of pixels; nothing where the truth has no mask."""
    if truth.mask is None or truth.known is None or truth.masks_by_polarization is None:
        return {}
    maps = {"": judgement.anomaly_map, "_co": judgement.evidence[0], "_cross": judgement.evidence[1]}
    masks = {"": truth.mask, "_co": truth.masks_by_polarization[0], "_cross": truth.masks_by_polarization[1]}
    found: Contributions = {}
    for suffix, scores in maps.items():
        counted = truth.known & ~np.isnan(scores)
        bins, positive = SCORE_BINS.indices(scores[counted]), masks[suffix][counted]
        for name, chosen in (("pos", bins[positive]), ("neg", bins[~positive])):
            found[f"pixel_{name}{suffix}"] = SCORE_BINS.count_indices(chosen)
    counted = truth.known & ~np.isnan(judgement.anomaly_map)
    assert truth.strong_mask is not None
    assert truth.halo_mask is not None
    for name, part in (("pixel_pos_strong", truth.mask & truth.strong_mask), ("pixel_neg_halo", truth.halo_mask)):
        found[name] = SCORE_BINS.histogram(judgement.anomaly_map[part & counted])
    if truth.surface in SURFACES:
        found |= {f"pixel_{sign}_{truth.surface}": coarsen(found[f"pixel_{sign}"]) for sign in ("pos", "neg")}
    flagged, mask = judgement.rfi_mask[counted], truth.mask[counted]
    found["confusion"] = np.array([(flagged & mask).sum(), (flagged & ~mask).sum(), (~flagged & mask).sum()], float)
    found["regions"], _ = region_histogram(
        np.where(truth.known, judgement.anomaly_map, np.nan), truth.mask & truth.known, SCORE_BINS
    )
    return found


def _stripes(
    truth: Truth, judgement: Judgement, judged: NDArray[np.bool_]
) -> tuple[list[StripeOutcome], Contributions]:
    """Which visible stripes were found, and how many stripes of the mask touch none."""
    stripes = truth.visible_stripes
    if truth.labels is None or truth.mask is None:
        painted = [paint_boxes(boxes_array([stripe.bbox_px]), judged.shape) for stripe in stripes]
        shares = [flagged_shares(judgement.rfi_mask, box.astype(np.uint16), judged, 1)[0] for box in painted]
        interference = np.any(painted, axis=0) if painted else np.zeros(judged.shape, bool)
    else:
        largest = max((stripe.label for stripe in stripes), default=0)
        by_label = flagged_shares(judgement.rfi_mask, truth.labels, judged, max(largest, int(truth.labels.max())))
        shares = [by_label[stripe.label - 1] for stripe in stripes]
        interference = truth.mask | (truth.labels > 0)
    outcomes = [
        StripeOutcome(
            kind=stripe.kind,
            ibr_db=stripe.ibr_db,
            cross_over_co_db=stripe.cross_over_co_db,
            found=bool(share >= FOUND_SHARE),
        )
        for stripe, share in zip(stripes, shares, strict=True)
        if not np.isnan(share)
    ]
    false = float(count_false_stripes(judgement.labels, interference))
    return outcomes, {
        "stripes": np.array([sum(outcome.found for outcome in outcomes), len(outcomes)], float),
        "false_stripes": np.array([false, false * truth.clean]),
        "truth_boxes": np.array([len(stripes)], float),
    }


def _scene(truth: Truth, judgement: Judgement) -> Contributions:
    """Scene score against whether there is interference to see; a scene where it cannot be seen says nothing."""
    found: Contributions = {"scenes": np.array([1.0, float(truth.clean)])}
    contaminated = bool(truth.visible_stripes)
    if (contaminated or truth.clean) and not np.isnan(judgement.scene_score):
        flagged = judgement.severity > 0
        histogram = SCORE_BINS.histogram(np.array([judgement.scene_score]))
        found["scene_pos" if contaminated else "scene_neg"] = histogram
        confusion = (contaminated and flagged, not contaminated and flagged, contaminated and not flagged)
        found["scene_confusion"] = np.array(confusion, float)
    return found


def _surface(truth: Truth, contributions: Contributions) -> NDArray[np.float64]:
    counts = np.zeros((len(SURFACES), 4))
    if truth.surface in SURFACES:
        row = counts[SURFACES.index(truth.surface)]
        row[:2] = contributions["stripes"]
        if "far_pixels" in contributions:
            row[2:] = contributions["far_pixels"][:2]
    return counts.ravel()


def _reconstruction(judgement: Judgement, valid_mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Number of scenes, mean squared error; similarity and 1 of co-pol, of cross-pol; zeros without reconstruction."""
    if judgement.reconstruction is None or judgement.standardised is None or not valid_mask.any():
        return np.zeros(6)
    error = float(np.mean((judgement.standardised - judgement.reconstruction)[valid_mask] ** 2))
    tensors = (torch.from_numpy(x)[None] for x in (judgement.reconstruction, judgement.standardised, valid_mask))
    co, cross = (float(similarity) for similarity in ssim(*tensors))
    return np.array(
        [1.0, error, *(part for value in (co, cross) for part in ((0.0, 0.0) if np.isnan(value) else (value, 1.0)))]
    )
