"""A pool of scenes to cut training tiles from: made from seed and number, and renewed on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rfiscan.simulation import Interference, InterferencePriors, draw_interference
from rfiscan.simulation.filling import draw_filling
from rfiscan.standardisation import median_db
from rfiscan.training_data.augmentation import brighten_edges
from rfiscan.training_data.backgrounds import Background, simulate_background

ANCHORS = 64
"""Pixels of interference that are remembered of a scene."""
SURFACE_SHARES = {"sea": 0.2, "coast": 0.4, "islands": 0.15, "land": 0.25}
"""What simulated backgrounds show: coasts, where most false alarms arise, more often than in a benchmark."""
STEEP_NOISE_CUP_DB = (0.8, 6.0)
"""Rise of their noise floor towards the edges of sub-swaths, as `NOISE_CUP_DB`: more than in a benchmark, for cross-pol
rises by 5 dB in the last sub-swath of a real sea, and a network that knows less takes that for interference."""

WIDE_LAND_RATIO_DB = (5.0, 14.0)
"""Co-pol over cross-pol of their land, as `LAND_RATIO_DB`: more than in a benchmark, for rocks and bare ground answer
in co-pol far more. Small islands of a real scene that do so were taken for dots of an emitter that sends in co-pol."""


class PooledScene(NamedTuple):
    """A scene of the pool.

    Attributes:
        background: Without interference.
        interference: Over it; None in a clean scene.
        anchors: Rows and columns of some pixels of stripes, every stripe as often; shape (K, 2).
    """

    background: Background
    interference: Interference | None
    anchors: NDArray[np.intp]

    def centre_db(self, gain: float) -> NDArray[np.float64]:
        """Median of each polarization, (2,), with the interference times ``gain``: wide interference moves it."""
        power = self.background.power[:, ::4, ::4]
        if self.interference is not None:
            power = power + np.float32(gain) * self.interference.power[:, ::4, ::4]
        return median_db(power, self.background.valid_mask[:, ::4, ::4])


class Sharers(Protocol):
    """Processes that draw the same stream and share its work."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""

    @property
    def size(self) -> int:
        """How many there are."""

    def gather(self, own: Any) -> list[Any]:  # noqa: ANN401 - whatever they have to exchange
        """What every process gave, by its number; all must call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings:
    """What the scenes of a pool are like.

    Attributes:
        real: Real interference-free scenes.
        real_share: Share of scenes from them, 0..1; none where there are none.
        contaminated_share: Share of scenes with interference, 0..1.
        filling_share: Share of these in which it fills a sub-swath, 0..1: then only the rest of the scene tells that it
            is no bright land. See `draw_filling`.
        tile_shape: (h, w) of simulated backgrounds in pixels.
        spacing_m: Pixel spacing in metres.
        priors: What interferers are like.
    """

    real: tuple[Background, ...]
    real_share: float
    contaminated_share: float
    filling_share: float = 0.0
    tile_shape: tuple[int, int]
    spacing_m: float
    priors: InterferencePriors


class ScenePool:
    """Scenes at hand, one of which is replaced now and then.

    Args:
        settings: What they are like.
        seed: Seed of all of them.
        size: Scenes at hand, once it is full.
        renew_every: Batches after which one of them is replaced.
        sharers: Processes with a pool of the same arguments: each simulates its share of it, and gives it to the
            others. None for this one alone.
    """

    def __init__(
        self, settings: SceneSettings, *, seed: int, size: int, renew_every: int, sharers: Sharers | None = None
    ) -> None:
        self.seed, self._settings = seed, settings
        self._size, self._renew_every, self._sharers = size, renew_every, sharers
        self.scenes: dict[int, PooledScene] = {}
        self._drawn = 0
        self._ahead: dict[int, PooledScene] = {}  # scenes that are made and not yet in the pool

    def renew(self, rng: np.random.Generator, batch: int) -> None:
        """Before batch number ``batch``: add a scene, and take another one out if the pool is full and it is time."""
        full = len(self.scenes) >= self._size
        if not full or batch % self._renew_every == 0:
            if full:
                del self.scenes[list(self.scenes)[int(rng.integers(len(self.scenes)))]]
            self.scenes[self._drawn] = self._next_scene()
            self._drawn += 1

    def draw(self, rng: np.random.Generator) -> PooledScene:
        """Any scene at hand."""
        return list(self.scenes.values())[int(rng.integers(len(self.scenes)))]

    def state(self) -> dict[str, Any]:
        """All that another pool of the same arguments needs to go on from here: JSON values."""
        return {"drawn": self._drawn, "pool": list(self.scenes)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where another pool of the same arguments gave its `state`."""
        self._drawn = state["drawn"]
        self.scenes, self._ahead = self._make_all(state["pool"]), {}

    def make(self, number: int) -> PooledScene:
        """Scene ``number``: it depends on the seed and the number alone."""
        wanted = self._settings
        rng = np.random.default_rng([self.seed, number])
        background = self._make_background(rng)
        if rng.random() >= wanted.contaminated_share:
            return PooledScene(background, None, np.zeros((0, 2), np.intp))
        # without a share, the same numbers as ever
        draw = draw_filling if wanted.filling_share and rng.random() < wanted.filling_share else draw_interference
        power, valid = background.power, background.valid_mask
        drawn = draw(rng, background.layout, power, wanted.priors, spacing_m=wanted.spacing_m, valid_mask=valid)
        return PooledScene(background, drawn, _draw_anchors(rng, drawn.labels))

    def _make_background(self, rng: np.random.Generator) -> Background:
        wanted = self._settings
        if rng.random() < (wanted.real_share if wanted.real else 0.0):
            return wanted.real[int(rng.integers(len(wanted.real)))]
        surface = str(rng.choice(list(SURFACE_SHARES), p=list(SURFACE_SHARES.values())))
        background = simulate_background(
            rng,
            wanted.tile_shape,
            wanted.spacing_m,
            surface,
            noise_cup_db=STEEP_NOISE_CUP_DB,
            land_ratio_db=WIDE_LAND_RATIO_DB,
        )
        return replace(background, power=brighten_edges(rng, background.power, background.valid_mask))

    def _next_scene(self) -> PooledScene:
        if self._drawn not in self._ahead:
            count = 1 if self._sharers is None else self._sharers.size
            self._ahead = self._make_all(range(self._drawn, self._drawn + count))
        return self._ahead.pop(self._drawn)

    def _make_all(self, numbers: Sequence[int]) -> dict[int, PooledScene]:
        """Scenes by number, each made by one of the sharers."""
        if self._sharers is None:
            return {number: self.make(number) for number in numbers}
        own = {number: self.make(number) for number in numbers[self._sharers.rank :: self._sharers.size]}
        made = {number: entry for part in self._sharers.gather(own) for number, entry in part.items()}
        return {number: made[number] for number in numbers}


def _draw_anchors(rng: np.random.Generator, labels: NDArray[np.uint16]) -> NDArray[np.intp]:
    """Draw `ANCHORS` pixels of stripes (H, W), every stripe as often, however small; rows and columns, (K, 2)."""
    pixels = np.flatnonzero(labels)
    if not pixels.size:
        return np.zeros((0, 2), np.intp)
    share = 1.0 / np.bincount(labels.ravel())[labels.ravel()[pixels]]
    drawn = rng.choice(pixels, ANCHORS, p=share / share.sum())
    return np.stack(np.unravel_index(drawn, labels.shape), axis=1)
