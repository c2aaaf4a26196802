"""Patches of tiles: cut, join, place and hide them.

Shapes: N tiles, C channels, (h, w) tile, (p, q) patch, L = (h / p)(w / q) patches, D features.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

PATCH_SHAPES = ((20, 20), (10, 20), (10, 50), (17, 25), (34, 50))
"""Patch shapes that divide a 340x500 tile and are tried in this project."""


def patchify(tiles: Tensor, patch: tuple[int, int]) -> Tensor:
    """Cut tiles into patches: (N, C, h, w) -> (N, L, C * p * q), row by row.

    Raises:
        ValueError: If the patch does not divide the tile.
    """
    n, c, height, width = tiles.shape
    p, q = patch
    if height % p or width % q:
        raise ValueError(f"patch {p}x{q} does not divide tile {height}x{width}")
    x = tiles.reshape(n, c, height // p, p, width // q, q)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(n, (height // p) * (width // q), c * p * q)


def unpatchify(patches: Tensor, patch: tuple[int, int], tile: tuple[int, int]) -> Tensor:
    """Join patches into tiles, the inverse of `patchify`: (N, L, C * p * q) -> (N, C, h, w)."""
    n, _, features = patches.shape
    p, q = patch
    rows, cols = tile[0] // p, tile[1] // q
    x = patches.reshape(n, rows, cols, features // (p * q), p, q)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(n, features // (p * q), *tile)


def sincos_positions(rows: int, cols: int, width: int) -> Tensor:
    """Fixed two-dimensional sine-cosine positions, shape (rows * cols, width).

    Half of the features encode the row, half the column, as in He et al. 2022 (Masked Autoencoders Are Scalable Vision
    Learners, appendix A.1), after Vaswani et al. 2017 (Attention Is All You Need, section 3.5).

    Raises:
        ValueError: If ``width`` is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"width {width} is not a multiple of 4")
    rate = 1.0 / 10_000 ** (torch.arange(width // 4) / (width // 4))  # (width / 4,)

    def encode(count: int) -> Tensor:
        angle = torch.arange(count)[:, None] * rate[None, :]
        return torch.cat([angle.sin(), angle.cos()], dim=1)  # (count, width / 2)

    row, col = encode(rows), encode(cols)
    grid = torch.cat([row[:, None].expand(-1, cols, -1), col[None, :].expand(rows, -1, -1)], dim=2)
    return grid.reshape(rows * cols, width)


def random_ranks(n: int, count: int, device: torch.device) -> Tensor:
    """Rank the patches of each tile at random, by argsort of noise: int (N, L)."""
    noise = torch.rand(n, count)  # of the generator that a resumed run restores, on whatever device it goes on
    return noise.to(device).argsort(dim=1).argsort(dim=1)


def fixed_ranks(count: int) -> Tensor:
    """A shuffled order of L patches that is always the same: int (L,)."""
    return torch.from_numpy(np.random.default_rng(0).permutation(count))


def complementary_hidden(ranks: Tensor, ratio: float, passes: int) -> Tensor:
    """Masks that together hide every patch, bool (passes, ..., L), True = hidden.

    Each pass hides the ranks that follow those of the pass before, wrapping around: the share ``ratio`` of them, or as
    many more as it takes to reach every patch. All patches are hidden equally often to within one.

    Args:
        ranks: A permutation of 0..L-1 along the last axis, shape (..., L).
        ratio: Share to hide, 0..1.
        passes: Masks.

    Raises:
        ValueError: If the masks would leave a patch that is never hidden.
    """
    if passes * ratio < 1.0:
        raise ValueError(f"{passes} passes that hide {ratio:.2f} each cannot hide every patch")
    count = ranks.shape[-1]
    each = max(round(ratio * count), -(-count // passes))
    return torch.stack([(ranks - number * each) % count < each for number in range(passes)])
