"""Classical detectors: each finds what is plain, and is not fooled by the end of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage

import rfiscan.baselines
from rfiscan.baselines import AzimuthMedian, Gabor, PatchPca, Rayleigh, RowStatistics, pca, weigh_scene
from rfiscan.baselines.detector import azimuth_median, fill_levels, over_spread
from rfiscan.tiling.tiles import cut_tile, plan_windows

SHAPE = (200, 300)
ROWS = slice(90, 100)
STRIPE = (ROWS, slice(0, 100))  # one sub-swath wide
MAX_LINES = 60
NAMES = ("rayleigh", "median", "gabor", "rows", "pca")


def sea(seed=0, shape=SHAPE):
    """Speckled sea that brightens towards near range, cross-pol 10 dB darker; no interference."""
    rng = np.random.default_rng(seed)
    power = rng.gamma(300.0, 1 / 300.0, (2, *shape)) * 10 ** np.linspace(0.4, 0.0, shape[1])
    power[1] *= 0.1
    return power.astype(np.float32)


def with_stripe(power, channel=1, gain_db=3.0):
    power = power.copy()
    power[channel][STRIPE] *= np.float32(10 ** (gain_db / 10))
    return power


def ragged(shape=SHAPE):
    """A valid mask with slanted borders and a step of nodata, as products have them."""
    row, col = np.mgrid[: shape[0], : shape[1]]
    valid = (col > 8 + 0.1 * row) & (col < shape[1] - 25 + 0.1 * row) & (row > 4)
    valid &= ~((row < 30) & (col < shape[1] // 3))
    return np.stack([valid, valid])


@pytest.fixture(scope="module")
def detectors():
    clean = [(sea(seed), np.ones((2, *SHAPE), bool)) for seed in range(100, 104)]
    fitted = PatchPca.fit(clean, seed=1)
    return dict(zip(NAMES, (Rayleigh(), AzimuthMedian(), Gabor(), RowStatistics(), fitted), strict=True))


@pytest.fixture(params=NAMES)
def detector(request, detectors):
    return detectors[request.param]


def anomaly(detector, power, valid=None):
    evidence = weigh_scene(detector, power, np.ones(power.shape, bool) if valid is None else valid)
    return np.fmax(evidence[0], evidence[1])


@pytest.mark.parametrize("name", NAMES)
def test_each_takes_less_than_sixty_lines(name):
    folder = Path(rfiscan.baselines.__file__).parent
    assert len((folder / f"{name}.py").read_text(encoding="utf-8").splitlines()) < MAX_LINES


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("borders", [False, True])
def test_a_plain_stripe_stands_out_of_its_scene_and_of_a_clean_one(detector, channel, borders):
    valid = ragged() if borders else np.ones((2, *SHAPE), bool)
    found = anomaly(detector, with_stripe(sea(), channel), valid)
    core = np.median(found[ROWS, 25:75])
    clean = anomaly(detector, sea(1), valid)
    assert core > np.nanmax(clean)
    away = found.copy()
    away[ROWS.start - 20 : ROWS.stop + 20] = np.nan  # what a window around the stripe reaches
    assert core > np.nanmax(away)


def test_a_stripe_shows_in_its_own_polarization(detector):
    power = with_stripe(sea(), channel=1)
    co, cross = weigh_scene(detector, power, np.ones(power.shape, bool))
    assert np.median(cross[STRIPE]) > np.median(co[STRIPE])


def test_what_both_polarizations_show_counts_less(detector):
    valid = np.ones((2, *SHAPE), bool)
    alone = weigh_scene(detector, with_stripe(sea()), valid)[1]
    shared = weigh_scene(detector, with_stripe(with_stripe(sea()), channel=0), valid)[1]
    assert np.median(shared[STRIPE]) < np.median(alone[STRIPE])


def test_evidence_is_nan_exactly_where_invalid(detector):
    valid = ragged()
    valid[1, 150:160, 150:160] = False
    evidence = weigh_scene(detector, np.where(valid, sea(), np.float32(np.nan)), valid)
    assert evidence.shape == valid.shape
    assert evidence.dtype == np.float32
    assert np.array_equal(np.isfinite(evidence), valid)


def test_an_absent_polarization_changes_nothing_but_its_own(detector):
    valid = np.ones((2, *SHAPE), bool)
    valid[0] = False
    evidence = weigh_scene(detector, np.where(valid, with_stripe(sea()), np.float32(np.nan)), valid)
    assert np.isnan(evidence[0]).all()
    assert np.median(evidence[1][STRIPE]) > np.percentile(evidence[1], 90)


def test_what_lies_in_nodata_does_not_matter(detector):
    valid = ragged()
    dark, bright = (np.where(valid, with_stripe(sea()), np.float32(filler)) for filler in (0.0, 1e6))
    assert np.array_equal(weigh_scene(detector, dark, valid), weigh_scene(detector, bright, valid), equal_nan=True)


@pytest.mark.parametrize("gain", [1e-6, 3.7e4])
def test_the_scale_of_the_power_does_not_matter(detector, gain):
    power, valid = with_stripe(sea()), ragged()
    scaled = weigh_scene(detector, power * np.float32(gain), valid)
    np.testing.assert_allclose(scaled, weigh_scene(detector, power, valid), atol=2e-3)


@pytest.mark.parametrize("shape", [(5, 7), (40, 9), (9, 40)])
def test_a_scene_smaller_than_every_window_is_scored(detector, shape):
    evidence = weigh_scene(detector, sea(shape=shape), np.ones((2, *shape), bool))
    assert np.isfinite(evidence).all()


def test_principal_components_follow_the_seed():
    scenes = [(sea(seed), ragged()) for seed in range(3)]
    one, same, other = (PatchPca.fit(scenes, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.basis, same.basis)
    assert not np.array_equal(one.mean, other.mean)


def test_principal_components_are_those_of_the_largest_variance():
    """Against a full decomposition: no other orthonormal patches leave less."""
    fitted = PatchPca.fit([(sea(3), np.ones((2, *SHAPE), bool))], seed=1)
    levels = fill_levels(sea(3), np.ones((2, *SHAPE), bool))
    windows = plan_windows(*SHAPE, pca.SHAPE, 0.5)
    assert len(windows) <= pca.PATCHES_PER_SCENE
    patches = np.stack([cut_tile(levels[0], window, pca.SHAPE).ravel() for window in windows])
    singular = np.linalg.svd(patches - patches.mean(axis=0), compute_uv=False)
    left = len(patches) * (fitted.spread[0] ** 2).sum()
    assert left == pytest.approx((singular[pca.COMPONENTS :] ** 2).sum(), rel=1e-3)


def test_principal_components_are_orthonormal_and_make_up_what_they_span(detectors):
    fitted = detectors["pca"]
    for basis in fitted.basis:
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-4)


# what they share


def test_gaps_are_filled_by_the_nearest_valid_pixel():
    power, valid = sea(shape=(20, 30)), np.ones((2, 20, 30), bool)
    valid[0, :, :5] = False
    levels = fill_levels(power, valid)
    assert np.array_equal(levels[0, :, :5], np.repeat(levels[0, :, 5:6], 5, axis=1))
    assert np.median(levels[0][valid[0]]) == pytest.approx(0, abs=1e-5)


def test_the_azimuth_median_agrees_with_a_filter_where_it_is_taken():
    levels = np.random.default_rng(0).normal(size=(2, 41, 6)).astype(np.float32)
    ours = azimuth_median(levels, 11, step_px=1)
    np.testing.assert_allclose(ours, scipy.ndimage.median_filter(levels, (1, 11, 1), mode="nearest"), atol=1e-6)
    np.testing.assert_allclose(azimuth_median(levels, 11)[:, ::4], ours[:, ::4], atol=1e-6)


def test_the_spread_is_that_of_a_gaussian_and_ignores_outliers():
    values = np.random.default_rng(0).normal(0, 3, (2, 100, 100)).astype(np.float32)
    values[1, :10] = 1e4
    scaled = over_spread(values, np.ones(values.shape, bool), 0.0)
    assert scaled[0].std() == pytest.approx(1, rel=0.05)
    assert scaled[1, 10:].std() == pytest.approx(1, rel=0.15)


def test_row_statistics_judge_each_third_of_the_width_by_itself():
    level = np.random.default_rng(0).normal(0, 1, (2, *SHAPE)).astype(np.float32)
    valid = np.ones(level.shape, bool)
    before = RowStatistics().excess(level, valid)
    assert np.unique(before[1, ROWS.start]).size == 3
    level[1, ROWS, 100:200] += 5
    changed = RowStatistics().excess(level, valid) != before
    assert changed[1, ROWS, 100:200].all()
    assert not changed[:, :, :100].any()
    assert not changed[:, :, 200:].any()
