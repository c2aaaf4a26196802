"""Scene: one acquisition as read, with rows of linear power on demand and all that is known about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rfiscan.radiometry import Units
from rfiscan.scenes.georeferencing import Georeferencing

PowerRows: TypeAlias = NDArray[np.float32]
ValidRows: TypeAlias = NDArray[np.bool_]

_MODE = re.compile(r"^S1[A-Z]_(IW|EW|S[1-6])_")  # product naming: Sentinel-1 Product Specification, section 4.1

FALLBACK_SPACING_M = 500.0  # of a quick-look, which is what a picture without coordinates is taken for
SPACING_ASSUMED = (
    f"nothing tells the pixel spacing: {FALLBACK_SPACING_M:g} m is assumed, as in a quick-look; "
    "if it is another, say so with --pixel-spacing"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swath:
    """The pixels of a scene that one sub-swath fills: the rectangle around them, first and last inclusive."""

    name: str
    first_row: int
    last_row: int
    first_col: int
    last_col: int


class RowReader(Protocol):
    """Reads full-width bands of rows; opens its files at the first read."""

    def read(self, start: int, stop: int) -> tuple[PowerRows, ValidRows]:
        """Return power (2, h, W) and its valid mask (2, h, W) of the rows start..stop-1."""

    def close(self) -> None:
        """Close what is open; reading again opens it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One acquisition, opened and not yet read. Use it as a context manager, so that its files get closed.

    Attributes:
        scene_id: Name of the acquisition, safe in file names.
        sources: Paths that it was opened from, co-pol first.
        polarizations: Names of the two slots, co-pol then cross-pol; None in a slot that is absent.
        shape: (rows, columns) in pixels.
        units: What the stored numbers are; `read_rows` turns them into linear power. Sigma nought where they are
            calibrated as they are read.
        spacing_m: Pixel spacing (row, col) in metres.
        spacing_known: False where nothing tells the spacing, and it is assumed.
        georeferencing: Of the full-resolution grid.
        swaths: Sub-swaths, where the product tells them.
        remote: True where rows come over the network.
        denoised: True where thermal noise is subtracted as rows are read; single pixels may be negative then.
        noise_levels: Where it is, the median noise of each slot in sigma nought; else 0.
        warnings: What was assumed or looks wrong, a sentence each.
    """

    scene_id: str
    sources: tuple[str, ...]
    polarizations: tuple[str | None, str | None]
    shape: tuple[int, int]
    units: Units
    spacing_m: tuple[float, float]
    spacing_known: bool
    georeferencing: Georeferencing
    swaths: tuple[Swath, ...] = ()
    remote: bool = False
    denoised: bool = False
    noise_levels: tuple[float, float] = (0.0, 0.0)
    warnings: tuple[str, ...] = ()
    reader: RowReader = field(repr=False, compare=False)

    @property
    def mode(self) -> str | None:
        """Acquisition mode that the name tells: ``IW``, ``EW`` or ``SM``; None where it tells none."""
        found = _MODE.match(self.scene_id)
        if found is None:
            return None
        return found[1] if found[1] in {"IW", "EW"} else "SM"

    def read_rows(self, start: int, stop: int) -> tuple[PowerRows, ValidRows]:
        """Read a full-width band of rows.

        Args:
            start: First row.
            stop: Row after the last one.

        Returns:
            Linear power, float32 (2, stop - start, W), undefined where invalid; and the valid mask, bool of the same
            shape: a pixel is valid that is finite, not nodata, and not zero in all polarizations present. The slot of
            an absent polarization is all False.

        Raises:
            ValueError: The rows are not in the scene.
            SceneError: The file cannot be read, for instance because it is truncated.
        """
        if not 0 <= start < stop <= self.shape[0]:
            msg = f"rows {start}..{stop} of a scene of {self.shape[0]} rows"
            raise ValueError(msg)
        return self.reader.read(start, stop)

    def close(self) -> None:
        """Close the files; they are opened again at the next read."""
        self.reader.close()

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def resolve_spacing(
    known: tuple[float, float] | None, georeferencing: Georeferencing, shape: tuple[int, int]
) -> tuple[tuple[float, float], bool]:
    """Return the pixel spacing (row, col) in metres, and whether it is known; `open_scene` says so where it is not.

    Args:
        known: Spacing that the product states, in metres, if it does.
        georeferencing: Of the grid; asked if the product states none.
        shape: (rows, columns) of the grid.
    """
    spacing = known or georeferencing.spacing_m(*shape)
    if spacing is not None:
        return spacing, True
    return (FALLBACK_SPACING_M, FALLBACK_SPACING_M), False
