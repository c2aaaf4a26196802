"""Incidence angles of an image, from the geolocation grid of its annotation."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rfiscan.scenes.xml_values import required

_POINTS = "geolocationGrid/geolocationGridPointList/geolocationGridPoint"


@dataclass(frozen=True, slots=True)
class IncidenceGrid:
    """Incidence angles at lines and pixels of the full-resolution grid (Sentinel-1 Product Specification, table 6-90).

    Attributes:
        lines: Ascending, shape (R,), R >= 2.
        pixels: Ascending, shape (C,), C >= 2.
        angles_deg: Angle between the line of sight and the normal of the ellipsoid, in degrees, shape (R, C).
    """

    lines: NDArray[np.float64]
    pixels: NDArray[np.float64]
    angles_deg: NDArray[np.float64]

    def at(self, lines: ArrayLike, pixels: ArrayLike) -> NDArray[np.float64]:
        """Angles in degrees, bilinear, constant beyond the outermost points.

        Args:
            lines: Any shape.
            pixels: The same shape.
        """
        from scipy.interpolate import RegularGridInterpolator  # noqa: PLC0415 - takes half a second to import

        lines = np.clip(np.asarray(lines, np.float64), self.lines[0], self.lines[-1])
        pixels = np.clip(np.asarray(pixels, np.float64), self.pixels[0], self.pixels[-1])
        interpolate = RegularGridInterpolator((self.lines, self.pixels), self.angles_deg)
        found: NDArray[np.float64] = interpolate(np.stack(np.broadcast_arrays(lines, pixels), axis=-1))
        return found


def incidence_of(root: Element) -> IncidenceGrid | None:
    """Read the angles of a product annotation; None where it has none, or no complete grid of them.

    Raises:
        ValueError: A point holds what is no number.
    """
    points = [point for point in root.iterfind(_POINTS) if point.find("incidenceAngle") is not None]
    names = ("line", "pixel", "incidenceAngle")
    table = np.array([[required(point, name, float) for name in names] for point in points], np.float64).reshape(-1, 3)
    lines, line = np.unique(table[:, 0], return_inverse=True)
    pixels, pixel = np.unique(table[:, 1], return_inverse=True)
    if min(len(lines), len(pixels)) < 2 or len(table) != len(lines) * len(pixels):
        return None
    angles = np.full((len(lines), len(pixels)), np.nan)
    angles[line, pixel] = table[:, 2]
    return None if np.isnan(angles).any() else IncidenceGrid(lines, pixels, angles)
