"""Regions of an RFI mask, each measured and outlined in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from rfiscan.detections.circumstances import UNKNOWN, Circumstances
from rfiscan.detections.cores import StripePixels, split_by_cores
from rfiscan.detections.pixel_regions import FlaggedPixels, PixelRegions, Polygon, in_large_regions
from rfiscan.detections.stripes import label_stripes, number_stripes
from rfiscan.scoring import ScoringSettings, apply_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One region of the RFI mask, such as a stripe.

    Attributes:
        bbox_px: Box (x, y, width, height) on the working grid around the pixels of the region that exceed the threshold
            for boxes, or all of them where none does, but its ragged ends: see `RAGGED`.
        area_px: Number of pixels.
        score: Peak of the anomaly map in the region.
        mean_score: Mean of the anomaly map over the region.
        rank: How far it stands out, see `rank_stripes`; > 0.
        polarizations: Names of the polarizations that show it, co-pol first; never empty where any is present.
        outline_px: Polygons in pixel corners (col, row). Parts that touch at a corner only are polygons of their own,
            so that each polygon is valid; the region is their union.
        height_km: Height of the box (along rows, azimuth in radar geometry).
        width_km: Width of the box (along columns, range in radar geometry).
        peak_excess_db: Largest excess over the reconstruction, in its polarizations; NaN where unknown.
        mean_excess_db: Mean over the region of the larger excess of its polarizations; NaN where unknown.
        circumstances: What is known of it beside its pixels.
    """

    bbox_px: tuple[int, int, int, int]
    area_px: int
    score: float
    mean_score: float
    rank: float
    polarizations: tuple[str, ...]
    outline_px: tuple[Polygon, ...]
    height_km: float
    width_km: float
    peak_excess_db: float
    mean_excess_db: float
    circumstances: Circumstances = UNKNOWN


def label_regions(rfi_mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the regions of a mask, 8-connected.

    Args:
        rfi_mask: True = RFI, shape (H, W).

    Returns:
        Labels, shape (H, W), 0 = none, 1 and up in the order in which rows meet the regions; and their count.
    """
    labels = np.empty(rfi_mask.shape, dtype=np.int32)
    count = ndimage.label(rfi_mask, structure=EIGHT_NEIGHBOURS, output=labels)
    return labels, int(count)


def find_stripes(
    anomaly_map: NDArray[np.floating[Any]],
    threshold: float,
    scoring: ScoringSettings,
    seams_px: Sequence[int],
    spacing_m: tuple[float, float],
    least_rank: float = 0.0,
    core_threshold: float = np.inf,
) -> NDArray[np.int32]:
    """Find the stripes of a scene.

    Args:
        anomaly_map: Score per pixel, shape (H, W), NaN where invalid.
        threshold: Score above which (strictly) a pixel is RFI.
        scoring: Says how small a region may be.
        seams_px: Where sub-swaths begin: see `label_stripes`.
        spacing_m: Metres between rows and between columns.
        least_rank: Stripes are left out that do not rank above this: see `rank_stripes`.
        core_threshold: Score above which (strictly) pixels are cores: see `split_by_cores`.

    Returns:
        Number of the stripe of each pixel, shape (H, W), 0 = none, 1 and up without gaps.
    """
    labels = label_stripes(apply_threshold(anomaly_map, threshold, scoring), seams_px, spacing_m)
    if least_rank > 0.0:
        labels = _outranking(labels, rank_regions(labels, anomaly_map, threshold, spacing_m[1]), least_rank)
    rows, cols = np.nonzero(labels)
    pixels = StripePixels(rows, cols, anomaly_map[rows, cols])
    labels[rows, cols] = split_by_cores(
        labels[rows, cols], pixels, threshold, core_threshold, seams_px, spacing_m, least_rank
    )
    return labels


def find_flagged_stripes(
    pixels: FlaggedPixels,
    width_px: int,
    threshold: float,
    scoring: ScoringSettings,
    seams_px: Sequence[int],
    spacing_m: tuple[float, float],
    least_rank: float = 0.0,
    core_threshold: float = np.inf,
) -> tuple[FlaggedPixels, NDArray[np.int32]]:
    """Find the stripes of a scene that is too large for a map of it, as `find_stripes` does.

    Args:
        pixels: Those whose score exceeds the threshold.
        width_px: Columns of the scene.
        threshold: Score above which (strictly) a pixel is RFI.
        scoring: Says how small a region may be.
        seams_px: Where sub-swaths begin: see `label_stripes`.
        spacing_m: Metres between rows and between columns.
        least_rank: Stripes are left out that do not rank above this: see `rank_stripes`.
        core_threshold: Score above which (strictly) pixels are cores: see `split_by_cores`.

    Returns:
        The pixels of the stripes, and the stripe of each, shape (P,), 1 and up without gaps.
    """
    pixels = pixels.only(in_large_regions(pixels.rows, pixels.cols, scoring.min_area_px))
    numbers = number_stripes(pixels.rows, pixels.cols, width_px, seams_px, spacing_m)
    if least_rank > 0.0 and numbers.size:
        regions = PixelRegions(pixels.rows, pixels.cols, numbers)
        numbers = _outranking(numbers, regions.ranks(pixels.anomaly, threshold, spacing_m[1]), least_rank)
    pixels, numbers = pixels.only(numbers > 0), numbers[numbers > 0]
    stripe_pixels = StripePixels(pixels.rows, pixels.cols, pixels.anomaly)
    return pixels, split_by_cores(numbers, stripe_pixels, threshold, core_threshold, seams_px, spacing_m, least_rank)


def _outranking(numbers: NDArray[np.int32], ranks: NDArray[np.float64], least_rank: float) -> NDArray[np.int32]:
    """Number anew the stripes that outrank this, and give the others number 0."""
    kept = np.append(False, ranks > least_rank)
    return np.asarray(np.where(kept, np.cumsum(kept), 0).astype(np.int32)[numbers])


def rank_regions(
    labels: NDArray[np.int32], anomaly_map: NDArray[np.floating[Any]], threshold: float, col_spacing_m: float
) -> NDArray[np.float64]:
    """Ranks of labelled stripes, shape (R,), in the order of their numbers; see `rank_stripes`.

    Args:
        labels: Number of the stripe of each pixel, 0 = none, 1 and up without gaps, shape (H, W).
        anomaly_map: Score per pixel, shape (H, W), a number in every pixel of a stripe.
        threshold: Score above which (strictly) a pixel is RFI.
        col_spacing_m: Metres between columns.
    """
    if not labels.any():
        return np.zeros(0)
    rows, cols = np.nonzero(labels)
    return PixelRegions(rows, cols, labels[rows, cols]).ranks(anomaly_map[rows, cols], threshold, col_spacing_m)


def extract_detections(
    labels: NDArray[np.int32],
    anomaly_map: NDArray[np.floating[Any]],
    evidence: NDArray[np.floating[Any]],
    threshold: float,
    excess_db: NDArray[np.floating[Any]],
    polarizations: tuple[str | None, str | None],
    spacing_m: tuple[float, float],
    box_threshold: float = np.inf,
) -> list[Detection]:
    """Measure labelled regions.

    A polarization shows a detection where its evidence exceeds the threshold in a pixel of the region; where none
    does, because only their sum does, the one with the larger evidence is named. NaN in the evidence or in the
    excess is left out.

    Args:
        labels: Number of the region of each pixel, 0 = none, 1 and up without gaps, shape (H, W).
        anomaly_map: Score per pixel, shape (H, W), a number in every pixel of a region.
        evidence: Score per polarization, shape (2, H, W).
        threshold: Score above which (strictly) a pixel is RFI.
        excess_db: Scene minus reconstruction per polarization, in dB, shape (2, H, W).
        polarizations: Names of the two slots, None = absent.
        spacing_m: Metres between rows and between columns.
        box_threshold: Score above which (strictly) a pixel takes part in the box of its region; where none does, all
            do.

    Returns:
        Detections, highest score first.
    """
    rows, cols = np.nonzero(labels)
    pixels = FlaggedPixels(rows=rows, cols=cols, evidence=evidence[:, rows, cols], excess_db=excess_db[:, rows, cols])
    numbers, anomaly = labels[rows, cols], anomaly_map[rows, cols]
    return measure_detections(pixels, numbers, anomaly, threshold, polarizations, spacing_m, box_threshold)


def measure_detections(
    pixels: FlaggedPixels,
    numbers: NDArray[np.int32],
    anomaly: NDArray[np.floating[Any]],
    threshold: float,
    polarizations: tuple[str | None, str | None],
    spacing_m: tuple[float, float],
    box_threshold: float = np.inf,
) -> list[Detection]:
    """Measure regions whose pixels are given by row and column; see `extract_detections`.

    Args:
        pixels: All pixels of the regions.
        numbers: Region of each, shape (P,), 1 and up without gaps.
        anomaly: Score of each, shape (P,), a number.
        threshold: Score above which (strictly) a pixel is RFI.
        polarizations: Names of the two slots, None = absent.
        spacing_m: Metres between rows and between columns.
        box_threshold: As in `extract_detections`.
    """
    if not numbers.size:
        return []
    regions = PixelRegions(pixels.rows, pixels.cols, numbers)
    present = np.array([name is not None for name in polarizations])
    shown = _polarizations_shown(regions.maximum(pixels.evidence), threshold, present)
    score, mean_score = regions.maximum(anomaly), regions.mean(anomaly)
    excess = np.fmax(*np.where(shown[:, numbers - 1], pixels.excess_db, np.nan))
    peak_excess_db, mean_excess_db = regions.maximum(excess), regions.mean(excess)
    outlines = regions.outlines()
    rank = regions.ranks(anomaly, threshold, spacing_m[1])
    detections = []
    for region, box_px in enumerate(regions.boxes_around(anomaly > box_threshold)):
        detections.append(
            Detection(
                bbox_px=box_px,
                area_px=int(regions.area_px[region]),
                score=float(score[region]),
                mean_score=float(mean_score[region]),
                rank=float(rank[region]),
                polarizations=tuple(
                    name for name, is_shown in zip(polarizations, shown[:, region], strict=True) if name and is_shown
                ),
                outline_px=tuple(outlines[region]),
                height_km=box_px[3] * spacing_m[0] / 1000,
                width_km=box_px[2] * spacing_m[1] / 1000,
                peak_excess_db=float(peak_excess_db[region]),
                mean_excess_db=float(mean_excess_db[region]),
            )
        )
    return sorted(detections, key=lambda detection: detection.score, reverse=True)


def _polarizations_shown(
    peak: NDArray[np.floating[Any]], threshold: float, present: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which polarizations show each region, shape (2, R), by their largest evidence, same shape."""
    peak = np.where(np.isnan(peak), -np.inf, peak)
    shown: NDArray[np.bool_] = (peak > threshold) & present[:, None]
    undecided = ~shown.any(axis=0)
    strongest = np.where(present[:, None], peak, -np.inf).argmax(axis=0)
    if present.any():
        strongest = np.where(present[strongest], strongest, present.argmax())
        shown[strongest[undecided], undecided] = True
    return shown
