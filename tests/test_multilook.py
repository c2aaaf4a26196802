"""Multilooking: averages of power over valid pixels, the same however the rows arrive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.grids.multilook import Multilooker


def naive_multilook(power, valid, row_factor, col_factor, min_share):
    """Return the same by looking at each block on its own."""
    channels, height, width = power.shape
    shape = (channels, -(-height // row_factor), -(-width // col_factor))
    means, mask = np.full(shape, np.nan), np.zeros(shape, bool)
    for c, r, k in np.ndindex(shape):
        block = np.s_[c, r * row_factor : (r + 1) * row_factor, k * col_factor : (k + 1) * col_factor]
        good = valid[block]
        if good.any() and good.mean() >= min_share:
            means[c, r, k] = power[block][good].astype(np.float64).mean()
            mask[c, r, k] = True
    return means, mask


@st.composite
def scenes(draw):
    """Draw a scene with gaps, factors, and where to cut its rows."""
    height, width = draw(st.integers(1, 23)), draw(st.integers(1, 23))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    power = rng.gamma(1.0, 1e4, (2, height, width)).astype(np.float32)
    valid = rng.random(power.shape) < draw(st.sampled_from([0.0, 0.2, 0.5, 0.95, 1.0]))
    power[~valid] = draw(st.sampled_from([np.nan, np.inf, 0.0, 1e30]))
    cuts = sorted(draw(st.sets(st.integers(1, height), max_size=6)) | {height})
    return (
        power,
        valid,
        draw(st.integers(1, 9)),
        draw(st.integers(1, 9)),
        draw(st.sampled_from([0.01, 0.25, 1.0])),
        cuts,
    )


def streamed(power, valid, row_factor, col_factor, min_share, cuts):
    looks = Multilooker(power.shape[2], row_factor, col_factor, min_valid_share=min_share)
    starts = [0, *cuts[:-1]]
    parts = [looks.push(power[:, a:b], valid[:, a:b]) for a, b in zip(starts, cuts, strict=True)]
    parts.append(looks.finish())
    return (np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("power", "valid_mask"))


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_equals_the_naive_reference_however_the_rows_are_cut(case):
    power, valid, row_factor, col_factor, min_share, cuts = case
    expected, expected_mask = naive_multilook(power, valid, row_factor, col_factor, min_share)
    found, mask = streamed(power, valid, row_factor, col_factor, min_share, cuts)
    np.testing.assert_array_equal(mask, expected_mask)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(scenes())
def test_streaming_equals_all_at_once(case):
    power, valid, row_factor, col_factor, min_share, cuts = case
    at_once, mask_at_once = streamed(power, valid, row_factor, col_factor, min_share, [power.shape[1]])
    found, mask = streamed(power, valid, row_factor, col_factor, min_share, cuts)
    np.testing.assert_array_equal(mask, mask_at_once)
    np.testing.assert_allclose(found, at_once, rtol=1e-5)


def test_blocks_higher_than_a_byte_can_count_are_counted_right():
    power = np.full((2, 700, 3), 2.0, np.float32)
    looks = Multilooker(3, 600, 2)
    first = looks.push(power, np.ones(power.shape, bool))
    last = looks.finish()
    assert first.power.shape == (2, 1, 2)
    np.testing.assert_array_equal(first.power, 2)
    np.testing.assert_array_equal(last.power, 2)


def test_finish_begins_anew():
    looks = Multilooker(4, 3, 2)
    power = np.ones((2, 2, 4), np.float32)
    valid = np.ones(power.shape, bool)
    assert looks.push(power, valid).power.shape == (2, 0, 2)
    assert looks.finish().power.shape == (2, 1, 2)
    assert looks.finish().power.shape == (2, 0, 2)


def test_factors_below_one_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Multilooker(10, 0, 1)
