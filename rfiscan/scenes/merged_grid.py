"""The grid on which the images of an SLC product are merged: rows are azimuth time, columns slant range time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import fmean

import numpy as np

from rfiscan.errors import SceneError
from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.image_annotation import ImageAnnotation
from rfiscan.scenes.merged_control_points import PlacedImage, merged_control_points
from rfiscan.scenes.polarizations import slot_of
from rfiscan.scenes.scene import Swath
from rfiscan.scenes.slc_annotation import SlcImage
from rfiscan.sentinel1.debursting import Burst, BurstImage, Piece, burst_lag_rows, merged_pieces

MODES_WITHOUT_A_GRID = frozenset({"WV"})
"""Images of the wave mode are a hundred kilometres apart."""

_MOST_DRIFT = 0.5
"""Rows, or columns, by which steps of images that are said to be on a common grid may add up to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What the grid shows of one image.

    Attributes:
        image: The image.
        col: Column of the grid at which its first sample lies; may be negative.
        pieces: The parts of the grid that it fills.
    """

    image: SlcImage
    col: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedGrid:
    """The images of an SLC product on one grid.

    Attributes:
        shape: (rows, columns).
        spacing_m: (row, col) in metres on the ground. Columns are equally spaced in slant range, and on the ground only
            about the middle of the grid: at near range they are wider, by 24 % in IW and 68 % in EW, at far range
            narrower, by 11 % and 16 % (slant spacing / sin(incidence angle), by the geometry of
            `rfiscan.sentinel1.radar`).
        first_line_time: Zero-Doppler time of the first row, UTC.
        line_interval_s: From a row to the next.
        layers: Of each image, polarization by polarization, from near to far range.
        swaths: The rectangle around the pixels of each sub-swath, from near to far range.
        georeferencing: Of the grid.
        burst_lag_s: How long after the time of its first line the grid shows a burst.
    """

    shape: tuple[int, int]
    spacing_m: tuple[float, float]
    first_line_time: datetime
    line_interval_s: float
    layers: tuple[Layer, ...]
    swaths: tuple[Swath, ...]
    georeferencing: Georeferencing
    burst_lag_s: float

    def annotation_of(self, polarization: str) -> ImageAnnotation:
        """Return what the annotation of one merged image would tell."""
        layers = [layer for layer in self.layers if layer.image.polarization == polarization]
        own = [layer.image.annotation for layer in layers]
        basic = replace(
            own[0].basic,
            shape=self.shape,
            spacing_m=self.spacing_m,
            swaths=self.swaths,
            georeferencing=self.georeferencing,
        )
        blocks = (_around(layer.image.swath, [piece]) for layer in layers for piece in layer.pieces)
        return replace(
            own[0],
            basic=basic,
            swath=own[0].mode,
            start_time=min((one.start_time for one in own if one.start_time is not None), default=None),
            stop_time=max((one.stop_time for one in own if one.stop_time is not None), default=None),
            first_line_time=self.first_line_time,
            last_line_time=self.first_line_time + timedelta(seconds=(self.shape[0] - 1) * self.line_interval_s),
            line_interval_s=self.line_interval_s,
            swath_blocks=tuple(blocks),
            incidence=None,  # that of one image counts its own lines and pixels
            burst_lag_s=self.burst_lag_s,
        )


def merge_images(images: Sequence[SlcImage]) -> MergedGrid:
    """Lay the images of an SLC product on one grid.

    A row is an azimuth time and a column is a slant range time, both to the nearest: the processor has resampled all
    images of a product to a common grid. In S1B_IW_SLC__1SDV_20210401T052622_..._EFA4, for example, the first sample of
    IW2 lies 19901.0000 samples after that of IW1, and its last line 472.000 lines after that of IW1.

    Args:
        images: At least one.

    Raises:
        SceneError: They are of the wave mode, or not on a common grid, or have no valid sample.
    """
    first = images[0]
    if first.annotation.mode in MODES_WITHOUT_A_GRID:
        raise SceneError(
            f"{first.label}: is an image of the wave mode (WV), which has no swath to merge",
            hint="Give one of its measurement TIFFs alone.",
        )
    ordered = sorted(images, key=lambda image: (slot_of(image.polarization), image.slant_range_s))
    placed = [(image, _on_grid(image, images)) for image in ordered]
    _require_common_steps(images, [where for _, where in placed])
    layers = [layer for pol in dict.fromkeys(i.polarization for i in ordered) for layer in _layers(placed, pol)]
    pieces = [piece for layer in layers for piece in layer.pieces]
    if not pieces:
        raise SceneError(f"{first.label}: no line of any burst has a valid sample", hint="Download the product again.")
    top, left = min(p.row_start for p in pieces), min(p.col_start for p in pieces)
    shape = max(p.row_stop for p in pieces) - top, max(p.col_stop for p in pieces) - left
    layers = [
        replace(layer, col=layer.col - left, pieces=tuple(piece.moved(-top, -left) for piece in layer.pieces))
        for layer in layers
    ]
    return MergedGrid(
        shape=shape,
        spacing_m=_spacing_m(layers, shape[1]),
        first_line_time=_first_time(images) + timedelta(seconds=top * first.line_interval_s),
        line_interval_s=first.line_interval_s,
        layers=tuple(layers),
        swaths=_swaths(layers),
        georeferencing=merged_control_points(_placed_images(placed, layers, top), shape),
        burst_lag_s=first.line_interval_s * burst_lag_rows([where for _, where in placed]),
    )


def _first_time(images: Iterable[SlcImage]) -> datetime:
    return min(burst.azimuth_time for image in images for burst in image.bursts)


def _on_grid(image: SlcImage, images: Sequence[SlcImage]) -> BurstImage:
    """Place an image on the grid that begins with the first line and the first sample of all images."""
    start_time, start_s = _first_time(images), min(one.slant_range_s for one in images)
    interval_s, sampling_hz = images[0].line_interval_s, images[0].sampling_hz
    return BurstImage(
        col=round((image.slant_range_s - start_s) * sampling_hz),
        bursts=tuple(
            Burst(
                row=round((burst.azimuth_time - start_time).total_seconds() / interval_s),
                line=burst.line,
                first_valid=burst.first_valid,
                last_valid=burst.last_valid,
            )
            for burst in image.bursts
        ),
    )


def _require_common_steps(images: Sequence[SlcImage], placed: Sequence[BurstImage]) -> None:
    rows = max(burst.row + len(burst.first_valid) for where in placed for burst in where.bursts)
    cols = max(where.col for where in placed) + max(image.basic.shape[1] for image in images)
    first = images[0]
    for image in images[1:]:
        drifts = (
            rows * abs(image.line_interval_s / first.line_interval_s - 1),
            cols * abs(image.sampling_hz / first.sampling_hz - 1),
        )
        if max(drifts) > _MOST_DRIFT:
            raise SceneError(
                f"{image.label}: its lines or samples are not as far apart as those of {first.label}, "
                "so that they cannot be merged",
                hint="Give the measurement TIFFs of one sub-swath alone.",
            )


def _layers(placed: Sequence[tuple[SlcImage, BurstImage]], polarization: str) -> list[Layer]:
    own = [(image, where) for image, where in placed if image.polarization == polarization]
    pieces = merged_pieces([where for _, where in own])
    return [Layer(image=i, col=where.col, pieces=shown) for (i, where), shown in zip(own, pieces, strict=True)]


def _spacing_m(layers: Sequence[Layer], width: int) -> tuple[float, float]:
    """Azimuth spacing, and ground spacing in range: slant spacing / sin(incidence angle), in the middle of the grid."""
    middles = {layer.col + layer.image.basic.shape[1] / 2: layer.image.incidence_deg for layer in layers}
    cols = sorted(middles)
    incidence_deg = float(np.interp(width / 2, cols, [middles[col] for col in cols]))
    azimuth_m, slant_m = (fmean(layer.image.basic.spacing_m[axis] for layer in layers) for axis in (0, 1))
    return azimuth_m, slant_m / math.sin(math.radians(incidence_deg))


def _swaths(layers: Sequence[Layer]) -> tuple[Swath, ...]:
    pieces: dict[str, list[Piece]] = {}
    for layer in sorted(layers, key=lambda layer: layer.col):
        pieces.setdefault(layer.image.swath, []).extend(layer.pieces)
    return tuple(_around(name, own) for name, own in pieces.items() if own)


def _around(name: str, pieces: Sequence[Piece]) -> Swath:
    return Swath(
        name=name,
        first_row=min(piece.row_start for piece in pieces),
        last_row=max(piece.row_stop for piece in pieces) - 1,
        first_col=min(piece.col_start for piece in pieces),
        last_col=max(piece.col_stop for piece in pieces) - 1,
    )


def _placed_images(
    placed: Sequence[tuple[SlcImage, BurstImage]], layers: Sequence[Layer], top: int
) -> list[PlacedImage]:
    """Return one image of each sub-swath, with the rows of its bursts and the columns that the grid shows of it."""
    rows = {image.label: [burst.row - top for burst in where.bursts] for image, where in placed}
    by_swath = {layer.image.swath: layer for layer in reversed(layers) if layer.pieces}
    return [
        PlacedImage(
            georeferencing=layer.image.basic.georeferencing,
            lines=tuple(burst.line for burst in layer.image.bursts),
            rows=tuple(rows[layer.image.label]),
            col=layer.col,
            shown_cols=(min(p.col_start for p in layer.pieces), max(p.col_stop for p in layer.pieces)),
        )
        for layer in sorted(by_swath.values(), key=lambda layer: layer.col)
    ]
