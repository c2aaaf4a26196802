"""Regions of an RFI mask, each measured and outlined in pixels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio.features
from scipy import ndimage

from rfiscan.circumstances import UNKNOWN, Circumstances
from rfiscan.scoring import ScoringSettings, apply_threshold
from rfiscan.stripes import label_stripes, rank_stripes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

Ring = tuple[tuple[int, int], ...]
"""Closed line of pixel corners (col, row); the first one is repeated at the end."""

Polygon = tuple[Ring, ...]
"""Exterior ring first, then the rings of its holes."""

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)

RAGGED = 0.1
"""A stripe fades into single pixels: rows (and columns) at the ends of a region lie outside its box if they hold at
most this share of the pixels that a full one holds, the 0.9 quantile over its rows (columns). Of 0, 0.05, 0.1, 0.15,
0.2 and 0.25 this gave the best boxes over 270 simulated scenes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One region of the RFI mask, such as a stripe.

    Attributes:
        bbox_px: Box (x, y, width, height) on the working grid around the region but its ragged ends: see `RAGGED`.
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
) -> NDArray[np.int32]:
    """Find the stripes of a scene.

    Args:
        anomaly_map: Score per pixel, shape (H, W), NaN where invalid.
        threshold: Score above which (strictly) a pixel is RFI.
        scoring: Says how small a region may be.
        seams_px: Where sub-swaths begin: see `label_stripes`.
        spacing_m: Metres between rows and between columns.
        least_rank: Stripes are left out that do not rank above this: see `rank_stripes`.

    Returns:
        Number of the stripe of each pixel, shape (H, W), 0 = none, 1 and up without gaps.
    """
    labels = label_stripes(apply_threshold(anomaly_map, threshold, scoring), seams_px, spacing_m)
    if least_rank <= 0.0:
        return labels
    kept = np.append(False, rank_regions(labels, anomaly_map, threshold, spacing_m[1]) > least_rank)
    return np.asarray(np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels])


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
    windows = ndimage.find_objects(labels)
    widths_px = np.array([_box(labels[w] == n, w[1].start, w[0].start)[2] for n, w in enumerate(windows, 1)], float)
    return rank_stripes(_Regions(labels).mean(anomaly_map), widths_px * col_spacing_m, threshold)


def extract_detections(
    labels: NDArray[np.int32],
    anomaly_map: NDArray[np.floating[Any]],
    evidence: NDArray[np.floating[Any]],
    threshold: float,
    excess_db: NDArray[np.floating[Any]],
    polarizations: tuple[str | None, str | None],
    spacing_m: tuple[float, float],
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

    Returns:
        Detections, highest score first.
    """
    if not labels.any():
        return []
    regions = _Regions(labels)
    present = np.array([name is not None for name in polarizations])
    shown = _polarizations_shown(regions, evidence, threshold, present)
    score = regions.maximum(anomaly_map)
    mean_score = regions.mean(anomaly_map)
    excess = np.where(shown[:, regions.of_pixel], regions.gather(excess_db), np.nan)
    excess = np.fmax(excess[0], excess[1])
    peak_excess_db, mean_excess_db = regions.reduce_maximum(excess), regions.reduce_mean(excess)
    outlines = _outlines(labels)
    rank = rank_regions(labels, anomaly_map, threshold, spacing_m[1])
    detections = []
    for region, window in enumerate(ndimage.find_objects(labels)):
        _, _, width, height = box_px = _box(labels[window] == region + 1, window[1].start, window[0].start)
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
                outline_px=tuple(outlines[region + 1]),
                height_km=height * spacing_m[0] / 1000,
                width_km=width * spacing_m[1] / 1000,
                peak_excess_db=float(peak_excess_db[region]),
                mean_excess_db=float(mean_excess_db[region]),
            )
        )
    return sorted(detections, key=lambda detection: detection.score, reverse=True)


def _box(pixels: NDArray[np.bool_], left: int, top: int) -> tuple[int, int, int, int]:
    """Box (x, y, width, height) around a region, (h, w), but its ragged ends."""
    spans = []
    for axis in (1, 0):
        filled = pixels.sum(axis=axis)
        kept = np.flatnonzero(filled > RAGGED * np.quantile(filled[filled > 0], 0.9))
        spans.append((int(kept[0]), int(kept[-1]) + 1))
    (first_row, stop_row), (first_col, stop_col) = spans
    return left + first_col, top + first_row, stop_col - first_col, stop_row - first_row


class _Regions:
    """The pixels of all regions, sorted by region, so that one pass measures thousands of them.

    Attributes:
        of_pixel: Region of each pixel, from 0, ascending, shape (P,) for P flagged pixels.
        area_px: Pixels of each region, shape (R,).
    """

    def __init__(self, labels: NDArray[np.int32]) -> None:
        flagged = np.flatnonzero(labels)
        region = labels.ravel()[flagged] - 1
        order = np.argsort(region, kind="stable")
        self._pixels = flagged[order]
        self.of_pixel = region[order]
        self.area_px = np.bincount(self.of_pixel)
        self._starts = np.concatenate(([0], np.cumsum(self.area_px)[:-1]))

    def gather(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Values (..., H, W) at the pixels of the regions, shape (..., P)."""
        gathered: NDArray[np.floating[Any]] = values.reshape(*values.shape[:-2], -1)[..., self._pixels]
        return gathered

    def maximum(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Largest value (..., H, W) of each region, shape (..., R); NaN where it has none."""
        return self.reduce_maximum(self.gather(values))

    def mean(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Mean value (H, W) of each region, shape (R,); NaN where it has none."""
        return self.reduce_mean(self.gather(values))

    def reduce_maximum(self, gathered: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Largest of the gathered values (..., P) of each region, shape (..., R)."""
        maximum: NDArray[np.floating[Any]] = np.fmax.reduceat(gathered, self._starts, axis=-1)
        return maximum

    def reduce_mean(self, gathered: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Mean of the gathered values (P,) of each region, shape (R,)."""
        known = ~np.isnan(gathered)
        total = np.bincount(self.of_pixel[known], weights=gathered[known], minlength=self.area_px.size)
        number = np.bincount(self.of_pixel[known], minlength=self.area_px.size)
        mean = np.full(self.area_px.size, np.nan)
        np.divide(total, number, out=mean, where=number > 0)
        return mean


def _polarizations_shown(
    regions: _Regions, evidence: NDArray[np.floating[Any]], threshold: float, present: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which polarizations show each region, shape (2, R)."""
    peak = regions.maximum(evidence)
    peak[np.isnan(peak)] = -np.inf
    shown: NDArray[np.bool_] = (peak > threshold) & present[:, None]
    undecided = ~shown.any(axis=0)
    strongest = np.where(present[:, None], peak, -np.inf).argmax(axis=0)
    if present.any():
        strongest = np.where(present[strongest], strongest, present.argmax())
        shown[strongest[undecided], undecided] = True
    return shown


def _outlines(labels: NDArray[np.int32]) -> dict[int, list[Polygon]]:
    """Polygons of each label, in pixel corners."""
    outlines: dict[int, list[Polygon]] = defaultdict(list)
    # 4-connected parts have simple rings; an 8-connected part would touch itself where pixels meet at a corner
    for geometry, label in rasterio.features.shapes(labels, mask=labels > 0, connectivity=4):
        rings = tuple(tuple((int(col), int(row)) for col, row in ring) for ring in geometry["coordinates"])
        outlines[int(label)].append(rings)
    return outlines
