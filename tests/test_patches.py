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
    patchify,
    random_hidden,
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
@given(n=st.integers(1, 5), count=st.integers(1, 200), ratio=st.floats(0, 1))
def test_random_masks_hide_exactly_the_share_asked_for(n, count, ratio):
    hidden = random_hidden(n, count, ratio, CPU)
    assert hidden.shape == (n, count)
    assert (hidden.sum(dim=1) == round(ratio * count)).all()


def test_random_masks_differ_and_hide_all_patches_equally_often():
    hidden = random_hidden(4000, 20, 0.6, CPU)
    assert hidden.float().mean(dim=0).numpy() == pytest.approx(0.6, abs=0.05)
    assert not torch.equal(hidden[0], hidden[1])


@quick
@given(count=st.integers(1, 850), ratio=st.floats(0.1, 1), spare=st.integers(0, 3))
def test_complementary_masks_hide_every_patch_equally_often(count, ratio, spare):
    passes = int(np.ceil(1 / ratio)) + spare
    hidden = complementary_hidden(count, ratio, passes)
    assert hidden.shape == (passes, count)
    assert hidden.any(dim=0).all()
    assert torch.equal(hidden, complementary_hidden(count, ratio, passes))
    each = hidden.sum(dim=1)
    assert (each == each[0]).all()
    assert abs(int(each[0]) - ratio * count) <= 1
    times = hidden.sum(dim=0)
    assert times.max() - times.min() <= 1


@pytest.mark.parametrize(("ratio", "passes"), [(0.5, 2), (0.6, 5), (0.75, 4)])
def test_passes_that_divide_the_patches_hide_the_very_share(ratio, passes):
    hidden = complementary_hidden(100, ratio, passes)
    assert (hidden.sum(dim=1) == round(100 * ratio)).all()
    assert (hidden.sum(dim=0) == round(passes * ratio)).all()


def test_too_few_passes_are_refused():
    with pytest.raises(ValueError, match="cannot hide every patch"):
        complementary_hidden(100, 0.4, 2)
