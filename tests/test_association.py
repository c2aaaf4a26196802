"""Stripes are shared out among emitters as they were made, and what cannot be told is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from rfiscan.locating.association import associate
from rfiscan.locating.lines_of_position import SAME_DB, Strengths, polarization_evidence, range_evidence
from rfiscan.locating.one_direction import bands
from rfiscan.locating.positions import RADIUS_M, east_north
from rfiscan.workflows.locate_lines import lines_of, scene_geometry
from tests.make_passes import EDGES_PX, Watched, by_model, hearing, orbits, scene_of

quick = settings(max_examples=6, deadline=None)
BEYOND_M = 30e3


def found(watched):
    geometry = scene_geometry(watched.scenes, BEYOND_M)
    lines = lines_of(watched.scenes, geometry)
    return associate(lines, geometry), lines, geometry


def off_m(fix, truth):
    """East and north of a fix's place to true ones, shape (N, 2)."""
    return (truth - fix.place.direction) @ east_north(fix.place.direction).T * RADIUS_M


def holds(fix, truth):
    """Which true places lie in the ellipse of a fix."""
    off = off_m(fix, truth)
    inside = np.sum(off @ np.linalg.inv(fix.spread.covariance_m2) * off, axis=1) <= fix.spread.squared
    return np.asarray(inside)


@pytest.mark.parametrize("place", [(8.0, 52.0), (0.0, 0.0), (-179.95, 20.0), (180.0, -45.0), (25.0, 72.0)])
def test_an_emitter_is_where_its_lines_cross(place):
    fixes, lines, _ = found(by_model([place], place, 2, errors=False))
    (fix,) = fixes
    watched = by_model([place], place, 2, errors=False)
    assert np.linalg.norm(off_m(fix, watched.truth)) < 100
    assert fix.members == tuple(range(len(lines.scene)))
    assert fix.alternatives == 0


def test_false_stripes_do_not_make_emitters():
    hits = ghosts = 0
    for seed in range(8):
        watched = by_model([(8.0, 52.0)], (8.0, 52.0), 3, seed=seed, detected=0.9, false=1)
        fixes, *_ = found(watched)
        hits += bool(fixes) and bool(holds(fixes[0], watched.truth).any())
        ghosts += sum(not holds(fix, watched.truth).any() and fix.alternatives == 0 for fix in fixes)
    assert hits >= 6
    assert ghosts <= 2


@quick
@given(seed=st.integers(0, 10_000))
def test_no_line_is_of_two_emitters_and_no_scene_shows_one_twice(seed):
    rng = np.random.default_rng(seed)
    spots = [(8.0 + rng.uniform(-0.5, 0.5), 52.0 + rng.uniform(-0.3, 0.3)) for _ in range(3)]
    fixes, lines, _ = found(by_model(spots, (8.0, 52.0), 2, seed=seed, detected=0.8, false=1))
    members = [line for fix in fixes for line in fix.members]
    assert len(members) == len(set(members))
    for fix in fixes:
        scenes = lines.scene[list(fix.members)]
        assert len(scenes) == len(set(scenes)) >= 2
        assert fix.score > 0


def test_the_order_of_scenes_does_not_matter():
    watched = by_model([(8.0, 52.1), (8.3, 51.8)], (8.0, 52.0), 2, seed=4)
    there, *_ = found(watched)
    back, *_ = found(Watched(watched.scenes[::-1], watched.lonlat))
    assert len(there) == len(back) > 0
    for one in there:
        assert min(np.linalg.norm(off_m(one, other.place.direction[None])) for other in back) < 10


def two_of_each(shown):
    """One ascending and one descending scene that hear two emitters whose lines cross in the same sub-swaths."""
    place, spots = (8.0, 52.0), [(8.0, 52.07), (8.0, 51.93)]
    scenes = []
    for number, orbit in enumerate(orbits(place, 1, np.random.default_rng(0))):
        at_m = [tuple(float(x) for x in orbit.grid_m(*spot)) for spot in spots]
        heard = [replace(hearing(*at, i, shown=shown[i]), swath=1) for i, at in enumerate(at_m)]
        scenes.append(scene_of(orbit, tuple(heard), f"scene_{number}"))
    return Watched(scenes, spots)


def test_what_may_as_well_be_two_other_emitters_is_said_to_be_ambiguous():
    fixes, *_ = found(two_of_each([(False, True), (False, True)]))
    assert fixes
    assert all(fix.alternatives > 0 for fix in fixes)


def test_polarizations_tell_emitters_apart():
    watched = two_of_each([(True, False), (False, True)])
    fixes, *_ = found(watched)
    assert len(fixes) == 2
    assert all(holds(fix, watched.truth).any() for fix in fixes)


def test_one_direction_gives_a_line_and_no_place():
    watched = by_model([(8.0, 52.0)], (8.0, 52.0), 3, errors=False)
    ascending = Watched(watched.scenes[::2], watched.lonlat)
    fixes, lines, geometry = found(ascending)
    assert fixes == []
    (band,) = bands(lines, geometry, range(3))
    assert band.members == (0, 1, 2)
    assert (
        min(np.linalg.norm(band.path - watched.truth[0], axis=1)) * RADIUS_M < 15e3
    )  # the truth lies among its points
    start, stop = band.path[0], band.path[-1]
    normal = np.cross(start, stop) / np.linalg.norm(np.cross(start, stop))
    assert abs(normal @ watched.truth[0]) * RADIUS_M < band.half_width_m
    length_px = EDGES_PX[2] - EDGES_PX[1]
    assert np.linalg.norm(stop - start) * RADIUS_M == pytest.approx(length_px * 500.0, rel=0.02)


def test_bands_share_lines_out():
    spots = [(8.0, 52.3), (8.0, 51.7)]
    watched = by_model(spots, (8.0, 52.0), 3, errors=False)
    _, lines, geometry = found(Watched(watched.scenes[::2], spots))
    members = [band.members for band in bands(lines, geometry, range(6))]
    assert sorted(members) == [(0, 2, 4), (1, 3, 5)]


def test_nothing_heard_is_nothing_found():
    fixes, lines, geometry = found(by_model([], (8.0, 52.0), 2))
    assert fixes == []
    assert bands(lines, geometry, []) == []


@quick
@given(
    excess_db=st.lists(st.floats(0, 30), min_size=1, max_size=6),
    mean_db=st.floats(5, 20),
    between_db=st.floats(0, 10),
)
def test_evidence_of_strengths_is_a_ratio_of_normal_densities(excess_db, mean_db, between_db):
    count = len(excess_db)
    covariance = SAME_DB**2 * np.eye(count) + between_db**2
    together = multivariate_normal(np.full(count, mean_db), covariance).logpdf(excess_db)
    apart = norm(mean_db, np.hypot(SAME_DB, between_db)).logpdf(excess_db).sum()
    strengths = Strengths(mean_db=mean_db, between_db=between_db)
    assert strengths.evidence(np.array(excess_db)) == pytest.approx(together - apart, abs=1e-6)
    more = strengths.each_evidence(np.array([12.0]), np.array(excess_db))
    both = strengths.evidence(np.array([*excess_db, 12.0])) - strengths.evidence(np.array(excess_db))
    assert more == pytest.approx([both], abs=1e-6)


def test_a_sub_swath_speaks_for_what_it_looks_at_and_nothing_beyond_reach():
    _, lines, geometry = found(by_model([(8.0, 52.0)], (8.0, 52.0), 1, errors=False))
    along_m = [float(lines.likely_m[0].mean()), geometry.swath_m[0, 1] + 1e3, geometry.reach_m[0, 1] + 1e3]
    places = [np.cos(u / RADIUS_M) * geometry.middle[0] + np.sin(u / RADIUS_M) * geometry.toward[0] for u in along_m]
    inside, beside, beyond = (range_evidence(lines, geometry, place)[0] for place in places)
    assert inside > 0 > beside > beyond == -np.inf


def test_the_polarization_that_was_seen_is_the_likeliest():
    _, lines, _ = found(two_of_each([(True, False), (False, True)]))
    evidence = polarization_evidence(lines)
    assert evidence.argmax(axis=1).tolist() == np.where(lines.shown.all(axis=1), 2, lines.shown[:, 1]).tolist()
