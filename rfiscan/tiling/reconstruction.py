"""Run a model over a whole scene, whatever computes it: cut, reconstruct, stitch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from rfiscan.tiling.tiles import Stitcher, cut_tile, plan_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SceneReconstruction(NamedTuple):
    """What networks make of a scene, shape (2, H, W) each.

    Attributes:
        mean: Reconstruction, standardised.
        spread: Expected absolute deviation from it, standardised, > 0.
        log_odds: Natural log odds that a pixel of a polarization holds interference; None without evidence network.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    log_odds: NDArray[np.float32] | None


class TileRuntime(Protocol):
    """What computes the networks of a model on tiles. Threads may share it."""

    @property
    def backend(self) -> str:
        """Name of the library that computes: one of `rfiscan.runtimes.backends.BACKENDS`."""

    @property
    def precision(self) -> str:
        """Precision of the arithmetic: "f32" or "bf16"; what goes in and comes out is float32."""

    @property
    def weighs(self) -> bool:
        """Whether the model has an evidence network."""

    def run(self, tiles: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """Reconstruct tiles, and weigh what is left of them.

        Args:
            tiles: Standardised dB, shape (N, 2, h, w), 0 where invalid; N >= 1.
            valid: True = valid, same shape.

        Returns:
            Mean, spread and, if it `weighs`, log odds, as in `SceneReconstruction`; shape (N, 2, h, w) each.
        """


def reconstruct_scene(
    runtime: TileRuntime,
    standardised: NDArray[np.float32],
    valid: NDArray[np.bool_],
    *,
    tile_shape: tuple[int, int] = (340, 500),
    overlap: float = 0.25,
    batch: int = 4,
    on_tile: Callable[[int, int], None] | None = None,
) -> SceneReconstruction:
    """Reconstruct a scene tile by tile, and weigh what is left of it.

    Args:
        runtime: Computes the networks.
        standardised: Shape (2, H, W), 0 where invalid.
        valid: True = valid, same shape.
        tile_shape: (h, w) of a tile in pixels.
        overlap: Share of a tile that it shares with its neighbour, 0 <= overlap < 1.
        batch: Tiles in one pass.
        on_tile: Called with the numbers of tiles done and in all.

    Returns:
        The scene's reconstruction. Tiles without a valid pixel are not run: there the mean is 0 and the spread 1.
    """
    windows = plan_windows(standardised.shape[1], standardised.shape[2], tile_shape, overlap)
    stitchers = [Stitcher(standardised.shape) for _ in range(3 if runtime.weighs else 2)]
    for start in range(0, len(windows), batch):
        chosen = windows[start : start + batch]
        tiles = np.stack([cut_tile(standardised, w, tile_shape) for w in chosen])
        masks = np.stack([cut_tile(valid, w, tile_shape) for w in chosen])
        maps = run_tiles(runtime, tiles, masks)
        for stitcher, made in zip(stitchers, maps, strict=True):
            for window, tile in zip(chosen, made, strict=True):
                stitcher.add(window, tile)
        if on_tile is not None:
            on_tile(min(start + batch, len(windows)), len(windows))
    mean, spread, *log_odds = (stitcher.result() for stitcher in stitchers)
    return SceneReconstruction(mean, spread, log_odds[0] if log_odds else None)


def run_tiles(runtime: TileRuntime, tiles: NDArray[np.float32], masks: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
    """Run the networks on those tiles that have a valid pixel.

    Args:
        runtime: Computes the networks.
        tiles: Standardised, shape (N, 2, h, w), 0 where invalid.
        masks: True = valid, same shape.

    Returns:
        Mean, spread and, if it weighs, log odds, shape (N, 2, h, w) each; 0, 1 and 0 of a tile that is not run.
    """
    maps = [np.zeros_like(tiles), np.ones_like(tiles), np.zeros_like(tiles)][: 3 if runtime.weighs else 2]
    filled = masks.any(axis=(1, 2, 3))
    if filled.any():
        for made, found in zip(maps, runtime.run(tiles[filled], masks[filled]), strict=True):
            made[filled] = found
    return maps
