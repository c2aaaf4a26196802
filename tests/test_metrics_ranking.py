"""Figures of merit, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_curve

from rfiscan.metrics import average_precision, detection_at_far

quick = settings(max_examples=60, deadline=None)


@st.composite
def scored(draw):
    """Scores with ties, and truth that holds both classes."""
    count = draw(st.integers(2, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    scores = rng.integers(0, draw(st.integers(1, 40)), count).astype(np.float32) / 7
    truth = rng.random(count) < draw(st.floats(0.05, 0.95))
    truth[0], truth[-1] = True, False
    return scores, truth


@quick
@given(case=scored())
def test_average_precision_agrees_with_scikit_learn(case):
    scores, truth = case
    assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))


@quick
@given(case=scored(), alarms=st.integers(-1, 60))
def test_detection_at_a_false_alarm_rate_agrees_with_scikit_learn(case, alarms):
    scores, truth = case
    far = min(max((alarms + 0.5) / np.sum(~truth), 0.0), 1.0)
    false_alarms, hits, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert detection_at_far(scores, truth, far) == pytest.approx(hits[false_alarms <= far].max())


@quick
@given(case=scored(), seed=st.integers(0, 99))
def test_order_shape_and_monotone_rescaling_do_not_matter(case, seed):
    scores, truth = case
    order = np.random.default_rng(seed).permutation(scores.size)
    again = np.exp(scores[order])[None, :]
    assert average_precision(again, truth[order][None, :]) == pytest.approx(average_precision(scores, truth))


def test_a_perfect_score_is_one_and_equal_scores_are_the_base_rate():
    truth = np.arange(20) < 5
    assert average_precision(truth.astype(float), truth) == 1.0
    assert detection_at_far(truth.astype(float), truth, 0.0) == 1.0
    assert average_precision(np.zeros(20), truth) == pytest.approx(0.25)
    assert detection_at_far(np.zeros(20), truth, 0.5) == 0.0


@pytest.mark.parametrize("truth", [np.zeros(4, bool), np.zeros(0, bool)])
def test_without_anything_anomalous_there_is_no_figure(truth):
    assert np.isnan(average_precision(np.zeros(truth.size), truth))
    assert np.isnan(detection_at_far(np.zeros(truth.size), truth, 0.1))


def test_without_anything_clean_there_is_no_false_alarm_rate():
    assert np.isnan(detection_at_far(np.ones(4), np.ones(4, bool), 0.1))
