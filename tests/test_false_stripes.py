"""How likely stripes are false: the inverse of the calibration of ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan.detections.false_stripes import false_stripe_rate
from rfiscan.detections.stripes import FALSE_STRIPES, least_rank_at
from rfiscan.model_files.card_file import bundled_models_dir, read_card

RANKS = {1e-2: {3.0: 1.0, 1.0: 2.0, 0.1: 4.0}, 1e-4: {3.0: 0.0, 1.0: 0.0, 0.1: 1.0}}
fars = st.floats(1e-4, 1e-2)


@given(far=st.floats(2e-4, 1e-2), rate=st.floats(0.1, 3.0))
def test_it_undoes_the_choice_of_the_least_rank(far, rate):
    rank = least_rank_at(RANKS, far, rate, "model")
    per_scene, bound = false_stripe_rate(rank, RANKS, far)
    assert bound is None
    assert per_scene == pytest.approx(rate, rel=1e-6)


@given(far=fars, ranks=st.lists(st.floats(0.001, 20), min_size=2, max_size=2, unique=True).map(sorted))
def test_a_higher_rank_is_never_falser(far, ranks):
    low, high = (false_stripe_rate(rank, RANKS, far) for rank in ranks)
    assert high.per_scene <= low.per_scene
    assert 0.1 <= high.per_scene <= 3.0 or high.bound is not None


def test_beyond_the_calibration_it_is_a_bound():
    assert false_stripe_rate(4.5, RANKS, 1e-2) == (0.1, "at_most")
    assert false_stripe_rate(0.5, RANKS, 1e-2) == (3.0, "at_least")
    assert false_stripe_rate(4.0, RANKS, 1e-2) == (pytest.approx(0.1), None)


def test_where_all_stripes_together_are_fewer_the_lowest_number_holds():
    per_scene, bound = false_stripe_rate(1e-9, RANKS, 1e-4)
    assert bound is None
    assert per_scene == pytest.approx(1.0)


def test_without_a_calibration_it_is_not_known():
    assert false_stripe_rate(3.0, {}, 1e-3) is None


@pytest.mark.parametrize("name", ["cae", "mae"])
def test_what_a_bundled_model_keeps_by_default_is_falser_at_the_limit_only(name):
    ranks = read_card(bundled_models_dir() / name).stripe_ranks
    limit = least_rank_at(ranks, 1e-3, None, name)
    kept = [false_stripe_rate(rank, ranks, 1e-3).per_scene for rank in np.linspace(limit, limit + 10, 50)]
    assert kept[0] == pytest.approx(FALSE_STRIPES)
    assert max(kept) <= FALSE_STRIPES + 1e-9
    assert min(kept) == pytest.approx(0.03)
