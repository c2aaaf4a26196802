"""Interference that fills a sub-swath."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rfiscan.priors import bundled_priors
from rfiscan.simulation import Interference, draw_interference
from rfiscan.simulation.filling import FILLED_SHARE, draw_filling, filled_share
from rfiscan.simulation.interference import VISIBLE_RATIO
from rfiscan.training_data.backgrounds import simulate_background
from tests.make_interference import whole_layout

SHAPE = (60, 90)
LAYOUT = whole_layout("IW", SHAPE)


def interference_of(power):
    return Interference(power=power.astype(np.float32), labels=np.zeros(SHAPE, np.uint16), interferers=())


def scene(seed):
    return simulate_background(np.random.default_rng(seed), SHAPE, 500.0, "sea")


def columns_of(swath):
    return slice(*(round(edge) for edge in LAYOUT.edges_px[swath : swath + 2]))


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("swath", range(LAYOUT.swath_count))
def test_the_fullest_sub_swath_counts_in_either_polarization(swath, channel):
    power, background = np.zeros((2, *SHAPE)), np.full((2, *SHAPE), 3.0, np.float32)
    power[channel, :15, columns_of(swath)] = 3.0
    whole = np.ones(power.shape, bool)
    assert filled_share(interference_of(power), LAYOUT, background, whole) == pytest.approx(0.25)
    power[channel, :, columns_of(0)] = 3.0 * VISIBLE_RATIO * 1.01
    assert filled_share(interference_of(power), LAYOUT, background, whole) == 1.0


def test_what_is_not_seen_fills_nothing():
    power, background = np.full((2, *SHAPE), 0.9 * VISIBLE_RATIO), np.ones((2, *SHAPE), np.float32)
    whole = np.ones(power.shape, bool)
    assert filled_share(interference_of(power), LAYOUT, background, whole) == 0.0
    assert filled_share(interference_of(power * 9), LAYOUT, background, ~whole) == 0.0
    half = whole.copy()
    half[:, : SHAPE[0] // 2] = False
    assert filled_share(interference_of(power * 9), LAYOUT, background, half) == 1.0


def test_it_is_what_could_have_been_drawn_and_fills_more():
    priors, filling, usual = bundled_priors(), [], []
    for seed in range(12):
        background = scene(seed)
        over = (background.layout, background.power, priors)
        where = {"spacing_m": 500.0, "valid_mask": background.valid_mask}
        for shares, draw in ((filling, draw_filling), (usual, draw_interference)):
            drawn = draw(np.random.default_rng(seed), *over, **where)
            shares.append(filled_share(drawn, background.layout, background.power, background.valid_mask))
            assert np.array_equal(drawn.power, draw(np.random.default_rng(seed), *over, **where).power)
    assert all(a >= b for a, b in zip(filling, usual, strict=True))  # the first that it draws is the usual one
    assert np.mean(np.array(filling) >= FILLED_SHARE) > 0.4 > np.mean(np.array(usual) >= FILLED_SHARE)


def test_priors_of_which_none_fills_anything_are_no_endless_search():
    background, priors = scene(3), replace(bundled_priors(), ibr_db=(-40.0, -40.0))
    drawn = draw_filling(
        np.random.default_rng(1),
        background.layout,
        background.power,
        priors,
        spacing_m=500.0,
        valid_mask=background.valid_mask,
    )
    assert filled_share(drawn, background.layout, background.power, background.valid_mask) < 0.01
