"""A simulated scene at the pixels of a product: its expected power between the working pixels, with speckle.

Between the centres of working pixels, power is interpolated bilinearly; each working pixel's block is then scaled so
that its mean is the working pixel's power, which interpolation alone would smooth. So averaging blocks gives the scene
back, but for the speckle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rfiscan.simulation.scene import SimulatedScene

SPECKLE_ROWS = 32
"""Rows that share one source of speckle. Another number would give other products from the same seed."""
NOISE_QUANTILE = 0.05
NOISE_WINDOW_PX = 9
NOISE_CEILING = 10.0 ** (-22.0 / 10.0)
"""Sigma nought that the noise of Sentinel-1 is specified to stay under in IW and EW: land lies above it."""

_BACKGROUND, _INTERFERENCE = 0, 1

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Bilinear interpolation along one axis: each pixel's lower and upper working pixel, and the upper one's weight."""

    factor: int
    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    weight: Floats

    @property
    def block_means(self) -> NDArray[np.float64]:
        """Matrix (n, n) from the values of working pixels to the means of the interpolation over their blocks."""
        count = int(self.upper[-1]) + 1
        blocks = np.arange(len(self.lower)) // self.factor
        means = np.zeros((count, count))
        np.add.at(means, (blocks, self.lower), 1.0 - self.weight)
        np.add.at(means, (blocks, self.upper), self.weight)
        means /= np.bincount(blocks)[:, None]
        return means


@dataclass(frozen=True, slots=True)
class _Layer:
    """One part of the power: values of working pixels, and what scales their blocks; both (2, H, W)."""

    nodes: Floats
    scale: Floats


class FullResolution:
    """Rows of a simulated scene, many pixels to each of its working pixels.

    Args:
        scene: The scene, in power on any linear scale.
        factor: Pixels along a side of a working pixel, at least 1.
        shape: (rows, columns) in pixels; the last working pixels may be cut, but not left out.
        looks: Equivalent number of looks of a pixel's speckle, drawn independently for background and interference.
        seed: Seed of the speckle, >= 0.

    Raises:
        ValueError: If `shape` does not take every working pixel.
    """

    def __init__(self, scene: SimulatedScene, *, factor: int, shape: tuple[int, int], looks: float, seed: int) -> None:
        working = scene.power.shape[1:]
        if factor < 1 or tuple(-(-length // max(factor, 1)) for length in shape) != working:
            msg = f"{shape[0]} x {shape[1]} pixels are not {working[0]} x {working[1]} blocks of {factor} pixels a side"
            raise ValueError(msg)
        self.shape = shape
        self._factor = factor
        self._looks = looks
        self._seed = seed
        self._valid = scene.valid_mask
        self._axes = tuple(_axis(length, factor) for length in shape)
        added = np.where(scene.valid_mask, np.maximum(scene.power - scene.clean_power, 0.0), 0.0)
        self._layers = tuple(self._layer(part) for part in (_filled(scene.clean_power, scene.valid_mask), added))

    def power(self, channel: int, start: int, stop: int) -> Floats:
        """Power with speckle of the rows start..stop-1 of one polarization, shape (stop - start, columns), > 0.

        The same whatever rows it is asked along with; multiples of `SPECKLE_ROWS` are the quickest. Invalid pixels
        hold numbers too.
        """
        parts = []
        for block in range(start // SPECKLE_ROWS, -(-stop // SPECKLE_ROWS)):
            first = block * SPECKLE_ROWS
            last = min(first + SPECKLE_ROWS, self.shape[0])
            power = self._speckled(_BACKGROUND, channel, first, last)
            self._add_interference(power, channel, first, last)
            parts.append(power[max(start - first, 0) : stop - first])
        return np.concatenate(parts)

    def valid_mask(self, channel: int, start: int, stop: int) -> NDArray[np.bool_]:
        """Valid pixels of the rows start..stop-1 of one polarization, shape (stop - start, columns)."""
        rows = np.arange(start, stop) // self._factor
        cols = np.arange(self.shape[1]) // self._factor
        valid: NDArray[np.bool_] = self._valid[channel][rows][:, cols]
        return valid

    def _layer(self, nodes: NDArray[np.floating]) -> _Layer:
        down, across = (axis.block_means for axis in self._axes)
        means = down @ nodes.astype(np.float64) @ across.T
        scale = np.divide(nodes, means, out=np.zeros_like(means), where=means > 0.0)
        return _Layer(nodes.astype(np.float32), scale.astype(np.float32))

    def _add_interference(self, power: Floats, channel: int, start: int, stop: int) -> None:
        """Add interference in place, to the columns that hold any."""
        rows = slice(start // self._factor, -(-stop // self._factor))
        hit = np.flatnonzero(self._layers[_INTERFERENCE].nodes[channel, rows].any(axis=0))
        if hit.size:
            first, last = int(hit[0]) * self._factor, min((int(hit[-1]) + 1) * self._factor, self.shape[1])
            power[:, first:last] += self._speckled(_INTERFERENCE, channel, start, stop, first, last)

    def _speckled(
        self, part: int, channel: int, start: int, stop: int, first: int = 0, last: int | None = None
    ) -> Floats:
        """Power of one part, of the rows start..stop-1 of one block of speckle and the columns first..last-1."""
        expected = self._expected(self._layers[part], channel, slice(start, stop), slice(first, last))
        rng = np.random.default_rng([self._seed, channel, part, start // SPECKLE_ROWS])
        expected *= rng.standard_gamma(self._looks, expected.shape, dtype=np.float32)
        expected *= np.float32(1.0 / self._looks)
        return expected

    def _expected(self, layer: _Layer, channel: int, rows: slice, cols: slice) -> Floats:
        """Power without speckle, of some rows and columns."""
        down, across = self._axes
        above, below, share = down.lower[rows], down.upper[rows], down.weight[rows, None]
        top = int(above[0])
        strip = layer.nodes[channel, top : int(below[-1]) + 1]
        left, right, weight = across.lower[cols], across.upper[cols], across.weight[cols]
        wide = strip[:, left] + (strip[:, right] - strip[:, left]) * weight
        upper = wide[above - top]
        expected = upper + (wide[below - top] - upper) * share
        block_cols = np.arange(self.shape[1])[cols] // self._factor
        block_rows = np.arange(rows.start, rows.stop) // self._factor
        scale = layer.scale[channel, block_rows[0] : block_rows[-1] + 1][:, block_cols]
        expected *= scale[block_rows - block_rows[0]]
        return expected


def noise_floor(scene: SimulatedScene) -> Floats:
    """Estimate the thermal noise of each column of a scene, as power, shape (W,).

    A simulated scene keeps its noise only as a part of its background. In each column, it is estimated as a low
    quantile of the cross-pol power without interference, where noise prevails over the sea, smoothed inside sub-swaths
    and kept under `NOISE_CEILING`. That follows its order and its shape across range over the sea, and overestimates
    it over land. The noise of both polarizations has one shape, and levels less than 1 dB apart.
    """
    power, valid = scene.clean_power[1], scene.valid_mask[1]
    floor = np.full(power.shape[1], np.nan)
    for swath in range(scene.layout.swath_count):
        first, stop = scene.layout.swath_columns(swath)
        columns = [col for col in range(first, stop) if valid[:, col].any()]
        if columns:
            lows = [float(np.quantile(power[valid[:, col], col], NOISE_QUANTILE)) for col in columns]
            floor[columns] = ndimage.median_filter(lows, size=min(NOISE_WINDOW_PX, len(lows)), mode="nearest")
    known = np.flatnonzero(np.isfinite(floor))
    if known.size:
        floor = np.interp(np.arange(len(floor)), known, floor[known])
    return np.fmin(floor, NOISE_CEILING).astype(np.float32)


def _axis(length: int, factor: int) -> _Axis:
    """Interpolation from the centres of working pixels to those of `length` pixels; constant beyond the outermost."""
    position = np.clip((np.arange(length) + 0.5) / factor - 0.5, 0.0, -(-length // factor) - 1.0)
    lower = position.astype(np.intp)
    upper = np.minimum(lower + 1, -(-length // factor) - 1)
    return _Axis(factor, lower, upper, (position - lower).astype(np.float32))


def _filled(power: Floats, valid_mask: NDArray[np.bool_]) -> Floats:
    """The power (2, H, W) with each invalid pixel at the value of the nearest valid one, 1 where none is valid."""
    filled = np.ones_like(power)
    for channel, values, valid in zip(filled, power, valid_mask, strict=True):
        if valid.any():
            nearest = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
            channel[:] = values[tuple(nearest)]
    return filled
