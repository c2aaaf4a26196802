"""Interference of a scene: as strong as asked for, labelled as it lies, and the same on any grid."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from rfiscan.detections.stripes import gaps_px
from rfiscan.priors import bundled_priors
from rfiscan.simulation import draw_background, draw_interference
from rfiscan.simulation.emitters import KINDS
from rfiscan.simulation.interference import (
    MIN_STRIPE_PX,
    VISIBLE_RATIO,
    render_interference,
)
from tests.make_interference import drawn_layout, runs_of, whole_layout

PRIORS = bundled_priors()
SHAPE = (110, 180)
quick = settings(max_examples=12, deadline=None)
seeds = st.integers(0, 10_000)
kinds = st.sampled_from(KINDS)


def rng(seed=0):
    return np.random.default_rng(seed)


def flat(shape, level=0.01):
    return np.full((2, *shape), level, np.float32)


def draw(seed, *, background=None, layout=None, shape=SHAPE, **choices):
    layout = layout or drawn_layout(seed, shape, choices.pop("mode", None))
    background = flat(layout.shape) if background is None else background
    return layout, draw_interference(rng(seed), layout, background, PRIORS, **choices)


def box_of(mask):
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return cols[0], rows[0], np.ptp(cols) + 1, np.ptp(rows) + 1


# strength


def strongest_less_asked_db(ratio_db, count):
    """By how much the strongest stripe of each scene differs from the ratio asked for."""
    off_db = []
    for seed in range(count):
        kind = KINDS[seed % len(KINDS)]
        _, drawn = draw(seed, mode="IW", shape=(150, 240), count=1, ibr_db=(ratio_db, ratio_db), kind=kind)
        stripes = [stripe.ibr_db for interferer in drawn.interferers for stripe in interferer.stripes]
        off_db += [max(stripes) - ratio_db] if stripes else []
    assert len(off_db) > count / 2
    return np.array(off_db)


@pytest.mark.parametrize("ratio_db", [6.0, 15.0, 25.0])
def test_the_strongest_stripe_has_the_ratio_asked_for(ratio_db):
    off_db = strongest_less_asked_db(ratio_db, 30)
    assert np.median(np.abs(off_db)) < 0.5
    assert np.mean(np.abs(off_db) < 1) > 0.9


def test_a_faint_stripe_has_at_least_the_ratio_asked_for():
    # its pixels are the visible ones alone, the brightest of those that the ratio was asked for
    off_db = strongest_less_asked_db(-3.0, 30)
    assert off_db.min() > -0.5
    assert off_db.max() < 4


@quick
@given(seed=seeds, kind=kinds, target=st.floats(-6, 25))
def test_a_louder_emitter_leaves_the_same_trace_as_much_stronger(seed, kind, target):
    _, quiet = draw(seed, count=1, ibr_db=(target, target), kind=kind)
    _, loud = draw(seed, count=1, ibr_db=(target + 10, target + 10), kind=kind)
    assert_allclose(loud.power, 10 * quiet.power, rtol=1e-4)


@quick
@given(seed=seeds)
def test_the_power_does_not_depend_on_the_units_of_the_background(seed):
    _, one = draw(seed, count=1)
    _, same = draw(seed, count=1, background=flat(SHAPE, 1e4))
    assert_allclose(same.power, 1e6 * one.power, rtol=1e-3)
    assert [i.stripes for i in same.interferers] == [
        tuple(dataclasses.replace(s, ibr_db=pytest.approx(s.ibr_db, abs=0.01)) for s in i.stripes)
        for i in one.interferers
    ]


# polarization


@quick
@given(seed=seeds, kind=kinds)
def test_the_powers_of_an_emitter_are_as_far_apart_as_it_says(seed, kind):
    _, drawn = draw(seed, count=1, kind=kind)
    for interferer in drawn.interferers:
        co, cross = interferer.power
        assert 10 * np.log10(cross / co) == pytest.approx(interferer.emitter.cross_over_co_db, abs=1e-6)
        lit = drawn.power[0] > 1e-6 * drawn.power[0].max()
        ratio_db = 10 * np.log10(drawn.power[1][lit] / drawn.power[0][lit])
        assert_allclose(ratio_db, interferer.emitter.cross_over_co_db, atol=1e-3)


@quick
@given(seed=seeds)
def test_the_emitter_does_not_depend_on_the_ground(seed):
    layout, over_sea = draw(seed, count=1)
    _, over_land = draw(seed, count=1, layout=layout, background=draw_background(rng(seed + 1), layout, "land"))
    assert [i.emitter for i in over_land.interferers] == [i.emitter for i in over_sea.interferers]


@pytest.mark.parametrize(("polarization", "sign"), [("horizontal", 1), ("vertical", -1)])
def test_a_polarization_asked_for_is_that_of_all_emitters(polarization, sign):
    _, drawn = draw(1, shape=(60, 90), count=4, polarization=polarization)
    assert drawn.interferers
    assert all(sign * interferer.emitter.cross_over_co_db > 8 for interferer in drawn.interferers)


# what is drawn


@quick
@given(seed=seeds, kind=kinds, count=st.integers(0, 3))
def test_as_many_emitters_as_asked_for_of_the_kind_asked_for(seed, kind, count):
    _, drawn = draw(seed, shape=(60, 90), count=count, kind=kind)
    assert len(drawn.interferers) <= count
    assert {interferer.emitter.kind for interferer in drawn.interferers} <= {kind}
    if count == 0:
        assert not drawn.power.any()
        assert not drawn.labels.any()


def test_a_seed_gives_one_interference_and_leaves_the_background_alone():
    background = flat(SHAPE)
    _, one = draw(5, background=background)
    _, same = draw(5, background=background)
    assert np.array_equal(one.power, same.power)
    assert one.interferers == same.interferers
    assert np.array_equal(background, flat(SHAPE))


def test_the_mean_number_of_emitters_is_that_of_the_priors():
    priors = dataclasses.replace(PRIORS, mean_emitters=3.0)
    layout = whole_layout("SM", (40, 40))  # always open: no emitter falls between two bursts
    counts = [len(draw_interference(rng(s), layout, flat((40, 40)), priors).interferers) for s in range(60)]
    assert min(counts) >= 1
    assert np.mean(counts) == pytest.approx(3, abs=0.7)


@quick
@given(seed=seeds)
def test_further_emitters_are_weaker(seed):
    layout, drawn = draw(seed, count=3, mode="SM")
    peaks = []
    for interferer in drawn.interferers:
        ratio = render_interference((interferer,), layout, 500.0) / 0.01
        strong = ratio.max(axis=0)[ratio.max(axis=0) >= 0.1 * ratio.max()]
        peaks.append(np.quantile(strong, 0.9))
    # of emitters with more than one trace, the reference is one of them; a decibel for what the others add
    assert all(after < before * 10**0.1 for before, after in pairwise(peaks))


# labels


@quick
@given(seed=seeds, kind=kinds, target=st.floats(-9, 25))
def test_labels_boxes_and_visibility_agree(seed, kind, target):
    layout, drawn = draw(seed, count=1, ibr_db=(target, target), kind=kind)
    ratio = (drawn.power / 0.01).max(axis=0)
    stripes = [stripe for interferer in drawn.interferers for stripe in interferer.stripes]
    assert [stripe.label for stripe in stripes] == list(range(1, len(stripes) + 1))
    assert set(np.unique(drawn.labels)) == {*range(len(stripes) + 1)} | ({0} if (drawn.labels == 0).any() else set())
    for stripe in stripes:
        pixels = drawn.labels == stripe.label
        assert box_of(pixels) == stripe.bbox_px
        assert pixels.sum() >= MIN_STRIPE_PX
        columns = [layout.swath_columns(s) for s in range(layout.swath_count) if layout.radar(s).name == stripe.swath]
        x, _, width, _ = stripe.bbox_px
        assert any(first <= x < x + width <= stop for first, stop in columns)
        floor = VISIBLE_RATIO if stripe.visible else 0.1 * ratio.max()
        assert ratio[pixels].min() >= floor * (1 - 1e-5)
        assert stripe.visible == (ratio.max() >= VISIBLE_RATIO)


@quick
@given(seed=seeds, kind=kinds, target=st.floats(0, 25))
def test_what_is_visible_and_has_no_label_is_a_speck(seed, kind, target):
    _, drawn = draw(seed, count=1, ibr_db=(target, target), kind=kind)
    unlabelled = ((drawn.power / 0.01).max(axis=0) >= VISIBLE_RATIO * (1 + 1e-5)) & (drawn.labels == 0)
    for first, stop in runs_of(unlabelled.any(axis=1)):
        for left, right in runs_of(unlabelled[first:stop].any(axis=0)):
            assert unlabelled[first:stop, left:right].sum() < MIN_STRIPE_PX


@quick
@given(seed=seeds, kind=kinds)
def test_stripes_of_one_emitter_are_apart_and_hang_together(seed, kind):
    _, drawn = draw(seed, count=1, ibr_db=(15.0, 15.0), kind=kind)
    for interferer in drawn.interferers:
        for stripe in interferer.stripes:
            x, y, width, height = stripe.bbox_px
            pixels = (drawn.labels == stripe.label)[y : y + height, x : x + width]
            assert all(b[0] - a[1] <= gaps_px((500.0, 500.0))[1] for a, b in pairwise(runs_of(pixels.any(axis=0))))
            # what was too small for a stripe may lie in the gaps between its rows
            assert pixels.any(axis=1).mean() >= 1 / (gaps_px((500.0, 500.0))[0] + 1)


def test_where_two_stripes_meet_the_later_one_has_the_pixels():
    for seed in range(30):
        layout, drawn = draw(seed, count=3, ibr_db=(20.0, 20.0), mode="SM")
        for number, interferer in enumerate(drawn.interferers):
            later = {s.label for other in drawn.interferers[number + 1 :] for s in other.stripes}
            for stripe in interferer.stripes:
                x, y, width, height = stripe.bbox_px
                left = box_of(drawn.labels == stripe.label) if (drawn.labels == stripe.label).any() else None
                if left != stripe.bbox_px:
                    assert later & set(np.unique(drawn.labels[y : y + height, x : x + width]))
    assert layout.mode == "SM"


# scenes that are not valid everywhere


@quick
@given(seed=seeds, kind=kinds, target=st.floats(3, 25), channel=st.sampled_from([None, 0, 1]))
def test_stripes_are_those_of_valid_pixels(seed, kind, target, channel):
    layout = drawn_layout(seed, SHAPE)
    valid = rng(seed).random((2, 1, SHAPE[1])).repeat(SHAPE[0], axis=1) < 0.9
    valid[:, :, :70] = False
    if channel is not None:
        valid[channel] = False
    drawn = draw_interference(
        rng(seed), layout, flat(SHAPE), PRIORS, count=1, ibr_db=(target, target), kind=kind, valid_mask=valid
    )
    ratio = np.where(valid, drawn.power / 0.01, 0).max(axis=0)
    for interferer in drawn.interferers:
        assert ratio.any()
        for stripe in interferer.stripes:
            pixels = drawn.labels == stripe.label
            assert box_of(pixels) == stripe.bbox_px
            assert valid.any(axis=0)[pixels].all()
            if stripe.visible:
                assert ratio[pixels].min() >= VISIBLE_RATIO * (1 - 1e-5)


def test_a_mask_that_is_valid_everywhere_changes_nothing():
    for seed in range(5):
        layout, without = draw(seed, count=2)
        given = draw_interference(
            rng(seed), layout, flat(SHAPE), PRIORS, count=2, valid_mask=np.ones((2, *SHAPE), bool)
        )
        assert np.array_equal(given.power, without.power)
        assert given.interferers == without.interferers


# rendering


@quick
@given(seed=seeds)
def test_rendering_on_the_same_layout_reproduces_the_power(seed):
    layout, drawn = draw(seed)
    rendered = render_interference(drawn.interferers, layout, 500.0)
    assert_allclose(rendered, drawn.power, rtol=1e-4, atol=1e-6 * drawn.power.max(initial=0))


def finer(layout, factor):
    """The same scene in pixels that are smaller by a whole factor."""
    return dataclasses.replace(
        layout,
        shape=(layout.shape[0] * factor, layout.shape[1] * factor),
        edges_px=tuple(edge * factor for edge in layout.edges_px),
        first_row=tuple(row * factor for row in layout.first_row),
        last_row=tuple(row * factor for row in layout.last_row),
        border_px=(layout.border_px[0] * factor, layout.border_px[1] * factor),
        burst_px=layout.burst_px * factor,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [2, 5])
def test_rendering_on_a_finer_grid_averages_to_the_power(kind, factor):
    shape = (80, 120)
    for seed in range(4):
        layout = drawn_layout(seed, shape, "IW")
        # sub-swaths and bursts begin with whole pixels, so that no pixel of the coarse grid holds parts of two
        layout = dataclasses.replace(
            layout,
            edges_px=tuple(float(round(edge)) for edge in layout.edges_px),
            burst_px=37.0,
            burst_phase=tuple(round(37 * phase) / 37 for phase in layout.burst_phase),
        )
        drawn = draw_interference(rng(seed), layout, flat(shape), PRIORS, count=1, kind=kind)
        fine = render_interference(drawn.interferers, finer(layout, factor), 500.0 / factor)
        blocks = fine.reshape(2, shape[0], factor, shape[1], factor).mean(axis=(2, 4))
        assert drawn.power.any()
        # pixels are not all of one length in slant range, by some percent where a coarse one is cut unequally
        assert_allclose(blocks, drawn.power, rtol=0.08, atol=0.005 * drawn.power.max())
        assert blocks.sum() == pytest.approx(drawn.power.sum(), rel=0.01)


@pytest.mark.parametrize("seed", range(12))
def test_a_stripe_mostly_over_nodata_has_the_ratio_of_the_part_that_is_seen(seed):
    layout = whole_layout()
    valid = np.zeros((2, *layout.shape), bool)
    valid[1, :, ::12] = True
    drawn = draw_interference(rng(seed), layout, flat(layout.shape), PRIORS, valid_mask=valid)
    stripes = [stripe for interferer in drawn.interferers for stripe in interferer.stripes]
    assert all(np.isfinite(stripe.ibr_db) for stripe in stripes)
