"""The bootstrap over scenes: weights that depend on the scene alone, and tallies that add up."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.metrics.bootstrap import interval, paired_difference, scene_weights
from rfiscan.metrics.figures import FIGURE_NAMES, all_figures
from rfiscan.metrics.tally import Tally

quick = settings(max_examples=8, deadline=None)


def draw_scene(seed):
    """Contributions and box matches of a made-up scene."""
    rng = np.random.default_rng(seed)
    contributions = {
        "stripes": np.array([rng.integers(0, 3), 3.0]),
        "scenes": np.array([1.0, 0.0]),
        "truth_boxes": np.array([3.0]),
        "confusion": rng.integers(0, 50, 3).astype(float),
    }
    if seed % 2:
        contributions["far_pixels"] = rng.integers(1, 1000, 4).astype(float)
    count = int(rng.integers(0, 4))
    return contributions, (np.sort(rng.random(count))[::-1], rng.random((10, count)) < 0.5)


def tally_of(seeds, replicates=20):
    tally = Tally(name="it", seed=3, replicates=replicates, rates=(1e-3, 1e-2))
    for seed in seeds:
        tally.add(f"scene {seed}", *draw_scene(seed))
    return tally


def same(one, other):
    assert one.scenes == other.scenes
    assert one.sums.keys() == other.sums.keys()
    for name in one.sums:
        assert np.array_equal(one.sums[name], other.sums[name])
    mine, others = all_figures(one), all_figures(other)
    for name in FIGURE_NAMES:
        assert mine[name] == pytest.approx(others[name], nan_ok=True, abs=1e-12)


def test_weights_are_one_for_the_data_and_poisson_in_the_replicates():
    weights = np.stack([scene_weights(f"scene {i}", 0, 500) for i in range(200)])
    assert (weights[:, 0] == 1).all()
    drawn = weights[:, 1:]
    assert np.array_equal(drawn, drawn.round())
    assert drawn.mean() == pytest.approx(1, abs=0.02)
    assert drawn.var() == pytest.approx(1, abs=0.02)
    # independent: sums over scenes vary as sums of independent draws do
    assert drawn.sum(axis=0).var() == pytest.approx(200, rel=0.25)


def test_weights_depend_on_scene_and_seed_alone():
    assert np.array_equal(scene_weights("a", 1, 50), scene_weights("a", 1, 50))
    assert np.array_equal(scene_weights("a", 1, 50)[:20], scene_weights("a", 1, 19))
    assert not np.array_equal(scene_weights("a", 1, 50), scene_weights("b", 1, 50))
    assert not np.array_equal(scene_weights("a", 1, 50), scene_weights("a", 2, 50))


def test_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(0).normal(5, 2, 400)
    weights = np.stack([scene_weights(f"scene {i}", 0, 2000) for i in range(values.size)], axis=1)
    figure = interval((weights @ values) / weights.sum(axis=1))
    half = 1.96 * values.std() / np.sqrt(values.size)
    assert figure.value == pytest.approx(values.mean())
    assert figure.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert figure.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_an_interval_leaves_out_replicates_without_the_figure():
    assert interval(np.array([2.0, np.nan, 1.0, 3.0])).high == pytest.approx(2.95)
    nothing = interval(np.array([2.0, np.nan, np.nan]))
    assert nothing.value == 2.0
    assert np.isnan([nothing.low, nothing.high]).all()
    assert np.isnan(interval(np.array([0.5])).low)


def test_a_difference_is_certain_only_if_the_replicates_agree():
    rng = np.random.default_rng(1)
    base = rng.normal(0.5, 0.2, 401)
    better = paired_difference(base + 0.01, base)
    assert (better.value, better.low, better.high) == pytest.approx((0.01, 0.01, 0.01))
    assert better.p == pytest.approx(2 / 401)
    equal = paired_difference(base, base)
    assert equal.p == 1
    unclear = paired_difference(base + rng.normal(0, 0.1, 401), base)
    assert unclear.low < 0 < unclear.high
    assert unclear.p > 0.3
    assert np.isnan(paired_difference(base * np.nan, base).p)


@quick
@given(cuts=st.lists(st.integers(0, 12), min_size=2, max_size=2).map(sorted), order=st.permutations(range(12)))
def test_merging_equals_all_at_once_in_any_order_and_grouping(cuts, order):
    parts = [tally_of(order[: cuts[0]]), tally_of(order[cuts[0] : cuts[1]]), tally_of(order[cuts[1] :])]
    left, right, last = copy.deepcopy(parts)
    left.merge(right)
    left.merge(last)
    whole = tally_of(range(12))
    same(left, whole)
    first, middle, end = copy.deepcopy(parts)
    middle.merge(end)
    first.merge(middle)
    same(first, whole)


def test_merging_leaves_the_other_tally_alone():
    empty, other = tally_of([]), tally_of([1, 2])
    before = copy.deepcopy(other)
    empty.merge(other)
    empty.add("scene 7", *draw_scene(7))
    same(other, before)


@pytest.mark.parametrize("change", [{"name": "other"}, {"seed": 4}, {"replicates": 21}, {"rates": (1e-3,)}])
def test_tallies_of_different_evaluations_do_not_merge(change):
    settings_of = {"name": "it", "seed": 3, "replicates": 20, "rates": (1e-3, 1e-2), **change}
    with pytest.raises(ValueError, match=next(iter(change))):
        tally_of([1]).merge(Tally(**settings_of))


def test_a_tally_does_not_grow_but_for_a_few_bytes_a_box():
    few, many = tally_of(range(4)), tally_of(range(400))
    assert {name: total.nbytes for name, total in few.sums.items()} == {
        name: total.nbytes for name, total in many.sums.items()
    }
    boxes = sum(scores.size for scores in many.boxes.scores)
    kept = sum(array.nbytes for array in (*many.boxes.scores, *many.boxes.matches))
    assert kept == 6 * boxes


def test_a_replicate_is_the_data_with_scenes_drawn_so_often():
    weights = {seed: scene_weights(f"scene {seed}", 3, 20) for seed in range(12)}
    figures = all_figures(tally_of(range(12)))
    for replicate in range(1, 21):
        drawn = Tally(name="it", seed=3, replicates=0, rates=(1e-3, 1e-2))
        for seed in range(12):
            for copy_number in range(int(weights[seed][replicate])):
                drawn.add(f"scene {seed} {copy_number}", *draw_scene(seed))
        expected = all_figures(drawn)
        for name in set(FIGURE_NAMES):
            assert figures[name][replicate] == pytest.approx(expected[name][0], nan_ok=True, abs=1e-9), name


def test_an_empty_tally_tells_nothing():
    assert all(np.isnan(values).all() for values in all_figures(tally_of([])).values())
