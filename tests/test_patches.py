"""Patches of tiles: cut and joined without loss, placed apart, hidden in the right number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.networks.patches import (
    PATCH_SHAPES,
    complementary_hidden,
    fixed_ranks,
    patchify,
    random_ranks,
    sincos_positions,
    unpatchify,
)

TILE = (340, 500)
CPU = torch.device("cpu")
quick = settings(max_examples=30, deadline=None)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("patch", PATCH_SHAPES)
def test_joining_patches_undoes_cutting(patch, channels):
    tiles = torch.arange(2 * channels * TILE[0] * TILE[1], dtype=torch.float32).reshape(2, channels, *TILE)
    patches = patchify(tiles, patch)
    assert patches.shape == (2, (TILE[0] // patch[0]) * (TILE[1] // patch[1]), channels * patch[0] * patch[1])
    assert torch.equal(unpatchify(patches, patch, TILE), tiles)


@quick
@given(rows=st.integers(1, 4), cols=st.integers(1, 4), p=st.integers(1, 5), q=st.integers(1, 5), c=st.integers(1, 4))
def test_a_patch_is_the_block_that_slicing_gives(rows, cols, p, q, c):
    tiles = torch.randn(2, c, rows * p, cols * q)
    patches = patchify(tiles, (p, q))
    for row in range(rows):
        for col in range(cols):
            block = tiles[:, :, row * p : (row + 1) * p, col * q : (col + 1) * q]
            assert torch.equal(patches[:, row * cols + col], block.reshape(2, -1))


@pytest.mark.parametrize("patch", [(3, 5), (4, 3)])
def test_a_patch_that_does_not_divide_the_tile_is_refused(patch):
    with pytest.raises(ValueError, match="does not divide"):
        patchify(torch.zeros(1, 2, 8, 10), patch)


@pytest.mark.parametrize("patch", PATCH_SHAPES)
def test_every_place_has_a_position_of_its_own(patch):
    rows, cols = TILE[0] // patch[0], TILE[1] // patch[1]
    positions = sincos_positions(rows, cols, 64)
    assert positions.shape == (rows * cols, 64)
    assert positions.abs().max() <= 1
    distance = torch.cdist(positions, positions) + 10 * torch.eye(rows * cols)
    assert distance.min() > 0.1


def test_half_of_a_position_tells_the_row_and_half_the_column():
    grid = sincos_positions(3, 5, 8).reshape(3, 5, 8)
    assert torch.equal(grid[:, 0, :4], grid[:, 4, :4])
    assert torch.equal(grid[0, :, 4:], grid[2, :, 4:])
    assert grid[2, 0, 0] == pytest.approx(np.sin(2.0), abs=1e-6)


def test_a_width_that_is_no_multiple_of_four_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        sincos_positions(2, 2, 10)


@quick
@given(n=st.integers(1, 5), count=st.integers(1, 200))
def test_random_ranks_are_a_permutation_for_each_tile(n, count):
    ranks = random_ranks(n, count, CPU)
    assert ranks.shape == (n, count)
    assert (ranks.sort(dim=1).values == torch.arange(count)).all()


def test_random_ranks_differ_and_give_every_patch_every_rank_equally_often():
    ranks = random_ranks(4000, 20, CPU)
    assert not torch.equal(ranks[0], ranks[1])
    assert not torch.equal(ranks, random_ranks(4000, 20, CPU))
    often = torch.nn.functional.one_hot(ranks).float().mean(dim=0)  # how often a patch has a rank, (20, 20)
    assert often.numpy() == pytest.approx(1 / 20, abs=0.02)


@pytest.mark.parametrize("count", [1, 100, 850])
def test_fixed_ranks_are_one_shuffled_order(count):
    state = torch.get_rng_state()
    ranks = fixed_ranks(count)
    assert torch.equal(ranks, fixed_ranks(count))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(ranks.sort().values, torch.arange(count))
    assert torch.equal(ranks, torch.arange(count)) == (count == 1)


@pytest.mark.parametrize("tiles", [0, 1, 3])
@quick
@given(count=st.integers(1, 850), ratio=st.floats(0.1, 1), spare=st.integers(0, 3))
def test_complementary_masks_hide_every_patch_equally_often(tiles, count, ratio, spare):
    """Of one order of the patches, and of one for each tile."""
    passes = int(np.ceil(1 / ratio)) + spare
    ranks = random_ranks(tiles, count, CPU) if tiles else fixed_ranks(count)
    hidden = complementary_hidden(ranks, ratio, passes)
    assert hidden.shape == (passes, *ranks.shape)
    assert hidden.dtype == torch.bool
    assert hidden.any(dim=0).all()
    each = hidden.sum(dim=-1)
    assert (each == each.flatten()[0]).all()
    assert abs(int(each.flatten()[0]) - ratio * count) <= 1
    times = hidden.sum(dim=0)
    assert times.max() - times.min() <= 1


def test_each_tile_is_masked_by_its_own_ranks():
    ranks = random_ranks(5, 30, CPU)
    hidden = complementary_hidden(ranks, 0.6, 5)
    for number, own in enumerate(ranks):
        assert torch.equal(hidden[:, number], complementary_hidden(own, 0.6, 5))
    assert not torch.equal(hidden[:, 0], hidden[:, 1])


@pytest.mark.parametrize(("ratio", "passes"), [(0.5, 2), (0.6, 5), (0.75, 4)])
def test_passes_that_divide_the_patches_hide_the_very_share(ratio, passes):
    hidden = complementary_hidden(fixed_ranks(100), ratio, passes)
    assert (hidden.sum(dim=1) == round(100 * ratio)).all()
    assert (hidden.sum(dim=0) == round(passes * ratio)).all()


def test_too_few_passes_are_refused():
    with pytest.raises(ValueError, match="cannot hide every patch"):
        complementary_hidden(fixed_ranks(100), 0.4, 2)
