"""Bursts on the grid: their rows lie in the image, they share no pixel and leave none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan.sentinel1.bursts import (
    Rectangle,
    between,
    burst_cycle_s,
    burst_spans,
    flagged_share,
    on_working_grid,
    relation,
    span_rows,
)

CYCLE_S = 2.758
TIMES = st.floats(-10, 60, allow_nan=False)


def test_the_cycle_is_the_usual_step_whatever_gaps_there_are():
    starts = np.arange(8) * CYCLE_S
    assert burst_cycle_s([starts, np.delete(starts, [3, 4])]) == pytest.approx(CYCLE_S)
    assert burst_cycle_s([[1.0], [2.0], []]) is None
    assert burst_cycle_s([]) is None


@given(st.lists(TIMES, max_size=12, unique=True))
def test_spans_follow_each_other_and_last_a_burst_and_a_half_at_most(times):
    starts = np.sort(times)
    spans = burst_spans(starts, CYCLE_S)
    assert spans.shape == (len(times), 2)
    np.testing.assert_array_equal(spans[:, 0], starts)
    lengths = spans[:, 1] - spans[:, 0]
    assert (lengths > 0).all()
    assert (lengths <= 1.5 * CYCLE_S + 1e-9).all()
    assert (spans[:-1, 1] <= spans[1:, 0] + 1e-12).all()


def test_a_missing_burst_leaves_a_gap_not_a_longer_burst():
    spans = burst_spans([0.0, CYCLE_S, 3 * CYCLE_S], CYCLE_S)
    np.testing.assert_allclose(spans[:, 1], [CYCLE_S, 2 * CYCLE_S, 4 * CYCLE_S])


def test_a_time_is_the_middle_of_its_row():
    np.testing.assert_allclose(span_rows([[0.0, 0.3]], 0.1), [[0.5, 3.5]])


@given(st.lists(st.tuples(TIMES, TIMES).map(sorted), max_size=8))
def test_gaps_are_what_spans_leave(spans):
    gaps = between(np.array(spans).reshape(-1, 2), 0.0, 40.0)
    for probe in np.linspace(0.05, 39.95, 200):
        covered = any(start <= probe < stop for start, stop in spans)
        in_gap = any(start <= probe < stop for start, stop in gaps)
        assert covered != in_gap


@given(
    st.lists(st.integers(0, 400), min_size=2, max_size=8, unique=True).map(sorted),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_adjoining_rectangles_share_no_working_pixel_and_leave_none(edges, row_factor, col_factor):
    factors, shape = (row_factor, col_factor), (-(-400 // row_factor), -(-300 // col_factor))
    count = np.zeros(shape, int)
    for a, b in pairwise(edges):
        r = on_working_grid((a, b), (0, np.inf), factors, shape)
        count[r.row_start : r.row_stop, r.col_start : r.col_stop] += 1
    centres = (np.arange(shape[0]) + 0.5) * row_factor
    np.testing.assert_array_equal(count[:, 0], (edges[0] <= centres) & (centres < edges[-1]))
    assert (count == count[:, :1]).all()


@given(TIMES, TIMES, st.integers(1, 9), st.integers(1, 50))
def test_rows_lie_in_the_image(start, length, factor, size):
    r = on_working_grid((start, start + abs(length)), (-5, 5), (factor, factor), (size, size))
    assert 0 <= r.row_start <= r.row_stop <= size
    assert 0 <= r.col_start <= r.col_stop <= size


@given(st.data())
def test_the_flagged_share_is_counted_over_valid_pixels(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    flagged, valid = rng.random((2, 12, 15)) < data.draw(st.floats(0, 1))
    cut = data.draw(st.integers(0, 12))
    rectangles = [Rectangle(0, cut, 2, 9), Rectangle(cut, 12, 4, 15)]
    inside = np.zeros(flagged.shape, bool)
    inside[:cut, 2:9] = inside[cut:, 4:15] = True
    share = flagged_share(rectangles, flagged, valid)
    pixels = [flagged[i] for i in zip(*np.nonzero(inside & valid), strict=True)]
    assert share == (pytest.approx(sum(pixels) / len(pixels)) if pixels else None)


def test_relations():
    assert relation(True, True) == relation(False, False) == "agree"
    assert relation(True, False) == "only_esa"
    assert relation(False, True) == "only_rfiscan"
    assert relation(None, True) == relation(None, False) == "not_annotated"
    assert {relation(esa, None) for esa in (True, False, None)} == {"outside"}
