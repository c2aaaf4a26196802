"""Principal components of clean patches: what they cannot make up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse.linalg
from numpy.typing import NDArray

from rfiscan.baselines.detector import SHARED_WEIGHT, fill_levels, over_spread, smooth
from rfiscan.tiling.tiles import Stitcher, cut_tile, plan_windows

SHAPE, COMPONENTS, PATCHES_PER_SCENE, SMOOTH_PX, FLOOR = (32, 128), 4, 60, (3, 61), 0.1
Scene = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchPca:
    """Residual of patches outside the span of the leading components, over its spread; P = patch pixels.

    Attributes:
        mean: Mean patch of each polarization, (2, P).
        basis: Orthonormal components, (2, K, P).
        spread: Root mean square residual on clean patches, (2, P).
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    spread: NDArray[np.float32]
    shared_weight: float = SHARED_WEIGHT

    @classmethod
    def fit(cls, scenes: Sequence[Scene], seed: int) -> PatchPca:
        """Fit to interference-free scenes, each power and valid mask (2, H, W), by patches drawn with the seed."""
        rng = np.random.default_rng(seed)
        drawn: list[NDArray[np.float32]] = []
        for power, valid in scenes:
            windows, levels = plan_windows(valid.shape[1], valid.shape[2], SHAPE, 0.5), fill_levels(power, valid)
            windows = [window for window in windows if valid[..., *window.slices].all()]
            order = rng.permutation(len(windows))[:PATCHES_PER_SCENE]
            drawn += [cut_tile(levels, windows[index], SHAPE).reshape(2, -1) for index in order]
        patches = np.stack(drawn, axis=1)
        centred = patches - (mean := patches.mean(axis=1))[:, None]
        start = rng.normal(size=min(centred.shape[1:])).astype(np.float32)
        basis = np.stack([scipy.sparse.linalg.svds(c, COMPONENTS, v0=start)[2] for c in centred])
        residual = centred - centred @ basis.swapaxes(1, 2) @ basis
        return cls(mean=mean, basis=basis, spread=np.sqrt((residual**2).mean(axis=1)))

    def excess(self, level_db: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See `rfiscan.baselines.Detector`; in standard deviations."""
        windows, stitcher = plan_windows(valid.shape[1], valid.shape[2], SHAPE, 0.5), Stitcher(level_db.shape)
        patches = np.stack([cut_tile(level_db, w, SHAPE).reshape(2, -1) for w in windows], axis=1)
        centred = patches - self.mean[:, None]
        residual = (centred - centred @ self.basis.swapaxes(1, 2) @ self.basis) / self.spread[:, None]
        for index, window in enumerate(windows):
            stitcher.add(window, residual[:, index].reshape(2, *SHAPE))
        return over_spread(smooth(stitcher.result(), valid, SMOOTH_PX), valid, FLOOR)
