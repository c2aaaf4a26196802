"""Figures from histograms, against scikit-learn and naive versions; weighted ones against repeated scenes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score, roc_curve

from rfiscan.metrics.histogram import (
    SCORE_BINS,
    ScoreBins,
    auroc,
    average_precision,
    best_f1,
    coarsen,
    detection_at_far,
    precision_at_recall,
)
from rfiscan.metrics.overlap import area_under_overlap, region_histogram

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10_000)


def draw(seed, count=300):
    """Scores on bin edges, so that bins keep their order and ties, and truth with both classes."""
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < rng.uniform(0.05, 0.9)
    truth[0], truth[-1] = True, False
    scores = np.round(rng.normal(0, 3, count) + rng.uniform(0, 4) * truth, rng.integers(0, 3))
    return scores, truth


def histograms(scores, truth):
    return SCORE_BINS.histogram(scores[truth])[None], SCORE_BINS.histogram(scores[~truth])[None]


def binned(scores):
    return SCORE_BINS.indices(scores)


# bins


@quick
@given(seed=seeds)
def test_coarser_bins_keep_average_precision(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(3000) < 0.2
    scores = rng.normal(-3, 1.5, 3000) + 3 * truth
    positive, negative = histograms(scores, truth)
    joined = average_precision(coarsen(positive[0])[None], coarsen(negative[0])[None])
    assert coarsen(positive[0]).sum() == truth.sum()
    assert joined[0] == pytest.approx(average_precision_score(truth, scores), abs=0.01)


@pytest.mark.parametrize("bins", [SCORE_BINS, ScoreBins(count=1024, scale=1e-3, limit=1.0)])
def test_bins_keep_order_and_cover_everything(bins):
    scores = np.concatenate([[-np.inf], np.sort(np.random.default_rng(0).standard_cauchy(5000)), [np.inf]])
    index = bins.indices(scores)
    assert (np.diff(index) >= 0).all()
    assert (index[0], index[-1]) == (0, bins.count - 1)
    assert bins.histogram(scores).sum() == scores.size


@quick
@given(score=st.floats(1e-2, 1e4), sign=st.sampled_from([-1, 1]))
def test_bins_tell_scores_apart_that_differ_by_two_percent(score, sign):
    low, high = sorted([sign * score, sign * score * 1.02])
    assert SCORE_BINS.indices(np.array(low)) < SCORE_BINS.indices(np.array(high))


@quick
@given(score=st.floats(-2e5, 2e5))
def test_a_score_lies_between_the_edges_of_its_bin(score):
    edges, index = SCORE_BINS.edges(), int(SCORE_BINS.indices(np.array(score)))
    slack = 1e-9 * max(1.0, abs(score))
    assert score >= edges[index] - slack
    if index + 1 < SCORE_BINS.count:
        assert score <= edges[index + 1] + slack


# figures against scikit-learn, on the binned scores


@quick
@given(seed=seeds)
def test_figures_agree_with_scikit_learn(seed):
    scores, truth = draw(seed)
    positive, negative = histograms(scores, truth)
    assert average_precision(positive, negative)[0] == pytest.approx(average_precision_score(truth, binned(scores)))
    assert auroc(positive, negative)[0] == pytest.approx(roc_auc_score(truth, binned(scores)))
    precision, recall, _ = precision_recall_curve(truth, binned(scores))
    with np.errstate(invalid="ignore"):
        f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
    best, threshold = best_f1(positive, negative, SCORE_BINS)
    assert best[0] == pytest.approx(f1.max())
    assert f1_score(truth, scores >= threshold - 1e-9) == pytest.approx(f1.max())


@quick
@given(seed=seeds, far=st.floats(0.003, 0.9))
def test_detection_at_a_rate_agrees_with_scikit_learn(seed, far):
    scores, truth = draw(seed)
    alarms, hits, _ = roc_curve(truth, binned(scores), drop_intermediate=False)
    found = detection_at_far(*histograms(scores, truth), far)[0]
    assert found == pytest.approx(hits[alarms <= far].max())


@quick
@given(seed=seeds)
def test_precision_at_recall_is_the_upper_envelope(seed):
    scores, truth = draw(seed)
    recalls = np.linspace(0, 1, 11)
    precision, recall, _ = precision_recall_curve(truth, binned(scores))
    found = precision_at_recall(*histograms(scores, truth), recalls)[0]
    # the last point of scikit-learn, precision 1 at recall 0, belongs to no threshold
    assert found == pytest.approx([precision[:-1][recall[:-1] >= r - 1e-12].max() for r in recalls])


@quick
@given(seed=seeds)
def test_binning_changes_figures_little(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(2000) < 0.3
    scores = rng.normal(0, 3, 2000) + 2 * truth
    positive, negative = histograms(scores, truth)
    assert average_precision(positive, negative)[0] == pytest.approx(average_precision_score(truth, scores), abs=2e-3)
    assert auroc(positive, negative)[0] == pytest.approx(roc_auc_score(truth, scores), abs=1e-3)


@quick
@given(seed=seeds, weights=st.lists(st.integers(0, 3), min_size=3, max_size=3).filter(any))
def test_weights_are_repetitions(seed, weights):
    scenes = [draw(seed + i, count=60) for i in range(3)]
    sums = [sum(w * h[k] for w, h in zip(weights, (histograms(*s) for s in scenes), strict=True)) for k in (0, 1)]
    repeated = [s for w, s in zip(weights, scenes, strict=True) for _ in range(w)]
    scores, truth = (np.concatenate([scene[k] for scene in repeated]) for k in (0, 1))
    assert average_precision(*sums)[0] == pytest.approx(average_precision_score(truth, binned(scores)))
    assert auroc(*sums)[0] == pytest.approx(roc_auc_score(truth, binned(scores)))


def test_without_both_classes_there_is_no_figure():
    some, none = SCORE_BINS.histogram(np.arange(5.0))[None], np.zeros((1, SCORE_BINS.count))
    assert np.isnan(average_precision(none, some)[0])
    assert np.isnan(auroc(none, some)[0])
    assert np.isnan(auroc(some, none)[0])
    assert np.isnan(detection_at_far(some, none, 0.1)[0])
    assert np.isnan(best_f1(none, some, SCORE_BINS)[0][0])
    assert np.isnan(best_f1(none, some, SCORE_BINS)[1])
    assert np.isnan(precision_at_recall(none, some, np.array([0.5]))).all()
    assert np.isnan(area_under_overlap(none, some)[0])
    assert np.isnan(area_under_overlap(some, none)[0])


# overlap of regions


def brute_force_aupro(scenes, limit):
    """Sweep every threshold, average the overlap of all regions, integrate with a fine trapezoid rule."""
    thresholds = np.unique(np.concatenate([binned(scores[~np.isnan(scores)]) for scores, _ in scenes]))[::-1]
    rates, overlaps = [0.0], [0.0]
    for threshold in thresholds:
        shares, alarms, negatives = [], 0, 0
        for scores, truth in scenes:
            valid = ~np.isnan(scores)
            above = np.zeros(scores.shape, bool)
            above[valid] = binned(scores[valid]) >= threshold
            labels, count = scipy.ndimage.label(truth & valid, np.ones((3, 3)))
            shares += [above[labels == i].mean() for i in range(1, count + 1)]
            alarms += (above & valid & ~truth).sum()
            negatives += (valid & ~truth).sum()
        rates.append(alarms / negatives)
        overlaps.append(np.mean(shares))
    fine = np.union1d(np.linspace(0, limit, 4001), [r for r in rates if r <= limit])
    # the middle of a step, so that a jump at its end does not matter
    area = 0.0
    for left, right in pairwise(fine):
        area += (right - left) * np.interp((left + right) / 2, rates, overlaps)
    return area / limit


@settings(max_examples=15, deadline=None)
@given(seed=seeds, limit=st.sampled_from([0.05, 0.3, 1.0]))
def test_aupro_agrees_with_brute_force(seed, limit):
    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(2):
        truth = np.zeros((14, 18), bool)
        truth[2:4, 2:9] = truth[4, 9] = truth[10:13, 12:16] = True
        scores = np.round(rng.normal(0, 1, truth.shape) + 1.5 * truth, 1)
        scores[rng.random(truth.shape) < 0.05] = np.nan
        scenes.append((scores, truth))
    found = [region_histogram(scores, truth, SCORE_BINS) for scores, truth in scenes]
    regions = sum(histogram for histogram, _ in found)[None]
    assert regions.sum() == pytest.approx(sum(count for _, count in found))
    negative = sum(SCORE_BINS.histogram(scores[~truth & ~np.isnan(scores)]) for scores, truth in scenes)[None]
    assert area_under_overlap(regions, negative, limit)[0] == pytest.approx(brute_force_aupro(scenes, limit), abs=1e-6)


def test_every_region_counts_alike_whatever_its_size():
    truth = np.zeros((40, 40), bool)
    truth[2:30, 2:30] = truth[35, 35] = True
    only_large, only_small = np.where(truth, -1.0, 0.0), np.where(truth, -1.0, 0.0)
    only_large[2:30, 2:30], only_small[35, 35] = 5, 5
    negative = SCORE_BINS.histogram(np.zeros((~truth).sum()))[None]
    areas = [
        area_under_overlap(region_histogram(scores, truth, SCORE_BINS)[0][None], negative)[0]
        for scores in (only_large, only_small)
    ]
    assert areas == pytest.approx([0.5, 0.5])
