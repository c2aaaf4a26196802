"""Rows of a merged SLC product: each from the lines of the bursts that it shows, detected as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfiscan.radiometry import Units, to_power
from rfiscan.scenes.rows import OpenBands, RasterBand
from rfiscan.scenes.scene import PowerRows, ValidRows
from rfiscan.sentinel1.debursting import Piece
from rfiscan.sentinel1.sigma_nought import Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The image of one sub-swath, and what the grid shows of it.

    Attributes:
        band: Its complex samples.
        width: Samples of a line.
        col: Column of the grid at which the first sample lies.
        pieces: The parts of the grid that it fills.
        calibration: What turns its |z|^2 into sigma nought; None to leave it.
    """

    band: RasterBand
    width: int
    col: int
    pieces: tuple[Piece, ...]
    calibration: Calibration | None = None


class MergedRows:
    """Reads rows of the merged grid; holds no more than the lines that these show.

    Args:
        slots: The images of each slot, none where the polarization is absent.
        width: Columns of the grid.
    """

    def __init__(self, slots: tuple[Sequence[Source], Sequence[Source]], width: int) -> None:
        self._slots = slots
        self._width = width
        self._files = OpenBands(source.band for sources in slots for source in sources)

    def read(self, start: int, stop: int) -> tuple[PowerRows, ValidRows]:
        """Return power and valid mask (2, h, W); see `Scene.read_rows`.

        A pixel is valid where the annotation has a valid sample, and not zero in all polarizations.
        """
        shape = (stop - start, self._width)
        power, valid = np.zeros((2, *shape), np.float32), np.zeros((2, *shape), np.bool_)
        lit = np.zeros(shape, np.bool_)
        with self._files.caching():
            for slot, source, piece in self._shown(start, stop):
                first, after = max(piece.row_start, start), min(piece.row_stop, stop)
                part = (slice(first - start, after - start), slice(piece.col_start, piece.col_stop))
                power[slot][part], seen = self._read(source, piece, first, after)
                valid[slot][part] = True
                lit[part] |= seen
        valid &= lit
        return power, valid

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _shown(self, start: int, stop: int) -> Iterator[tuple[int, Source, Piece]]:
        """The pieces that have some of the rows, with their slots and images."""
        for slot, sources in enumerate(self._slots):
            for source in sources:
                for piece in source.pieces:
                    if piece.row_start < stop and piece.row_stop > start:
                        yield slot, source, piece

    def _read(self, source: Source, piece: Piece, first: int, after: int) -> tuple[PowerRows, NDArray[np.bool_]]:
        """Return the power of some rows of a piece, and where |z|^2 is not zero."""
        line = piece.line + first - piece.row_start
        shown = slice(piece.col_start - source.col, piece.col_stop - source.col)
        samples = self._files.read(source.band, line, line + after - first, source.width)
        power = to_power(source.band.meant(samples), Units.COMPLEX)
        seen: NDArray[np.bool_] = power[:, shown] != 0
        if source.calibration is not None:
            source.calibration.apply(power, line)  # tables count lines and samples of the image
        return power[:, shown], seen
