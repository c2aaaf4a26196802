"""Where in the acquisition the detections of a scene lie, and how likely they are false."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from rfiscan.detections.circumstances import Box, Circumstances, shared_px, sub_swaths_of
from rfiscan.detections.false_stripes import false_stripe_rate
from rfiscan.detections.regions import Detection
from rfiscan.scenes.esa_bursts import esa_bursts
from rfiscan.scenes.image_annotation import ImageAnnotation
from rfiscan.scenes.product import Product
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.working_grid import Grid
from rfiscan.sentinel1.burst_ids import burst_id
from rfiscan.sentinel1.bursts import Rectangle
from rfiscan.workflows.detecting.esa_comparison import FlaggedGrid, burst_places, sub_swath_places
from rfiscan.workflows.detecting.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedBurst:
    """A burst on the working grid.

    Attributes:
        sub_swath: Such as IW2.
        burst_id: See `rfiscan.sentinel1.burst_ids`.
        rectangles: Its pixels.
    """

    sub_swath: str
    burst_id: str
    rectangles: tuple[Rectangle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """Lines, sub-swaths and bursts of a product on the working grid.

    Attributes:
        image: Annotation of the image that the grid is of.
        sub_swaths: The pixels of each sub-swath; empty where the product does not tell them.
        bursts: In the order of time; None where the product does not tell them.
    """

    image: ImageAnnotation
    sub_swaths: Mapping[str, tuple[Rectangle, ...]]
    bursts: tuple[PlacedBurst, ...] | None


def acquisition_on(flagged: FlaggedGrid, scene: Scene, product: Product | None) -> Acquisition | None:
    """Lay sub-swaths and bursts of a product on the working grid of its scene.

    Args:
        flagged: Has the working grid.
        scene: The scene.
        product: The product that the scene is of; None if it is of none.

    Returns:
        None without a product that has the lines of the scene.
    """
    image = product.images[0] if product is not None and product.images else None
    if product is None or image is None or image.basic.shape != scene.shape:
        return None
    return Acquisition(
        image=image, sub_swaths=sub_swath_places(image, flagged), bursts=_placed_bursts(product, image, flagged)
    )


def with_circumstances(
    result: Result, acquisition: Acquisition | None, ranks: Mapping[float, Mapping[float, float]]
) -> list[Detection]:
    """Add to each detection of a scene what is known of it beside its pixels.

    Args:
        result: Has the detections, and what they were found on and with.
        acquisition: What `acquisition_on` says.
        ranks: The model's calibration for stripes: see `false_stripe_rate`.
    """
    grid, found = result.grid, []
    for detection in result.detections:
        rate = false_stripe_rate(detection.rank, ranks, result.request.far)
        known = Circumstances() if acquisition is None else _in_acquisition(detection.bbox_px, grid, acquisition)
        known = replace(
            known,
            share_of_sub_swath_lines=_share_of_lines(detection.bbox_px, grid, acquisition, known.sub_swaths),
            false_stripes_per_scene=None if rate is None else rate.per_scene,
            false_stripes_bound=None if rate is None else rate.bound,
        )
        found.append(replace(detection, circumstances=known))
    return found


def _placed_bursts(product: Product, image: ImageAnnotation, flagged: FlaggedGrid) -> tuple[PlacedBurst, ...] | None:
    """Return the bursts that ESA reports on; None where none is told, or one cannot be identified."""
    bursts = esa_bursts(product.rfi)
    if not bursts or product.orbit is None or image.first_line_time is None or image.line_interval_s is None:
        return None
    placed: list[tuple[datetime, PlacedBurst]] = []
    for place in burst_places(image, bursts, flagged):
        if place.burst is None:
            continue
        since_node_s = (place.burst.azimuth_time - product.orbit.node_time).total_seconds()
        found = burst_id(place.sub_swath, since_node_s, product.orbit.relative)
        if found is None:
            return None
        burst = PlacedBurst(sub_swath=place.sub_swath, burst_id=str(found), rectangles=place.rectangles)
        placed.append((place.burst.azimuth_time, burst))
    return tuple(burst for _, burst in sorted(placed, key=lambda pair: pair[0]))


def _in_acquisition(box_px: Box, grid: Grid, acquisition: Acquisition) -> Circumstances:
    """Return sub-swaths, bursts and times of a box."""
    names = sub_swaths_of(box_px, acquisition.sub_swaths) if acquisition.sub_swaths else None
    bursts = None
    if acquisition.bursts is not None and names is not None:
        touched = (b for b in acquisition.bursts if b.sub_swath in names and shared_px(box_px, b.rectangles))
        bursts = tuple(burst.burst_id for burst in touched)
    _, y, _, height = box_px
    row_stop = min((y + height) * grid.factors[0], acquisition.image.basic.shape[0])
    return Circumstances(
        sub_swaths=names,
        bursts=bursts,
        azimuth_time_start=_line_time(y * grid.factors[0], acquisition.image),
        azimuth_time_stop=_line_time(row_stop - 1, acquisition.image),
        incidence_deg=_incidence_deg(box_px, grid, acquisition.image),
    )


def _incidence_deg(box_px: Box, grid: Grid, image: ImageAnnotation) -> tuple[float, float] | None:
    """Return the least and the largest incidence angle at the corners of a box."""
    if image.incidence is None:
        return None
    x, y, width, height = box_px
    rows, cols = np.meshgrid(np.array([y, y + height]) * grid.factors[0], np.array([x, x + width]) * grid.factors[1])
    angles = image.incidence.at(rows - 0.5, cols - 0.5)  # of pixel corners, where lines and pixels count centres
    return float(angles.min()), float(angles.max())


def _line_time(row: int, image: ImageAnnotation) -> datetime | None:
    """Return the zero-Doppler time of a line of a ground-range image; None where it does not tell it."""
    if image.first_line_time is None or image.line_interval_s is None:
        return None
    return image.first_line_time + timedelta(seconds=row * image.line_interval_s)


def _share_of_lines(
    box_px: Box, grid: Grid, acquisition: Acquisition | None, names: tuple[str, ...] | None
) -> float | None:
    """Return the share of the valid lines of a box's sub-swath that it covers; None on a map, whose rows are no lines.

    Where no product names the sub-swath, it is what lies between the seams of the grid; where these are unknown, too,
    the whole width.
    """
    if grid.georeferencing.kind == "affine":
        return None
    x, y, width, height = box_px
    if acquisition is not None and names:
        filled = grid.filled_lines(acquisition.sub_swaths[names[0]])
    else:
        spans = list(pairwise([0, *grid.seams_px, grid.shape[1]]))
        first, stop = max(spans, key=lambda span: min(span[1], x + width) - max(span[0], x))
        filled = grid.filled_lines([Rectangle(0, grid.shape[0], first, stop)])
    return float(filled[y : y + height].sum() / filled.sum()) if filled.any() else None
