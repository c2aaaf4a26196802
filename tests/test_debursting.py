"""Bursts on one grid: every place that a burst saw is shown once, and cuts lie midway."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.sentinel1.debursting import Burst, BurstImage, burst_lag_rows, merged_pieces


def burst(row, number, lines, *, valid, samples):
    """A burst of `lines` lines, of which those in `valid` have the samples `samples`, first and last inclusive."""
    first, last = np.full(lines, -1), np.full(lines, -1)
    first[slice(*valid)], last[slice(*valid)] = samples
    return Burst(row=row, line=number * lines, first_valid=first, last_valid=last)


@st.composite
def layouts(draw, *, same_samples):
    """Sub-swaths of bursts that overlap, touch or leave gaps; with `same_samples` each has one range of samples."""
    images, col = [], 0
    for _ in range(draw(st.integers(1, 4))):
        lines, samples = draw(st.integers(4, 14)), draw(st.integers(3, 12))
        row, bursts = draw(st.integers(0, 15)), []
        fixed = sorted(draw(st.tuples(*[st.integers(0, samples - 1)] * 2)))
        for number in range(draw(st.integers(1, 5))):
            valid = sorted(draw(st.tuples(*[st.integers(0, lines)] * 2)))
            own = fixed if same_samples else sorted(draw(st.tuples(*[st.integers(0, samples - 1)] * 2)))
            bursts.append(burst(row, number, lines, valid=valid, samples=own))
            row += draw(st.integers(1, lines + 3))
        images.append(BurstImage(col=col, bursts=tuple(bursts)))
        col += draw(st.integers(1, samples + 2))
    return images


def seen(images):
    """Every place that a valid sample of some burst lies at: (row, col) -> the (image, line) that have it."""
    places = {}
    for number, image in enumerate(images):
        for one in image.bursts:
            for line, (first, last) in enumerate(zip(one.first_valid.tolist(), one.last_valid.tolist(), strict=True)):
                for sample in range(first, last + 1) if first >= 0 else ():
                    places.setdefault((one.row + line, image.col + sample), []).append((number, one.line + line))
    return places


def shown(images):
    """Every place that pieces show, one by one; no place may be shown twice."""
    places = {}
    for number, pieces in enumerate(merged_pieces(images)):
        for piece in pieces:
            for row in range(piece.row_start, piece.row_stop):
                for col in range(piece.col_start, piece.col_stop):
                    assert (row, col) not in places
                    places[row, col] = (number, piece.line + row - piece.row_start)
    return places


@settings(max_examples=80, deadline=None)
@given(images=layouts(same_samples=False))
def test_what_is_shown_was_seen_there_and_nothing_twice(images):
    all_seen = seen(images)
    for place, source in shown(images).items():
        assert source in all_seen[place]


@settings(max_examples=80, deadline=None)
@given(images=layouts(same_samples=True))
def test_every_place_that_was_seen_is_shown(images):
    assert shown(images).keys() == seen(images).keys()


def test_overlaps_are_cut_midway():
    lines = {"lines": 10, "samples": (0, 9)}
    near = BurstImage(col=0, bursts=tuple(burst(8 * k, k, valid=(1, 10), **lines) for k in range(3)))
    far = BurstImage(col=6, bursts=tuple(burst(8 * k + 3, k, valid=(0, 10), **lines) for k in range(3)))
    places = shown([near, far])
    # bursts 0 and 1 both show row 9; rows 11 and 12 are seen by the bursts 0 and 1 of the far sub-swath
    assert [places[row, 0][1] for row in range(1, 26)] == [*range(1, 9), *range(11, 19), *range(21, 30)]
    assert [places[row, 15][1] for row in range(3, 29)] == [*range(9), *range(11, 19), *range(21, 30)]
    assert [places[5, col][0] for col in range(16)] == [0] * 8 + [1] * 8  # both show columns 6 to 9
    assert [places[2, col][0] for col in range(10)] == [0] * 10  # the far one begins at row 3


def test_a_burst_without_valid_lines_is_not_shown():
    blank = burst(0, 0, 5, valid=(0, 0), samples=(0, 4))
    whole = burst(3, 1, 5, valid=(0, 5), samples=(0, 4))
    assert merged_pieces([BurstImage(col=0, bursts=(blank,))]) == ((),)
    places = shown([BurstImage(col=0, bursts=(blank, whole))])
    assert {row for row, _ in places} == set(range(3, 8))


def test_a_burst_is_shown_from_the_middle_of_its_overlap_on():
    lines = {"lines": 10, "samples": (0, 9), "valid": (2, 10)}
    image = BurstImage(col=0, bursts=tuple(burst(6 * k, k, **lines) for k in range(4)))
    assert burst_lag_rows([image]) == pytest.approx(3.0)  # both show the rows 8 and 9, the later one from 9 on
    assert burst_lag_rows([BurstImage(col=0, bursts=image.bursts[:1])]) == 0
