"""Standardised tiles do not depend on the unknown gain of a product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.standardisation import Standardisation, median_db

quick = settings(max_examples=30, deadline=None)


def speckle(seed=0, shape=(2, 24, 30)):
    rng = np.random.default_rng(seed)
    power = rng.gamma(5.0, 0.2, shape).astype(np.float32)
    return power, rng.random(shape) < 0.9


@quick
@given(seed=st.integers(0, 100), gains_db=st.tuples(st.floats(-60, 60), st.floats(-60, 60)))
def test_a_gain_changes_nothing_but_the_centre(seed, gains_db):
    power, valid = speckle(seed)
    gains = (10 ** (np.array(gains_db) / 10)).astype(np.float32)[:, None, None]
    tile, centre_db = Standardisation().apply(power, valid)
    scaled, scaled_centre_db = Standardisation().apply(power * gains, valid)
    assert scaled == pytest.approx(tile, abs=1e-4)
    assert scaled_centre_db - centre_db == pytest.approx(np.array(gains_db), abs=1e-4)


def test_values_are_decibels_over_the_median_in_units_of_the_scale():
    power, valid = speckle()
    tile, centre_db = Standardisation(scale_db=2.5, clip=(-100, 100)).apply(power, valid)
    for channel in (0, 1):
        expected_db = 10 * np.log10(power[channel]) - 10 * np.log10(np.median(power[channel][valid[channel]]))
        assert tile[channel][valid[channel]] == pytest.approx(expected_db[valid[channel]] / 2.5, abs=1e-5)
    assert centre_db == pytest.approx(median_db(power, valid))


def test_values_are_clipped_and_zero_where_invalid():
    power, valid = speckle()
    power[0, 0, :4] = (0.0, 1e-20, 1e9, np.nan)
    valid[0, 0, :4] = (True, True, True, False)
    tile, _ = Standardisation().apply(power, valid)
    assert tile.dtype == np.float32
    assert tile[0, 0, :4].tolist() == [-4.0, -4.0, 6.0, 0.0]
    assert not tile[~valid].any()


def test_an_absent_polarization_has_no_centre_and_leaves_the_other_alone():
    power, valid = speckle()
    both, _ = Standardisation().apply(power, valid)
    valid[1] = False
    power[1] = np.nan
    tile, centre_db = Standardisation().apply(power, valid)
    assert np.isfinite(centre_db[0])
    assert np.isnan(centre_db[1])
    assert np.array_equal(tile[0], both[0])
    assert not tile[1].any()


def test_a_given_centre_is_used():
    power, valid = speckle()
    centre_db = np.array([3.0, -5.0])
    tile, returned = Standardisation().apply(power, valid, centre_db)
    assert np.array_equal(returned, centre_db)
    moved, _ = Standardisation().apply(power, valid, centre_db + 0.4)
    inside = valid & (np.abs(tile) < 3)
    assert moved[inside] == pytest.approx(tile[inside] - 0.1, abs=1e-5)


def test_interference_does_not_move_the_centre_much():
    power, valid = speckle(shape=(2, 100, 100))
    before = median_db(power, valid)
    power[1, 10:18, 20:90] *= 100
    assert median_db(power, valid) == pytest.approx(before, abs=0.5)


@pytest.mark.parametrize("zero_share", [0.3, 0.6, 1.0])
def test_dark_pixels_of_zero_power_give_no_nan(zero_share):
    """Noise removal clips power at zero: such a pixel is dark and valid, not missing."""
    power, valid = speckle()
    power[1][np.random.default_rng(1).random(power.shape[1:]) < zero_share] = 0.0
    valid[:] = True
    tile, centre_db = Standardisation().apply(power, valid)
    assert np.isfinite(tile).all()
    assert np.isfinite(centre_db[1]) == (zero_share < 1)
    if zero_share == 1:
        assert not tile[1].any()  # all pixels are alike: each is at the median
