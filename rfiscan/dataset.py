"""Training tiles without end: simulated and real backgrounds, with interference added on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from rfiscan.simulation import (
    Interference,
    InterferencePriors,
    SimulatedScene,
    SwathLayout,
    compose_scene,
    draw_background,
    draw_interference,
    draw_layout,
    draw_looks,
)
from rfiscan.standardisation import Standardisation, median_db
from rfiscan.tiling import Window, cut_tile

GHOST_REACH_PX, GHOST_SHARE = 9, 0.12
"""Ghosts reach about one 8x8 block of JPEG; the colour planes keep about an eighth of a stripe's contrast."""
CENTRE_JITTER_DB = 1.0
"""A tile's median stands in for the median of the scene it belongs to: they differ by about this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """RFI-free power to add interference to.

    Attributes:
        power: Linear power, shape (2, H, W), > 0 where valid.
        valid_mask: True = valid, same shape.
        layout: Where sub-swaths lie.
        simulated: True where ``power`` is the expectation, without speckle; False for a real scene, which has its own.
        eight_bit: True where amplitudes are the 8-bit levels of a quick-look.
    """

    power: NDArray[np.float32]
    valid_mask: NDArray[np.bool_]
    layout: SwathLayout
    simulated: bool
    eight_bit: bool = False


class Batch(NamedTuple):
    """Tiles for one step: input, target, valid mask and truth; shapes (N, 2, h, w) thrice and (N, h, w)."""

    tiles: NDArray[np.float32]
    targets: NDArray[np.float32]
    valid: NDArray[np.bool_]
    truth: NDArray[np.bool_]


class TileStream:
    """Draws batches from a pool of simulated backgrounds, renewed on the way, and from real scenes.

    Args:
        seed: Seed of everything drawn.
        real: Real interference-free scenes.
        real_share: Share of tiles from them, 0..1; 0 if there are none.
        contaminated_share: Share of tiles with interference, 0..1.
        standardisation: How power becomes input.
        tile_shape: (h, w) of simulated backgrounds in pixels.
        crop_shape: (h, w) of what a batch holds, no larger than a tile: small crops make more steps of the same time.
        spacing_m: Pixel spacing in metres.
        pool: Simulated backgrounds at hand.
        renew_every: Batches after which one of them is replaced.
        denoise: True makes the clean tile the target; False takes no interference at all.
        priors: What interferers are like.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of the configuration
        self,
        *,
        seed: int,
        real: tuple[Background, ...],
        real_share: float,
        contaminated_share: float,
        standardisation: Standardisation,
        tile_shape: tuple[int, int],
        crop_shape: tuple[int, int],
        spacing_m: float,
        pool: int,
        renew_every: int,
        denoise: bool,
        priors: InterferencePriors,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self._priors = priors
        self._real = real
        self._real_share = real_share if real else 0.0
        self._contaminated_share = contaminated_share if denoise else 0.0
        self._standardisation = standardisation
        self._tile_shape, self._crop_shape, self._spacing_m = tile_shape, crop_shape, spacing_m
        self._pool_size, self._renew_every = pool, renew_every
        self._seed = seed
        self._pool: dict[int, Background] = {}
        self._batches = self._drawn = 0

    def next_batch(self, size: int) -> Batch:
        """Draw a batch of ``size`` tiles."""
        self._renew()
        samples = [self._draw_tile() for _ in range(size)]
        return Batch(*(np.stack(parts) for parts in zip(*samples, strict=True)))

    def state(self) -> dict[str, Any]:
        """All that another stream of the same arguments needs to go on from here: JSON values."""
        return {
            "rng": self.rng.bit_generator.state,
            "batches": self._batches,
            "drawn": self._drawn,
            "pool": list(self._pool),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where another stream of the same arguments gave its `state`."""
        self.rng.bit_generator.state = state["rng"]
        self._batches, self._drawn = state["batches"], state["drawn"]
        self._pool = {number: self._simulate(number) for number in state["pool"]}

    def _renew(self) -> None:
        full = len(self._pool) >= self._pool_size
        if not full or self._batches % self._renew_every == 0:
            if full:
                del self._pool[list(self._pool)[int(self.rng.integers(len(self._pool)))]]
            self._pool[self._drawn] = self._simulate(self._drawn)
            self._drawn += 1
        self._batches += 1

    def _simulate(self, number: int) -> Background:
        """Background ``number`` of this stream: it depends on the seed and the number alone."""
        rng = np.random.default_rng([self._seed, number])
        return simulate_background(rng, self._tile_shape, self._spacing_m)

    def _draw_tile(self) -> Batch:
        rng = self.rng
        real = rng.random() < self._real_share
        source = self._real if real else tuple(self._pool.values())
        background = source[int(rng.integers(len(source)))]
        centre_db = median_db(background.power[:, ::4, ::4], background.valid_mask[:, ::4, ::4])
        background = flip(cut_background(rng, background, self._crop_shape), rng.random() < 0.5, rng.random() < 0.5)
        interference: Interference | None = None
        if rng.random() < self._contaminated_share:
            interference = _draw_over(rng, background, self._priors, self._spacing_m)
        scene = compose_scene(
            rng,
            background.layout,
            background.power,
            background.valid_mask,
            interference,
            looks=draw_looks(rng) if background.simulated else None,
        )
        valid = drop_polarization(rng, scene.valid_mask)
        power, clean = scene.power, scene.clean_power
        if background.eight_bit or rng.random() < 0.5:
            gains = np.ones(2) if background.eight_bit else draw_gains(rng, centre_db)
            power, clean = (quantise(p, gains) for p in (power, clean))
            centre_db = centre_db + 20.0 * np.log10(gains)
        centre_db = centre_db + rng.normal(0.0, CENTRE_JITTER_DB, 2)
        tile, _ = self._standardisation.apply(power, valid, centre_db)
        target, _ = self._standardisation.apply(clean, valid, centre_db)
        return Batch(tile, target, valid, scene.rfi_mask)


def simulate_background(rng: np.random.Generator, shape: tuple[int, int], spacing_m: float) -> Background:
    """Simulate a background of shape (H, W)."""
    layout = draw_layout(rng, shape, spacing_m=spacing_m)
    power = draw_background(rng, layout)
    valid = np.broadcast_to(layout.valid_mask(), power.shape).copy()
    return Background(power=power, valid_mask=valid, layout=layout, simulated=True)


def real_background(
    power: NDArray[np.float32], valid_mask: NDArray[np.bool_], layout: SwathLayout, *, eight_bit: bool = False
) -> Background:
    """Wrap a real scene, shape (2, H, W), as a background; what is invalid gets the lowest valid power."""
    floor = np.nanmin(np.where(valid_mask & (power > 0), power, np.float32(np.inf)))
    filled = np.where(valid_mask, np.maximum(power, floor), floor).astype(np.float32)
    return Background(power=filled, valid_mask=valid_mask, layout=layout, simulated=False, eight_bit=eight_bit)


def cut_background(rng: np.random.Generator, background: Background, tile_shape: tuple[int, int]) -> Background:
    """Cut a tile from a background at a random place; a smaller background is padded by reflection."""
    height, width = background.layout.shape
    if (height, width) == tile_shape:
        return background
    h, w = min(height, tile_shape[0]), min(width, tile_shape[1])
    window = Window(int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h)
    return Background(
        power=cut_tile(background.power, window, tile_shape),
        valid_mask=cut_tile(background.valid_mask, window, tile_shape),
        layout=background.layout.window(window.row_off, window.col_off, tile_shape),
        simulated=background.simulated,
        eight_bit=background.eight_bit,
    )


def flip(background: Background, rows: bool, cols: bool) -> Background:
    """Flip a background along rows and columns."""
    axes = tuple(axis for axis, wanted in ((1, rows), (2, cols)) if wanted)
    return Background(
        power=np.ascontiguousarray(np.flip(background.power, axes)),
        valid_mask=np.ascontiguousarray(np.flip(background.valid_mask, axes)),
        layout=background.layout.flipped(rows=rows, cols=cols),
        simulated=background.simulated,
        eight_bit=background.eight_bit,
    )


def drop_polarization(rng: np.random.Generator, valid: NDArray[np.bool_], share: float = 0.12) -> NDArray[np.bool_]:
    """Mark one polarization absent in a share of tiles, so that single-polarization scenes are known."""
    if rng.random() >= share:
        return valid
    dropped = valid.copy()
    dropped[int(rng.integers(2))] = False
    return dropped


def draw_gains(rng: np.random.Generator, centre_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitude gains, shape (2,), that put the medians of a scene between levels 25 and 130 of 255."""
    levels = 10.0 ** rng.uniform(np.log10(25.0), np.log10(130.0), 2)
    return np.where(np.isfinite(centre_db), levels / 10.0 ** (centre_db / 20.0), 1.0)


def quantise(power: NDArray[np.float32], gains: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round amplitudes, times ``gains`` (2,), to the 8 bits of a quick-look, with saturation at 255; as power."""
    levels = np.clip(np.round(np.sqrt(power) * gains.astype(np.float32)[:, None, None]), 1, 255)
    squared: NDArray[np.float32] = levels.astype(np.float32) ** 2
    return squared


def add_ghosts(
    rng: np.random.Generator, power: NDArray[np.float32], excess_db: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Add what JPEG makes of strong interference in a quick-look: its pattern, up and down, in both polarizations.

    Args:
        rng: Source of randomness.
        power: Linear power, shape (2, H, W).
        excess_db: Brightening by interference, same shape, >= 0.
    """
    near_db = scipy.ndimage.uniform_filter(excess_db.max(axis=0), GHOST_REACH_PX)
    pattern = scipy.ndimage.uniform_filter(rng.standard_normal(power.shape, dtype=np.float32), (0, 3, 3)) * 3.0
    ghosted: NDArray[np.float32] = power * 10.0 ** (GHOST_SHARE * near_db * pattern / 10.0).astype(np.float32)
    return ghosted


def validation_scenes(
    seed: int,
    count: int,
    real: tuple[Background, ...],
    tile_shape: tuple[int, int],
    spacing_m: float,
    *,
    priors: InterferencePriors,
    contaminated_share: float = 0.5,
) -> list[SimulatedScene]:
    """Fixed scenes with truth: a share of them clean; real ones, where there are any, follow the simulated ones.

    Args:
        seed: Seed; keep it apart from the training stream's.
        count: Simulated scenes.
        real: Real backgrounds; each gives a clean and a contaminated scene.
        tile_shape: (H, W) of the simulated scenes.
        spacing_m: Pixel spacing in metres.
        priors: What interferers are like.
        contaminated_share: Share of the simulated scenes with interference, 0..1.
    """
    scenes = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        background = simulate_background(rng, tile_shape, spacing_m)
        scenes.append(
            _compose(rng, background, priors if index < round(contaminated_share * count) else None, spacing_m)
        )
    for index, background in enumerate(real):
        for contaminated in (True, False):
            rng = np.random.default_rng([seed, 1_000_000 + index])
            scenes.append(_compose(rng, background, priors if contaminated else None, spacing_m))
    return scenes


def _draw_over(
    rng: np.random.Generator, background: Background, priors: InterferencePriors, spacing_m: float
) -> Interference:
    return draw_interference(
        rng, background.layout, background.power, priors, spacing_m=spacing_m, valid_mask=background.valid_mask
    )


def _compose(
    rng: np.random.Generator, background: Background, priors: InterferencePriors | None, spacing_m: float
) -> SimulatedScene:
    """Compose a scene over a background, with interference if there are priors to draw it from."""
    looks = draw_looks(rng) if background.simulated else None
    interference = None
    if priors is not None:
        interference = _draw_over(rng, background, priors, spacing_m)
    return compose_scene(rng, background.layout, background.power, background.valid_mask, interference, looks=looks)
