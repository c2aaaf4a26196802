from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.detections.stripes import SLIVER_M, gaps_px, label_stripes, rank_stripes

quick = settings(max_examples=60, deadline=None)
SPACING_M = (500.0, 500.0)
ROW_GAP_PX, COL_GAP_PX = gaps_px(SPACING_M)
SLIVER_PX = SLIVER_M / SPACING_M[1]


def painted(*boxes, shape=(60, 200)):
    mask = np.zeros(shape, bool)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    return mask


def partition(labels):
    return {frozenset(np.flatnonzero(labels == number).tolist()) for number in range(1, labels.max() + 1)}


@pytest.mark.parametrize(
    ("boxes", "count"),
    [
        ([(10, 5, 20, 6), (30 + COL_GAP_PX, 5, 20, 6)], 1),
        ([(10, 5, 20, 6), (31 + COL_GAP_PX, 5, 20, 6)], 2),
        ([(10, 5, 20, 6), (10, 11 + ROW_GAP_PX, 20, 6)], 1),
        ([(10, 5, 20, 6), (10, 12 + ROW_GAP_PX, 20, 6)], 2),
        ([(10, 5, 20, 6), (30, 8, 20, 6), (60, 7, 4, 4), (120, 5, 30, 6)], 2),
        ([], 0),
    ],
    ids=["dashes", "far along the row", "rows that nearly touch", "far down", "a row of pieces", "nothing"],
)
def test_pieces_of_a_row_are_one_stripe(boxes, count):
    assert label_stripes(painted(*boxes), (), SPACING_M).max() == count


def test_a_stripe_ends_where_the_sub_swath_does():
    labels = label_stripes(painted((20, 5, 100, 6), (70, 30, 60, 4)), (70, 150), SPACING_M)
    assert labels.max() == 3
    assert not set(labels[:, :70][labels[:, :70] > 0]) & set(labels[:, 70:][labels[:, 70:] > 0])


def test_a_sliver_over_a_seam_belongs_to_the_stripe_that_it_touches():
    alone = label_stripes(painted((20, 5, 50, 6)), (70,), SPACING_M)
    assert partition(label_stripes(painted((20, 5, 54, 6)), (70,), SPACING_M)) != partition(alone)
    assert label_stripes(painted((20, 5, 54, 6)), (70,), SPACING_M).max() == 1
    assert label_stripes(painted((66, 5, 54, 6)), (70,), SPACING_M).max() == 1


@pytest.mark.parametrize(
    "boxes",
    [
        [(20, 5, 50, 6), (70, 5, 12, 6)],  # six kilometres beyond the seam
        [(20, 5, 50, 6), (73, 5, 4, 6)],  # touches it not
        [(20, 5, 50, 6), (70, 30, 4, 6)],  # in other rows
        [(64, 5, 6, 6), (70, 5, 4, 6)],  # slivers both
    ],
)
def test_what_is_no_sliver_stays_a_stripe_of_its_own(boxes):
    assert label_stripes(painted(*boxes), (70,), SPACING_M).max() == 2


def test_what_lies_beside_a_gap_does_not_bridge_it():
    mask = painted((0, 0, 30, 7), (0, 40, 30, 7), (100, 0, 10, 47))
    assert label_stripes(mask, (), SPACING_M).max() == 3


def test_gaps_are_those_of_the_ground():
    assert (ROW_GAP_PX, COL_GAP_PX) == (2, 20)
    dashes = painted((10, 5, 20, 6), (60, 5, 20, 6))
    assert label_stripes(dashes, (), (500.0, 500.0)).max() == 2
    assert label_stripes(dashes, (), (250.0, 250.0)).max() == 1


@quick
@given(
    seed=st.integers(0, 999),
    share=st.floats(0, 0.1),
    seams=st.lists(st.integers(1, 99), max_size=3, unique=True).map(sorted),
)
def test_every_pixel_belongs_to_one_stripe_and_none_crosses_a_seam(seed, share, seams):
    mask = np.random.default_rng(seed).random((40, 100)) < share
    labels = label_stripes(mask, seams, SPACING_M)
    assert np.array_equal(labels > 0, mask)
    assert set(np.unique(labels)) - {0} == set(range(1, labels.max() + 1))
    for number in range(1, labels.max() + 1):
        rows, cols = np.nonzero(labels == number)
        assert np.diff(np.unique(rows)).max(initial=0) <= ROW_GAP_PX + 1
        assert np.diff(np.unique(cols)).max(initial=0) <= COL_GAP_PX + 1
    for seam in seams:
        for number in set(labels[:, :seam].ravel()) & set(labels[:, seam:].ravel()) - {0}:
            cols = np.flatnonzero((labels == number).any(axis=0))
            inside = [np.ptp(side) + 1 for side in (cols[cols < seam], cols[cols >= seam])]
            assert min(inside) < max(SLIVER_PX, *inside)
    mirrored = label_stripes(mask[::-1, ::-1], [100 - seam for seam in reversed(seams)], SPACING_M)
    assert partition(mirrored[::-1, ::-1]) == partition(labels)


def test_strong_and_wide_stripes_rank_first():
    means, widths = np.array([2.0, 2.0, 5.0, 0.5]), np.array([10.0, 200.0, 200.0, 400.0])
    assert np.argsort(-rank_stripes(means, widths, 0.5)).tolist() == [2, 1, 0, 3]
    assert np.allclose(rank_stripes(3 * means, widths, 1.5), 3 * rank_stripes(means, widths, 0.5))
