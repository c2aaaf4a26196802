"""One picture of a scene and of what was found in it: co-pol, cross-pol, and cross-pol with the RFI drawn in."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from rfiscan.export.png import write_png
from rfiscan.radiometry import power_to_db

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rfiscan.detections.regions import Detection

MAX_PANEL_PX = 1500
MIN_PANEL_PX = 500
STRETCH_PERCENTILES = (2.0, 99.5)
MIN_STRETCH_DB = 3.0
"""A scene without contrast is not stretched to more than this range, or its noise would look like a scene."""

RAGGED_BORDER_PX = 8
"""Pixels along borders that do not count for the stretch: what lies there is darker than any scene."""

ERODING = np.ones((3, 3), dtype=bool)

DARKEST_GREY = 24
"""Of a valid pixel, so that what is dark does not look absent."""

MAX_BOXES = 200
BOX_MARGIN_PX = 3

INVALID_COLOUR = (17, 24, 46)
SEPARATOR_COLOUR = (236, 236, 232)
RFI_COLOUR = (255, 72, 40)
BOX_COLOUR = (0, 214, 255)
RFI_DARKEST = 0.5
"""Share of the signal colour that a black pixel gets; a white one gets all of it."""

OVERLAY_BRIGHTNESS = 0.8


def write_quicklook(
    path: Path,
    power: NDArray[np.floating[Any]],
    valid_mask: NDArray[np.bool_],
    rfi_mask: NDArray[np.bool_],
    detections: Sequence[Detection],
) -> None:
    """Write the picture of `draw_quicklook` as a PNG that appears whole or not at all.

    Args:
        path: File to write.
        power: Linear power, shape (2, H, W).
        valid_mask: True = valid, shape (2, H, W).
        rfi_mask: True = RFI, shape (H, W).
        detections: Stripes to frame, most important first.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    picture = draw_quicklook(power, valid_mask, rfi_mask, detections)
    write_png(path, picture)


def draw_quicklook(
    power: NDArray[np.floating[Any]],
    valid_mask: NDArray[np.bool_],
    rfi_mask: NDArray[np.bool_],
    detections: Sequence[Detection],
) -> NDArray[np.uint8]:
    """Draw a panel for each polarization that is present and, at the right, one with the RFI.

    Brightness is power in dB, stretched between percentiles of the valid pixels of its polarization, borders left
    out. The last panel
    repeats cross-pol (co-pol where there is no other) with the mask tinted and the strongest detections framed.
    A large grid is averaged in power to panels of at most 1500 px a side; of the mask, averaging keeps every pixel.
    A small grid is enlarged by a whole number.

    Args:
        power: Linear power, shape (2, H, W).
        valid_mask: True = valid, shape (2, H, W).
        rfi_mask: True = RFI, shape (H, W).
        detections: Stripes to frame, most important first.

    Returns:
        Picture, shape (height, width, 3), red, green, blue.
    """
    averages = QuicklookRows(rfi_mask.shape)
    averages.add(power, valid_mask)
    rows, cols = np.nonzero(rfi_mask)
    return averages.draw(rows, cols, detections)


class QuicklookRows:
    """The picture of `draw_quicklook` for a grid whose rows come in bands.

    Args:
        shape: (H, W) of the grid.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        longest_px = max(shape)
        self._shape = shape
        self._shrink = ceil(longest_px / MAX_PANEL_PX)
        self._enlarge = max(1, MIN_PANEL_PX // longest_px)
        self._left: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._averages: list[list[tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]]] = [[], []]
        self._rows = 0

    def add(self, power: NDArray[np.floating[Any]], valid_mask: NDArray[np.bool_]) -> None:
        """Take the next rows, linear power and valid mask, shape (2, h, W) each."""
        self._rows += power.shape[1]
        if self._left is not None:
            power, valid_mask = (
                np.concatenate(pair, axis=1) for pair in zip(self._left, (power, valid_mask), strict=True)
            )
        whole = power.shape[1] if self._rows == self._shape[0] else power.shape[1] // self._shrink * self._shrink
        if whole:
            for slot, found in enumerate(self._averages):
                found.append(_averaged(power[slot, :whole], valid_mask[slot, :whole], self._shrink))
        self._left = (power[:, whole:].copy(), valid_mask[:, whole:].copy())

    def draw(
        self, rows: NDArray[np.integer], cols: NDArray[np.integer], detections: Sequence[Detection]
    ) -> NDArray[np.uint8]:
        """Draw the picture after all rows.

        Args:
            rows: Row of each pixel of the mask.
            cols: Column of each.
            detections: Stripes to frame, most important first.
        """
        averages = [[np.concatenate(parts) for parts in zip(*found, strict=True)] for found in self._averages]
        greys = [_grey(mean, filled) for mean, filled in averages if filled.any()] or [_grey(*averages[0])]
        flagged = np.zeros(averages[0][0].shape, np.bool_)
        flagged[rows // self._shrink, cols // self._shrink] = True
        tinted = _tinted(greys[-1], flagged)
        enlarge = self._enlarge
        panels = [panel.repeat(enlarge, axis=0).repeat(enlarge, axis=1) for panel in (*greys, tinted)]
        line_px = 1 + panels[-1].shape[1] // 900
        for detection in detections[:MAX_BOXES]:
            _draw_box(panels[-1], detection.bbox_px, enlarge / self._shrink, line_px)
        separator = np.empty((panels[0].shape[0], 2 + 2 * line_px, 3), np.uint8)
        separator[:] = SEPARATOR_COLOUR
        return np.hstack([part for panel in panels for part in (separator, panel)][1:])


def _blocks(array: NDArray[Any], side_px: int, fill: float) -> NDArray[Any]:
    """The array (H, W) in square blocks, shape (rows, side, cols, side), filled up at the right and at the bottom."""
    padded = np.pad(array, [(0, -length % side_px) for length in array.shape], constant_values=fill)
    return padded.reshape(padded.shape[0] // side_px, side_px, padded.shape[1] // side_px, side_px)


def _averaged(
    power: NDArray[np.floating[Any]], valid_mask: NDArray[np.bool_], side_px: int
) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]:
    """Mean power of the valid pixels of each block, and which blocks have any."""
    total = _blocks(np.where(valid_mask, power, 0), side_px, fill=0).sum(axis=(1, 3))
    number = _blocks(valid_mask, side_px, fill=False).sum(axis=(1, 3))
    return total / np.maximum(number, 1), number > 0


def _grey(power: NDArray[np.floating[Any]], valid_mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A panel of one polarization, shape (H, W, 3)."""
    picture = np.empty((*power.shape, 3), np.uint8)
    picture[:] = INVALID_COLOUR
    if not valid_mask.any():
        return picture
    decibel = power_to_db(power)
    inner = ndimage.binary_erosion(valid_mask, ERODING, iterations=RAGGED_BORDER_PX)
    low, high = np.percentile(decibel[inner if inner.any() else valid_mask], STRETCH_PERCENTILES)
    spare = max(0.0, MIN_STRETCH_DB - (high - low)) / 2
    share = (decibel[valid_mask] - (low - spare)) / (high - low + 2 * spare)
    grey = DARKEST_GREY + (255 - DARKEST_GREY) * share.clip(0, 1)
    picture[valid_mask] = grey.round().astype(np.uint8)[:, np.newaxis]
    return picture


def _tinted(picture: NDArray[np.uint8], rfi_mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The picture, a little darker, in shades of the signal colour where the mask is."""
    tinted = picture * OVERLAY_BRIGHTNESS
    tinted[rfi_mask] = (RFI_DARKEST + (1 - RFI_DARKEST) * picture[rfi_mask] / 255) * np.array(RFI_COLOUR)
    return tinted.round().astype(np.uint8)


def _draw_box(picture: NDArray[np.uint8], bbox_px: tuple[int, int, int, int], scale: float, line_px: int) -> None:
    """Frame a box (x, y, width, height) of the grid, outside of it so that what it shows stays visible."""
    x, y, width, height = bbox_px
    left, right = int(x * scale) - BOX_MARGIN_PX, ceil((x + width) * scale) + BOX_MARGIN_PX
    top, bottom = int(y * scale) - BOX_MARGIN_PX, ceil((y + height) * scale) + BOX_MARGIN_PX
    inside = picture[max(0, top) : bottom, max(0, left) : right]
    kept = inside.copy()
    # sides that lie beyond the picture are not drawn
    picture[max(0, top - line_px) : bottom + line_px, max(0, left - line_px) : right + line_px] = BOX_COLOUR
    inside[:] = kept
