"""Training tiles without end: simulated and real backgrounds, with interference added on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rfiscan.simulation import (
    Interference,
    InterferencePriors,
    SimulatedScene,
    compose_scene,
    draw_interference,
    draw_looks,
)
from rfiscan.simulation.interference import VISIBLE_DB
from rfiscan.standardisation import Standardisation
from rfiscan.tiling.tiles import cut_tile
from rfiscan.training_data.augmentation import compress, draw_gains, drop_polarization, quantise
from rfiscan.training_data.backgrounds import Background, cut_background, draw_window, flip, simulate_background
from rfiscan.training_data.scene_pool import PooledScene, ScenePool

CENTRE_JITTER_DB = 1.0
"""A tile's median stands in for the median of the scene it belongs to: they differ by about this."""
GAIN_JITTER_DB = 4.0
"""Standard deviation by which the interference of a scene of the pool is made stronger or weaker in each tile of it."""
ANCHORED_SHARE = 0.7
"""Share of the tiles of a contaminated scene that are cut around some interference: most of the scene is free of it."""
FULL_SIZE_PX = 500.0
"""Size of a stripe from which on its pixels weigh 1."""
SMALL_STRIPE_WEIGHT = 10.0
"""The most that a pixel of a small stripe weighs, unless told otherwise: else the dots of single pulses, some 60 pixels
each, would count for nothing beside stripes of thousands."""
COMPRESSED_SHARE, QUALITIES = 0.4, (15, 96)
"""Share of the quick-looks among the tiles that have been through JPEG, and its qualities. A choice, which begins below
20 to 30: at that quality a stripe leaves ghosts in the other polarization as strong as those in published pictures."""


class Batch(NamedTuple):
    """Tiles for one step: input, target, valid mask, truth and weight of each polarization, (N, 2, h, w) each.

    A pixel weighs 1, or more where it is true and of a small stripe: see `stripe_weights`. Last, whether a tile is of a
    real scene, (N,): its target may hold interference that nobody knows of.
    """

    tiles: NDArray[np.float32]
    targets: NDArray[np.float32]
    valid: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    weights: NDArray[np.float32]
    real: NDArray[np.bool_]

    def every(self, step: int, first: int) -> Batch:
        """Tiles first, first + step, ..."""
        own = slice(first, None, step)
        return Batch(
            self.tiles[own], self.targets[own], self.valid[own], self.truth[own], self.weights[own], self.real[own]
        )


class TileStream:
    """Draws batches of tiles from a pool of scenes, simulated and real, with interference and without.

    The pool is renewed on the way. From each scene come several tiles: cut at random places, flipped, with other
    speckle and another strength of the interference.

    Args:
        pool: Of scenes; its seed is that of everything drawn.
        standardisation: How power becomes input.
        crop_shape: (h, w) of what a batch holds, no larger than a tile: small crops make more steps of the same time.
        small_stripe_weight: See `stripe_weights`.
        drawing: in_turn: one generator draws all tiles, one after the other; by_number: every tile has its own, so that
            a share of a batch can be drawn without the rest of it.
    """

    def __init__(
        self,
        pool: ScenePool,
        *,
        standardisation: Standardisation,
        crop_shape: tuple[int, int],
        small_stripe_weight: float = SMALL_STRIPE_WEIGHT,
        drawing: Literal["in_turn", "by_number"] = "in_turn",
    ) -> None:
        self.rng = np.random.default_rng(pool.seed)
        self.pool = pool
        self._standardisation, self._small_stripe_weight = standardisation, small_stripe_weight
        self._crop_shape = crop_shape
        self._by_number = drawing == "by_number"
        self._batches = 0

    def next_batch(self, size: int, own: slice = slice(None)) -> Batch:
        """Draw a batch.

        Args:
            size: Its tiles.
            own: Those of them that are wanted; at least one.
        """
        self.pool.renew(self.rng, self._batches)
        self._batches += 1
        if self._by_number:
            samples = [self._draw_tile(self._generator_of(number)) for number in range(size)[own]]
        else:  # what one tile takes from the generator depends on what the one before it took
            samples = [self._draw_tile(self.rng) for _ in range(size)][own]
        return Batch(*(np.stack(parts) for parts in zip(*samples, strict=True)))

    def state(self) -> dict[str, Any]:
        """All that another stream of the same arguments needs to go on from here: JSON values."""
        return {"rng": self.rng.bit_generator.state, "batches": self._batches} | self.pool.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where another stream of the same arguments gave its `state`."""
        self.rng.bit_generator.state = state["rng"]
        self._batches = state["batches"]
        self.pool.restore(state)

    def _generator_of(self, tile: int) -> np.random.Generator:
        """Generator of a tile of the batch at hand."""
        return np.random.default_rng(np.random.SeedSequence(self.pool.seed, spawn_key=(self._batches, tile)))

    def _draw_tile(self, rng: np.random.Generator) -> Batch:
        entry = self.pool.draw(rng)
        gain = 10.0 ** (rng.normal(0.0, GAIN_JITTER_DB) / 10.0)
        background, interference = self._cut(entry, rng, gain)
        scene = compose_scene(
            rng,
            background.layout,
            background.power,
            background.valid_mask,
            interference,
            looks=draw_looks(rng) if background.simulated else None,
        )
        valid = drop_polarization(rng, scene.valid_mask)
        power, clean, centre_db = scene.power, scene.clean_power, entry.centre_db(gain)
        if background.eight_bit or rng.random() < 0.5:
            gains = np.ones(2) if background.eight_bit else draw_gains(rng, centre_db)
            power, clean = (quantise(p, gains) for p in (power, clean))
            if rng.random() < COMPRESSED_SHARE:
                quality = int(rng.integers(*QUALITIES))
                shown = np.logical_or(*scene.valid_mask)
                power, clean = (compress(p, quality, shown) for p in (power, clean))
            centre_db = centre_db + 20.0 * np.log10(gains)
        centre_db = centre_db + rng.normal(0.0, CENTRE_JITTER_DB, 2)
        tile, _ = self._standardisation.apply(power, valid, centre_db)
        target, _ = self._standardisation.apply(clean, valid, centre_db)
        real = np.asarray(not background.simulated)
        truth = scene.excess_db >= VISIBLE_DB
        weights = stripe_weights(scene.labels, truth, self._small_stripe_weight)
        return Batch(tile, target, valid, truth, weights, real)

    def _cut(self, entry: PooledScene, rng: np.random.Generator, gain: float) -> tuple[Background, Interference | None]:
        """Cut a tile from a scene, more often than not where there is interference, and flip it."""
        interference, around = entry.interference, None
        if len(entry.anchors) and rng.random() < ANCHORED_SHARE:
            around = entry.anchors[int(rng.integers(len(entry.anchors)))]
        window = draw_window(rng, entry.background.layout.shape, self._crop_shape, around)
        rows, cols = rng.random() < 0.5, rng.random() < 0.5
        background = flip(cut_background(entry.background, window, self._crop_shape), rows, cols)
        if interference is None:
            return background, None
        axes = tuple(axis for axis, wanted in ((-2, rows), (-1, cols)) if wanted)
        power, labels = (
            np.flip(cut_tile(layer, window, self._crop_shape), axes)
            for layer in (interference.power, interference.labels)
        )
        return background, replace(interference, power=power * np.float32(gain), labels=labels)


def validation_scenes(
    seed: int,
    count: int,
    real: tuple[Background, ...],
    tile_shape: tuple[int, int],
    spacing_m: float,
    *,
    priors: InterferencePriors,
    contaminated_share: float = 0.5,
    own: slice = slice(None),
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
        own: Those of the simulated scenes that are wanted.
    """
    scenes = []
    for index in range(count)[own]:
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


def stripe_weights(
    labels: NDArray[np.uint16], truth: NDArray[np.bool_], most: float = SMALL_STRIPE_WEIGHT
) -> NDArray[np.float32]:
    """Weights of the pixels of each polarization that make up for small stripes.

    Only what is true weighs more: labels also reach over pixels, and over a polarization, that show nothing, and those
    would teach that there is nothing in what is faint.

    Args:
        labels: Number of the stripe of each pixel, (H, W), 0 for none.
        truth: True = interference, (2, H, W).
        most: The largest weight.

    Returns:
        `FULL_SIZE_PX` over the pixels of the stripe that are true in either polarization, 1 to ``most``; 1 where
        ``truth`` is False. Shape (2, H, W).
    """
    sizes = np.bincount(labels[truth.any(axis=0)], minlength=int(labels.max(initial=0)) + 1)
    weights = np.clip(FULL_SIZE_PX / np.maximum(sizes, 1), 1.0, most).astype(np.float32)
    weights[0] = 1.0
    return np.where(truth, weights[labels], np.float32(1.0))


def _compose(
    rng: np.random.Generator, background: Background, priors: InterferencePriors | None, spacing_m: float
) -> SimulatedScene:
    """Compose a scene over a background, with interference if there are priors to draw it from."""
    looks = draw_looks(rng) if background.simulated else None
    interference = None
    if priors is not None:
        interference = draw_interference(
            rng, background.layout, background.power, priors, spacing_m=spacing_m, valid_mask=background.valid_mask
        )
    return compose_scene(rng, background.layout, background.power, background.valid_mask, interference, looks=looks)
