"""Stripes that only their halo joins are told apart by their cores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from rfiscan.detections.cores import StripePixels, split_by_cores
from rfiscan.detections.regions import find_stripes, rank_regions
from rfiscan.scoring import ScoringSettings

SPACING_M = (500.0, 500.0)
THRESHOLD, CORE_THRESHOLD = 0.0, 2.0


def stripes(scores, core_threshold=CORE_THRESHOLD, least_rank=0.0, seams=()):
    return find_stripes(scores, THRESHOLD, ScoringSettings(), seams, SPACING_M, least_rank, core_threshold)


def two_bars(second=5.0) -> np.ndarray:
    """Two bars, 8 rows apart, in one halo."""
    scores = np.full((60, 120), -3.0)
    scores[8:32, 5:115] = 0.5
    scores[10:14, 10:110], scores[22:26, 10:110] = 5.0, second
    return scores


def test_two_bars_in_one_halo_are_two_stripes():
    assert stripes(two_bars(), core_threshold=np.inf).max() == 1
    labels = stripes(two_bars())
    assert labels.max() == 2
    upper, lower = labels[11, 60], labels[24, 60]
    assert (labels[8:17, 5:115] == upper).all()
    assert (labels[19:32, 5:115] == lower).all()


def test_pieces_of_one_stripe_stay_one():
    scores = np.full((40, 200), -3.0)
    scores[8:20, 5:195] = 0.5
    scores[12:16, 20:180:15] = 5.0  # 15 columns, 7.5 km, from dash to dash
    assert stripes(scores).max() == 1


def test_a_part_that_is_too_weak_for_a_stripe_stays_with_the_other():
    both = stripes(two_bars(second=2.5))
    ranks = rank_regions(both, two_bars(second=2.5), THRESHOLD, SPACING_M[1])
    assert ranks.size == 2
    assert stripes(two_bars(second=2.5), least_rank=0.9 * ranks.min()).max() == 2
    assert stripes(two_bars(second=2.5), least_rank=1.1 * ranks.min()).max() == 1


@pytest.mark.parametrize(("score", "count"), [(2.5, 1), (4.0, 2)])
def test_pieces_far_apart_are_one_stripe_if_they_are_faint(score, count):
    scores = np.full((40, 200), -3.0)
    scores[10:20, 5:195] = 0.5
    scores[12:16, 10:80], scores[13:17, 120:190] = score, 5.0  # 20 km apart
    assert stripes(scores).max() == count
    lower = np.roll(scores, 12, axis=0)
    assert stripes(np.maximum(scores, lower)).max() == 2 * count, "rows that are apart stay apart"


def test_a_stripe_without_a_core_is_left_as_it_is():
    scores = np.where(two_bars() > 0, 0.5, -3.0)
    assert stripes(scores).max() == 1


def nearest_by_hand(rows, cols, core_rows, core_cols):
    """Which of the core pixels may be the nearest to each pixel: 2 rows are as far as 20 columns."""
    away = np.maximum(abs(rows[:, None] - core_rows) / 2.0, abs(cols[:, None] - core_cols) / 20.0)
    return away <= away.min(axis=1, keepdims=True) + 1e-9


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), least_rank=st.sampled_from([0.0, 0.3, 1.0]))
def test_parts_are_as_promised(seed, least_rank):
    rng = np.random.default_rng(seed)
    scores = 6 * ndimage.gaussian_filter(rng.normal(size=(50, 90)), (1.5, 6)) / 0.09 / 2 - 0.5
    scores[:, 40] = -1.0
    whole = stripes(scores, core_threshold=np.inf, least_rank=least_rank)
    labels = stripes(scores, least_rank=least_rank)
    assert np.array_equal(labels > 0, whole > 0), "none is lost"
    assert np.array_equal(np.unique(labels[labels > 0]), np.arange(1, labels.max() + 1))
    ranks = rank_regions(labels, scores, THRESHOLD, SPACING_M[1])
    for number in range(1, whole.max() + 1):
        parts = np.unique(labels[whole == number])
        if parts.size == 1:
            continue
        assert (ranks[parts - 1] > least_rank).all()
        assert not np.isin(labels[(whole > 0) & (whole != number)], parts).any(), "no part is of two stripes"
        assert all((scores[labels == part] > CORE_THRESHOLD).any() for part in parts)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_halo_goes_with_the_nearest_core(seed):
    rng = np.random.default_rng(seed)
    scores = two_bars()
    scores[8:32, 5:115][rng.random((24, 110)) < 0.2] = -3.0
    labels = stripes(scores)
    assert labels.max() == 2
    rows, cols = np.nonzero(labels)
    core = scores[rows, cols] > CORE_THRESHOLD
    nearest = nearest_by_hand(rows, cols, rows[core], cols[core])
    same = labels[rows, cols][:, None] == labels[rows[core], cols[core]]
    assert (nearest & same).any(axis=1).all()


def test_no_pixels_are_no_stripes():
    none = np.zeros(0, np.intp)
    pixels = StripePixels(none, none, np.zeros(0))
    assert not split_by_cores(np.zeros(0, np.int32), pixels, 0.0, 1.0, (), SPACING_M).size


@pytest.mark.parametrize("seam", [30, 60])
def test_cores_of_two_sub_swaths_are_two_stripes(seam):
    labels = stripes(two_bars(), seams=(seam,))
    assert labels.max() == 4
    assert not set(np.unique(labels[:, :seam])) & set(np.unique(labels[:, seam:])) - {0}
