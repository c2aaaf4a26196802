"""Simulated scenes: reproducible, plausible, and true to their truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.priors import bundled_priors
from rfiscan.simulation import background as background_module
from rfiscan.simulation import compose_scene, draw_background, draw_interference, draw_layout, simulate_scene
from rfiscan.simulation.background import LAND_RATIO_DB, SURFACES, draw_noise_floor, draw_surface
from rfiscan.simulation.emitters import KINDS
from rfiscan.simulation.fields import fractal_field, quantile_mask
from rfiscan.simulation.scene import VISIBLE_DB

SHAPE = (120, 200)
MODES = ("IW", "EW", "SM")
PRIORS = bundled_priors()
quick = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10_000)


def rng(seed=0):
    return np.random.default_rng(seed)


def simulate(seed, shape=SHAPE, **choices):
    return simulate_scene(rng(seed), PRIORS, shape, **choices)


@pytest.fixture(scope="module")
def scenes():
    """Scenes with interference of every kind, over every surface."""
    return [simulate(seed, kind=KINDS[seed % 5], surface=SURFACES[seed % 4]) for seed in range(20)]


# scenes


def test_a_seed_gives_one_scene_and_another_seed_another():
    one, same, other = (simulate(seed, (60, 100)) for seed in (3, 3, 4))
    assert np.array_equal(one.power, same.power)
    assert np.array_equal(one.rfi_mask, same.rfi_mask)
    assert np.array_equal(one.labels, same.labels)
    assert one.interferers == same.interferers
    assert not np.array_equal(one.power, other.power)


def test_power_is_finite_and_positive(scenes):
    for scene in scenes:
        assert scene.power.dtype == np.float32
        assert np.isfinite(scene.power).all()
        assert (scene.clean_power > 0).all()


def test_interference_only_adds_power(scenes):
    for scene in scenes:
        assert (scene.power >= scene.clean_power).all()
        nowhere = scene.interference == 0
        assert np.array_equal(scene.power[nowhere], scene.clean_power[nowhere])


def test_interference_stays_off_invalid_pixels(scenes):
    for scene in scenes:
        assert np.array_equal(scene.valid_mask[0], scene.layout.valid_mask())
        invalid = ~scene.valid_mask
        assert not (scene.power - scene.clean_power)[invalid].any()
        assert not scene.excess_db[invalid].any()
        assert not scene.rfi_mask[invalid[0]].any()
        assert not scene.labels[invalid[0]].any()


def test_truth_is_where_interference_is_visible(scenes):
    for scene in scenes:
        assert (scene.excess_db >= 0).all()
        assert np.array_equal(scene.rfi_mask, (scene.excess_db >= VISIBLE_DB).any(axis=0))
        for interferer in scene.interferers:
            for stripe in interferer.stripes:
                pixels = scene.labels == stripe.label
                if stripe.visible and pixels.any():
                    assert scene.excess_db[:, pixels].max() >= VISIBLE_DB
    assert np.mean([scene.rfi_mask.any() for scene in scenes]) > 0.7


def test_interference_averages_to_its_expected_power(scenes):
    ratios = []
    for scene in scenes:
        strong = scene.interference > 0.3 * scene.interference.max(axis=(1, 2), keepdims=True)
        strong &= scene.interference > scene.clean_power
        if strong.sum() > 50:
            ratios.append(((scene.power - scene.clean_power)[strong] / scene.interference[strong]).mean())
    assert len(ratios) > 5
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)


def test_what_is_asked_for_is_what_the_scene_holds():
    scene = simulate(1, mode="EW", kind="chirped", polarization="horizontal", count=2, surface="sea")
    assert scene.layout.mode == "EW"
    assert 0 < len(scene.interferers) <= 2
    assert {interferer.emitter.kind for interferer in scene.interferers} == {"chirped"}
    assert all(interferer.emitter.cross_over_co_db > 8 for interferer in scene.interferers)


@pytest.mark.parametrize("mode", MODES)
def test_a_clean_scene_has_no_emitter_and_an_empty_mask(mode):
    scene = simulate(0, contaminated=False, mode=mode)
    assert scene.interferers == ()
    assert not scene.rfi_mask.any()
    assert not scene.labels.any()
    assert not scene.excess_db.any()
    assert np.array_equal(scene.power, scene.clean_power)
    assert scene.layout.mode == mode


def test_the_clean_power_is_the_scene_without_its_interference():
    layout = draw_layout(rng(1), SHAPE, mode="IW")
    background = draw_background(rng(2), layout)
    valid = np.broadcast_to(layout.valid_mask(), background.shape)
    interference = draw_interference(rng(3), layout, background, PRIORS)
    with_it = compose_scene(rng(4), layout, background, valid, interference, looks=300.0)
    without = compose_scene(rng(4), layout, background, valid, None, looks=300.0)
    assert interference.power.any()
    assert np.array_equal(with_it.clean_power, without.power)


def test_a_real_background_gets_no_speckle():
    layout = draw_layout(rng(1), SHAPE, mode="IW")
    background = draw_background(rng(2), layout)
    scene = compose_scene(rng(3), layout, background, np.ones(background.shape, bool), None, looks=None)
    assert np.array_equal(scene.power, background)


def test_speckle_has_the_looks_asked_for():
    layout = draw_layout(rng(1), SHAPE, mode="IW")
    flat = np.ones((2, *SHAPE), np.float32)
    scene = compose_scene(rng(2), layout, flat, flat > 0, None, looks=200.0)
    assert scene.power.mean() == pytest.approx(1.0, abs=0.01)
    assert scene.power.mean() ** 2 / scene.power.var() == pytest.approx(200.0, rel=0.1)


def test_scenes_do_not_depend_on_the_global_state():
    np.random.seed(1)  # noqa: NPY002 - the global state is the point
    one = simulate(2, (40, 60))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(simulate(2, (40, 60)).power, one.power)
    np.random.seed(1)  # noqa: NPY002
    simulate(2, (40, 60))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# backgrounds


@pytest.mark.parametrize("seed", range(4))
def test_bare_land_is_fainter_in_cross_pol_alone(seed):
    layout = draw_layout(rng(seed), SHAPE)
    green, bare = (
        draw_background(rng(seed), layout, "land", land_ratio_db=(ratio, ratio)) for ratio in (LAND_RATIO_DB[0], 14.0)
    )
    np.testing.assert_array_equal(bare[0], green[0])
    assert (bare[1] <= green[1]).all()
    assert np.median(bare[1] / green[1]) < 0.8


@pytest.mark.parametrize("seed", range(12))
def test_natural_targets_are_brighter_in_co_pol(seed, monkeypatch):
    monkeypatch.setattr(
        background_module, "draw_noise_floor", lambda _, layout, _cup: np.zeros((2, *layout.shape), np.float32)
    )
    co_pol, cross_pol = draw_background(rng(seed), draw_layout(rng(seed), SHAPE), SURFACES[seed % len(SURFACES)])
    assert (co_pol >= cross_pol).all()


def test_land_is_brighter_than_the_sea():
    levels = {
        surface: np.median(
            [np.median(draw_background(rng(s), draw_layout(rng(s), (60, 90)), surface)[1]) for s in range(20)]
        )
        for surface in ("sea", "land")
    }
    assert 10 * np.log10(levels["land"] / levels["sea"]) > 3


def test_every_surface_is_drawn():
    assert {draw_surface(rng(seed)) for seed in range(60)} == set(SURFACES)


@pytest.mark.parametrize("mode", MODES)
def test_the_noise_floor_has_one_shape_in_both_polarizations(mode):
    floor = draw_noise_floor(rng(5), draw_layout(rng(5), SHAPE, mode=mode))
    assert (floor > 0).all()
    np.testing.assert_allclose(floor[1] / floor[0], floor[1, 0, 0] / floor[0, 0, 0], rtol=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cup_db", [0.0, 2.0, 8.0])
def test_the_noise_floor_rises_to_the_edges_of_sub_swaths_as_told(mode, cup_db):
    """Measured against a floor drawn from the same numbers without any rise, so that tilts and steps cancel."""
    layout = draw_layout(rng(5), SHAPE, mode=mode)
    flat, cup = (10 * np.log10(draw_noise_floor(rng(5), layout, (c, c))[1, 0]) for c in (0.0, cup_db))
    for low, high in pairwise(np.clip(layout.edges_px, 0, SHAPE[1])):
        rise = (cup - flat)[round(low) : round(high)]
        assert rise.min() >= -1e-3
        assert rise.max() <= 1.3 * cup_db + 1e-3
        assert max(rise[0], rise[-1]) == pytest.approx(rise.max(), abs=1e-3)
    if mode != "SM":  # whose one sub-swath goes on beyond the scene
        assert (cup - flat).max() >= 0.6 * cup_db


@quick
@given(seed=seeds, shape=st.tuples(st.integers(8, 70), st.integers(8, 70)), slope=st.floats(0.5, 4))
def test_a_random_field_has_zero_mean_and_unit_deviation(seed, shape, slope):
    field = fractal_field(rng(seed), shape, slope)
    assert field.shape == shape
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("share", [-0.1, 0.0, 0.25, 1.0, 1.5])
def test_a_quantile_mask_covers_the_share_asked_for(share):
    field = fractal_field(rng(), (50, 60), 2.0)
    assert quantile_mask(field, share).mean() == pytest.approx(min(max(share, 0), 1), abs=1e-3)
