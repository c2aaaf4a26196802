"""Scores: one-sided, NaN where invalid, and monotone on the way to a mask and a severity."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rfiscan.grids.local_means import mean_over_valid
from rfiscan.scoring import (
    SCENE_SHARE,
    SceneScorer,
    ScoringSettings,
    apply_threshold,
    clean_share_above,
    null_scale,
    scene_score,
    score_scene,
    severity,
)

SHAPE = (60, 80)
BLOCK = (slice(20, 30), slice(20, 50))
SETTINGS = ScoringSettings()
quick = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 1000)


@pytest.fixture(params=["excess", "log odds"])
def odds(request):
    """Log odds of an evidence network, or None for the rule."""
    if request.param == "excess":
        return None
    return np.random.default_rng(9).normal(-3, 2, (2, *SHAPE)).astype(np.float32)


def draw_residual(seed=0, share_valid=1.0):
    """A scene that the network expects at 0 with a spread of 0.25, and its noise."""
    rng = np.random.default_rng(seed)
    valid = rng.random((2, *SHAPE)) < share_valid
    scene = np.where(valid, rng.laplace(0, 0.25, (2, *SHAPE)), 0).astype(np.float32)
    return scene, valid


def score(scene, valid, log_odds=None, reconstruction=None):
    expected = np.zeros_like(scene) if reconstruction is None else reconstruction
    return score_scene(scene, expected, np.full_like(scene, 0.25), valid, SETTINGS, log_odds)


# score_scene


def test_scores_are_nan_where_invalid_and_nowhere_else(odds):
    scene, valid = draw_residual(share_valid=0.8)
    scored = score(scene, valid, odds)
    assert np.array_equal(np.isfinite(scored.evidence), valid)
    assert np.array_equal(np.isfinite(scored.error_map), valid)
    assert np.array_equal(np.isfinite(scored.anomaly_map), valid.any(axis=0))
    assert scored.anomaly_map.dtype == scored.evidence.dtype == scored.error_map.dtype == np.float32


def test_the_anomaly_is_the_larger_evidence(odds):
    scene, valid = draw_residual(share_valid=0.9)
    scored = score(scene, valid, odds)
    present = valid.any(axis=0)
    larger = np.where(valid, scored.evidence, -np.inf).max(axis=0)
    assert np.array_equal(scored.anomaly_map[present], larger[present])


def test_the_error_is_the_absolute_difference():
    scene, valid = draw_residual()
    reconstruction = np.roll(scene, 5, axis=2)
    assert score(scene, valid, reconstruction=reconstruction).error_map == pytest.approx(np.abs(scene - reconstruction))


def test_an_absent_polarization_says_nothing_and_flags_nothing(odds):
    scene, valid = draw_residual()
    valid[1] = False
    scene[1] = 0
    scored = score(scene, valid, odds)
    assert np.isnan(scored.evidence[1]).all()
    assert np.array_equal(scored.anomaly_map, scored.evidence[0])
    garbage = scene.copy()
    garbage[1] = 50
    loud = None if odds is None else np.where(valid, odds, np.float32(50))
    assert np.array_equal(score(garbage, valid, loud).anomaly_map, scored.anomaly_map)


@pytest.mark.parametrize("channel", [0, 1])
def test_a_bright_block_in_one_polarization_stands_out(channel):
    scene, valid = draw_residual()
    scene[channel][BLOCK] += 1.5
    scored = score(scene, valid)
    outside = np.ones(SHAPE, bool)
    outside[15:35, 15:55] = False
    assert np.median(scored.anomaly_map[BLOCK]) > 2 * scored.anomaly_map[outside].max()
    assert np.argmax([np.median(e[BLOCK]) for e in scored.evidence]) == channel


@quick
@given(seed=seeds, depth=st.floats(0, 6), channel=st.sampled_from([0, 1, slice(None)]))
def test_darkening_a_block_adds_no_evidence(seed, depth, channel):
    """Interference only adds power: at most, a polarization loses what the other shared with it."""
    scene, valid = draw_residual(seed)
    wide = np.ones_like(scene)  # so wide that the scene's own roughness does not matter
    unshared = score_scene(scene, 0 * scene, wide, valid, ScoringSettings(shared_weight=0)).anomaly_map
    scene[channel, BLOCK[0], BLOCK[1]] -= depth
    after = score_scene(scene, 0 * scene, wide, valid, SETTINGS).anomaly_map
    assert (after <= np.maximum(unshared, 0) + 1e-5).all()


@quick
@given(seed=seeds, depth=st.floats(0.6, 6))
def test_a_dark_block_lies_below_its_surroundings(seed, depth):
    scene, valid = draw_residual(seed)
    scene[:, BLOCK[0], BLOCK[1]] -= depth
    anomaly = score(scene, valid).anomaly_map
    outside = np.ones(SHAPE, bool)
    outside[BLOCK] = False
    assert anomaly[22:28, 24:46].max() < np.median(anomaly[outside])


def test_excess_that_both_polarizations_share_counts_less():
    scene, valid = draw_residual()
    scene[1][BLOCK] += 1.0
    alone = score(scene, valid).anomaly_map[BLOCK]
    scene[0][BLOCK] += 1.0
    shared = score(scene, valid).anomaly_map[BLOCK]
    assert np.median(shared) < 0.6 * np.median(alone)


def test_a_rough_scene_is_judged_by_its_own_roughness():
    scene, valid = draw_residual()
    assert score(3 * scene, valid).anomaly_map == pytest.approx(score(scene, valid).anomaly_map, abs=0.3)


def test_log_odds_are_the_evidence_wherever_valid():
    scene, valid = draw_residual(share_valid=0.9)
    odds = np.random.default_rng(9).normal(-3, 2, scene.shape).astype(np.float32)
    kept = odds.copy()
    scored = score(scene, valid, odds)
    assert np.array_equal(scored.evidence[valid], odds[valid])
    assert np.array_equal(odds, kept)
    brighter = score(scene + 3, valid, odds)  # the network has seen the scene; scoring does not weigh it again
    assert np.array_equal(brighter.anomaly_map, scored.anomaly_map, equal_nan=True)
    assert (brighter.error_map[valid] != scored.error_map[valid]).all()


# local means and scales


@quick
@given(seed=seeds, rows=st.sampled_from([1, 3, 5]), cols=st.sampled_from([1, 3, 7]))
def test_the_mean_over_valid_pixels_agrees_with_a_naive_one(seed, rows, cols):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(9, 11)).astype(np.float32)
    valid = rng.random(values.shape) < 0.5
    mean = mean_over_valid(np.where(valid, values, np.float32(1e6)), valid, (rows, cols))
    for row, col in np.ndindex(*values.shape):
        near = (
            slice(max(0, row - rows // 2), row + rows // 2 + 1),
            slice(max(0, col - cols // 2), col + cols // 2 + 1),
        )
        expected = values[near][valid[near]].mean() if valid[near].any() else 0.0
        assert mean[row, col] == pytest.approx(expected, abs=1e-4)


def test_the_null_scale_is_one_for_the_expected_noise_and_grows_with_it():
    rng = np.random.default_rng(0)
    deviation = rng.laplace(0, 1, (2, 200, 200)).astype(np.float32)
    valid = np.ones(deviation.shape, bool)
    deviation[1] *= 3
    assert null_scale(deviation, valid) == pytest.approx([1, 3], rel=0.05)
    assert null_scale(0.2 * deviation, valid).min() == 1
    bright = np.where(deviation > 0, 100 * deviation, deviation)
    assert np.array_equal(null_scale(bright, valid), null_scale(deviation, valid))
    assert np.array_equal(null_scale(deviation, np.zeros_like(valid)), [1, 1])


# masks


def draw_map(seed):
    rng = np.random.default_rng(seed)
    smooth = scipy.ndimage.uniform_filter(rng.normal(size=SHAPE), 3).astype(np.float32)
    smooth[rng.random(SHAPE) < 0.05] = np.nan
    return smooth


@quick
@given(seed=seeds, low=st.floats(-0.5, 0.7), step=st.floats(0, 0.5), area=st.integers(1, 40))
def test_raising_the_threshold_never_adds_pixels(seed, low, step, area):
    chosen = ScoringSettings(min_area_px=area)
    anomaly = draw_map(seed)
    assert not (apply_threshold(anomaly, low + step, chosen) & ~apply_threshold(anomaly, low, chosen)).any()


@quick
@given(seed=seeds, threshold=st.floats(-0.5, 0.7), area=st.integers(1, 40))
def test_a_mask_keeps_the_regions_that_are_large_enough(seed, threshold, area):
    anomaly = draw_map(seed)
    mask = apply_threshold(anomaly, threshold, ScoringSettings(min_area_px=area))
    assert mask.dtype == bool
    above = np.nan_to_num(anomaly, nan=-np.inf) > threshold
    labels, count = scipy.ndimage.label(above, np.ones((3, 3)))
    for label in range(1, count + 1):
        region = labels == label
        assert mask[region].all() if region.sum() >= area else not mask[region].any()
    assert not mask[~above].any()


def test_the_threshold_itself_is_not_above_the_threshold():
    anomaly = np.full(SHAPE, 1.5, np.float32)
    assert not apply_threshold(anomaly, 1.5, SETTINGS).any()
    assert apply_threshold(anomaly, 1.4999, SETTINGS).all()


def test_pixels_that_touch_at_a_corner_are_one_region():
    anomaly = np.zeros(SHAPE, np.float32)
    anomaly[np.arange(12), np.arange(12)] = 1
    assert apply_threshold(anomaly, 0.5, ScoringSettings(min_area_px=12)).sum() == 12
    assert not apply_threshold(anomaly, 0.5, ScoringSettings(min_area_px=13)).any()


def test_nothing_above_the_threshold_is_an_empty_mask():
    assert not apply_threshold(np.full(SHAPE, np.nan, np.float32), 0.0, SETTINGS).any()


# severity


@quick
@given(seed=seeds, share=st.floats(0, 1), more=st.floats(0, 1))
def test_severity_lies_between_zero_and_one_and_grows_with_the_mask(seed, share, more):
    draw = np.random.default_rng(seed).random(SHAPE)
    valid = np.ones((2, *SHAPE), bool)
    small, large = severity(draw < share, valid), severity(draw < share + more, valid)
    assert 0 <= small <= large <= 1


def test_severity_is_zero_for_nothing_and_counts_valid_pixels_only():
    valid = np.ones((2, *SHAPE), bool)
    valid[:, 30:] = False
    nothing = np.zeros(SHAPE, bool)
    assert severity(nothing, valid) == 0
    outside = nothing.copy()
    outside[30:] = True
    assert severity(outside, valid) == 0
    assert severity(~nothing, valid) == pytest.approx(1)
    one_row = nothing.copy()
    one_row[0] = True
    half = np.zeros((2, *SHAPE), bool)
    half[0, :30] = True
    assert severity(one_row, valid) == severity(one_row, half) > severity(one_row, np.ones_like(valid))


def test_severity_of_a_scene_without_data_is_nan():
    assert np.isnan(severity(np.zeros(SHAPE, bool), np.zeros((2, *SHAPE), bool)))


# scene score


@quick
@given(seed=seeds, gaps=st.floats(0, 0.9), more=st.floats(0, 5))
def test_the_scene_score_is_exceeded_by_its_share_of_the_valid_pixels_and_never_falls_with_excess(seed, gaps, more):
    rng = np.random.default_rng(seed)
    anomaly = rng.normal(size=(200, 300)).astype(np.float32)
    anomaly[rng.random(anomaly.shape) < gaps] = np.nan
    score, valid = scene_score(anomaly), np.isfinite(anomaly).sum()
    assert (anomaly > score).sum() == pytest.approx(SCENE_SHARE * valid, abs=1)
    brighter = anomaly + np.float32(more) * (rng.random(anomaly.shape) < 0.01)
    assert scene_score(brighter.astype(np.float32)) >= score


@quick
@given(seed=seeds, gaps=st.floats(0, 0.99), cuts=st.lists(st.integers(0, 400), max_size=5), more=st.integers(0, 10**6))
def test_the_scene_score_of_pieces_is_that_of_the_whole(seed, gaps, cuts, more):
    rng = np.random.default_rng(seed)
    anomaly = np.round(rng.normal(size=(400, 150)), 3).astype(np.float32)
    anomaly[rng.random(anomaly.shape) < gaps] = np.nan
    scorer = SceneScorer(anomaly.size + more)
    for piece in np.split(anomaly, sorted(cuts)):
        scorer.add(piece)
    assert scorer.score() == pytest.approx(scene_score(anomaly), abs=1e-6)


def test_the_scene_score_of_nothing_is_nan():
    assert np.isnan(SceneScorer(100).score())
    assert np.isnan(scene_score(np.full(SHAPE, np.nan, np.float32)))


@quick
@given(
    scores=st.lists(st.floats(-10, 10), min_size=2, max_size=6, unique=True),
    at=st.floats(-20, 20),
    more=st.floats(0, 5),
)
@example(scores=[5.8e-98, -9.9e-14], at=0.0, more=0.0)  # rounds to less than 0.01
def test_fewer_clean_scenes_lie_above_a_higher_score(scores, at, more):
    shares = np.linspace(1, 0.01, len(scores)).tolist()
    table = dict(zip(shares, sorted(scores), strict=True))
    for share, score in table.items():
        assert clean_share_above(table, score) == pytest.approx(share)
    assert 0.01 <= clean_share_above(table, at + more) <= clean_share_above(table, at) <= 1


def test_without_calibration_or_score_nothing_is_said_of_clean_scenes():
    assert clean_share_above({}, 1.0) is None
    assert clean_share_above({1.0: -3.0, 0.5: 0.0}, float("nan")) is None
